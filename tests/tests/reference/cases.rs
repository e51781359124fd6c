//! The cases, as data.

use cnm_tests::Conf;
use serde_json::json;

/// One configuration and how it is used.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) conf: Conf,
    /// How many sandboxes are attached.
    pub(crate) endpoints: usize,
    pub(crate) args: String,
    pub(crate) ifname: String,
    /// Whether CHECK is called as well.
    pub(crate) check: bool,
    /// Files that must exist: path and content.
    pub(crate) files: Vec<(String, String)>,
    /// Command lines that are run on the host first.
    pub(crate) prepare: Vec<String>,
}

impl Case {
    pub(crate) fn new(name: &str, conf: Conf) -> Self {
        Self {
            name: name.into(),
            conf,
            endpoints: 1,
            args: String::new(),
            ifname: "eth0".into(),
            check: false,
            files: Vec::new(),
            prepare: Vec::new(),
        }
    }

    pub(crate) fn endpoints(mut self, count: usize) -> Self {
        self.endpoints = count;
        self
    }

    pub(crate) fn args(mut self, args: &str) -> Self {
        self.args = args.into();
        self
    }

    pub(crate) fn ifname(mut self, name: &str) -> Self {
        self.ifname = name.into();
        self
    }

    pub(crate) fn checked(mut self) -> Self {
        self.check = true;
        self
    }

    fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.into(), content.into()));
        self
    }

    pub(crate) fn prepared(mut self, line: &str) -> Self {
        self.prepare.push(line.into());
        self
    }
}

fn wire() -> Conf {
    Conf::bridge("web")
}

pub(crate) fn lan() -> Conf {
    wire().subnet("10.1.2.0/24")
}

pub(crate) fn dual() -> Conf {
    lan().subnet("fd00:1:2::/64")
}

fn pool() -> Conf {
    // Without a bridge of its own name: the plugin that is called is host-local.
    Conf::new("host-local", "pool").with("ipam", json!({ "type": "host-local" }))
}

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    [keys(), addresses(), versions(), others(), mistakes(), firewalls(), crate::macvlan::all(), crate::portmap::all()]
        .into_iter()
        .flatten()
        .collect()
}

fn keys() -> Vec<Case> {
    vec![
        Case::new("layer 2", wire()).endpoints(2),
        Case::new("v4", lan()).endpoints(2),
        Case::new("v6", wire().subnet("fd00:1:2::/64")),
        Case::new("dual stack", dual()).endpoints(2),
        Case::new("cni0", Conf::new("bridge", "web").subnet("10.1.2.0/24")),
        Case::new("isGateway", dual().with("isGateway", true)).endpoints(2).checked(),
        Case::new("isDefaultGateway", dual().with("isDefaultGateway", true)).endpoints(2).checked(),
        Case::new("forceAddress", lan().with("isGateway", true).with("forceAddress", true))
            .prepared("ip link add br-web type bridge")
            .prepared("ip addr add 10.9.9.1/24 dev br-web"),
        Case::new("mtu", lan().with("mtu", 1400)).endpoints(2),
        Case::new("hairpinMode", lan().with("hairpinMode", true).with("isGateway", true)).checked(),
        Case::new("promiscMode", lan().with("promiscMode", true).with("isGateway", true)).checked(),
        Case::new("macspoofchk", lan().with("macspoofchk", true).with("isGateway", true)),
        Case::new("ipMasq by iptables", dual().to_the_world().with("ipMasqBackend", "iptables")).endpoints(2).checked(),
        Case::new("ipMasq by default", dual().to_the_world()),
        Case::new("existing bridge", lan()).prepared("ip link add br-web type bridge ageing_time 12300"),
        Case::new("another name", lan()).ifname("net7"),
        Case::new("podman", podman()).endpoints(2).checked(),
    ]
}

