//! Pods in containerd, by the calls that kubelet makes.

use std::net::IpAddr;
use std::sync::mpsc::channel;
use std::thread;

use cnm_runtime_tests::messages::PortMapping;
use cnm_runtime_tests::{Chain, Containerd, Pod, PodConfig, Protocol};
use cnm_tests::{Namespace, Sandbox, Snapshot, Suite, eventually};
use serde_json::{Value, json};

use crate::{HOST, OUTSIDE, answers, is_mute, port};

/// What `containerd.is_quiet` expects to run.
const DAEMON: &[&str] = &["containerd --config"];

/// The pod network of a node, both families, as installers write it.
fn network() -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd00:88::/64" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "bandwidth", "capabilities": { "bandwidth": true } },
        ],
    })
}

/// A containerd with that network, the world outside, and the state after a first pod has come and gone.
fn warm() -> (Containerd, Sandbox, Snapshot) {
    warm_on(&network())
}

/// The same with another network.
fn warm_on(network: &Value) -> (Containerd, Sandbox, Snapshot) {
    let containerd = Containerd::with(network);
    let outside = containerd.outside();
    containerd.runs(&publishing(containerd.pod("warm-up"), 8080, 80)).goes();
    let before = containerd.state();
    (containerd, outside, before)
}

/// With TCP and UDP of `host` published for `inside`.
fn publishing(mut pod: PodConfig, host: i32, inside: i32) -> PodConfig {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let mapping =
            PortMapping { protocol: protocol.into(), container_port: inside, host_port: host, ..Default::default() };
        pod.port_mappings.push(mapping);
    }
    pod
}

/// The port that the pod publishes answers `from` there, whatever is asked `then` does, too; then it goes and leaves
/// nothing.
#[track_caller]
fn serves_and_goes(pod: Pod<'_>, from: &Namespace, at: &str, then: impl Fn(&Sandbox), before: &Snapshot) {
    let containerd = pod.containerd();
    let sandbox = pod.sandbox();
    let echo = sandbox.echo_on(80);
    answers(from, port(at, 8080));
    then(&sandbox);
    drop((sandbox, echo));
    pod.goes();
    containerd.is_as(before);
}

#[test]
fn a_node_without_network_is_not_ready() {
    let containerd = Containerd::without_network();
    let condition = containerd.condition("NetworkReady");
    assert!(!condition.holds, "{condition:?}");
    let refused = containerd.attempts_pod(&containerd.pod("web")).map(|pod| pod.id).expect_err("there is no network");
    assert!(refused.message().contains("cni plugin not initialized"), "{refused}");
    containerd.configures(&network());
    eventually("NetworkReady", || {
        let condition = containerd.condition("NetworkReady");
        if condition.holds { Ok(()) } else { Err(format!("{condition:?}")) }
    });
}

#[test]
fn pods_talk_to_each_other_and_to_the_world() {
    let (containerd, outside, before) = warm();
    let (one, two) = (containerd.runs(&containerd.pod("one")), containerd.runs(&containerd.pod("two")));
    let (here, there) = (one.sandbox(), two.sandbox());
    let (echo, world) = (there.echo(), outside.echo());
    assert_eq!(one.addresses().len(), 2, "an address of each family");
    for ((from, to), (host, far)) in one.addresses().into_iter().zip(two.addresses()).zip(HOST.into_iter().zip(OUTSIDE))
    {
        assert_eq!(here.is_seen_as(to, &echo), from);
        assert_eq!(here.is_seen_as(far.parse().expect("an address"), &world).to_string(), host);
    }
    drop((here, there, echo, world));
    one.goes();
    two.goes();
    containerd.is_as(&before);
    containerd.is_quiet(DAEMON);
}

#[test]
fn host_ports_and_bandwidth_of_a_pod_are_made_and_gone() {
    let (containerd, outside, before) = warm();
    let mut config = publishing(containerd.pod("web"), 8080, 80);
    for direction in ["ingress", "egress"] {
        config.annotations.insert(format!("kubernetes.io/{direction}-bandwidth"), "10M".into());
    }
    let pod = containerd.runs(&config);
    let sandbox = pod.sandbox();
    let echo = sandbox.echo_on(80);
    for address in HOST {
        answers(&outside, port(address, 8080));
        answers(&sandbox, port(address, 8080));
    }
    answers(&containerd, port("127.0.0.1", 8080));
    is_mute(&outside, port(HOST[0], 8081));
    let queues = containerd.json("tc -j qdisc show");
    let rates: Vec<&Value> = queues.as_array().into_iter().flatten().filter(|queue| queue["kind"] == "tbf").collect();
    assert_eq!(rates.len(), 2, "one for each direction: {queues}");
    assert!(rates.iter().all(|queue| queue["options"]["rate"] == 1_250_000), "10 Mbit/s in bytes: {rates:?}");
    drop((sandbox, echo));
    pod.goes();
    containerd.is_as(&before);
}

