//! SIGKILL at every system call: the next DEL restores what was there first and leaves no note; when the sandbox has died,
//! DEL or GC removes the note.

use cnm_tests::{Host, Ordeal};

use super::NEWEST;
use crate::{FOLDER, network, tuning};

/// A sandbox behind the bridge plugin, of which everything is tuned.
fn ordeal() -> Ordeal {
    let host = Host::new();
    let (sandbox, attached) = host.attach(&network().version(NEWEST), "one");
    let conf = tuning().version(NEWEST).with("mac", "02:00:00:00:00:77").with("mtu", 1400);
    let conf = conf.with("promisc", true).with("allmulti", true).with("txQLen", 200);
    Ordeal::behind(host, conf, sandbox, attached.json())
}

/// After a death of ADD the sandbox is not seen any more: only the note can be left, and `forget` removes it.
fn forgets(share: usize, forget: impl Fn(&Ordeal)) {
    let no_note = |scene: &Ordeal| {
        // Hidden files, too: those that are written beside.
        let left = scene.host().run(&format!("ls -A {FOLDER}"));
        if left.is_empty() { Ok(()) } else { Err(left) }
    };
    ordeal().kill(share, |_| {}, |scene| scene.calling("ADD"), forget, no_note);
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use cnm_tests::Ordeal;

            use super::{forgets, ordeal};

            #[test]
            fn add_then_del() {
                ordeal().kill_add($share, Ordeal::del);
            }

            #[test]
            fn del_then_del() {
                ordeal().kill_del($share, Ordeal::del);
            }

            #[test]
            fn add_then_add_then_del() {
                ordeal().kill_add($share, Ordeal::add_and_del);
            }

            #[test]
            fn gc_forgets_what_a_killed_add_noted() {
                forgets($share, Ordeal::gc);
            }

            #[test]
            fn del_without_the_sandbox_forgets_what_a_killed_add_noted() {
                forgets($share, Ordeal::del_without_sandbox);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);
