//! The verbs as a runtime sees them: results, codes, texts, files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cni::{AddResult, Code, Command, Error, Plugin};

use super::{request, reservations};
use crate::{DUPLICATE, HostLocal, OCCUPIED, OUT_OF_RANGE};

/// A configuration of network `net` with its store in `data`; `ipam` continues the object, `rest` the document.
pub(super) fn conf(data: &Path, ipam: &str, rest: &str) -> String {
    let data = data.display();
    format!(r#"{{"cniVersion":"1.1.0","name":"net","ipam":{{"type":"host-local","dataDir":"{data}",{ipam}}}{rest}}}"#)
}

pub(super) const V4: &str = r#""ranges":[[{"subnet":"10.7.0.0/29"}]]"#;
pub(super) const DUAL: &str = r#""ranges":[[{"subnet":"10.7.0.0/29"}],[{"subnet":"fd00:7::/64"}]]"#;

pub(super) fn add(container: &str, conf: &str) -> Result<AddResult, Error> {
    HostLocal.add(&request(Command::Add, container, conf))
}

pub(super) fn addresses(result: &Result<AddResult, Error>) -> Vec<String> {
    let result = result.as_ref().expect("an address");
    result.ips.iter().map(|ip| ip.address.to_string()).collect()
}

pub(super) fn del(container: &str, conf: &str) -> Result<(), Error> {
    HostLocal.del(&request(Command::Del, container, conf))
}

#[test]
fn files_are_the_references_byte_for_byte() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(&data.path().join("made/on/demand"), DUAL, "");
    assert_eq!(addresses(&add("c0ffee", &conf)), ["10.7.0.2/29", "fd00:7::2/64"]);
    let dir = data.path().join("made/on/demand/net");
    let mut names: Vec<_> = fs::read_dir(&dir)
        .expect("made")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let mode = entry.metadata().expect("metadata").permissions().mode() & 0o7777;
            (entry.file_name().into_string().expect("text"), mode, fs::read_to_string(entry.path()).expect("text"))
        })
        .collect();
    names.sort();
    let file = |name: &str, mode, content: &str| (name.to_owned(), mode, content.to_owned());
    let expected = [
        file("10.7.0.2", 0o600, "c0ffee\r\neth0"),
        file("fd00:7::2", 0o600, "c0ffee\r\neth0"),
        file("last_reserved_ip.0", 0o600, "10.7.0.2"),
        file("last_reserved_ip.1", 0o600, "fd00:7::2"),
        file("lock", 0o750, ""),
    ];
    assert_eq!(names, expected);
    assert_eq!(fs::metadata(&dir).expect("metadata").permissions().mode() & 0o7777, 0o755);
}

#[test]
fn addresses_go_round_and_come_back() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(data.path(), V4, "");
    for (id, address) in [("a", "10.7.0.2/29"), ("b", "10.7.0.3/29"), ("c", "10.7.0.4/29")] {
        assert_eq!(addresses(&add(id, &conf)), [address]);
    }
    del("b", &conf).expect("ours");
    del("b", &conf).expect("absent is success");
    for (id, address) in [("d", "10.7.0.5/29"), ("e", "10.7.0.6/29"), ("f", "10.7.0.3/29")] {
        assert_eq!(addresses(&add(id, &conf)), [address]);
    }
    let full = add("g", &conf).expect_err("full");
    assert_eq!(full.msg, "failed to allocate for range 0: no IP addresses available in range set: 10.7.0.1-10.7.0.6");
    assert_eq!(full.code, Code::TryAgain);
    let twice = add("a", &conf).expect_err("has one");
    assert_eq!(
        twice.msg,
        "failed to allocate for range 0: 10.7.0.2 has been allocated to a, duplicate allocation is not allowed"
    );
    assert_eq!(twice.code, DUPLICATE);
}

