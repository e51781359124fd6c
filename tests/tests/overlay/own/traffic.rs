//! Traffic with a host of the network that was made by hand, and with the world.

use super::{HERE, HERE6, Site, THERE, blue, world};

#[test]
fn endpoints_reach_the_other_host_and_each_other() {
    let site = Site::new();
    site.joins(42, &["10.1.2.99/24", "fd00:1:2::99/64"]);
    let (one, first) = site.attach(&world(), "one");
    let (two, second) = site.attach(&world(), "two");
    let echo = site.far.echo();
    for (family, address) in ["10.1.2.99", "fd00:1:2::99"].into_iter().enumerate() {
        one.reaches(address);
        site.far.reaches(first.addresses()[family].addr());
        two.reaches(first.addresses()[family].addr());
        // Inside nothing is masqueraded, by TCP and UDP.
        let server = address.parse().unwrap();
        assert_eq!(two.is_seen_as(server, &echo), second.addresses()[family].addr());
        assert_eq!(two.asks_udp(server, &echo), Some(second.addresses()[family].addr()));
    }
}

#[test]
fn what_leaves_the_overlay_is_masqueraded() {
    for backend in ["nftables", "iptables"] {
        let site = Site::new();
        let (one, _) = site.attach(&world().with("ipMasqBackend", backend), "one");
        let echo = site.far.echo();
        for (server, seen) in [(THERE, HERE), ("2001:db8::2", HERE6)] {
            assert_eq!(one.is_seen_as(server.parse().unwrap(), &echo), seen.parse::<std::net::IpAddr>().unwrap());
        }
    }
}

/// Who attached goes to the network's hosts at once: the announcement of a reused address crosses the tunnel.
#[test]
fn a_new_owner_of_an_address_is_announced_to_the_other_hosts() {
    let site = Site::new();
    site.joins(42, &["10.1.2.99/24"]);
    let (one, first) = site.attach(&blue(), "one");
    site.far.reaches(first.ip());
    site.del(&blue(), &one).succeeds_silently();
    let fixed = blue().without("ipam").range_set(serde_json::json!([
        { "subnet": "10.1.2.0/24", "rangeStart": first.ip().to_string(), "rangeEnd": first.ip().to_string() }
    ]));
    let (_two, second) = site.attach(&fixed, "two");
    assert_eq!(second.ip(), first.ip());
    cnm_tests::eventually("the other host remembers who had the address", || {
        let known = site.far.neighbour(&first.ip().to_string());
        if known == second.mac("eth0") { Ok(()) } else { Err(format!("{known:?}")) }
    });
    site.far.reaches(first.ip());
}

/// Every host is the gateway by the same MAC: what another gateway says is not heard, or each request for the gateway's
/// address would be answered by every host, and the stations' tables would flap.
#[test]
fn only_the_own_host_is_heard_as_gateway() {
    let site = Site::new();
    site.joins(42, &["10.1.2.99/24"]);
    site.far.run("ip link set vx42 address 02:76:78:00:00:2a");
    site.far.run("ip addr add 10.1.2.1/24 dev vx42");
    let (one, first) = site.attach(&world(), "one");
    let mut capture = one.capture();
    one.reaches("10.1.2.1");
    site.far.cannot_reach(first.ip());
    let gateway = "02:76:78:00:00:2a";
    let answers = |bytes: &[u8]| bytes.get(12..14) == Some(&[0x08, 0x06]) && bytes.get(20..22) == Some(&[0, 2]);
    let frames = capture.frames();
    let count = frames.iter().filter(|frame| frame.source() == gateway && answers(&frame.bytes)).count();
    assert_eq!(count, 1, "one question, one answer");
    assert_eq!(one.neighbour("10.1.2.1").as_deref(), Some(gateway));
}

#[test]
fn full_frames_fit_and_larger_ones_do_not() {
    let site = Site::new();
    site.joins(42, &["10.1.2.99/24"]);
    let (one, _) = site.attach(&blue(), "one");
    one.reaches("10.1.2.99");
    assert!(one.attempt("ping -n -c 1 -W 1 -M do -s 1422 10.1.2.99").status.success());
    assert!(!one.attempt("ping -n -c 1 -W 1 -M do -s 1423 10.1.2.99").status.success());
}