#[test]
fn fifty_pods_start_and_go_at_once() {
    let (containerd, _outside, before) = warm();
    let containerd = &containerd;
    let pods: Vec<_> = thread::scope(|scope| {
        let run = |n| {
            let host_port = 20_000 + n;
            containerd.runs(&publishing(containerd.pod(&format!("pod-{n}")), host_port, 80))
        };
        let started: Vec<_> = (0..50).map(|n| scope.spawn(move || run(n))).collect();
        started.into_iter().map(|pod| pod.join().expect("a pod starts")).collect()
    });
    let mut addresses: Vec<IpAddr> = pods.iter().flat_map(|pod| pod.addresses()).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 100, "two addresses for each");
    assert_eq!(containerd.ports("cni0").len(), 50);
    for (n, pod) in (0..50).zip(&pods).step_by(17) {
        let sandbox = pod.sandbox();
        let _echo = sandbox.echo_on(80);
        answers(containerd, port("127.0.0.1", 20_000 + n));
    }
    thread::scope(|scope| {
        let stopped: Vec<_> = pods.into_iter().map(|pod| scope.spawn(move || pod.goes())).collect();
        for stop in stopped {
            stop.join().expect("a pod stops");
        }
    });
    containerd.is_as(&before);
    containerd.is_quiet(DAEMON);
}

#[test]
fn a_pod_that_cannot_be_attached_leaves_nothing() {
    let mut small = network();
    small["plugins"][0]["ipam"]["ranges"] = json!([[{ "subnet": "10.88.0.0/30" }]]);
    let containerd = Containerd::with(&small);
    let pod = containerd.runs(&containerd.pod("only"));
    let before = containerd.state();
    let refused = containerd.attempts_pod(&containerd.pod("other")).map(|pod| pod.id).expect_err("the pool is full");
    assert!(refused.message().contains("no IP addresses available"), "{refused}");
    containerd.is_as(&before);
    pod.goes();
}

#[test]
fn pods_outlive_a_crash_of_containerd_and_can_be_removed_after_it() {
    let (containerd, _outside, before) = warm();
    let pod = containerd.runs(&publishing(containerd.pod("web"), 8080, 80));
    let id = pod.id.clone();
    drop(pod);
    containerd.restarts();
    serves_and_goes(containerd.known(&id), &containerd, "127.0.0.1", |_| {}, &before);
    containerd.is_quiet(DAEMON);
}

/// What others have installed for years, key for key: containerd's own installer, minikube, flannel.
#[test]
fn files_of_installers_work() {
    let files = [
        json!({
            "cniVersion": "1.0.0", "name": "containerd-net",
            "plugins": [
                {
                    "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "promiscMode": true,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "2001:4860:4860::/64" }]],
                        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
                    },
                },
                { "type": "portmap", "capabilities": { "portMappings": true } },
            ],
        }),
        json!({
            "cniVersion": "0.4.0", "name": "bridge",
            "plugins": [
                {
                    "type": "bridge", "bridge": "bridge", "addIf": "true", "isDefaultGateway": true, "ipMasq": true,
                    "hairpinMode": true, "ipam": { "type": "host-local", "subnet": "10.244.0.0/16" },
                },
                { "type": "portmap", "capabilities": { "portMappings": true } },
                { "type": "firewall" },
            ],
        }),
        json!({
            "cniVersion": "0.3.1", "name": "cbr0",
            "plugins": [
                {
                    "type": "bridge", "name": "cbr0", "hairpinMode": true, "ipMasq": false, "isDefaultGateway": true,
                    "isGateway": true, "mtu": 1450,
                    "ipam": {
                        "type": "host-local", "ranges": [[{ "subnet": "10.244.1.0/24" }]],
                        "routes": [{ "dst": "10.244.0.0/16" }],
                    },
                },
                { "type": "portmap", "capabilities": { "portMappings": true } },
            ],
        }),
    ];
    for file in files {
        let (containerd, outside, before) = warm_on(&file);
        let name = file["name"].as_str().expect("a network has a name");
        let pod = containerd.runs(&publishing(containerd.pod(name), 8080, 80));
        // Where bridged packets pass iptables, a bridge in promiscuous mode is not enough for a pod to reach itself.
        let itself = |sandbox: &Sandbox| {
            if file["plugins"][0]["hairpinMode"] == true {
                answers(sandbox, port(HOST[0], 8080));
            }
        };
        serves_and_goes(pod, &outside, HOST[0], itself, &before);
    }
}

