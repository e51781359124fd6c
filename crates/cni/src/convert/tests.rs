//! Golden texts, measured with Debian's host-local and bridge 1.1.1 up to 0.4.0; from 1.0.0 on the keys are
//! in the order of newer releases.

use proptest::prelude::*;

use crate::json::{Json, Node};
use crate::{AddResult, Dns, Error, Interface, Ip, Route, Version};

fn net(text: &str) -> ipnet::IpNet {
    text.parse().expect("an address with prefix length")
}

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

fn address(cidr: &str, gateway: &str, interface: Option<usize>) -> Ip {
    Ip { address: net(cidr), gateway: Some(ip(gateway)), interface }
}

fn interface(name: &str, mac: &str, sandbox: &str) -> Interface {
    Interface { name: name.into(), mac: mac.into(), sandbox: sandbox.into(), ..Interface::default() }
}

/// What bridge with two ranges of host-local gives.
fn of_bridge() -> AddResult {
    AddResult {
        interfaces: vec![
            interface("br0", "0a:b8:81:94:e0:49", ""),
            interface("vethbee6b215", "42:30:14:eb:1c:e9", ""),
            interface("eth0", "92:97:a8:63:49:a2", "/run/netns/a"),
        ],
        ips: vec![address("10.9.0.2/24", "10.9.0.1", Some(2)), address("fd00::2/64", "fd00::1", Some(2))],
        routes: vec![Route::new(net("0.0.0.0/0"), None), Route::new(net("10.1.0.0/16"), Some(ip("10.9.0.1")))],
        dns: Dns { nameservers: vec!["1.1.1.1".into()], domain: "d".into(), ..Dns::default() },
    }
}

const BRIDGE_0_4_0: &str = r#"{
    "cniVersion": "0.4.0",
    "interfaces": [
        {
            "name": "br0",
            "mac": "0a:b8:81:94:e0:49"
        },
        {
            "name": "vethbee6b215",
            "mac": "42:30:14:eb:1c:e9"
        },
        {
            "name": "eth0",
            "mac": "92:97:a8:63:49:a2",
            "sandbox": "/run/netns/a"
        }
    ],
    "ips": [
        {
            "version": "4",
            "interface": 2,
            "address": "10.9.0.2/24",
            "gateway": "10.9.0.1"
        },
        {
            "version": "6",
            "interface": 2,
            "address": "fd00::2/64",
            "gateway": "fd00::1"
        }
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0"
        },
        {
            "dst": "10.1.0.0/16",
            "gw": "10.9.0.1"
        }
    ],
    "dns": {
        "nameservers": [
            "1.1.1.1"
        ],
        "domain": "d"
    }
}"#;

const HOST_LOCAL_0_2_0: &str = r#"{
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.9.0.3/24",
        "gateway": "10.9.0.1",
        "routes": [
            {
                "dst": "0.0.0.0/0"
            },
            {
                "dst": "10.1.0.0/16",
                "gw": "10.9.0.1"
            }
        ]
    },
    "ip6": {
        "ip": "fd00::3/64",
        "gateway": "fd00::1",
        "routes": [
            {
                "dst": "::/0",
                "gw": "fd00::1"
            }
        ]
    },
    "dns": {
        "nameservers": [
            "1.1.1.1",
            "::1"
        ],
        "search": [
            "a",
            "b"
        ],
        "options": [
            "ndots:2"
        ]
    }
}"#;

fn read(text: &str, default: Version) -> Result<AddResult, Error> {
    AddResult::from_text(text.as_bytes(), default)
}

fn compact(result: &AddResult, version: Version) -> String {
    result.to_json(version).expect("has a shape").to_string()
}

#[test]
fn lists_as_the_reference_prints_them() {
    let result = of_bridge();
    assert_eq!(result.print(Version::V0_4_0).as_deref(), Ok(BRIDGE_0_4_0));
    for version in [Version::V0_3_0, Version::V0_3_1] {
        let expected = BRIDGE_0_4_0.replace("0.4.0", version.as_str());
        assert_eq!(result.print(version), Ok(expected));
    }
    assert_eq!(read(BRIDGE_0_4_0, Version::V0_1_0), Ok(result), "and reads them again");
}

