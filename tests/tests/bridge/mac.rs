//! The hardware address of the container's end, from all sources.

use cnm_tests::{Conf, Host};
use serde_json::json;

use crate::lan;

const ARGS: &str = "02:00:00:00:00:0a";
const CNI: &str = "02:00:00:00:00:0b";
const RUNTIME: &str = "02:00:00:00:00:0c";

fn from_cni(conf: Conf) -> Conf {
    conf.with("args", json!({ "cni": { "mac": CNI } }))
}

fn from_runtime(conf: Conf) -> Conf {
    conf.with("runtimeConfig", json!({ "mac": RUNTIME }))
}

#[test]
fn runtime_config_wins_over_args_cni_over_cni_args() {
    let host = Host::new();
    for (name, conf, args, wins) in [
        ("args", lan(), format!("IgnoreUnknown=1;MAC={ARGS}"), ARGS),
        ("cni", from_cni(lan()), format!("IgnoreUnknown=1;MAC={ARGS}"), CNI),
        ("runtime", from_runtime(from_cni(lan())), format!("IgnoreUnknown=1;MAC={ARGS}"), RUNTIME),
        ("runtime-over-args", from_runtime(lan()), format!("IgnoreUnknown=1;K8S_POD_NAME=x;MAC={ARGS}"), RUNTIME),
    ] {
        let sandbox = host.sandbox(name);
        let result = host.calling("ADD", &conf, &sandbox).args(&args).run().attached();
        assert_eq!(result.mac("eth0").as_deref(), Some(wins), "{name}");
        assert_eq!(sandbox.link("eth0").mac, wins, "{name}");
        host.calling("DEL", &conf, &sandbox).args(&args).run().succeeds_silently();
    }
}

#[test]
fn a_bad_hardware_address_is_refused() {
    let host = Host::new();
    host.warm_up(&lan());
    let one = host.sandbox("one");
    let before = host.snapshot();
    for bad in ["x", "02:00:00:00:00", "02:00:00:00:00:zz"] {
        let conf = lan().with("runtimeConfig", json!({ "mac": bad }));
        let _ = host.add(&conf, &one).fails();
        // A runtime deletes what it failed to add.
        let _ = host.del(&conf, &one);
        host.is_again(&before);
    }
}

#[test]
fn malformed_cni_args_are_refused() {
    let host = Host::new();
    host.warm_up(&lan());
    let one = host.sandbox("one");
    let before = host.snapshot();
    for bad in ["MAC", "A=B", "MAC=02:00:00:00:00:01=x", "IgnoreUnknown=perhaps"] {
        let _ = host.calling("ADD", &lan(), &one).args(bad).run().fails();
        host.is_again(&before);
    }
}
