//! Variables of the sandbox.

use serde_json::json;

use crate::{stage, tune, tuning};

const SOMAXCONN: &str = "net/core/somaxconn";

#[test]
fn variables_are_written_in_the_sandbox_only() {
    let (host, one, attached) = stage();
    let outside = host.sysctl(SOMAXCONN);
    let sysctls = json!({
        "net.core.somaxconn": "517",
        "net.ipv4.conf.IFNAME.arp_filter": "1",
        "net/ipv4/conf/eth0/log_martians": "1",
        "net.ipv4.ip_local_port_range": "20000 30000",
    });
    tune(&host, &tuning().with("sysctl", sysctls), &one, &attached).succeeds();
    for (key, value) in [
        (SOMAXCONN, "517"),
        ("net/ipv4/conf/eth0/arp_filter", "1"),
        ("net/ipv4/conf/eth0/log_martians", "1"),
        ("net/ipv4/ip_local_port_range", "20000\t30000"),
    ] {
        assert_eq!(one.sysctl(key), value, "{key}");
    }
    assert_eq!(host.sysctl(SOMAXCONN), outside);
}

#[test]
fn args_cni_add_and_override() {
    let (host, one, attached) = stage();
    let args = json!({ "cni": { "sysctl": { "net.core.somaxconn": "600", "net.ipv4.conf.all.log_martians": "1" } } });
    let conf = tuning().with("sysctl", json!({ "net.core.somaxconn": "500" })).with("args", args);
    tune(&host, &conf, &one, &attached).succeeds();
    assert_eq!(one.sysctl(SOMAXCONN), "600");
    assert_eq!(one.sysctl("net/ipv4/conf/all/log_martians"), "1");
}

#[test]
fn what_lies_outside_net_is_refused() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    for key in ["kernel.hostname", "vm/overcommit_memory"] {
        let failure = tune(&host, &tuning().with("sysctl", json!({ key: "1" })), &one, &attached).fails();
        failure.says(&["invalid net sysctl key"]);
        host.is_again(&before);
    }
}
