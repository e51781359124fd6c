//! SIGKILL at every system call: whatever half of its work the plugin has done, one DEL or GC finds all of it, and the
//! other attachment of the container keeps its own.

use cnm_tests::{Host, Ordeal, Sandbox};
use serde_json::{Value, json};

use crate::{mapping, network, portmap};

/// What has attached the sandbox told of it.
fn previous(sandbox: &Sandbox, bridge: &str, number: u8) -> Value {
    json!({ "cniVersion": "1.0.0",
        "interfaces": [{ "name": bridge }, { "name": "eth0", "sandbox": sandbox.path() }],
        "ips": [{ "address": format!("10.1.{number}.2/24"), "interface": 1 },
                { "address": format!("fd00:1:{number}::2/64"), "interface": 1 }] })
}

/// A host that has published before, and a container with the same ports on another network.
fn ordeal(backend: &str) -> Ordeal {
    let host = Host::new();
    let backend = match backend {
        "legacy iptables" => {
            host.uses_legacy_iptables();
            "iptables"
        }
        other => other,
    };
    let ports = [mapping(8080, 80, "tcp"), mapping(53, 53, "udp")];
    let conf = portmap(&network("web", 2), &ports).version("1.1.0").with("backend", backend);
    let sandbox = host.sandbox("one");
    for bridge in ["br-web", "br-db"] {
        host.run(&format!("ip link add {bridge} type bridge"));
    }
    let other = portmap(&network("db", 3), &ports).with("backend", backend);
    host.add(&other.after(&previous(&sandbox, "br-db", 3)), &sandbox).succeeds();
    let previous = previous(&sandbox, "br-web", 2);
    Ordeal::behind(host, conf, sandbox, &previous)
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use cnm_tests::Ordeal;

            use super::ordeal;

            #[test]
            fn add_then_del() {
                ordeal("nftables").kill_add($share, Ordeal::del);
            }

            #[test]
            fn add_then_gc() {
                ordeal("nftables").kill_add($share, Ordeal::gc);
            }

            #[test]
            fn del_then_del() {
                ordeal("nftables").kill_del($share, Ordeal::del);
            }

            #[test]
            fn add_by_iptables_then_del() {
                ordeal("iptables").kill_add($share, Ordeal::del);
            }

            #[test]
            fn del_by_iptables_then_del() {
                ordeal("iptables").kill_del($share, Ordeal::del);
            }

            #[test]
            fn add_by_the_legacy_iptables_then_del() {
                ordeal("legacy iptables").kill_add($share, Ordeal::del);
            }

            #[test]
            fn del_by_the_legacy_iptables_then_del() {
                ordeal("legacy iptables").kill_del($share, Ordeal::del);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);