#[test]
fn newer_versions_in_alphabetical_order() {
    let expected = |version: &str| {
        format!(
            concat!(
                r#"{{"cniVersion":"{}","dns":{{"domain":"d","nameservers":["1.1.1.1"]}},"#,
                r#""interfaces":[{{"mac":"0a:b8:81:94:e0:49","name":"br0"}},"#,
                r#"{{"mac":"42:30:14:eb:1c:e9","name":"vethbee6b215"}},"#,
                r#"{{"mac":"92:97:a8:63:49:a2","name":"eth0","sandbox":"/run/netns/a"}}],"#,
                r#""ips":[{{"address":"10.9.0.2/24","gateway":"10.9.0.1","interface":2}},"#,
                r#"{{"address":"fd00::2/64","gateway":"fd00::1","interface":2}}],"#,
                r#""routes":[{{"dst":"0.0.0.0/0"}},{{"dst":"10.1.0.0/16","gw":"10.9.0.1"}}]}}"#
            ),
            version
        )
    };
    assert_eq!(compact(&of_bridge(), Version::V1_0_0), expected("1.0.0"));
    assert_eq!(compact(&of_bridge(), Version::V1_1_0), expected("1.1.0"));
}

#[test]
fn families_below_0_3_0() {
    let result = read(HOST_LOCAL_0_2_0, Version::V1_1_0).expect("a result");
    assert_eq!(result.ips, [address("10.9.0.3/24", "10.9.0.1", None), address("fd00::3/64", "fd00::1", None)]);
    assert_eq!(result.routes.len(), 3);
    assert_eq!(result.print(Version::V0_2_0).as_deref(), Ok(HOST_LOCAL_0_2_0));
    assert_eq!(result.print(Version::V0_1_0), Ok(HOST_LOCAL_0_2_0.replace("0.2.0", "0.1.0")));
}

#[test]
fn below_0_3_0_the_first_address_of_each_family() {
    let mut result = of_bridge();
    result.ips.insert(1, address("10.9.0.9/24", "10.9.0.1", Some(2)));
    result.ips.retain(|ip| ip.address.addr().is_ipv4());
    result.routes = vec![Route::new(net("::/0"), None)];
    result.dns = Dns::default();
    let expected = r#"{"cniVersion":"0.1.0","ip4":{"ip":"10.9.0.2/24","gateway":"10.9.0.1"},"dns":{}}"#;
    assert_eq!(compact(&result, Version::V0_1_0), expected, "and no route of a family without address");
}

