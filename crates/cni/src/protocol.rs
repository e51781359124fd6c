//! One call from beginning to end: environment, input, order of checks, verb, output.

use std::io;

use crate::Plugin;

/// What the process must do: print and exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// For stdout: a result, an error object, or nothing.
    pub stdout: String,
    /// For stderr: the about line.
    pub stderr: String,
    /// Exit status: 0 or 1.
    pub exit: u8,
}

/// Serves one call. `variable` looks up the environment, `stdin` reads the configuration (it is not
/// called for VERSION nor without a verb).
pub fn respond(
    _plugin: &dyn Plugin,
    _variable: &dyn Fn(&str) -> Option<String>,
    _stdin: &mut dyn FnMut() -> io::Result<Vec<u8>>,
) -> Reply {
    todo!()
}
