//! The harness itself: a test can trust what it says.

mod emulated;
mod machine;
mod tally;
mod vm;

use cnm_tests::{Host, eventually};

#[test]
fn a_host_is_empty_and_ends_without_trace() {
    let host = Host::new();
    assert_eq!(host.links().len(), 1, "only lo");
    assert_eq!(host.sysctl("net/ipv4/ip_forward"), "0");
    assert!(host.ruleset().objects.is_empty() && host.ruleset().plain_chains().is_empty());
    assert!(host.list_folder("/var/lib/cni").is_empty());
    assert_eq!(host.list_folder("/etc/cni"), Vec::<String>::new());
    assert_eq!(host.processes(), []);
}

#[test]
fn the_machine_sees_nothing_of_it() {
    let host = Host::new();
    let sandbox = host.sandbox("one");
    host.run("ip link add br0 type bridge");
    host.write_file("/var/lib/cni/networks/web/10.1.2.3", "x");
    host.write_file("/etc/cni/net.d/10-web.conf", "{}");
    assert!(host.has_link("br0"));
    assert!(!std::path::Path::new("/sys/class/net/br0").exists());
    assert!(!std::path::Path::new(sandbox.path()).exists());
    assert!(!std::path::Path::new("/var/lib/cni/networks/web/10.1.2.3").exists());
    assert!(!std::path::Path::new("/etc/cni/net.d/10-web.conf").exists());
}

#[test]
fn a_snapshot_sees_every_kind_of_change() {
    let host = Host::new();
    let sandbox = host.sandbox("one");
    let before = host.snapshot();
    assert_eq!(before.compare(&host.snapshot()), Ok(()));
    for (change, undo, key) in [
        ("ip link add x0 type bridge", "ip link del x0", "host link x0"),
        ("ip addr add 192.0.2.1/32 dev lo", "ip addr del 192.0.2.1/32 dev lo", "host address lo 192.0.2.1"),
        ("ip route add 192.0.2.0/24 dev lo", "ip route del 192.0.2.0/24 dev lo", "host route"),
        ("ip rule add pref 7 lookup 7", "ip rule del pref 7", "host rules -4"),
        ("nft add table inet t", "nft delete table inet t", "host firewall inet table t"),
        ("touch /run/left", "rm /run/left", "file /run/left"),
        ("ip -n one link set lo mtu 1400", "ip -n one link set lo mtu 65536", "one link lo"),
        ("sysctl -q -w net.ipv4.ip_forward=1", "sysctl -q -w net.ipv4.ip_forward=0", "host sysctl net/ipv4/ip_forward"),
    ] {
        host.run(change);
        let difference = before.compare(&host.snapshot()).expect_err(change);
        assert!(difference.contains(key), "{change}: {difference}");
        host.run(undo);
        host.is_again(&before);
    }
    drop(sandbox);
}

#[test]
fn traffic_and_captures_are_real() {
    let host = Host::new();
    let outside = host.outside();
    host.reaches("198.51.100.2");
    host.reaches("2001:db8:51::2");
    host.cannot_reach("192.0.2.77");
    let echo = outside.echo();
    for (server, client) in [("198.51.100.2", "198.51.100.1"), ("2001:db8:51::2", "2001:db8:51::1")] {
        let seen = host.is_seen_as(server.parse().expect("an address"), &echo);
        assert_eq!(seen.to_string(), client);
    }
    let mut capture = outside.capture();
    assert!(host.ping("198.51.100.2"));
    let mac = host.link("uplink").mac;
    capture.wait_for("a frame of the uplink", |frame| frame.source() == mac);
}

#[test]
fn a_vanished_sandbox_is_gone() {
    let host = Host::new();
    let sandbox = host.sandbox("one");
    host.run("ip link add here type veth peer name there netns one");
    sandbox.vanish();
    assert_eq!(host.list_folder("/run/netns"), Vec::<String>::new());
    eventually("the kernel destroys the namespace and its veth", || {
        if host.has_link("here") { Err("here is still there".into()) } else { Ok(()) }
    });
}

#[test]
fn a_process_left_behind_is_found() {
    let host = Host::new();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let host = Host::new();
        host.write_file("/run/leak", "setsid sleep 600 </dev/null >/dev/null 2>&1 &");
        host.run("sh /run/leak");
        // Between fork and exec a process has another command line, or none.
        eventually("the leak runs", || match host.processes().as_slice() {
            [(_, line)] if line.contains("sleep") => Ok(()),
            other => Err(format!("{other:?}")),
        });
        drop(host);
    }));
    let message = outcome.expect_err("a leak must be a failure");
    let text = message.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains("sleep"), "{text}");
    eventually("the leak is gone", || match host.processes().as_slice() {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

#[test]
fn what_packets_put_into_sets_is_no_state() {
    let host = Host::new();
    host.run("nft add table inet t");
    host.run("nft add set inet t seen { typeof ip daddr; flags dynamic; size 16; }");
    host.run("nft add chain inet t out { type filter hook output priority 0; }");
    host.run("nft add rule inet t out add @seen { ip daddr }");
    let before = host.snapshot();
    assert!(host.ping("127.0.0.1"));
    assert!(host.run("nft list set inet t seen").contains("127.0.0.1"));
    assert_eq!(before.compare(&host.snapshot()), Ok(()));
    host.run("nft add element inet t seen { 192.0.2.1 }");
    host.run("nft flush chain inet t out");
    assert!(before.compare(&host.snapshot()).is_err(), "a set that only people fill is state");
}
