//! What a ring finds.

use std::fmt::Debug;

/// What was found wrong, so that one run shows all of it.
#[derive(Debug, Default)]
pub struct Report(Vec<String>);

impl Report {
    /// Two states are the same.
    pub fn same(&mut self, what: &str, before: &[String], after: &[String]) {
        let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("\n    - {line}"));
        let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("\n    + {line}"));
        let difference: String = gone.chain(new).collect();
        if !difference.is_empty() {
            self.0.push(format!("{what}: the state differs{difference}"));
        }
    }

    /// This is wrong.
    pub fn wrong(&mut self, what: String) {
        self.0.push(what);
    }

    /// This succeeded.
    pub fn fine<T>(&mut self, what: &str, said: Result<T, cni::Error>) -> Option<T> {
        said.map_err(|error| self.0.push(format!("{what}: {error}"))).ok()
    }

    /// Fails with what was found.
    ///
    /// # Panics
    /// When something was.
    #[track_caller]
    pub fn verdict(self) {
        let first: Vec<String> = self.0.iter().take(40).cloned().collect();
        assert!(self.0.is_empty(), "{} things are wrong, of which:\n{}", self.0.len(), first.join("\n"));
    }
}
