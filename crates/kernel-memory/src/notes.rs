//! Notes in memory: what survives a plugin, and a sandbox, beside the kernel.

use std::collections::BTreeMap;

use cnm::{KernelError, Notes};

/// Folder and name to text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryNotes(BTreeMap<(String, String), String>);

impl MemoryNotes {
    /// A line each, as a snapshot has them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|((folder, name), text)| format!("note {folder}/{name} {text:?}"))
    }
}

impl Notes for MemoryNotes {
    fn read(&mut self, folder: &str, name: &str) -> Result<Option<String>, KernelError> {
        Ok(self.0.get(&(folder.to_owned(), name.to_owned())).cloned())
    }

    fn write(&mut self, folder: &str, name: &str, text: &str) -> Result<(), KernelError> {
        self.0.insert((folder.to_owned(), name.to_owned()), text.to_owned());
        Ok(())
    }

    fn remove(&mut self, folder: &str, name: &str) -> Result<(), KernelError> {
        self.0.remove(&(folder.to_owned(), name.to_owned()));
        Ok(())
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, KernelError> {
        Ok(self.0.keys().filter(|(at, _)| at == folder).map(|(_, name)| name.clone()).collect())
    }
}
