//! A world for one test: network and mount namespaces of its own, in a thread of its own, and what one asks there.
//! Children of the thread (nft, ip, iptables) live in the same namespaces. Nothing outlives the thread.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use cnm::{Backend, Firewall, Intent, Owner};
use kernel::HostFirewall;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Runs a test where it can do no harm.
pub(crate) fn alone<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let world = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
            .expect("these tests need root: run them with sudo, or in a container with --privileged");
        let none: Option<&Path> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        // For the lock of iptables and the names of `ip netns`.
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
        run("ip link set lo up");
        test()
    });
    match world.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs a command of the shell in the thread's namespaces; it must succeed.
pub(crate) fn run(command: &str) -> String {
    match attempt(command) {
        Ok(said) => said,
        Err(said) => panic!("{command}: {said}"),
    }
}

/// Runs a command; what it said, as `Err` when it failed.
#[expect(clippy::disallowed_methods, reason = "what nft and iptables say is the yardstick")]
pub(crate) fn attempt(command: &str) -> Result<String, String> {
    let output = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(stdout) } else { Err(stdout + &String::from_utf8_lossy(&output.stderr)) }
}

/// The whole ruleset as nft lists it, but the elements of each set in order: the kernel's hashes have another at each
/// start.
pub(crate) fn ruleset() -> String {
    const NEXT: &str = ",\n\t\t\t     ";
    let listed = run("nft list ruleset");
    let mut parts = listed.split("elements = { ");
    let mut sorted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (elements, rest) = part.split_once(" }\n").unwrap();
        let mut elements: Vec<&str> = elements.split(NEXT).collect();
        elements.sort_unstable();
        sorted += &format!("elements = {{ {} }}\n{rest}", elements.join(NEXT));
    }
    sorted
}

/// Two namespaces on a bridge of this one: `left` 10.1.2.3, `right` 10.1.2.4 behind `cni0` 10.1.2.1, and a third,
/// `world` 192.0.2.2, behind another link, which knows no way back. Dual stack with fd00:1:: and 2001:db8::. Gives the
/// prefix of the names of the namespaces.
pub(crate) fn topology() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0");
    run("ip link add cni0 type bridge && ip link set cni0 up && ip addr add 10.1.2.1/24 dev cni0 && \
         ip addr add fd00:1::1/64 dev cni0 nodad");
    for (side, number) in [("left", 3), ("right", 4)] {
        run(&format!(
            "ip netns add {name}{side} && ip link add {side} type veth peer name eth0 netns {name}{side} && \
             ip link set {side} master cni0 up && ip -n {name}{side} link set eth0 up && \
             ip -n {name}{side} addr add 10.1.2.{number}/24 dev eth0 && \
             ip -n {name}{side} addr add fd00:1::{number}/64 dev eth0 nodad && \
             ip -n {name}{side} route add default via 10.1.2.1 && ip -n {name}{side} route add default via fd00:1::1"
        ));
    }
    run(&format!(
        "ip netns add {name}world && ip link add up0 type veth peer name eth0 netns {name}world && ip link set up0 up && \
         ip addr add 192.0.2.1/24 dev up0 && ip addr add 2001:db8::1/64 dev up0 nodad && \
         ip -n {name}world link set eth0 up && ip -n {name}world addr add 192.0.2.2/24 dev eth0 && \
         ip -n {name}world addr add 2001:db8::2/64 dev eth0 nodad"
    ));
    name
}

/// Makes the plain names of iptables those of another variant, as `update-alternatives` would, in this namespace only:
/// `nft`, `legacy`, or `wrapped`, programs of somebody else's around the first.
pub(crate) fn use_variant(variant: &str) {
    run("mkdir -p /run/alternatives && cp -a /etc/alternatives/. /run/alternatives");
    for family in ["iptables", "ip6tables"] {
        for action in ["", "-save", "-restore"] {
            let mut program = format!("/usr/sbin/{family}-{variant}{action}");
            if variant == "wrapped" {
                program = format!("/run/wrapped-{family}{action}");
                run(&format!(
                    "printf '#!/bin/sh\nexec {family}-nft{action} \"$@\"\n' > {program} && chmod +x {program}"
                ));
            }
            run(&format!("ln -sf {program} /run/alternatives/{family}{action}"));
        }
    }
    run("mount --bind /run/alternatives /etc/alternatives");
    let expected = if variant == "legacy" { "legacy" } else { "nf_tables" };
    assert!(run("iptables --version").contains(expected));
}

/// Whether at least one of two pings from a namespace is answered within a second.
pub(crate) fn pings(namespace: &str, to: &str) -> bool {
    attempt(&format!("ip netns exec {namespace} ping -c2 -i0.2 -W1 {to}")).is_ok()
}

pub(crate) fn masquerade(address: &str, backend: Backend) -> Intent {
    Intent::Masquerade { device: "cni0".into(), address: address.parse().unwrap(), backend }
}

/// By nftables.
pub(crate) fn masquerade_on(device: &str, address: &str) -> Intent {
    Intent::Masquerade { device: device.into(), address: address.parse().unwrap(), backend: Backend::Nftables }
}

pub(crate) fn guard(device: &str, internal: bool, isolated: bool) -> Intent {
    Intent::Guard { device: device.into(), internal, isolated }
}

pub(crate) fn spoof(port: &str, mac: &str) -> Intent {
    Intent::SpoofCheck { port: port.into(), mac: mac.parse().unwrap() }
}

/// One of everything, in network `web`: dual stack, a guard, and an address check for its own port.
pub(crate) fn all_intents(last: u8) -> Vec<Intent> {
    vec![
        masquerade_on("cni0", &format!("10.1.2.{last}/24")),
        masquerade_on("cni0", &format!("fd00:1::{last:x}/64")),
        guard("cni0", true, false),
        spoof(&format!("veth{last}"), &format!("02:00:00:00:00:{last:02x}")),
    ]
}

/// What remains after everything has been there once.
pub(crate) const EMPTY: &str = include_str!("empty.nft");

/// Makes the bases, so that the ruleset is [`EMPTY`].
pub(crate) fn bases() {
    let mut firewall = HostFirewall::default();
    firewall.install(&owner("first"), &all_intents(200)).unwrap();
    firewall.remove(&owner("first"), None).unwrap();
    firewall.release("web").unwrap();
    assert_eq!(ruleset(), EMPTY);
}

pub(crate) fn owner(container: &str) -> Owner {
    Owner::new("web", container, "eth0")
}
