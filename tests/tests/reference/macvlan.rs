//! The cases of macvlan, on a host whose default route leaves by `up0`.

use cnm_tests::Conf;
use serde_json::json;

use crate::cases::Case;

fn case(name: &str, conf: Conf) -> Case {
    Case::new(&format!("macvlan {name}"), conf)
        .prepared("ip link add up0 type veth peer name up1")
        .prepared("ip link set up1 up")
        .prepared("ip link set up0 mtu 1450 up")
        .prepared("ip addr add 10.1.2.10/24 dev up0")
        .prepared("ip route add default via 10.1.2.1")
}

fn wire() -> Conf {
    Conf::new("macvlan", "web").with("master", "up0")
}

fn lan() -> Conf {
    wire().range_set(json!([{ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.100" }]))
}

fn dual() -> Conf {
    lan().subnet("fd00:1:2::/64")
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let modes = ["bridge", "private", "vepa", "passthru"];
    let modes = modes.map(|mode| case(mode, lan().with("mode", mode)).checked());
    let routes =
        json!([{ "dst": "0.0.0.0/0" }, { "dst": "203.0.113.0/24", "gw": "10.1.2.7" }, { "dst": "fd00:9::/48" }]);
    let dns = json!({ "nameservers": ["192.0.2.53"], "search": ["a.example"] });
    let runtime = json!({ "mac": "02:00:00:00:00:0c", "ips": ["10.1.2.109"] });
    let ranges = json!([[{ "subnet": "10.1.2.0/24", "gateway": "10.1.2.1" }]]);
    let podman = Conf::new("macvlan", "web").version("0.4.0").with("master", "").with("mode", "").with("mtu", 0);
    let podman =
        podman.with("ipam", json!({ "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }], "ranges": ranges }));
    let keys = vec![
        case("layer 2", wire()).endpoints(2),
        case("v4", lan()).endpoints(2).checked(),
        case("v6", wire().subnet("fd00:1:2::/64")),
        case("dual stack", dual()).endpoints(2).checked(),
        case("default route", lan().without("master")).checked(),
        case("mtu", lan().with("mtu", 1400)).endpoints(2).checked(),
        case("mac", lan().with("mac", "02:00:00:00:00:0a")),
        case("MAC=", lan().with("mac", "02:00:00:00:00:0a")).args("IgnoreUnknown=1;MAC=02:00:00:00:00:0b"),
        case("runtimeConfig", lan().with("mac", "02:00:00:00:00:0a").with("runtimeConfig", runtime)),
        case("routes", dual().ipam("routes", routes)),
        case("dns", lan().with("dns", dns)),
        case("another name", lan()).ifname("net7"),
        case("host's name", lan()).ifname("up0"),
        case("letters", wire().without("master").with("MASTER", "up0").with("Mode", "vepa").subnet("10.1.2.0/24")),
        case("null", lan().with("mtu", json!(null)).with("mode", json!(null)).with("mac", json!(null))),
        case("podman", podman).endpoints(2).checked(),
        case("0.3.1", dual().version("0.3.1")),
        case("0.2.0", lan().version("0.2.0")),
    ];
    modes.into_iter().chain(keys).chain(mistakes()).collect()
}

fn mistakes() -> Vec<Case> {
    vec![
        case("unknown mode", lan().with("mode", "source")),
        case("too large", lan().with("mtu", 1451)),
        case("no master", lan().with("master", "nothing")),
        case("bad mac", lan().with("mac", "02:00")),
        case("unknown args", lan()).args("SOMETHING=1"),
        case("exhausted", wire().range_set(json!([{ "subnet": "10.1.2.0/30" }]))).endpoints(2),
        case("layer 2 at 0.2.0", wire().version("0.2.0")),
    ]
}
