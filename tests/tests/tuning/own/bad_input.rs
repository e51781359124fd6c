//! Bad input: the right code, a message that names the path, nothing changed.

use serde_json::json;

use crate::{stage, tune, tuning};

#[test]
fn wrong_values_are_named_by_their_path() {
    let (host, one, attached) = stage();
    let before = host.snapshot();
    let sysctl = |key: &str| tuning().with("sysctl", json!({ key: "1" }));
    for (code, conf, words) in [
        (7, sysctl("kernel.hostname"), &["sysctl.kernel.hostname: invalid net sysctl key"][..]),
        (7, sysctl("net/../kernel/hostname"), &["invalid net sysctl key: \"net/../kernel/hostname\""]),
        (7, sysctl("/net/core/somaxconn"), &["invalid net sysctl key"]),
        (7, sysctl("net..core.somaxconn"), &["invalid net sysctl key"]),
        (7, sysctl("net"), &["invalid net sysctl key"]),
        (7, sysctl("net.core.no_such_variable"), &["net/core/no_such_variable", "No such file"]),
        (
            6,
            tuning().with("sysctl", json!({ "net.core.somaxconn": 1 })),
            &["sysctl.net.core.somaxconn: expected a string"],
        ),
        (6, tuning().with("sysctl", json!(["net.core.somaxconn"])), &["sysctl: expected an object"]),
        (
            7,
            tuning().with("sysctl", json!({ "net.core.somaxconn": "1", "net/core/somaxconn": "2" })),
            &["duplicated sysctl keys are not allowed"],
        ),
        (7, tuning().with("mac", "02:00"), &["mac: not a MAC address"]),
        (7, tuning().with("mac", "01:00:5e:00:00:01"), &["mac: an interface cannot have"]),
        (7, tuning().with("args", json!({ "cni": { "mac": "xx" } })), &["args.cni.mac", "xx"]),
        (7, tuning().with("mtu", 7), &["mtu", "7"]),
        (7, tuning().with("mtu", -1400), &["mtu", "-1400"]),
        (6, tuning().with("mtu", "1400"), &["mtu", "1400"]),
        (6, tuning().with("promisc", "yes"), &["promisc"]),
        (6, tuning().with("allmulti", 1), &["allmulti"]),
        (7, tuning().with("txQLen", -1), &["txQLen", "-1"]),
        (7, tuning().with("txQLen", 1u64 << 40), &["txQLen"]),
        (6, tuning().with("dataDir", 7), &["dataDir"]),
    ] {
        tune(&host, &conf, &one, &attached).fails_with(code, words);
        host.is_again(&before);
    }
    let call = host.calling("ADD", &tuning().after(attached.json()), &one).args("SOMETHING=1");
    call.run().fails_with(4, &["unknown args"]);
    let call = host.calling("ADD", &tuning().with("mtu", 1400).after(attached.json()), &one).ifname("eth9");
    call.run().fails_with(7, &["Cannot find container link eth9"]);
    host.add(&tuning(), &one).fails_with(7, &["Required prevResult missing", "plugins"]);
    host.is_again(&before);
}

#[test]
fn an_allowlist_that_is_none_allows_nothing() {
    let (host, one, attached) = stage();
    host.write_file("/etc/cni/tuning/allowlist.conf", "net\\.core\\.\n(");
    let conf = tuning().with("sysctl", json!({ "net.core.somaxconn": "7" }));
    tune(&host, &conf, &one, &attached).fails_with(7, &["allowlist.conf", "(", "not a regular expression"]);
    host.write_file("/etc/cni/tuning/allowlist.conf", "");
    tune(&host, &conf, &one, &attached).fails_with(7, &["is not allowed"]);
    assert_ne!(one.sysctl("net/core/somaxconn"), "7");
    // Who writes no variables is not asked.
    tune(&host, &tuning().with("mtu", 1400), &one, &attached).succeeds();
}