mod own {
    use super::*;

    #[test]
    fn a_host_port_that_another_pod_has_is_refused_and_that_pod_unharmed() {
        let (containerd, _outside, before) = warm();
        let pod = containerd.runs(&publishing(containerd.pod("first"), 8080, 80));
        let with_one = containerd.state();
        let config = publishing(containerd.pod("second"), 8080, 80);
        let refused = containerd.attempts_pod(&config).map(|pod| pod.id).expect_err("the port is taken");
        assert!(refused.message().contains("8080"), "{refused}");
        containerd.is_as(&with_one);
        serves_and_goes(pod, &containerd, "127.0.0.1", |_| {}, &before);
    }

    /// The reference leaves its masquerading.
    #[test]
    fn a_pod_whose_namespace_vanished_is_stopped() {
        let (containerd, _outside, before) = warm();
        let pod = containerd.runs(&publishing(containerd.pod("web"), 8080, 80));
        let path = pod.netns();
        // As after a reboot: no process, no namespace.
        let _ = containerd.ctr(&format!("--namespace k8s.io task kill --signal SIGKILL {}", pod.id)).expect_success();
        eventually("containerd notices", || if pod.is_ready() { Err("it is ready".into()) } else { Ok(()) });
        containerd.run(&format!("umount {path}"));
        containerd.run(&format!("rm {path}"));
        pod.goes();
        containerd.is_as(&before);
        containerd.is_quiet(DAEMON);
    }

    #[test]
    fn pods_that_the_reference_attached_go_after_an_upgrade() {
        let (containerd, outside, _) = warm();
        containerd.changes_to(&Suite::reference());
        containerd.runs(&publishing(containerd.pod("warm-up-2"), 8080, 80)).goes();
        let before = containerd.state();
        let mut config = publishing(containerd.pod("web"), 8080, 80);
        config.annotations.insert("kubernetes.io/egress-bandwidth".into(), "10M".into());
        let id = containerd.runs(&config).id.clone();
        containerd.changes_to(containerd.suite());
        serves_and_goes(containerd.known(&id), &outside, HOST[0], |_| {}, &before);
        containerd.is_quiet(DAEMON);
    }

    /// What a runtime forgets in a crash it never detaches; garbage collection finds it.
    #[test]
    fn a_crash_of_containerd_amid_many_starts_leaves_nothing_after_gc() {
        let (containerd, _outside, before) = warm();
        let containerd = &containerd;
        thread::scope(|scope| {
            let (tell, started) = channel();
            for n in 0..16 {
                let tell = tell.clone();
                scope.spawn(move || {
                    let config = publishing(containerd.pod(&format!("pod-{n}")), 20_000 + n, 80);
                    // Those that the crash meets fail; whether the pod is there is for containerd to say.
                    let _ = tell.send(containerd.attempts_pod(&config).map(drop));
                });
            }
            for _ in 0..3 {
                started.recv().expect("a pod is tried").expect("a pod starts before the crash");
            }
            containerd.restarts();
        });
        for pod in containerd.pods() {
            pod.goes();
        }
        // Plugins that were under way when their caller died come to their end.
        containerd.is_quiet(&["containerd", "/bin/sleep 100000", "runc"]);
        let mut file = network();
        file["cniVersion"] = json!("1.1.0");
        let collected = Chain::new(file).gc(containerd, &json!([]));
        collected.unwrap_or_else(|outcome| panic!("GC: {}{}", outcome.stdout, outcome.stderr));
        // No endpoint is left, so the bridge goes, too; what libcni noted is not the plugins'.
        let ignored =
            ["file /var/lib/cni/results", "host link cni0", "host address cni0", "host route", "host sysctl net/"];
        assert_eq!(before.without(&ignored).compare(&containerd.state().without(&ignored)), Ok(()));
        assert!(!containerd.has_link("cni0"));
    }
}
