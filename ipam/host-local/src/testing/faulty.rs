//! A file system in which one system call fails, or after which the process is dead.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use crate::files::{Disk, Files, Stat};

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, the following ones work.
    Error(i32),
    /// The process dies: neither this call nor any later one happens. A write may be half done.
    Crash,
}

/// The real file system up to call number `at`, counted from 0.
#[derive(Debug)]
pub(crate) struct Faulty {
    at: usize,
    fault: Fault,
    calls: Cell<usize>,
}

impl Faulty {
    pub(crate) fn new(at: usize, fault: Fault) -> Self {
        Self { at, fault, calls: Cell::new(0) }
    }

    /// Whether the chosen call was reached.
    pub(crate) fn struck(&self) -> bool {
        self.calls.get() > self.at
    }

    fn step(&self) -> io::Result<()> {
        let call = self.calls.get();
        self.calls.set(call + 1);
        match self.fault {
            Fault::Error(errno) if call == self.at => Err(io::Error::from_raw_os_error(errno)),
            Fault::Crash if call >= self.at => Err(io::Error::other("dead")),
            Fault::Error(_) | Fault::Crash => Ok(()),
        }
    }
}

impl Files for Faulty {
    fn open_lock(&self, path: &Path) -> io::Result<File> {
        self.step().and_then(|()| Disk.open_lock(path))
    }

    fn lock(&self, file: &File) -> io::Result<()> {
        self.step().and_then(|()| Disk.lock(file))
    }

    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| Disk.make_dirs(path))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.step().and_then(|()| Disk.stat(path))
    }

    fn stat_file(&self, file: &File) -> io::Result<Stat> {
        self.step().and_then(|()| Disk.stat_file(file))
    }

    fn set_modified(&self, path: &Path, modified: i64) -> io::Result<()> {
        self.step().and_then(|()| Disk.set_modified(path, modified))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.step().and_then(|()| Disk.open(path))
    }

    fn open_in_place(&self, path: &Path) -> io::Result<File> {
        self.step().and_then(|()| Disk.open_in_place(path))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.step().and_then(|()| Disk.create(path))
    }

    fn read(&self, file: &File) -> io::Result<Vec<u8>> {
        self.step().and_then(|()| Disk.read(file))
    }

    fn write(&self, file: &File, content: &[u8]) -> io::Result<()> {
        self.step().or_else(|error| {
            if self.calls.get() == self.at + 1 {
                Disk.write(file, &content[..content.len() / 2])?;
            }
            Err(error)
        })?;
        Disk.write(file, content)
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.step().and_then(|()| Disk.read_at(file, buffer, offset))
    }

    fn write_at(&self, file: &File, content: &[u8], offset: u64) -> io::Result<()> {
        // Within one page: a process is not killed in the middle.
        self.step().and_then(|()| Disk.write_at(file, content, offset))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| Disk.link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| Disk.rename(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| Disk.unlink(path))
    }

    fn list(&self, dir: &Path, each: &mut dyn FnMut(&str) -> ControlFlow<()>) -> io::Result<()> {
        self.step().and_then(|()| Disk.list(dir, each))
    }
}
