//! SIGKILL at every system call: whatever half of its work a plugin has done, one DEL or GC finds all of it.

use cnm_tests::{Conf, Crash, Host, Sandbox, Snapshot, SystemCalls};
use serde_json::{Value, json};

use super::NEWEST;
use crate::{IP6TABLES_DROPS, IPTABLES_DROPS, Network};

/// In how many tests, and so processes, the places to die are divided.
const SHARES: usize = 2;

/// A host whose chains are there, an attachment of another plugin, and the state to come back to.
struct Scene {
    host: Host,
    conf: Conf,
    sandbox: Sandbox,
    before: Snapshot,
}

impl Scene {
    fn new(backend: &str, drops: &[&str]) -> Self {
        let host = Host::new();
        drops.iter().for_each(|line| drop(host.run(line)));
        let conf = Conf::new("firewall", "web").version(NEWEST).with("ingressPolicy", "same-bridge");
        let conf = conf.with("backend", backend);
        let sandbox = host.sandbox("one");
        let scene = Self { before: host.snapshot(), host, conf, sandbox };
        scene.add();
        scene.del();
        Self { before: scene.host.snapshot(), ..scene }
    }

    fn previous(&self) -> Value {
        json!({ "cniVersion": NEWEST,
            "interfaces": [{ "name": "br-web" }, { "name": "eth0", "sandbox": self.sandbox.path() }],
            "ips": [{ "address": "10.11.0.2/24", "interface": 1 }, { "address": "fd00:11::2/64", "interface": 1 }] })
    }

    fn add(&self) {
        self.host.add(&self.conf.clone().after(&self.previous()), &self.sandbox).succeeds();
    }

    fn del(&self) {
        self.host.del(&self.conf, &self.sandbox).succeeds_silently();
    }

    fn gc(&self) {
        self.host.gc(&self.conf).succeeds_silently();
    }

    /// Kills the verb at each of its places of this share; the next call `mends`.
    fn kill(&self, verb: &str, share: usize, mend: impl Fn(&Self)) {
        let conf = if verb == "ADD" { self.conf.clone().after(&self.previous()) } else { self.conf.clone() };
        let call = || self.host.calling(verb, &conf, &self.sandbox);
        let prepare = || {
            if verb == "DEL" {
                self.add()
            }
        };
        prepare();
        let (places, outcome) = SystemCalls::of(call());
        outcome.succeeds();
        mend(self);
        let all = places.crashes();
        let mine: Vec<&Crash> = all.iter().skip(share).step_by(SHARES).collect();
        let mut died = 0;
        for place in &mine {
            prepare();
            died += usize::from(place.strike(call()).status.code().is_none());
            mend(self);
            self.host.is_again(&self.before);
        }
        assert!(died > 15, "only {died} of {} died", mine.len());
    }
}

/// Behind our own bridge plugin what is accepted is the network's: whatever became of the firewall's ADD, the chain's DEL
/// of the last endpoint takes it along.
fn add_behind_our_bridge_then_del_of_the_chain(share: usize) {
    let host = Host::new();
    NFT.iter().for_each(|line| drop(host.run(line)));
    let network = Network::new("web", 11).with("ingressPolicy", "same-bridge");
    let sandbox = host.sandbox("one");
    network.add(&host, &sandbox);
    network.del_untold(&host, &sandbox);
    let before = host.snapshot();
    let result = host.add(&network.bridge, &sandbox).succeeds();
    let conf = network.firewall.clone().after(&result);
    let call = || host.calling("ADD", &conf, &sandbox);
    let (places, outcome) = SystemCalls::of(call());
    outcome.succeeds();
    network.del_untold(&host, &sandbox);
    let mut died = 0;
    for place in places.crashes().into_iter().skip(share).step_by(SHARES) {
        host.add(&network.bridge, &sandbox).succeeds();
        died += usize::from(place.strike(call()).status.code().is_none());
        network.del_untold(&host, &sandbox);
        host.is_again(&before);
    }
    assert!(died > 15, "only {died} died");
}

const NFT: [&str; 2] = [IPTABLES_DROPS, IP6TABLES_DROPS];
const LEGACY: [&str; 2] = ["iptables-legacy -P FORWARD DROP", "ip6tables-legacy -P FORWARD DROP"];

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use super::{LEGACY, NFT, Scene, add_behind_our_bridge_then_del_of_the_chain};

            #[test]
            fn add_behind_our_bridge() {
                add_behind_our_bridge_then_del_of_the_chain($share);
            }

            #[test]
            fn add_then_del() {
                Scene::new("nftables", &NFT).kill("ADD", $share, Scene::del);
            }

            #[test]
            fn add_then_gc() {
                Scene::new("nftables", &NFT).kill("ADD", $share, Scene::gc);
            }

            #[test]
            fn del_then_del() {
                Scene::new("nftables", &NFT).kill("DEL", $share, Scene::del);
            }

            #[test]
            fn add_beside_the_legacy_iptables_then_del() {
                Scene::new("nftables", &LEGACY).kill("ADD", $share, Scene::del);
            }

            #[test]
            fn add_by_iptables_then_del() {
                Scene::new("iptables", &NFT).kill("ADD", $share, Scene::del);
            }

            #[test]
            fn del_by_iptables_then_del() {
                Scene::new("iptables", &NFT).kill("DEL", $share, Scene::del);
            }
        }
    )*};
}

shares!(first: 0, second: 1);
