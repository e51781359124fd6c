//! Beyond the reference: spec 1.1.0, our own plugins, and what the reference answers with a crash.

use cnm_tests::{Conf, Host};
use serde_json::json;

use crate::{VERSIONS, call, lan};

const ALL: [&str; 12] = [
    "bridge",
    "macvlan",
    "vxlan-overlay",
    "host",
    "none",
    "loopback",
    "firewall",
    "portmap",
    "tuning",
    "bandwidth",
    "host-local",
    "host-local-ipam",
];

/// What plugins of two names call themselves.
fn proper(kind: &str) -> &str {
    if kind == "host-local-ipam" { "host-local" } else { kind }
}

#[test]
fn all_plugins_support_all_versions() {
    let host = Host::new();
    for kind in ALL {
        let outcome = host.call(kind, "VERSION").netns("dummy").ifname("dummy").env("CNI_PATH", "dummy").run();
        assert_eq!(outcome.succeeds(), json!({ "cniVersion": "1.1.0", "supportedVersions": VERSIONS }), "{kind}");
        assert_eq!(outcome.stdout.matches('\n').count(), 1, "{kind}");
        assert_eq!(outcome.stderr, "", "{kind}");
    }
}

#[test]
fn the_about_line_has_a_version_that_callers_can_parse() {
    let host = Host::new();
    for kind in ALL {
        let outcome = host.call(kind, "").without_env("CNI_COMMAND").run();
        outcome.succeeds_silently();
        let line = outcome.stderr.lines().next().unwrap_or_default().to_owned();
        let version = line.strip_prefix(&format!("CNI {} plugin v", proper(kind))).unwrap_or_default();
        let (reference, ours) = version.split_once("+cnm").unwrap_or_default();
        for number in [reference, ours] {
            let parts: Vec<_> = number.split('.').map(str::parse::<u32>).collect();
            assert!(parts.len() == 3 && parts.iter().all(Result::is_ok), "{line}");
        }
    }
}

#[test]
fn every_plugin_helps_a_person() {
    let host = Host::new();
    for kind in ALL {
        let program = host.suite().program(kind);
        let text = host.run(&format!("{} --help", program.display()));
        assert!(text.contains(proper(kind)) && text.lines().count() < 24, "{text}");
    }
}

#[test]
fn the_order_of_checks_is_the_same_for_all_plugins() {
    let host = Host::new();
    for kind in ALL {
        let bare = || host.call(kind, "ADD").without_env("CNI_PATH");
        bare().run().fails_with(4, &["required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing"]);
        let named = || host.call(kind, "ADD").container("one").netns("/run/netns/one").ifname("eth0");
        named().stdin("{").run().fails_with(6, &["error unmarshall network config"]);
        named().stdin("{}").run().fails_with(7, &["missing network name"]);
        named().conf(&Conf::new(kind, "web").version("7.0.0")).run().fails_with(1, &["incompatible CNI versions"]);
        for verb in ["GC", "STATUS"] {
            let outcome = host.call(kind, verb).conf(&Conf::new(kind, "web")).run();
            outcome.fails_with(1, &[&format!("config version does not allow {verb}")]);
            host.call(kind, verb).without_env("CNI_PATH").run().fails_with(4, &["CNI_PATH"]);
        }
        named()
            .env("CNI_COMMAND", "NOPE")
            .conf(&Conf::new(kind, "web"))
            .run()
            .fails_with(4, &["unknown CNI_COMMAND: NOPE"]);
    }
}

#[test]
fn invalid_values_are_told_before_missing_ones() {
    let host = Host::new();
    for (key, value, text) in [
        ("CNI_CONTAINERID", "../one", "invalid characters in containerID"),
        ("CNI_IFNAME", "a/b", "interface name contains / or : or whitespace characters"),
    ] {
        call(&host, "ADD").env(key, value).without_env("CNI_PATH").run().fails_with(4, &[text]);
    }
}

#[test]
fn spec_1_1_adds_nothing_to_older_results() {
    let host = Host::new();
    let routes = json!([{ "dst": "192.0.2.0/24", "mtu": 1400, "priority": 7, "table": 100 }]);
    let old = lan().ipam("routes", routes.clone());
    let (one, result) = host.attach(&old, "one");
    assert_eq!(result.json()["routes"], json!([{ "dst": "192.0.2.0/24" }]));
    assert!(one.routes_of("100").iter().any(|route| route.to == "192.0.2.0/24" && route.json["metric"] == 7));
    let (_two, result) = host.attach(&lan().ipam("routes", routes.clone()).version("1.1.0"), "two");
    assert_eq!(result.json()["routes"], routes);
}