#[test]
fn a_failing_set_gives_back_only_what_this_call_took() {
    let data = tempfile::tempdir().expect("a directory");
    let one = conf(data.path(), r#""ranges":[[{"subnet":"fd00:7::/64"}]]"#, "");
    add("a", &one).expect("room");
    let before = reservations(data.path());
    let error = add("a", &conf(data.path(), DUAL, "")).expect_err("has an IPv6 address");
    assert!(error.msg.starts_with("failed to allocate for range 1: fd00:7::2 has been allocated to a"), "{error}");
    assert_eq!(reservations(data.path()), before);
    let small = r#""ranges":[[{"subnet":"10.7.0.0/29"}],[{"subnet":"fd00:7::/64","rangeStart":"fd00:7::2","rangeEnd":"fd00:7::2"}]]"#;
    let error = add("b", &conf(data.path(), small, "")).expect_err("full");
    assert_eq!(error.code, Code::TryAgain);
    assert_eq!(reservations(data.path()), before);
}

#[test]
fn addresses_can_be_asked_for_by_every_way() {
    let data = tempfile::tempdir().expect("a directory");
    let ways = r#","args":{"cni":{"ips":["fd00:7::99/64"]}},"runtimeConfig":{"ips":["10.7.0.5"]}"#;
    assert_eq!(addresses(&add("a", &conf(data.path(), DUAL, ways))), ["10.7.0.5/29", "fd00:7::99/64"]);
    let mut by_args = request(Command::Add, "b", &conf(data.path(), DUAL, ""));
    by_args.args = "IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.7.0.4/24".into();
    assert_eq!(addresses(&HostLocal.add(&by_args)), ["10.7.0.4/29", "fd00:7::9a/64"]);
    // A second address by name is no duplicate.
    by_args.conf = request(Command::Add, "b", &conf(data.path(), V4, "")).conf;
    by_args.args = "IP=10.7.0.6".into();
    assert_eq!(addresses(&HostLocal.add(&by_args)), ["10.7.0.6/29"]);

    let before = reservations(data.path());
    for (wish, text, code) in [
        (
            "10.7.0.5",
            "failed to allocate for range 0: requested IP address 10.7.0.5 is not available in range set 10.7.0.1-10.7.0.6",
            OCCUPIED,
        ),
        ("10.7.0.1", "failed to allocate for range 0: requested ip 10.7.0.1 is subnet's gateway", OUT_OF_RANGE),
        ("192.0.2.1", "failed to allocate all requested IPs: 192.0.2.1", OUT_OF_RANGE),
        ("10.7.0.2\",\"10.7.0.3", "failed to allocate all requested IPs: 10.7.0.3", OUT_OF_RANGE),
    ] {
        let rest = format!(r#","runtimeConfig":{{"ips":["{wish}"]}}"#);
        let error = add("c", &conf(data.path(), V4, &rest)).expect_err(wish);
        assert_eq!((error.msg.as_str(), error.code), (text, code));
    }
    by_args.args = "IP=10.7.0".into();
    let error = HostLocal.add(&by_args).expect_err("no address");
    assert_eq!(error.code, Code::InvalidEnvironment);
    assert!(error.msg.contains("invalid IP address 10.7.0"), "{error}");
    assert_eq!(reservations(data.path()), before);
}

#[test]
fn results_carry_gateway_routes_and_resolvers() {
    let data = tempfile::tempdir().expect("a directory");
    let resolv = data.path().join("resolv.conf");
    fs::write(&resolv, "nameserver 192.0.2.53\nsearch a b\n").expect("written");
    let ipam = format!(
        r#""subnet":"10.7.0.0/24","rangeStart":"10.7.0.10","rangeEnd":"10.7.0.20","gateway":"10.7.0.254","resolvConf":"{}",
        "ranges":[[{{"SUBNET":"fd00:7::/64","gateway":"","ipRange":"x"}}]],
        "routes":[{{"dst":"0.0.0.0/0"}},{{"dst":"10.8.0.0/16","gw":"10.7.0.9","mtu":1400,"advmss":1360,"priority":5,"table":0,"scope":253}}]"#,
        resolv.display()
    );
    let ranges = r#","runtimeConfig":{"ipRanges":[[{"subnet":"10.9.0.0/24"}]]}"#;
    let result = add("a", &conf(data.path(), &ipam, ranges)).expect("addresses");
    let given: Vec<_> =
        result.ips.iter().map(|ip| (ip.address.to_string(), ip.gateway.map(|gateway| gateway.to_string()))).collect();
    let expected = [("10.9.0.2/24", "10.9.0.1"), ("10.7.0.10/24", "10.7.0.254"), ("fd00:7::2/64", "fd00:7::1")];
    assert_eq!(given, expected.map(|(address, gateway)| (address.to_owned(), Some(gateway.to_owned()))));
    assert!(result.interfaces.is_empty() && result.ips.iter().all(|ip| ip.interface.is_none()));
    assert_eq!((result.dns.nameservers, result.dns.search), (vec!["192.0.2.53".into()], vec!["a".into(), "b".into()]));
    let route = &result.routes[1];
    assert_eq!(
        (route.mtu, route.advmss, route.priority, route.table, route.scope),
        (1400, 1360, 5, Some(0), Some(253))
    );
}

#[test]
fn wrong_configurations_are_refused_with_path_and_text() {
    let data = tempfile::tempdir().expect("a directory");
    for (ipam, text) in [
        (r#""x":1"#, "no IP ranges specified"),
        (r#""ranges":[]"#, "no IP ranges specified"),
        (r#""ranges":[[]]"#, "ipam.ranges[0]: invalid range set 0: empty range set"),
        (r#""ranges":[[{"rangeStart":"10.7.0.1"}]]"#, "ipam.ranges[0][0].subnet"),
        (
            r#""ranges":[[{"subnet":"10.7.0.0/31"}]]"#,
            "invalid range set 0: Network 10.7.0.0/31 too small to allocate from",
        ),
        (
            r#""subnet":"10.7.0.1/24""#,
            "invalid range set 0: Network has host bits set. For a subnet mask of length 24 the network address is 10.7.0.0",
        ),
        (
            r#""ranges":[[{"subnet":"10.7.0.0/24"},{"subnet":"fd00::/64"}]]"#,
            "invalid range set 0: mixed address families",
        ),
        (
            r#""subnet":"10.7.0.0/24","ranges":[[{"subnet":"10.7.0.0/16"}]]"#,
            "ipam.ranges[0]: range set 0 overlaps with 1",
        ),
        (r#""ranges":[[{"subnet":"nonsense"}]]"#, "ipam.ranges[0][0].subnet"),
        (r#""ranges":[[{"subnet":"10.7.0.0/24","rangeEnd":"x"}]]"#, "ipam.ranges[0][0].rangeEnd"),
        (r#""ranges":{"subnet":"10.7.0.0/24"}"#, "ipam.ranges"),
        (r#""subnet":"10.7.0.0/24","routes":[{"gw":"10.7.0.1"}]"#, "ipam.routes[0].dst"),
        (r#""subnet":"10.7.0.0/24","resolvConf":"/nonexistent""#, "/nonexistent"),
    ] {
        let conf = conf(data.path(), ipam, "");
        let error = add("a", &conf).expect_err(ipam);
        assert!(error.msg.contains(text), "{ipam}: {error}");
        del("a", &conf).expect("DEL needs no ranges");
    }
    let error = add("a", r#"{"name":"net"}"#).expect_err("no ipam");
    assert_eq!((error.msg.as_str(), error.code), ("IPAM config missing 'ipam' key", Code::InvalidConfig));
    let two = conf(data.path(), r#""ranges":[[{"subnet":"10.7.0.0/24"}],[{"subnet":"10.8.0.0/24"}]]"#, "");
    let error = add("a", &two.replace("1.1.0", "0.2.0")).expect_err("too old");
    assert!(error.msg.contains("CNI version 0.2.0 does not support more than 1 address per family"), "{error}");
    assert_eq!(addresses(&add("a", &conf(data.path(), DUAL, "").replace("1.1.0", "0.2.0"))).len(), 2);
    assert!(!data.path().join("net/10.8.0.2").exists());
}

#[test]
fn names_cannot_leave_their_folder() {
    let data = tempfile::tempdir().expect("a directory");
    for name in ["..", "../evil", "a/b", ".", "", "/etc", "a/"] {
        let mut request = request(Command::Add, "a", &conf(data.path(), V4, ""));
        request.network = name.into();
        let error = HostLocal.add(&request).expect_err(name);
        assert_eq!((error.code, error.msg.as_str()), (Code::InvalidConfig, "invalid characters found in network name"));
        HostLocal.del(&request).expect_err(name);
    }
    assert_eq!(fs::read_dir(data.path()).expect("there").count(), 0);
}

#[test]
fn long_ids_and_names_are_no_obstacle() {
    let data = tempfile::tempdir().expect("a directory");
    for length in [255, 5000] {
        let id = "x".repeat(length);
        let mut request = request(Command::Add, &id, &conf(data.path(), V4, ""));
        request.network = "n".repeat(255);
        HostLocal.add(&request).expect("room");
        HostLocal.check(&request).expect("there");
        HostLocal.del(&request).expect("ours");
    }
    assert_eq!(fs::read_dir(data.path().join("n".repeat(255))).expect("there").count(), 2);
}

#[test]
fn a_huge_pool_costs_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let ranges = r#""ranges":[[{"subnet":"10.0.0.0/8"}],[{"subnet":"1100:200::/24"}]]"#;
    let last = r#","runtimeConfig":{"ips":["10.255.255.254","1100:2ff:ffff:ffff:ffff:ffff:ffff:ffff"]}"#;
    let last = conf(data.path(), ranges, last);
    let conf = conf(data.path(), ranges, "");
    assert_eq!(addresses(&add("a", &conf)), ["10.0.0.2/8", "1100:200::2/24"]);
    HostLocal.status(&request(Command::Status, "", &conf)).expect("room");
    assert_eq!(addresses(&add("b", &last)), ["10.255.255.254/8", "1100:2ff:ffff:ffff:ffff:ffff:ffff:ffff/24"]);
    assert_eq!(addresses(&add("c", &conf)), ["10.0.0.3/8", "1100:200::3/24"], "round the end, past gateway and owner");
}

#[test]
fn threads_get_different_addresses() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = &conf(data.path(), r#""subnet":"10.7.0.0/24""#, "");
    let given: Vec<String> = std::thread::scope(|scope| {
        let call = |worker: usize| {
            move || (0..20).map(|round| addresses(&add(&format!("w{worker}r{round}"), conf)).remove(0)).collect()
        };
        let workers: Vec<std::thread::ScopedJoinHandle<'_, Vec<String>>> =
            (0..8).map(|worker| scope.spawn(call(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    assert_eq!(given.iter().collect::<std::collections::BTreeSet<_>>().len(), 160);
}
