//! Attachments that come and go in any order and all at once. The rules of the game are those of the lifecycle: who
//! attaches is counted before it looks at what is shared; who leaves is no longer counted when it looks whether anybody
//! is left; the look and the release are under the host's lock, exclusive, the installing under the same lock, shared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use cnm::{Change, Firewall, Intent, Kernel, LinkName, Owner, Place, leaving_group, network_group};
use kernel::{HostFirewall, Linux};

use crate::world::{EMPTY, alone, attempt, bases, guard, masquerade_on, ruleset, run, spoof};

/// One of fifteen attachments: `web` and `wiki` share a bridge with all that is on it, `db` has another with the same
/// subnets; some have a guard and an address check.
fn somebody(who: usize) -> (Owner, Vec<Intent>) {
    let (network, device) = [("web", "cni0"), ("db", "cni1"), ("wiki", "cni0")][who % 3];
    let (subnet, v6) = (who % 4, who % 2);
    let mut intents = vec![masquerade_on(device, &format!("10.1.{subnet}.{who}/24"))];
    if who % 5 < 2 {
        intents.push(masquerade_on(device, &format!("fd00:{v6}::{who}/64")));
        intents.push(guard(device, device == "cni0", true));
        intents.push(spoof(&format!("veth{who}"), &format!("02:00:00:00:00:{who:02x}")));
    }
    (Owner::new(network, format!("c{who}"), "eth0"), intents)
}

/// The chains that its intents need.
fn chains(who: usize) -> BTreeSet<String> {
    let name = |intent: Intent| match intent {
        Intent::Masquerade { device, address, .. } => {
            Some(format!("outside-{device}-{}", address.trunc().to_string().replace(':', "_")))
        }
        Intent::Guard { device, internal, .. } => {
            Some(format!("{}-{device}", if internal { "closed" } else { "isolated" }))
        }
        Intent::SpoofCheck { .. } | Intent::Apart { .. } | Intent::Forward(_) | Intent::Publish(_) => None,
    };
    somebody(who).1.into_iter().filter_map(name).collect()
}

fn listed_chains() -> BTreeSet<String> {
    let ruleset = ruleset();
    let names = ruleset.lines().filter_map(|line| line.trim().strip_prefix("chain ")?.strip_suffix(" {"));
    names.filter(|name| name.contains('-')).map(str::to_owned).collect()
}

/// Who is there is there whole, what its network has had it keeps until the last has gone, and after that the ruleset is
/// the first again.
#[test]
fn any_order_leaves_what_was_before() {
    alone(|| {
        bases();
        let mut firewall = HostFirewall::default();
        let mut present = [false; 15];
        let mut shared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        // A linear congruence (Knuth's MMIX): the same sequence in every run.
        let mut state = 42u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..600 {
            let who = random(present.len());
            let (me, intents) = somebody(who);
            // Now the network fills, now it empties.
            let leave = if round / 50 % 2 == 0 { random(3) == 0 } else { random(8) > 0 };
            if leave {
                firewall.remove(&me, (random(4) > 0).then_some(&intents)).unwrap();
                present[who] = false;
                let left = (0..present.len()).any(|other| present[other] && somebody(other).0.network == me.network);
                if !left {
                    firewall.release(&me.network).unwrap();
                    shared.remove(&me.network);
                }
            } else {
                firewall.install(&me, &intents).unwrap();
                present[who] = true;
                shared.entry(me.network).or_default().extend(chains(who));
            }
            for (who, &present) in present.iter().enumerate() {
                let (other, intents) = somebody(who);
                let has_shared = shared.get(&other.network).is_some_and(|shared| shared.is_superset(&chains(who)));
                let owns = intents.len() > 1;
                let expected = has_shared && (present || !owns);
                assert_eq!(firewall.drift(&other, &intents).unwrap().is_empty(), expected, "round {round}, {other:?}");
            }
            if round % 20 == 0 {
                assert_eq!(listed_chains(), shared.values().flatten().cloned().collect(), "round {round}");
                firewall.collect("web", &|_| true).unwrap();
            }
        }
        for (who, network) in (0..present.len()).map(|who| (who, somebody(who).0.network)) {
            firewall.remove(&somebody(who).0, None).unwrap();
            firewall.release(&network).unwrap();
        }
        assert_eq!(ruleset(), EMPTY);
    });
}

/// A bridge port that is one of its network or none, as an attachment's host end is.
struct Port {
    linux: Linux,
    bridge: u32,
    link: u32,
    owner: Owner,
    intents: Vec<Intent>,
}

impl Port {
    fn new(who: usize) -> Self {
        let (owner, intents) = somebody(who);
        let bridge = if who % 3 == 1 { "cni1" } else { "cni0" };
        run(&format!("ip link add veth{who} type veth peer name peer{who} && ip link set veth{who} master {bridge}"));
        let mut linux = Linux::open(None).unwrap();
        let mut index = |name: String| linux.link(Place::Host, &LinkName::Name(name)).unwrap().unwrap().index;
        let (bridge, link) = (index(bridge.into()), index(format!("veth{who}")));
        Self { linux, bridge, link, owner, intents }
    }

