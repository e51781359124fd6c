//! SIGKILL at every system call: whatever half of its work a plugin has done, one DEL or GC finds all of it.

use cnm_tests::{Conf, Host, Lan, Ordeal};

use super::{accessible, current};

/// An endpoint on the wire.
fn ordeal(conf: Conf) -> (Lan, Ordeal) {
    let host = Host::new();
    let lan = Lan::new(&host);
    (lan, Ordeal::new(host, conf))
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use cnm_tests::Ordeal;

            use super::{accessible, current, ordeal};

            #[test]
            fn add_then_del() {
                ordeal(accessible()).1.kill_add($share, Ordeal::del);
            }

            #[test]
            fn add_then_gc() {
                ordeal(accessible()).1.kill_add($share, Ordeal::gc);
            }

            #[test]
            fn del_then_del() {
                ordeal(accessible()).1.kill_del($share, Ordeal::del);
            }

            #[test]
            fn del_then_gc() {
                ordeal(accessible()).1.kill_del($share, Ordeal::gc);
            }

            #[test]
            fn plain_add_then_del() {
                ordeal(current()).1.kill_add($share, Ordeal::del);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);
