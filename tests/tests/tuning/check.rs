//! CHECK: what somebody changed.

use serde_json::json;

use crate::{stage, tune, tuning};

#[test]
fn check_finds_each_difference() {
    for (sabotage, words) in [
        (
            "sysctl -q -w net.core.somaxconn=9",
            &["Tuning configured value of", "somaxconn is 517, current value is 9"][..],
        ),
        ("ip link set eth0 address 02:00:00:00:00:99", &["Tuning configured Ethernet of eth0", "02:00:00:00:00:99"]),
        ("ip link set eth0 mtu 1350", &["Tuning configured MTU of eth0 is 1400, current value is 1350"]),
        ("ip link set eth0 promisc off", &["Tuning link eth0 configured promisc is true, current value is 0"]),
        ("ip link set eth0 allmulticast off", &["Tuning configured all-multicast mode of eth0"]),
        ("ip link del eth0", &["Cannot find container link eth0"]),
    ] {
        let (host, one, attached) = stage();
        let conf = tuning()
            .with("sysctl", json!({ "net.core.somaxconn": "517" }))
            .with("mac", "02:00:00:00:00:77")
            .with("mtu", 1400)
            .with("promisc", true)
            .with("allmulti", true);
        let result = tune(&host, &conf, &one, &attached).attached();
        let conf = conf.after(result.json());
        host.check(&conf, &one).succeeds_silently();
        // The harness's tools are those of iproute2; a variable is written by hand.
        match sabotage.strip_prefix("sysctl -q -w net.core.somaxconn=") {
            Some(value) => one.set_sysctl("net/core/somaxconn", value),
            None => drop(one.run(sabotage)),
        }
        host.check(&conf, &one).fails().says(words);
    }
}

#[test]
fn check_wants_a_result() {
    let (host, one, _) = stage();
    host.check(&tuning(), &one).fails().says(&["Required prevResult missing"]);
    host.add(&tuning(), &one).fails().says(&["Required prevResult missing"]);
}
