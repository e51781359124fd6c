//! SIGKILL at every system call: whatever half of its work a plugin has done, one DEL or GC finds all of it.

use cnm_tests::{Conf, Host, Ordeal};
use serde_json::json;

use super::NEWEST;
use crate::{IP6TABLES_DROPS, IPTABLES_DROPS, Network};

/// A host whose chains are there, and an attachment of another plugin.
fn ordeal(backend: &str, drops: &[&str]) -> Ordeal {
    let host = Host::new();
    drops.iter().for_each(|line| drop(host.run(line)));
    let conf = Conf::new("firewall", "web").version(NEWEST).with("ingressPolicy", "same-bridge");
    let sandbox = host.sandbox("one");
    let previous = json!({ "cniVersion": NEWEST,
        "interfaces": [{ "name": "br-web" }, { "name": "eth0", "sandbox": sandbox.path() }],
        "ips": [{ "address": "10.11.0.2/24", "interface": 1 }, { "address": "fd00:11::2/64", "interface": 1 }] });
    Ordeal::behind(host, conf.with("backend", backend), sandbox, &previous)
}

/// Behind our own bridge plugin what is accepted is the network's: whatever became of the firewall's ADD, the chain's DEL
/// of the last endpoint takes it along.
fn add_behind_our_bridge_then_del_of_the_chain(share: usize) {
    let host = Host::new();
    NFT.iter().for_each(|line| drop(host.run(line)));
    let network = Network::new("web", 11).with("ingressPolicy", "same-bridge");
    let sandbox = host.sandbox("one");
    let result = network.add(&host, &sandbox);
    network.del_untold(&host, &sandbox);
    let attach = |scene: &Ordeal| drop(scene.host().add(&network.bridge, scene.sandbox()).succeeds());
    let detach = |scene: &Ordeal| network.del_untold(scene.host(), scene.sandbox());
    let scene = Ordeal::of(host, network.firewall.clone().after(&result), sandbox);
    scene.kill(share, attach, |scene| scene.calling("ADD"), detach, Ordeal::is_as_before);
}

const NFT: [&str; 2] = [IPTABLES_DROPS, IP6TABLES_DROPS];
const LEGACY: [&str; 2] = ["iptables-legacy -P FORWARD DROP", "ip6tables-legacy -P FORWARD DROP"];

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use cnm_tests::Ordeal;

            use super::{LEGACY, NFT, add_behind_our_bridge_then_del_of_the_chain, ordeal};

            #[test]
            fn add_behind_our_bridge() {
                add_behind_our_bridge_then_del_of_the_chain($share);
            }

            #[test]
            fn add_then_del() {
                ordeal("nftables", &NFT).kill_add($share, Ordeal::del);
            }

            #[test]
            fn add_then_gc() {
                ordeal("nftables", &NFT).kill_add($share, Ordeal::gc);
            }

            #[test]
            fn del_then_del() {
                ordeal("nftables", &NFT).kill_del($share, Ordeal::del);
            }

            #[test]
            fn add_beside_the_legacy_iptables_then_del() {
                ordeal("nftables", &LEGACY).kill_add($share, Ordeal::del);
            }

            #[test]
            fn add_by_iptables_then_del() {
                ordeal("iptables", &NFT).kill_add($share, Ordeal::del);
            }

            #[test]
            fn del_by_iptables_then_del() {
                ordeal("iptables", &NFT).kill_del($share, Ordeal::del);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);