/// Debian's 87-podman-bridge.conflist, first plugin.
fn podman() -> Conf {
    let ipam = json!({
        "type": "host-local",
        "routes": [{ "dst": "0.0.0.0/0" }],
        "ranges": [[{ "subnet": "10.88.0.0/16", "gateway": "10.88.0.1" }]]
    });
    let conf = Conf::new("bridge", "podman").version("0.4.0").with("bridge", "cni-podman0").with("isGateway", true);
    conf.with("ipMasq", true).with("hairpinMode", true).with("ipMasqBackend", "iptables").with("ipam", ipam)
}

fn addresses() -> Vec<Case> {
    let routes =
        json!([{ "dst": "192.0.2.0/24" }, { "dst": "203.0.113.0/24", "gw": "10.1.2.7" }, { "dst": "fd00:9::/48" }]);
    vec![
        Case::new("routes", dual().with("isGateway", true).ipam("routes", routes)),
        Case::new("default route of the lease", lan().with("isGateway", true).routes(&["0.0.0.0/0"])),
        Case::new("IP=", lan()).args("IgnoreUnknown=1;IP=10.1.2.77"),
        Case::new("MAC=", lan()).args("IgnoreUnknown=1;MAC=02:00:00:00:00:0a"),
        Case::new(
            "runtimeConfig",
            lan().with("runtimeConfig", json!({ "mac": "02:00:00:00:00:0c", "ips": ["10.1.2.9"] })),
        ),
        Case::new(
            "args.cni",
            lan().with("args", json!({ "cni": { "mac": "02:00:00:00:00:0b", "ips": ["10.1.2.8"] } })),
        ),
        Case::new("K8S arguments", lan()).args("K8S_POD_NAME=a;IgnoreUnknown=true;K8S_POD_UID=b"),
        Case::new("two sets of a family", lan().subnet("10.7.0.0/16")),
        Case::new(
            "own gateway",
            wire()
                .with("isGateway", true)
                .range_set(json!([{ "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.20", "gateway": "10.1.2.254" }])),
        ),
        Case::new("dns", lan().with("dns", json!({ "nameservers": ["192.0.2.53"], "search": ["a.example"] }))),
        Case::new(
            "letters",
            Conf::new("bridge", "web")
                .with("BRIDGE", "br-web")
                .with("ISGateway", true)
                .with("Documentation", "x")
                .with("ipam", json!({ "Type": "host-local", "SUBNET": "10.1.2.0/24" })),
        ),
        Case::new("null", lan().with("mtu", json!(null)).with("vlan", json!(null)).with("dns", json!(null))),
    ]
}

fn versions() -> Vec<Case> {
    let versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];
    let each = versions.iter().flat_map(|version| {
        let conf = dual().with("isDefaultGateway", true).version(version);
        let none = Conf::new("loopback", "lo").version(version);
        let checked = version.starts_with("0.4") || version.starts_with('1');
        let check = move |case: Case| if checked { case.checked() } else { case };
        [
            check(Case::new(&format!("bridge {version}"), conf)),
            check(Case::new(&format!("loopback {version}"), none)),
            Case::new(
                &format!("host-local {version}"),
                pool().subnet("10.1.2.0/24").subnet("fd00::/64").version(version),
            ),
        ]
    });
    each.chain([Case::new("no version", lan().without("cniVersion"))]).collect()
}

fn others() -> Vec<Case> {
    let resolv = "nameserver 192.0.2.53\nsearch a.example\n";
    let previous = json!({ "cniVersion": "1.0.0", "interfaces": [{ "name": "eth9" }], "dns": {} });
    vec![
        Case::new("host-local three sets", pool().subnet("10.1.2.0/24").subnet("fd00::/64").subnet("10.9.0.0/16"))
            .endpoints(3),
        Case::new(
            "host-local dns",
            pool().subnet("10.1.2.0/24").ipam("resolvConf", "/etc/cni/r").routes(&["0.0.0.0/0"]),
        )
        .file("/etc/cni/r", resolv),
        Case::new("host-local dataDir", pool().subnet("10.1.2.0/24").ipam("dataDir", "/run/leases")).endpoints(2),
        Case::new("host-local old files", pool().subnet("10.1.2.0/24"))
            .file("/var/lib/cni/networks/pool/10.1.2.2", "s0")
            .file("/var/lib/cni/networks/pool/10.1.2.3", "other\r\neth0"),
        Case::new("host-local wraps", pool().range_set(json!([{ "subnet": "10.1.2.0/29" }])))
            .endpoints(5)
            .file("/var/lib/cni/networks/pool/last_reserved_ip.0", "10.1.2.5"),
        Case::new("loopback chained", Conf::new("loopback", "lo").after(&previous)),
        Case::new("loopback lo", Conf::new("loopback", "lo")).ifname("lo").checked(),
    ]
}

