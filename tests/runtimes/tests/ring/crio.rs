//! CRI-O's calls: VERSION of every plugin when a file is read, CHECK directly after ADD and again when CRI-O restarts, DEL
//! from the cached file, STATUS, and GC with `null` for a network without pods.

use cnm_runtime_tests::{Attachment, Chain};
use cnm_tests::Host;
use serde_json::{Value, json};

/// CRI-O's own file, with what it is usually given in addition; IPv6 as large as CRI-O ships it.
fn network(version: &str) -> Chain {
    Chain::new(json!({
        "cniVersion": version,
        "name": "crio",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
                    "ranges": [[{ "subnet": "10.85.0.0/16" }], [{ "subnet": "1100:200::/24" }]],
                },
            },
            { "type": "firewall" },
            { "type": "bandwidth", "capabilities": { "bandwidth": true } },
            { "type": "tuning" },
        ],
    }))
}

/// A pod as CRI-O names it; 64 hexadecimal digits from `digit`.
fn pod(digit: char, netns: &str) -> Attachment {
    let id: String = std::iter::repeat_n(digit, 64).collect();
    // ocicni: no limit is the largest that its 32 bits times 8 give.
    let burst = 4_294_967_295_u64 * 8 - 1;
    Attachment {
        args: format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID={id};K8S_POD_UID=u-{digit}"
        ),
        container: id,
        ifname: "eth0".into(),
        netns: netns.into(),
        capabilities: json!({
            "bandwidth": { "ingressRate": 10_000_000, "ingressBurst": burst, "egressRate": 0, "egressBurst": 0 },
            "io.kubernetes.cri.pod-annotations": { "a": "b" },
            "cgroupPath": "/kubepods/pod1",
            "aliases": { "crio": ["web"] },
        }),
    }
}

#[track_caller]
fn add(host: &Host, chain: &Chain, at: &Attachment) -> Value {
    chain.add(host, at).unwrap_or_else(|outcome| panic!("ADD: {}{}", outcome.stdout, outcome.stderr))
}

/// ADD, CHECK at once, others come and go, CHECK again for all, DEL.
#[track_caller]
fn lives_a_life(version: &str) {
    let host = Host::new();
    let chain = network(version);
    chain.is_supported(&host);
    let warm = host.sandbox("warm-up");
    let at = pod('0', warm.path());
    let result = add(&host, &chain, &at);
    chain.del(&host, &at, Some(&result)).expect("DEL");
    warm.vanish();
    let before = host.snapshot();
    let mut pods = Vec::new();
    for (sandbox, digit) in host.sandboxes(4).into_iter().zip("abcd".chars()) {
        let at = pod(digit, sandbox.path());
        let result = add(&host, &chain, &at);
        pods.push((sandbox, at, result));
        // A restart of CRI-O asks again for all.
        for (sandbox, at, result) in &pods {
            let checked = chain.check(&host, at, result);
            checked.unwrap_or_else(|outcome| panic!("CHECK of {}: {}", sandbox.name(), outcome.stdout));
        }
    }
    let (sandbox, at, result) = pods.remove(1);
    chain.del(&host, &at, Some(&result)).expect("DEL");
    drop(sandbox);
    for (sandbox, at, result) in pods {
        chain.check(&host, &at, &result).expect("CHECK after another has gone");
        sandbox.vanish();
        chain.del(&host, &at.without_namespace(), Some(&result)).expect("DEL after the namespace");
    }
    host.is_again(&before);
}

mod own {
    use super::*;

    /// The reference leaves its masquerading when the namespace is gone.
    #[test]
    fn pods_are_checked_after_their_start_and_later() {
        for version in ["0.4.0", "1.0.0"] {
            lives_a_life(version);
        }
    }

    #[test]
    fn pods_of_version_1_1_are_checked_too() {
        lives_a_life("1.1.0");
    }

    #[test]
    fn the_network_has_a_status() {
        let host = Host::new();
        let chain = network("1.1.0");
        chain.is_supported(&host);
        let asked = chain.status(&host);
        asked.unwrap_or_else(|outcome| panic!("STATUS: {}{}", outcome.stdout, outcome.stderr));
    }

    #[test]
    fn garbage_is_what_is_not_listed_and_null_lists_nothing() {
        let host = Host::new();
        let chain = network("1.1.0");
        let sandboxes = host.sandboxes(3);
        let warm = pod('0', sandboxes[0].path());
        let result = add(&host, &chain, &warm);
        chain.del(&host, &warm, Some(&result)).expect("DEL");
        let kept = pod('a', sandboxes[0].path());
        let result = add(&host, &chain, &kept);
        let with_one = host.snapshot();
        let _ = add(&host, &chain, &pod('b', sandboxes[1].path()));
        let _ = add(&host, &chain, &pod('c', sandboxes[2].path()));
        let valid = json!([{ "containerID": kept.container, "ifname": "eth0" }]);
        chain.gc(&host, &valid).expect("GC");
        host.is_again(&with_one);
        chain.check(&host, &kept, &result).expect("CHECK of the one that was kept");
        chain.gc(&host, &Value::Null).expect("GC with null");
        assert!(!host.has_link("cni0"), "the bridge goes with the last");
        let left = host.list_folder("/var/lib/cni/networks/crio");
        assert!(!left.iter().any(|name| name.starts_with("10.85.")), "{left:?}");
    }
}
