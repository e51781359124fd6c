//! The portmap plugin behind a bridge plugin of which only the bridge and the result exist.

use cnm_tests::Conf;
use serde_json::{Value, json};

use crate::cases::Case;

fn previous(version: &str) -> Value {
    json!({ "cniVersion": version,
        "interfaces": [{ "name": "br-web" }, { "name": "veth1a2b3c4d" }, { "name": "eth0", "sandbox": "/run/netns/s0" }],
        "ips": [{ "address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 2 },
                { "address": "fd00:1:2::3/64", "interface": 2 }],
        "routes": [{ "dst": "0.0.0.0/0" }], "dns": { "nameservers": ["192.0.2.53"] } })
}

fn conf(mappings: &Value) -> Conf {
    Conf::new("portmap", "web").with("runtimeConfig", json!({ "portMappings": mappings })).after(&previous("1.0.0"))
}

/// Debian's reference plugin knows iptables only; ours needs to be told.
fn by_iptables(mappings: &Value) -> Conf {
    conf(mappings).with("backend", "iptables")
}

fn case(name: &str, conf: Conf) -> Case {
    Case::new(&format!("portmap {name}"), conf)
        .prepared("ip link add br-web type bridge")
        .prepared("ip link set br-web up")
        .prepared("ip addr add 10.1.2.1/24 dev br-web")
        .prepared("ip addr add fd00:1:2::1/64 dev br-web nodad")
}

pub(crate) fn all() -> Vec<Case> {
    let one = json!([{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }]);
    let several = json!([
        { "hostPort": 8080, "containerPort": 80, "protocol": "tcp" },
        { "hostPort": 8443, "containerPort": 443, "protocol": "tcp", "hostIP": "0.0.0.0" },
        { "hostPort": 53, "containerPort": 5353, "protocol": "udp" },
        { "hostPort": 9, "containerPort": 9, "protocol": "sctp" }
    ]);
    let exact = json!([
        { "hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1" },
        { "hostPort": 8081, "containerPort": 80, "protocol": "tcp", "hostIP": "2001:db8::1" }
    ]);
    let many: Vec<Value> =
        (1..=31).map(|n| json!({ "hostPort": 7000 + n, "containerPort": n, "protocol": "tcp" })).collect();
    let capitalised = json!([{ "HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "" }]);
    let wrong = |key: &str, value: Value| {
        let mut mapping = one[0].clone();
        mapping[key] = value;
        by_iptables(&json!([mapping]))
    };
    vec![
        case("one port", by_iptables(&one)).checked(),
        case("several", by_iptables(&several)).checked(),
        case("exact addresses", by_iptables(&exact)).checked(),
        case("many", by_iptables(&json!(many))).checked(),
        case("capitalised", by_iptables(&capitalised)).checked(),
        case("no snat", by_iptables(&several).with("snat", false)).checked(),
        case("masqAll", by_iptables(&several).with("masqAll", true)).checked(),
        case("markMasqBit", by_iptables(&one).with("markMasqBit", 5)).checked(),
        case("external chain", by_iptables(&several).with("externalSetMarkChain", "OTHERS"))
            .prepared("iptables -t nat -N OTHERS")
            .prepared("ip6tables -t nat -N OTHERS")
            .checked(),
        case("conditions", by_iptables(&several).with("conditionsV4", json!(["!", "-s", "192.0.2.0/24"]))).checked(),
        case("0.4.0", by_iptables(&one).version("0.4.0").after(&previous("0.4.0"))).checked(),
        case("0.3.1", by_iptables(&one).version("0.3.1").after(&previous("0.3.1"))),
        case("nothing", conf(&json!([]))).checked(),
        case("unchained", conf(&one).without("prevResult")),
        case("port 0", wrong("hostPort", json!(0))),
        case("container port -1", wrong("containerPort", json!(-1))),
        case("mark bit 32", by_iptables(&one).with("markMasqBit", 32)),
        case("bit and chain", by_iptables(&one).with("markMasqBit", 1).with("externalSetMarkChain", "OTHERS")),
    ]
}