    fn count_in(&mut self, group: u32) {
        let change = Change::Group(LinkName::Index(self.link), group);
        self.linux.apply(Place::Host, &[change]).remove(0).unwrap();
    }

    fn attach(&mut self) {
        self.count_in(network_group(&self.owner.network));
        self.install();
    }

    fn install(&mut self) {
        self.linux.lock(false).unwrap();
        self.linux.firewall().install(&self.owner, &self.intents).unwrap();
        self.linux.unlock();
    }

    fn whole(&mut self, when: &str) {
        let drift = self.linux.firewall().drift(&self.owner, &self.intents).unwrap();
        assert_eq!(drift, Vec::<String>::new(), "{when}: {:?}", self.owner);
    }

    fn detach(&mut self, known: bool) {
        self.count_in(leaving_group(&self.owner.network));
        self.linux.firewall().remove(&self.owner, known.then_some(&self.intents[..])).unwrap();
        self.release_if_last();
    }

    fn release_if_last(&mut self) {
        let group = network_group(&self.owner.network);
        if self.linux.has_port(self.bridge, group).unwrap() {
            return;
        }
        self.linux.lock(true).unwrap();
        if !self.linux.has_port(self.bridge, group).unwrap() {
            self.linux.firewall().release(&self.owner.network).unwrap();
        }
        self.linux.unlock();
    }
}

/// Fifteen attach and detach in disorder while garbage is collected and a stranger writes rules of its own; nobody ever
/// loses what it has, and at the end nothing remains.
#[test]
fn sixteen_at_once() {
    const ROUNDS: usize = 25;
    alone(|| {
        bases();
        run("ip link add cni0 type bridge && ip link add cni1 type bridge");
        let start = Arc::new(Barrier::new(16));
        let mut ports: Vec<Port> = (0..15).map(Port::new).collect();
        let mut collector = Port::new(15);
        let mut threads = Vec::new();
        for (number, mut port) in ports.drain(..).enumerate() {
            let start = Arc::clone(&start);
            // A thread begins in the namespaces of the one that starts it.
            threads.push(thread::spawn(move || {
                start.wait();
                for round in 0..ROUNDS {
                    port.attach();
                    port.whole(&format!("thread {number}, round {round}, attached"));
                    for _ in 0..(round * number) % 7 {
                        thread::yield_now();
                    }
                    port.whole(&format!("thread {number}, round {round}, leaving"));
                    port.detach((round + number) % 5 != 0);
                }
            }));
        }
        threads.push(thread::spawn(move || {
            start.wait();
            for round in 0..ROUNDS {
                for network in ["web", "db", "wiki"] {
                    collector.linux.firewall().collect(network, &|_| true).unwrap();
                }
                collector.release_if_last();
                run(&format!("nft 'add table ip stranger; add chain ip stranger c{round}'"));
                assert!(attempt("nft list table inet cnm").is_ok());
            }
            run("nft delete table ip stranger");
        }));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(ruleset(), EMPTY, "\n{}", ruleset());
    });
}

/// One endpoint leaves and another comes, all the time, so that almost every detaching is a last one and meets an
/// attaching.
#[test]
fn the_last_leaves_while_the_next_comes() {
    alone(|| {
        bases();
        run("ip link add cni0 type bridge");
        // 0 and 6 are of one network.
        let threads: Vec<_> = [0, 6]
            .map(|who| {
                let mut port = Port::new(who);
                thread::spawn(move || {
                    for round in 0..150 {
                        port.attach();
                        port.whole(&format!("{who}, round {round}"));
                        port.detach(true);
                    }
                })
            })
            .into();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(ruleset(), EMPTY, "\n{}", ruleset());
    });
}

/// The narrowest place of that: one comes after the last has looked, under the lock, and before it has released. It waits
/// for the lock, then finds that what it shares is missing.
#[test]
fn who_comes_while_the_last_releases_waits_and_makes_its_own() {
    alone(|| {
        bases();
        run("ip link add cni0 type bridge");
        let (mut last, mut next) = (Port::new(0), Port::new(6));
        let group = network_group(&last.owner.network);
        for _ in 0..5 {
            last.attach();
            last.count_in(leaving_group(&last.owner.network));
            last.linux.firewall().remove(&last.owner, None).unwrap();
            last.linux.lock(true).unwrap();
            assert!(!last.linux.has_port(last.bridge, group).unwrap());
            next.count_in(group);
            let (done, came) = mpsc::channel();
            let waiting = thread::spawn(move || {
                next.install();
                done.send(()).unwrap();
                next
            });
            let early = came.recv_timeout(Duration::from_millis(100));
            assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout), "nobody installs while the lock is held");
            last.linux.firewall().release(&last.owner.network).unwrap();
            last.linux.unlock();
            next = waiting.join().unwrap();
            next.whole("after the release");
            // And the other way round: one who has come in time is seen.
            last.release_if_last();
            next.whole("after another look");
            next.detach(true);
            assert_eq!(ruleset(), EMPTY);
        }
    });
}