#[test]
fn too_large_a_configuration_is_an_error_and_no_crash() {
    let host = Host::new();
    let before = host.snapshot();
    let huge = lan().with("Documentation", "x".repeat(10 << 20));
    for verb in ["ADD", "DEL"] {
        let _ = call(&host, verb).conf(&huge).run().fails();
    }
    let deep =
        format!("{{\"cniVersion\":\"1.0.0\",\"name\":\"web\",\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let _ = call(&host, "ADD").stdin(deep).run().fails_with(6, &[]);
    host.is_again(&before);
}

#[test]
fn nobody_listening_is_an_error_and_no_crash() {
    let host = Host::new();
    host.warm_up(&lan());
    let one = host.sandbox("one");
    let before = host.snapshot();
    for call in [
        host.calling("ADD", &lan(), &one).deaf_stdout(),
        host.calling("ADD", &lan().with("mtu", -1), &one).deaf_stdout(),
        host.call("bridge", "VERSION").deaf_stdout(),
    ] {
        let outcome = call.run();
        assert!(outcome.status.code().is_some_and(|code| code != 0), "{}: {}", outcome.title, outcome.status);
        // What a runtime does after a failed ADD.
        host.del(&lan(), &one).succeeds_silently();
        host.is_again(&before);
    }
}

#[test]
fn errors_carry_the_version_of_the_configuration_or_none() {
    let host = Host::new();
    for version in VERSIONS {
        let outcome = call(&host, "ADD").conf(&lan().version(version).with("mtu", -1)).run();
        let error: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("an error object");
        let told = &error["cniVersion"];
        assert!(told.is_null() || told == version, "{told}");
        assert!(error["code"].is_u64());
    }
}

#[test]
fn a_relative_cni_path_works() {
    let host = Host::new();
    let one = host.sandbox("one");
    // The working directory of calls is the root.
    let relative = host.suite().folder().trim_start_matches('/').to_owned();
    host.calling("ADD", &lan(), &one).env("CNI_PATH", &format!("nonexistent:{relative}")).run().succeeds();
}

#[test]
fn a_foreign_ipam_plugin_is_executed_with_our_input() {
    let host = Host::new();
    let one = host.sandbox("one");
    host.write_file("/run/ipam/record", "#!/bin/sh\ncat > /run/ipam/input.$CNI_COMMAND\nenv | grep ^CNI_ | sort > /run/ipam/env.$CNI_COMMAND\necho 'a word for the log' >&2\necho '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.1.2.9/24\",\"gateway\":\"10.1.2.1\"}]}'\n");
    host.run("chmod +x /run/ipam/record");
    let conf = Conf::bridge("web").with("isGateway", true).with("ipam", json!({ "type": "record", "x": [1, 2] }));
    let outcome = host.calling("ADD", &conf, &one).env("CNI_PATH", "/nonexistent:/run/ipam").run();
    assert_eq!(outcome.attached().ip().to_string(), "10.1.2.9");
    assert!(outcome.stderr.contains("a word for the log"));
    assert_eq!(host.read_file("/run/ipam/input.ADD"), Some(conf.to_string()), "byte for byte");
    let env = host.read_file("/run/ipam/env.ADD").unwrap_or_default();
    assert!(env.contains("CNI_CONTAINERID=one\n") && env.contains("CNI_NETNS=/run/netns/one\n"), "{env}");
    host.calling("DEL", &conf, &one).env("CNI_PATH", "/run/ipam").run().succeeds_silently();
    assert_eq!(host.read_file("/run/ipam/input.DEL"), Some(conf.to_string()));
}

#[test]
fn an_error_of_the_ipam_plugin_is_ours() {
    let host = Host::new();
    let one = host.sandbox("one");
    for (script, code, words) in [
        ("echo '{\"code\":117,\"msg\":\"no luck\",\"details\":\"today\"}'; exit 1", 117, &["no luck", "today"][..]),
        ("echo 'only words' >&2; exit 3", 0, &["netplugin failed", "only words"]),
        ("exit 3", 0, &["netplugin failed with no error message"]),
        ("echo rubbish", 999, &[]),
        ("echo '{\"cniVersion\":\"1.0.0\",\"ips\":[]}'", 999, &["IPAM plugin returned missing IP config"]),
    ] {
        host.write_file("/run/ipam/bad", format!("#!/bin/sh\n[ $CNI_COMMAND = DEL ] && exit 0\n{script}\n"));
        host.run("chmod +x /run/ipam/bad");
        let conf = Conf::bridge("web").with("ipam", json!({ "type": "bad" }));
        let failure = host.calling("ADD", &conf, &one).env("CNI_PATH", "/run/ipam").run().fails();
        failure.says(words);
        assert!(failure.code == Some(code) || words.is_empty(), "{script}: {failure:?}");
        assert!(!one.has_link("eth0"), "{script}");
        assert_eq!(host.ports("br-web"), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn no_descriptor_of_ours_reaches_the_ipam_plugin() {
    let host = Host::new();
    let one = host.sandbox("one");
    host.write_file("/run/ipam/fds", "#!/bin/sh\nls -l /proc/self/fd > /run/ipam/open\necho '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.1.2.9/24\"}]}'\n");
    host.run("chmod +x /run/ipam/fds");
    let conf = Conf::bridge("web").with("ipam", json!({ "type": "fds" }));
    host.calling("ADD", &conf, &one).env("CNI_PATH", "/run/ipam").run().succeeds();
    let open = host.read_file("/run/ipam/open").unwrap_or_default();
    assert!(!open.contains("socket:") && !open.contains("net:["), "{open}");
}
