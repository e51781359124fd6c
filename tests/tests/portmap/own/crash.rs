//! SIGKILL at every system call: whatever half of its work the plugin has done, one DEL or GC finds all of it, and the
//! other attachment of the container keeps its own.

use cnm_tests::{Conf, Crash, Host, Sandbox, Snapshot, SystemCalls};
use serde_json::{Value, json};

use crate::{mapping, network, portmap};

/// In how many tests, and so processes, the places to die are divided.
const SHARES: usize = 4;

/// A host that has published before, a container with the same ports on another network, and the state to come back to.
struct Scene {
    host: Host,
    conf: Conf,
    sandbox: Sandbox,
    before: Snapshot,
}

impl Scene {
    fn new(backend: &str) -> Self {
        let host = Host::new();
        let ports = [mapping(8080, 80, "tcp"), mapping(53, 53, "udp")];
        let conf = portmap(&network("web", 2), &ports).version("1.1.0").with("backend", backend);
        let sandbox = host.sandbox("one");
        for bridge in ["br-web", "br-db"] {
            host.run(&format!("ip link add {bridge} type bridge"));
        }
        let other = portmap(&network("db", 3), &ports).with("backend", backend);
        let scene = Self { before: host.snapshot(), host, conf, sandbox };
        scene.host.add(&other.after(&scene.previous("br-db", 3)), &scene.sandbox).succeeds();
        scene.add();
        scene.del();
        Self { before: scene.host.snapshot(), ..scene }
    }

    fn previous(&self, bridge: &str, number: u8) -> Value {
        json!({ "cniVersion": "1.0.0",
            "interfaces": [{ "name": bridge }, { "name": "eth0", "sandbox": self.sandbox.path() }],
            "ips": [{ "address": format!("10.1.{number}.2/24"), "interface": 1 },
                    { "address": format!("fd00:1:{number}::2/64"), "interface": 1 }] })
    }

    fn add(&self) {
        self.host.add(&self.conf.clone().after(&self.previous("br-web", 2)), &self.sandbox).succeeds();
    }

    fn del(&self) {
        self.host.del(&self.conf, &self.sandbox).succeeds_silently();
    }

    fn gc(&self) {
        self.host.gc(&self.conf).succeeds_silently();
    }

    /// Kills the verb at each of its places of this share; the next call `mends`.
    fn kill(&self, verb: &str, share: usize, mend: impl Fn(&Self)) {
        let call = || self.host.calling(verb, &self.conf.clone().after(&self.previous("br-web", 2)), &self.sandbox);
        let prepare = || {
            if verb == "DEL" {
                self.add();
            }
        };
        prepare();
        let (places, outcome) = SystemCalls::of(call());
        outcome.succeeds();
        mend(self);
        let mine: Vec<Crash> = places.crashes().into_iter().skip(share).step_by(SHARES).collect();
        let mut died = 0;
        for place in &mine {
            prepare();
            died += usize::from(place.strike(call()).status.code().is_none());
            mend(self);
            self.host.is_again(&self.before);
        }
        assert!(died > 8, "only {died} of {} died", mine.len());
    }
}

macro_rules! shares {
    ($($name:ident: $share:literal),*) => {$(
        mod $name {
            use super::Scene;

            #[test]
            fn add_then_del() {
                Scene::new("nftables").kill("ADD", $share, Scene::del);
            }

            #[test]
            fn add_then_gc() {
                Scene::new("nftables").kill("ADD", $share, Scene::gc);
            }

            #[test]
            fn del_then_del() {
                Scene::new("nftables").kill("DEL", $share, Scene::del);
            }

            #[test]
            fn add_by_iptables_then_del() {
                Scene::new("iptables").kill("ADD", $share, Scene::del);
            }

            #[test]
            fn del_by_iptables_then_del() {
                Scene::new("iptables").kill("DEL", $share, Scene::del);
            }
        }
    )*};
}

shares!(first: 0, second: 1, third: 2, fourth: 3);
