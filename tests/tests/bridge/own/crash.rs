//! SIGKILL at every system call: whatever half of its work a plugin has done, one DEL or GC finds all of it.

use cnm_tests::{Conf, Host, Ordeal};

use crate::{V4, lan, world};

/// An endpoint of a network that is warm.
fn ordeal(conf: Conf) -> Ordeal {
    let host = Host::new();
    // A bridge that is not ours, so that GC leaves it.
    host.run("ip link add br-web type bridge");
    Ordeal::new(host, conf)
}

/// All that an endpoint can own.
fn everything(backend: &str) -> Conf {
    world().version("1.1.0").with("macspoofchk", true).with("ipMasqBackend", backend).with("icc", false)
}

/// The same of one family.
fn one_family(backend: &str) -> Conf {
    let conf = lan().version("1.1.0").to_the_world().with("ipMasqBackend", backend);
    assert!(conf.to_string().contains(V4));
    conf
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use cnm_tests::Ordeal;

            use super::{everything, one_family, ordeal};

            #[test]
            fn add_then_del() {
                ordeal(everything("nftables")).kill_add($share, Ordeal::del);
            }

            #[test]
            fn add_then_gc() {
                ordeal(everything("nftables")).kill_add($share, Ordeal::gc);
            }

            #[test]
            fn del_then_del() {
                ordeal(everything("nftables")).kill_del($share, Ordeal::del);
            }

            #[test]
            fn add_by_iptables_then_del() {
                ordeal(one_family("iptables")).kill_add($share, Ordeal::del);
            }

            #[test]
            fn del_by_iptables_then_del() {
                ordeal(one_family("iptables")).kill_del($share, Ordeal::del);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);
