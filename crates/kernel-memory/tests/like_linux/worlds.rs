//! Fresh namespaces, and a `kernel::Linux` in them for each request, as each is a process of its own in life.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;

use kernel::{Linux, Sandbox};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// The calling thread's host namespace, and a sandbox that lives as long as this.
pub(crate) struct Worlds {
    sandbox: File,
}

fn fresh_network() {
    let flags = CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    unshare(flags).unwrap_or_else(|errno| panic!("cannot make a network namespace ({errno}): run this test as root"));
}

/// A network namespace that lives as long as the file is open.
fn sandbox() -> File {
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let keeper = thread::spawn(move || {
        fresh_network();
        tell.send(format!("/proc/self/task/{}/ns/net", gettid())).unwrap();
        // Ends when the other side has opened the namespace, or has died.
        let _ = released.recv();
    });
    let sandbox = File::open(told.recv().unwrap()).unwrap();
    drop(release);
    keeper.join().unwrap();
    sandbox
}

impl Worlds {
    /// A thread with a host namespace and a sandbox beside it.
    pub(crate) fn with<T: Send>(work: impl FnOnce(&Self) -> T + Send) -> T {
        let inside = || {
            fresh_network();
            work(&Self { sandbox: sandbox() })
        };
        thread::scope(|scope| scope.spawn(inside).join().unwrap())
    }

    /// The kernel as one process sees it.
    pub(crate) fn linux(&self) -> Linux {
        let path = format!("/proc/self/fd/{}", self.sandbox.as_raw_fd());
        let sandbox = Sandbox::open(&path, false).unwrap_or_else(|error| panic!("{error}"));
        Linux::open(Some(sandbox)).unwrap_or_else(|error| panic!("{error}"))
    }
}