#[test]
fn without_addresses() {
    let layer_2 = AddResult { ips: Vec::new(), routes: Vec::new(), dns: Dns::default(), ..of_bridge() };
    for version in [Version::V0_1_0, Version::V0_2_0] {
        let error = layer_2.print(version).expect_err("no shape");
        assert_eq!((error.code.number(), error.msg.as_str()), (999, "cannot convert: no valid IP addresses"));
    }
    let empty = AddResult::default();
    assert_eq!(compact(&empty, Version::V0_3_0), r#"{"cniVersion":"0.3.0","dns":{}}"#);
    assert_eq!(compact(&empty, Version::V1_0_0), r#"{"cniVersion":"1.0.0"}"#);
    assert!(layer_2.print(Version::V0_3_1).is_ok());
}

const RICH_1_1_0: &str = concat!(
    r#"{"cniVersion":"1.1.0","interfaces":[{"mac":"m","mtu":1400,"name":"eth0","pciID":"p","sandbox":"s","socketPath":"k"}],"#,
    r#""ips":[{"address":"10.9.0.2/24"}],"#,
    r#""routes":[{"advmss":1,"dst":"10.0.0.0/8","gw":"10.9.0.1","mtu":2,"priority":3,"scope":0,"table":0}]}"#
);

#[test]
fn details_exist_only_at_1_1_0() {
    let result = read(RICH_1_1_0, Version::V0_1_0).expect("a result");
    assert_eq!((result.routes[0].scope, result.routes[0].table), (Some(0), Some(0)), "0 is a value here");
    assert_eq!(compact(&result, Version::V1_1_0), RICH_1_1_0);
    let older = r#"{"cniVersion":"1.0.0","interfaces":[{"mac":"m","name":"eth0","sandbox":"s"}],"ips":[{"address":"10.9.0.2/24"}],"routes":[{"dst":"10.0.0.0/8","gw":"10.9.0.1"}]}"#;
    assert_eq!(compact(&result, Version::V1_0_0), older);
    assert!(!compact(&result, Version::V0_4_0).contains("advmss"));
}

#[test]
fn version_from_the_result_or_the_configuration() {
    let text = r#"{"ips":[{"address":"10.9.0.2/24"}]}"#;
    assert_eq!(read(text, Version::V0_4_0).map(|result| result.ips.len()), Ok(1));
    assert_eq!(read(text, Version::V0_2_0).map(|result| result.ips.len()), Ok(0), "no ips in that shape");
    let old = r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.9.0.2/24"}}"#;
    assert_eq!(read(old, Version::V1_1_0).map(|result| result.ips.len()), Ok(1));
    let error = read(r#"{"cniVersion":"9.9.9"}"#, Version::V1_1_0).expect_err("unknown version");
    assert_eq!(error.code.number(), 6);
    assert_eq!(
        error.msg,
        "cniVersion: unsupported CNI result version \"9.9.9\", known are 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"
    );
    assert_eq!(read("null", Version::V1_0_0), Ok(AddResult::default()));
}

#[test]
fn as_tolerant_as_go() {
    let text = r#"{"CNIVersion":"","Interfaces":null,"IPs":[{"Address":"10.9.0.2/24","Gateway":"","Interface":null,"version":"6"}],
        "routes":[{"dst":"0.0.0.0/0","gw":"","gateway":"10.9.0.1"}],"DNS":null,"more":[]}"#;
    let result = read(text, Version::V1_0_0).expect("a result");
    assert_eq!(result.ips, [Ip { address: net("10.9.0.2/24"), gateway: None, interface: None }]);
    assert_eq!(result.routes, [Route::new(net("0.0.0.0/0"), None)]);
}

#[test]
fn broken_results_name_the_place() {
    for (members, code, expected) in [
        (r#""ips":[{}]"#, 7, "ips[0].address: expected an address with prefix length, got nothing"),
        (r#""ips":[null]"#, 7, "ips[0].address: expected an address with prefix length, got nothing"),
        (
            r#""ips":[{"address":"10.9.0.2"}]"#,
            7,
            r#"ips[0].address: expected an address with prefix length, got "10.9.0.2""#,
        ),
        (r#""ips":[{"address":"10.9.0.2/24","gateway":"x"}]"#, 7, r#"ips[0].gateway: expected an IP address, got "x""#),
        (
            r#""ips":[{"address":"10.9.0.2/24","interface":-1}]"#,
            7,
            "ips[0].interface: expected a whole number from 0 to 4294967295, got -1",
        ),
        (
            r#""interfaces":[{"name":"a"}],"ips":[{"address":"10.9.0.2/24","interface":1}]"#,
            7,
            "ips[0].interface: there is no interface 1, the result lists 1 (counted from 0)",
        ),
        (r#""ips":{}"#, 6, "ips: expected a list, got {}"),
        (r#""interfaces":[{"name":1}]"#, 6, "interfaces[0].name: expected a string, got 1"),
        (r#""routes":[{"gw":"10.9.0.1"}]"#, 7, "routes[0].dst: expected an address with prefix length, got nothing"),
        (
            r#""routes":[{"dst":"::/0","scope":256}]"#,
            7,
            "routes[0].scope: expected a whole number from 0 to 255, got 256",
        ),
        (r#""dns":{"nameservers":"1.1.1.1"}"#, 6, r#"dns.nameservers: expected a list, got "1.1.1.1""#),
        (r#""dns":[]"#, 6, "dns: expected an object, got []"),
    ] {
        let error = read(&format!("{{{members}}}"), Version::V1_0_0).expect_err(members);
        assert_eq!((error.code.number(), error.msg.as_str()), (code, expected));
    }
    let json = Json::parse(br#"{"ip4":{"ip":""}}"#).expect("JSON");
    let error = AddResult::parse(&Node::named("prevResult", &json), Version::V0_2_0).expect_err("no address");
    assert_eq!(error.msg, "prevResult.ip4.ip: expected an address with prefix length, got nothing");
    assert_eq!(read("[]", Version::V1_0_0).expect_err("no object").code.number(), 6);
}

#[test]
fn indexes_without_interfaces_are_kept() {
    let text = r#"{"ips":[{"address":"10.9.0.2/24","interface":2}]}"#;
    let result = read(text, Version::V1_0_0).expect("a result");
    assert_eq!(result.ips[0].interface, Some(2));
    assert_eq!(result.interface_of(&result.ips[0]), None);
    let bridge = of_bridge();
    assert_eq!(bridge.interface_of(&bridge.ips[0]), Some(&bridge.interfaces[2]));
}

prop_compose! {
    fn any_net()(v4 in any::<Option<[u8; 4]>>(), v6 in any::<[u16; 8]>(), length in 0_u8..=128) -> ipnet::IpNet {
        match v4 {
            Some(octets) => ipnet::IpNet::new(octets.into(), length.min(32)).expect("a prefix length"),
            // The first bit set: never an IPv4 address in disguise.
            None => ipnet::IpNet::new([v6[0] | 0x8000, v6[1], v6[2], v6[3], v6[4], v6[5], v6[6], v6[7]].into(), length)
                .expect("a prefix length"),
        }
    }
}

prop_compose! {
    fn any_interface(rich: bool)(name in ".{1,15}", mac in "|aa:bb:cc:dd:ee:ff", sandbox in "|/run/netns/.{1,9}",
        mtu in any::<u32>(), socket_path in "|/k.{0,9}", pci_id in "|0000:01:00.0") -> Interface {
        let plain = Interface { name, mac, sandbox, ..Interface::default() };
        if rich { Interface { mtu, socket_path, pci_id, ..plain } } else { plain }
    }
}

prop_compose! {
    fn any_route(rich: bool)(dst in any_net(), gw in prop::option::of(any_net()), numbers in any::<[u32; 3]>(),
        table in any::<Option<u32>>(), scope in any::<Option<u8>>()) -> Route {
        let plain = Route::new(dst, gw.map(|net| net.addr()));
        let [mtu, advmss, priority] = numbers;
        if rich { Route { mtu, advmss, priority, table, scope, ..plain } } else { plain }
    }
}

prop_compose! {
    fn any_result(rich: bool)(interfaces in prop::collection::vec(any_interface(rich), 0..4),
        ips in prop::collection::vec((any_net(), prop::option::of(any_net()), any::<Option<u8>>()), 0..4),
        routes in prop::collection::vec(any_route(rich), 0..4),
        nameservers in prop::collection::vec(".{0,9}", 0..3), domain in ".{0,9}",
        search in prop::collection::vec(".{0,9}", 0..3), options in prop::collection::vec(".{0,9}", 0..3)) -> AddResult {
        let count = interfaces.len();
        let index = |index: Option<u8>| index.map(usize::from).map(|index| if count > 0 { index % count } else { index });
        let ips = ips.into_iter().map(|(address, gateway, interface)| {
            Ip { address, gateway: gateway.map(|net| net.addr()), interface: index(interface) }
        }).collect();
        AddResult { interfaces, ips, routes, dns: Dns { nameservers, domain, search, options } }
    }
}

proptest! {
    #[test]
    fn newest_survives(result in any_result(true)) {
        let text = result.print(Version::V1_1_0).expect("has a shape");
        prop_assert_eq!(read(&text, Version::V0_1_0), Ok(result));
    }

    #[test]
    fn lists_survive(result in any_result(false), version in prop::sample::select(&[Version::V0_3_0, Version::V0_3_1, Version::V0_4_0, Version::V1_0_0][..])) {
        let text = result.print(version).expect("has a shape");
        prop_assert_eq!(read(&text, Version::V0_1_0), Ok(result));
    }

    #[test]
    fn printing_is_stable(result in any_result(true), version in prop::sample::select(Version::ALL)) {
        if let Ok(text) = result.print(version) {
            let again = read(&text, Version::V1_1_0).and_then(|result| result.print(version));
            prop_assert_eq!(again, Ok(text));
        } else {
            prop_assert!(version < Version::V0_3_0 && result.ips.is_empty());
        }
    }
}
