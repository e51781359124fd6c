//! Notes as files: written beside and linked into place, so that a name appears with its whole content.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cnm::{KernelError, Notes};
use nix::fcntl::AtFlags;
use nix::libc;
use nix::unistd::linkat;

/// The file system of the host.
#[derive(Debug, Default)]
pub(crate) struct Files;

/// Where a note is written before it takes the place of an older one.
fn beside(folder: &str, name: &str) -> PathBuf {
    Path::new(folder).join(format!(".{name}.new"))
}

/// Writes a file that has no name until it is complete; then nothing is left when the process dies.
fn write_nameless(folder: &str, path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).mode(0o600).open(folder)?;
    file.write_all(text.as_bytes())?;
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(nix::fcntl::AT_FDCWD, own.as_str(), nix::fcntl::AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?)
}

/// Writes under another name and renames: for file systems without nameless files, and over an older note.
fn write_and_rename(folder: &str, name: &str, path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(folder, name);
    let written =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            fs::rename(&beside, path)
        });
    if written.is_err() {
        // Why it could not be written matters more.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn make(folder: &str, name: &str, text: &str) -> io::Result<()> {
    let path = Path::new(folder).join(name);
    match write_nameless(folder, &path, text) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            write_nameless(folder, &path, text).or_else(|_| write_and_rename(folder, name, &path, text))
        }
        Err(_) => write_and_rename(folder, name, &path, text),
        Ok(()) => Ok(()),
    }
}

fn absent_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        other => other,
    }
}

impl Notes for Files {
    fn read(&mut self, folder: &str, name: &str) -> Result<Option<String>, KernelError> {
        let path = Path::new(folder).join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(KernelError::io(format!("read {}", path.display()), &error)),
        }
    }

    fn write(&mut self, folder: &str, name: &str, text: &str) -> Result<(), KernelError> {
        make(folder, name, text).map_err(|error| KernelError::io(format!("write {folder}/{name}"), &error))
    }

    fn remove(&mut self, folder: &str, name: &str) -> Result<(), KernelError> {
        let failed = |error: &io::Error| KernelError::io(format!("remove {folder}/{name}"), error);
        absent_is_fine(fs::remove_file(beside(folder, name))).map_err(|error| failed(&error))?;
        absent_is_fine(fs::remove_file(Path::new(folder).join(name))).map_err(|error| failed(&error))
    }

    fn list(&mut self, folder: &str) -> Result<Vec<String>, KernelError> {
        let failed = |error: &io::Error| KernelError::io(format!("list {folder}"), error);
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| failed(&error))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| failed(&error))?.file_name();
            names.extend(name.into_string().ok().filter(|name| !name.starts_with('.')));
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_written_replaced_and_forgotten() {
        let place = std::env::temp_dir().join(format!("cnm-notes-{}", std::process::id()));
        let folder = place.join("deep/er");
        let folder = folder.to_str().unwrap();
        let mut files = Files;
        assert_eq!(files.read(folder, "one"), Ok(None));
        assert_eq!(files.list(folder), Ok(Vec::new()));
        files.remove(folder, "one").unwrap();
        for text in ["first", "second, longer", "3"] {
            files.write(folder, "one", text).unwrap();
            assert_eq!(files.read(folder, "one"), Ok(Some(text.to_owned())));
            assert_eq!(files.list(folder), Ok(vec!["one".to_owned()]));
            assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
        }
        files.remove(folder, "one").unwrap();
        assert_eq!(files.read(folder, "one"), Ok(None));
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
        // A file where a folder should be.
        fs::write(place.join("file"), "").unwrap();
        let file = place.join("file");
        assert!(files.write(file.to_str().unwrap(), "one", "x").is_err());
        fs::remove_dir_all(place).unwrap();
    }
}
