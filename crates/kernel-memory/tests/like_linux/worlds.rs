//! Fresh namespaces and a `kernel::Linux` in them.

use std::sync::mpsc;
use std::thread;

use kernel::{Linux, Sandbox};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// Runs tests inside namespaces of their own.
pub(crate) struct Worlds;

fn fresh_network() {
    let flags = CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    unshare(flags).unwrap_or_else(|errno| panic!("cannot make a network namespace ({errno}): run this test as root"));
}

/// A network namespace that lives as long as it is open.
fn sandbox() -> Sandbox {
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let keeper = thread::spawn(move || {
        fresh_network();
        tell.send(format!("/proc/self/task/{}/ns/net", gettid())).unwrap();
        // Ends when the other side has opened the namespace, or has died.
        let _ = released.recv();
    });
    let sandbox = Sandbox::open(&told.recv().unwrap(), false).unwrap_or_else(|error| panic!("{error}"));
    drop(release);
    keeper.join().unwrap();
    sandbox
}

impl Worlds {
    /// A thread with a host namespace and a sandbox beside it.
    pub(crate) fn with<T: Send>(work: impl FnOnce(&mut Linux) -> T + Send) -> T {
        let inside = || {
            fresh_network();
            let mut linux = Linux::open(Some(sandbox())).unwrap_or_else(|error| panic!("{error}"));
            work(&mut linux)
        };
        thread::scope(|scope| scope.spawn(inside).join().unwrap())
    }
}
