//! SIGKILL at every system call: whatever half of its work the plugin has done, one DEL or GC finds all of it, the network
//! that was made for this endpoint included.

use cnm_tests::{Conf, Host, Ordeal};
use serde_json::json;

use super::{HERE, THERE, V4, bare};

/// All that an overlay can have; the endpoint is its first and its last.
fn ordeal() -> Ordeal {
    let conf: Conf = bare("blue", 42)
        .subnet(V4)
        .to_the_world()
        .with("macspoofchk", true)
        .with("fdb", json!([{ "mac": "02:00:00:00:09:01", "vtep": THERE }]))
        .with("neighbours", json!([{ "ip": "10.1.2.91", "mac": "02:00:00:00:09:01" }]));
    let host = Host::new();
    for line in ["link add up0 type veth peer name far0", "link set far0 up", "link set up0 up"] {
        host.run(&format!("ip {line}"));
    }
    host.run(&format!("ip addr add {HERE}/24 dev up0"));
    Ordeal::new(host, conf)
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use cnm_tests::Ordeal;

            use super::ordeal;

            #[test]
            fn add_then_del() {
                ordeal().kill_add($share, Ordeal::del);
            }

            #[test]
            fn add_then_gc() {
                ordeal().kill_add($share, Ordeal::gc);
            }

            #[test]
            fn del_then_del() {
                ordeal().kill_del($share, Ordeal::del);
            }

            #[test]
            fn del_then_gc() {
                ordeal().kill_del($share, Ordeal::gc);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);