fn mistakes() -> Vec<Case> {
    vec![
        Case::new("hairpin and promisc", lan().with("hairpinMode", true).with("promiscMode", true)),
        Case::new("negative vlan", lan().with("vlan", -1)),
        Case::new("mtu as text", lan().with("mtu", "1500")),
        Case::new("bad subnet", lan().subnet("10.1.2.0/33")),
        Case::new("overlapping sets", lan().subnet("10.1.0.0/16")),
        Case::new("host bits", wire().subnet("10.1.2.3/24")),
        Case::new("no ranges", wire().with("ipam", json!({ "type": "host-local" }))),
        Case::new("unknown ipam", wire().with("ipam", json!({ "type": "no-such-ipam" }))),
        Case::new("ipam with a slash", wire().with("ipam", json!({ "type": "../host-local" }))),
        Case::new("exhausted", wire().range_set(json!([{ "subnet": "10.1.2.0/30" }]))).endpoints(2),
        Case::new("taken address", lan()).endpoints(2).args("IgnoreUnknown=1;IP=10.1.2.50"),
        Case::new("outside address", lan()).args("IgnoreUnknown=1;IP=192.0.2.1"),
        Case::new("gateway asked for", lan()).args("IgnoreUnknown=1;IP=10.1.2.1"),
        Case::new("unknown args", lan()).args("SOMETHING=1"),
        Case::new("malformed args", lan()).args("SOMETHING"),
        Case::new("gateway of another", lan().with("isGateway", true))
            .prepared("ip link add br-web type bridge")
            .prepared("ip addr add 10.9.9.1/24 dev br-web"),
        Case::new("bridge is no bridge", lan()).prepared("ip link add br-web type veth peer name other"),
        Case::new("unknown version", lan().version("9.9.9")),
        Case::new("no name", lan().without("name")),
        Case::new("bad name", lan().with("name", "../x")),
        Case::new("long ifname", lan()).ifname("an-interface-name-too-long"),
    ]
}

/// The firewall plugin behind a bridge plugin of which only the result exists.
fn firewalls() -> Vec<Case> {
    let previous = json!({ "cniVersion": "1.0.0",
        "interfaces": [{ "name": "br-web" }, { "name": "veth1a2b3c4d" }, { "name": "eth0", "sandbox": "/run/netns/s0" }],
        "ips": [{ "address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 2 },
                { "address": "fd00:1:2::3/64", "interface": 2 }],
        "routes": [{ "dst": "0.0.0.0/0" }], "dns": { "nameservers": ["192.0.2.53"] } });
    let old = json!({ "cniVersion": "0.4.0", "interfaces": [{ "name": "br-web" }],
        "ips": [{ "version": "4", "address": "10.1.2.3/24" }], "dns": {} });
    let conf = || Conf::new("firewall", "web").with("backend", "iptables");
    vec![
        Case::new("firewall", conf().after(&previous)).checked(),
        Case::new("firewall same-bridge", conf().after(&previous).with("ingressPolicy", "same-bridge")).checked(),
        Case::new("firewall admin", conf().after(&previous).with("iptablesAdminChainName", "MINE")).checked(),
        Case::new("firewall 0.4.0", conf().version("0.4.0").after(&old)).checked(),
        Case::new("firewall unchained", conf()),
        Case::new("firewall 0.3.1", conf().version("0.3.1").after(&old)),
        Case::new("firewall unknown policy", conf().after(&previous).with("ingressPolicy", "closed")),
    ]
}
