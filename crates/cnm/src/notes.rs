//! Notes: small files for what must survive the plugin and is nowhere in the kernel.

use crate::KernelError;

/// Folders of small files. One appears whole or not at all.
pub trait Notes {
    /// What is noted; `None` when nothing is.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&mut self, folder: &str, name: &str) -> Result<Option<String>, KernelError>;

    /// Notes `text` in the place of what was there. The folder is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is there still.
    fn write(&mut self, folder: &str, name: &str, text: &str) -> Result<(), KernelError>;

    /// Forgets a note. Absent is success.
    ///
    /// # Errors
    /// When it is still there.
    fn remove(&mut self, folder: &str, name: &str) -> Result<(), KernelError>;

    /// The names of all notes of a folder; none when it does not exist.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn list(&mut self, folder: &str) -> Result<Vec<String>, KernelError>;
}
