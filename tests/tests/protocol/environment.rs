//! The variables: which are required, what they may say.

use cnm_tests::Host;

use crate::{VERSIONS, call, lan};

#[test]
fn missing_variables_are_listed() {
    let host = Host::new();
    let before = host.snapshot();
    for (verb, drop, missing) in [
        ("ADD", &["CNI_CONTAINERID"][..], "CNI_CONTAINERID"),
        ("ADD", &["CNI_NETNS"], "CNI_NETNS"),
        ("ADD", &["CNI_IFNAME"], "CNI_IFNAME"),
        ("ADD", &["CNI_PATH"], "CNI_PATH"),
        (
            "ADD",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH",
        ),
        ("DEL", &["CNI_CONTAINERID"], "CNI_CONTAINERID"),
        ("DEL", &["CNI_IFNAME", "CNI_PATH"], "CNI_IFNAME,CNI_PATH"),
        ("CHECK", &["CNI_NETNS"], "CNI_NETNS"),
    ] {
        let absent = drop.iter().fold(call(&host, verb), |call, key| call.without_env(key));
        let empty = drop.iter().fold(call(&host, verb), |call, key| call.env(key, ""));
        for call in [absent, empty] {
            call.run().fails_with(4, &[&format!("required env variables [{missing}] missing")]);
        }
    }
    host.is_again(&before);
}

#[test]
fn invalid_values_are_told() {
    let host = Host::new();
    for (key, value, text) in [
        ("CNI_CONTAINERID", "../one", "invalid characters in containerID"),
        ("CNI_CONTAINERID", "-one", "invalid characters in containerID"),
        ("CNI_CONTAINERID", "a b", "invalid characters in containerID"),
        ("CNI_IFNAME", "sixteen-bytes-xx", "interface name is too long"),
        ("CNI_IFNAME", ".", "interface name is . or .."),
        ("CNI_IFNAME", "..", "interface name is . or .."),
        ("CNI_IFNAME", "a/b", "interface name contains / or : or whitespace characters"),
        ("CNI_IFNAME", "a:b", "interface name contains / or : or whitespace characters"),
        ("CNI_IFNAME", "a b", "interface name contains / or : or whitespace characters"),
    ] {
        for verb in ["ADD", "DEL", "CHECK"] {
            call(&host, verb).env(key, value).run().fails_with(4, &[text]);
        }
    }
}

#[test]
fn verbs_are_exact() {
    let host = Host::new();
    for verb in ["add", "Add", "ADD ", "REMOVE", "VERSIONS"] {
        call(&host, verb).run().fails_with(4, &[&format!("unknown CNI_COMMAND: {verb}")]);
    }
}

#[test]
fn network_names_are_checked() {
    let host = Host::new();
    for verb in ["ADD", "DEL"] {
        call(&host, verb).conf(&lan().with("name", "")).run().fails_with(7, &["missing network name"]);
        call(&host, verb).conf(&lan().without("name")).run().fails_with(7, &["missing network name"]);
        let bad = call(&host, verb).conf(&lan().with("name", "../web")).run();
        bad.fails_with(7, &["invalid characters found in network name", "../web"]);
    }
}

#[test]
fn check_needs_a_version_that_has_it() {
    let host = Host::new();
    for version in &VERSIONS[..4] {
        let outcome = call(&host, "CHECK").conf(&lan().version(version)).run();
        outcome.fails_with(1, &["config version does not allow CHECK"]);
    }
    for version in ["x", "1.x.0"] {
        let _ = call(&host, "CHECK").conf(&lan().version(version)).run().fails_with(6, &[]);
    }
    call(&host, "CHECK").conf(&lan().version("9.9.9")).run().fails_with(1, &["plugin version does not allow CHECK"]);
}

#[test]
fn the_longest_interface_name_works() {
    let host = Host::new();
    let one = host.sandbox("one");
    host.calling("ADD", &lan(), &one).ifname("fifteen-bytes-x").run().succeeds();
    assert!(one.link("fifteen-bytes-x").up);
    host.calling("DEL", &lan(), &one).ifname("fifteen-bytes-x").run().succeeds_silently();
}
