//! The system calls of the store, one method each, so that tests can let every single one fail or be the last one
//! before a crash. Knows nothing of what the files mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use crate::boot::nanoseconds;

/// An owner's file longer than this is nobody's: a variable of the environment, which ids come from, is shorter.
const LONGEST: u64 = 256 * 1024;

/// What stat(2) says about a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Nanoseconds since the epoch.
    pub(crate) modified: i64,
    /// Bytes.
    pub(crate) size: u64,
    /// Names; 0 when the last one was removed while the file was open.
    pub(crate) links: u64,
}

impl From<fs::Metadata> for Stat {
    fn from(data: fs::Metadata) -> Self {
        Self {
            device: data.dev(),
            inode: data.ino(),
            modified: nanoseconds(data.mtime(), data.mtime_nsec()),
            size: data.size(),
            links: data.nlink(),
        }
    }
}

/// The port to the file system.
pub(crate) trait Files {
    /// Opens the file that flock(2) is taken on, with the reference's flags and mode, creating it.
    fn open_lock(&self, path: &Path) -> io::Result<File> {
        // std refuses to create through a read-only descriptor; the reference does just that.
        OpenOptions::new().read(true).mode(0o750).custom_flags(OFlag::O_CREAT.bits()).open(path)
    }

    /// Takes the lock, waiting for it. Closing the file gives it back.
    fn lock(&self, file: &File) -> io::Result<()> {
        loop {
            match file.lock() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Makes a directory and its parents.
    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
    }

    /// Device, inode, modification time.
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        fs::metadata(path).map(Stat::from)
    }

    /// As [`Files::stat`], for an open file.
    fn stat_file(&self, file: &File) -> io::Result<Stat> {
        file.metadata().map(Stat::from)
    }

    /// Sets the modification time.
    fn set_modified(&self, path: &Path, modified: i64) -> io::Result<()> {
        let time = TimeSpec::new(modified.div_euclid(1_000_000_000), modified.rem_euclid(1_000_000_000));
        Ok(utimensat(AT_FDCWD, path, &TimeSpec::UTIME_OMIT, &time, UtimensatFlags::FollowSymlink)?)
    }

    /// Opens for reading.
    fn open(&self, path: &Path) -> io::Result<File> {
        // A fifo that somebody left in the directory must not block us under the lock.
        OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
    }

    /// Opens for reading and writing in place.
    fn open_in_place(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
    }

    /// Opens a new file for writing, mode 0600; fails when the name is taken.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    /// The content from the beginning; an owner's file takes one read(2).
    fn read(&self, file: &File) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 1024];
        let mut file = file;
        let length = file.read(&mut buffer)?;
        let mut content = buffer[..length].to_vec();
        if length == buffer.len() {
            file.take(LONGEST).read_to_end(&mut content)?;
        }
        Ok(content)
    }

    /// Writes at the current place: all of a small content in one write(2).
    fn write(&self, file: &File, content: &[u8]) -> io::Result<()> {
        let mut file = file;
        file.write_all(content)
    }

    /// Reads at an offset.
    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(buffer, offset)
    }

    /// Writes at an offset.
    fn write_at(&self, file: &File, content: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(content, offset)
    }

    /// Gives an existing file a second name; fails when the name is taken.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    /// Renames over whatever has the name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Removes a name.
    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Shows every name of a directory that is text, until told to stop.
    fn list(&self, dir: &Path, each: &mut dyn FnMut(&str) -> ControlFlow<()>) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            if let Some(name) = entry?.file_name().to_str()
                && each(name).is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Disk;

impl Files for Disk {}
