//! nerdctl's calls, in its order: a hook of runc attaches and detaches, all networks of a container at once.

use std::thread;

use cnm_runtime_tests::{Attachment, Chain};
use cnm_tests::{Host, Running, Sandbox};
use serde_json::{Value, json};

use crate::{HOST, answers, port};

/// The container's id as nerdctl says it: its namespace and 64 hexadecimal digits.
const CONTAINER: &str = "default-1f3870be274f6c49b3e31a0c6728957f1f3870be274f6c49b3e31a0c6728957f";

/// The file that nerdctl writes for a network.
fn network(name: &str, bridge: &str, subnet: &str, gateway: &str) -> Chain {
    Chain::new(json!({
        "cniVersion": "1.0.0",
        "name": name,
        "nerdctlID": "17f29b073143d8cd97b5bbe492bdeffec1c5fee55cc1fe2112c8b9335f8b6121",
        "nerdctlLabels": { "nerdctl/default-network": "true" },
        "plugins": [
            {
                "type": "bridge", "bridge": bridge, "isGateway": true, "ipMasq": true, "hairpinMode": true,
                "ipam": {
                    "ranges": [[{ "gateway": gateway, "subnet": subnet }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                    "type": "host-local",
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "firewall", "ingressPolicy": "same-bridge" },
            { "type": "tuning" },
        ],
    }))
}

fn first_network() -> Chain {
    network("bridge", "nerdctl0", "10.4.0.0/24", "10.4.0.1")
}

/// The container's process: nerdctl knows the namespace by it alone.
fn process(sandbox: &Sandbox) -> (Running, String) {
    sandbox.run("ip link set lo up");
    let process = sandbox.launches("sleep", &["1000"]);
    let path = format!("/proc/{}/ns/net", process.pid());
    (process, path)
}

/// An attachment with the keys of go-cni, which has no names for JSON.
fn attachment(netns: &str, ifname: &str) -> Attachment {
    let mapping = |protocol: &str| json!({ "HostPort": 8080, "ContainerPort": 80, "Protocol": protocol, "HostIP": "" });
    Attachment {
        container: CONTAINER.into(),
        ifname: ifname.into(),
        netns: netns.into(),
        args: "IgnoreUnknown=1;NERDCTL_CNI_DHCP_HOSTNAME=web".into(),
        capabilities: json!({ "portMappings": [mapping("tcp"), mapping("udp")] }),
    }
}

/// createRuntime: DEL without namespace, whatever is there; then ADD.
#[track_caller]
fn attach(host: &Host, chain: &Chain, at: &Attachment) -> Value {
    chain.del(host, &at.without_namespace(), None).expect("DEL of what was never attached");
    chain.add(host, at).unwrap_or_else(|outcome| panic!("ADD: {}{}", outcome.stdout, outcome.stderr))
}

/// postStop: the namespace is gone, and so are the arguments.
#[track_caller]
fn detach(host: &Host, chain: &Chain, at: &Attachment, result: &Value) {
    let after = Attachment { args: String::new(), ..at.without_namespace() };
    chain.del(host, &after, Some(result)).unwrap_or_else(|outcome| panic!("DEL: {}{}", outcome.stdout, outcome.stderr));
}

/// What the networks share is there after this.
#[track_caller]
fn warm_up(host: &Host, chains: &[&Chain]) {
    let sandbox = host.sandbox("warm-up");
    for chain in chains {
        let at = attachment(sandbox.path(), "eth0");
        let result = attach(host, chain, &at);
        detach(host, chain, &at, &result);
    }
    sandbox.vanish();
}

mod own {
    //! The reference leaves its masquerading, and the container's end of the link, on DEL without a namespace, which
    //! is nerdctl's only one.

    use super::*;

    #[test]
    fn a_container_is_attached_and_detached_by_the_hooks() {
        let host = Host::new();
        let outside = host.outside();
        let chain = first_network();
        warm_up(&host, &[&chain]);
        let before = host.snapshot();
        let sandbox = host.sandbox("web");
        let (container, netns) = process(&sandbox);
        let at = attachment(&netns, "eth0");
        let result = attach(&host, &chain, &at);
        assert!(result.to_string().contains(&netns), "the sandbox is named as it was: {result}");
        let echo = sandbox.echo_on(80);
        answers(&outside, port(HOST[0], 8080));
        answers(&host, port("127.0.0.1", 8080));
        answers(&sandbox, port(HOST[0], 8080));
        drop((echo, container));
        sandbox.vanish();
        detach(&host, &chain, &at, &result);
        host.is_again(&before);
    }

    #[test]
    fn all_networks_of_a_container_are_attached_at_once() {
        let host = Host::new();
        let (red, blue) = (first_network(), network("blue", "br-0123456789ab", "10.4.1.0/24", "10.4.1.1"));
        let chains = [&red, &blue];
        warm_up(&host, &chains);
        let before = host.snapshot();
        let sandbox = host.sandbox("web");
        let (container, netns) = process(&sandbox);
        let places =
            ["eth0", "eth1"].map(|ifname| Attachment { capabilities: json!({}), ..attachment(&netns, ifname) });
        let results: Vec<Value> = thread::scope(|scope| {
            let calls = chains.iter().zip(&places).map(|(chain, at)| scope.spawn(|| attach(&host, chain, at)));
            let calls: Vec<_> = calls.collect();
            calls.into_iter().map(|call| call.join().expect("an attachment")).collect()
        });
        for gateway in ["10.4.0.1", "10.4.1.1"] {
            sandbox.reaches(gateway);
        }
        drop(container);
        sandbox.vanish();
        for ((chain, at), result) in chains.iter().zip(&places).zip(&results) {
            detach(&host, chain, at, result);
        }
        host.is_again(&before);
    }

    #[test]
    fn a_second_detach_and_one_before_any_attach_say_nothing() {
        let host = Host::new();
        let before = host.snapshot();
        let chain = first_network();
        let sandbox = host.sandbox("web");
        let at = attachment(sandbox.path(), "eth0");
        chain.del(&host, &at.without_namespace(), None).expect("DEL before ADD");
        chain.del(&host, &at, None).expect("DEL before ADD, with the namespace");
        sandbox.vanish();
        host.is_again(&before);
    }

    /// nerdctl reads the first line on standard error that begins so, to the end, as a semantic version; below 1.7.1 it
    /// silently replaces `isolated` with `same-bridge`. It runs the plugin with nothing in the environment.
    #[test]
    fn the_firewall_tells_a_version_that_isolates() {
        let host = Host::new();
        let mut call = host.call("firewall", "");
        for key in ["COMMAND", "PATH", "CONTAINERID", "NETNS", "IFNAME", "ARGS"] {
            call = call.without_env(&format!("CNI_{key}"));
        }
        let outcome = call.run();
        assert!(outcome.status.success(), "{}: {}", outcome.status, outcome.stderr);
        assert_eq!(outcome.stdout, "");
        let line = outcome.stderr.lines().find_map(|line| line.strip_prefix("CNI firewall plugin "));
        let version = line.unwrap_or_else(|| panic!("no version: {:?}", outcome.stderr));
        let number = version.strip_prefix('v').and_then(|text| text.split(['+', '-']).next()).unwrap_or_default();
        let parts: Vec<u32> = number.split('.').map(|part| part.parse().expect("a semantic version")).collect();
        assert!(parts.len() == 3 && parts >= vec![1, 7, 1], "{version}");
    }

    #[test]
    fn an_isolated_network_keeps_its_containers_apart() {
        let host = Host::new();
        let outside = host.outside();
        let chain = Chain::new(json!({
            "cniVersion": "1.0.0",
            "name": "apart",
            "plugins": [
                {
                    "type": "bridge", "bridge": "br-00112233aabb", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                    "ipam": {
                        "ranges": [[{ "gateway": "10.4.9.1", "subnet": "10.4.9.0/24" }]],
                        "routes": [{ "dst": "0.0.0.0/0" }],
                        "type": "host-local",
                    },
                },
                { "type": "portmap", "capabilities": { "portMappings": true } },
                { "type": "firewall", "ingressPolicy": "isolated" },
                { "type": "tuning" },
            ],
        }));
        let other = first_network();
        let places = ["one", "two", "elsewhere"].map(|name| host.sandbox(name));
        let addresses: Vec<_> = places
            .iter()
            .zip([&chain, &chain, &other])
            .map(|(sandbox, chain)| {
                let at = Attachment {
                    container: format!("default-{}", sandbox.name()),
                    capabilities: json!({}),
                    ..attachment(sandbox.path(), "eth0")
                };
                let result = attach(&host, chain, &at);
                result["ips"][0]["address"]
                    .as_str()
                    .and_then(|text| text.split('/').next())
                    .expect("an address")
                    .to_owned()
            })
            .collect();
        let [one, two, elsewhere] = &places;
        one.reaches(crate::OUTSIDE[0]);
        two.reaches("10.4.9.1");
        // Also where the kernel hands bridged frames to no firewall.
        host.attempt("sysctl -q -w net.bridge.bridge-nf-call-iptables=0");
        one.cannot_reach(&addresses[1]);
        elsewhere.cannot_reach(&addresses[0]);
        one.cannot_reach(&addresses[2]);
        drop(outside);
    }
}
