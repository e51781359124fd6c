//! What is kept of an attachment: libcni's file, which others write and read, too.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::stage::Stage;

const RESULTS: &str = "/var/lib/cni/results";

#[test]
fn the_file_is_libcnis() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.script("first");
    let list = r#"{"cniVersion":"1.0.0","name":"net","x":"<&>","plugins":[{"type":"first"}]}"#;
    stage.host.write_file("/run/conf/net.conflist", list);
    stage.answers("first", r#"{"ips":[{"gateway":"10.0.0.1","address":"10.0.0.9/24"}],"cniVersion":"1.0.0"}"#);
    stage.run(r#"add net web --args IP=10.0.0.9 --cap {"mac":"x"}"#);
    // echo -n '<list>' | base64 -w0
    let config = "eyJjbmlWZXJzaW9uIjoiMS4wLjAiLCJuYW1lIjoibmV0IiwieCI6IjwmPiIsInBsdWdpbnMiOlt7InR5cGUiOiJmaXJzdCJ9XX0=";
    let file = format!("{RESULTS}/net-cnitool-82e215debf7df4651d36-eth0");
    assert_eq!(
        stage.host.read_file(&file).unwrap(),
        format!(
            "{{\"kind\":\"cniCacheV1\",\"containerId\":\"cnitool-82e215debf7df4651d36\",\"config\":\"{config}\",\
             \"ifName\":\"eth0\",\"networkName\":\"net\",\"netns\":\"/run/netns/web\",\"cniArgs\":[[\"IP\",\"10.0.0.9\"]],\
             \"capabilityArgs\":{{\"mac\":\"x\"}},\"result\":{{\"cniVersion\":\"1.0.0\",\
             \"ips\":[{{\"address\":\"10.0.0.9/24\",\"gateway\":\"10.0.0.1\"}}]}}}}"
        )
    );
    let mode = |path: &str| stage.host.enter(|| std::fs::metadata(path).unwrap().permissions().mode() & 0o777);
    assert_eq!((mode(&file), mode(RESULTS)), (0o600, 0o700));
    assert_eq!(stage.host.list_folder("/var/lib/cni"), ["results"], "nothing beside it");
}

/// An attachment as a container engine keeps it, whose configuration file has been removed since.
fn engines(stage: &Stage) -> String {
    let id = "a".repeat(64);
    // {"cniVersion":"0.4.0","name":"net","plugins":[{"type":"first","old":1}]}
    let config = "eyJjbmlWZXJzaW9uIjoiMC40LjAiLCJuYW1lIjoibmV0IiwicGx1Z2lucyI6W3sidHlwZSI6ImZpcnN0Iiwib2xkIjoxfV19";
    let entry = json!({
        "kind": "cniCacheV1", "containerId": id, "config": config, "ifName": "eth0", "networkName": "net",
        "netns": "/var/run/netns/web", "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAME", "web"]],
        "result": {"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.0.0.9/24"}], "dns": {}},
    });
    stage.host.write_file(&format!("{RESULTS}/net-{id}-eth0"), entry.to_string());
    id
}

#[test]
fn what_an_engine_attached_is_detached_by_its_own_configuration() {
    for sandbox in ["web", "/run/netns/web", "/var/run/netns/web"] {
        let stage = Stage::new();
        let _web = stage.host.sandbox("web");
        stage.script("first");
        let id = engines(&stage);
        let done = stage.json(&format!("del net {sandbox}"));
        assert_eq!((&done["known"], &done["containerID"]), (&json!(true), &json!(id)));
        let stdin = stage.stdin("00-first-DEL");
        assert_eq!((&stdin["old"], &stdin["prevResult"]["cniVersion"]), (&json!(1), &json!("0.4.0")));
        let env = stage.env("00-first-DEL");
        assert!(env.contains(&format!("CNI_CONTAINERID={id}\n")), "{env}");
        assert!(env.contains("CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=web\n"), "{env}");
        assert!(env.contains("CNI_NETNS=/var/run/netns/web\n"), "{env}");
        assert_eq!(stage.kept(), [""; 0]);
    }
}

/// libcni before 1.2 keeps no path: then the result tells it, or the command line, and gc does not guess.
#[test]
fn an_attachment_without_a_path_is_not_taken_for_gone() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.script("first");
    stage.network("net", "1.0.0", json!([{"type": "first"}]));
    let entry = |id: &str, result: serde_json::Value| {
        let entry = json!({"kind": "cniCacheV1", "containerId": id, "config": "", "ifName": "eth0", "networkName": "net", "result": result});
        stage.host.write_file(&format!("{RESULTS}/net-{id}-eth0"), entry.to_string());
    };
    let inside = |path: &str| json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": path}]});
    entry("alive", inside("/var/run/netns/web"));
    entry("gone", inside("/var/run/netns/gone"));
    entry("unknown", json!({"cniVersion": "1.0.0"}));
    let removed = stage.json("gc net")["removed"].clone();
    assert_eq!((removed.as_array().unwrap().len(), &removed[0]["containerID"]), (1, &json!("gone")));
    let unknown = &stage.json("network inspect net")["endpoints"][1];
    assert_eq!((&unknown["containerID"], &unknown["alive"]), (&json!("unknown"), &json!(null)));
    assert_eq!(stage.json("del net web")["containerID"], "alive");
    stage.run("check net web --id unknown");
    assert!(stage.env("02-first-CHECK").contains("CNI_NETNS=/run/netns/web\n"));
    stage.run("gc net --all");
    assert_eq!(stage.kept(), [""; 0]);
}

#[test]
fn an_attachment_is_found_by_its_id_when_the_sandbox_is_gone() {
    let stage = Stage::new();
    stage.script("first");
    let id = engines(&stage);
    let done = stage.json(&format!("del net anything --id {id}"));
    assert_eq!((&done["known"], &done["alive"]), (&json!(true), &json!(false)));
    assert_eq!(stage.kept(), [""; 0]);
}

#[test]
fn a_plain_file_in_the_sandboxs_place_is_no_sandbox() {
    let stage = Stage::new();
    stage.script("first");
    engines(&stage);
    stage.host.write_file("/run/netns/web", "");
    stage.run("del net web");
    assert!(stage.env("00-first-DEL").contains("CNI_NETNS=\n"));
}

#[test]
fn corrupt_files_are_told_and_do_no_harm() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.scripted("1.0.0");
    for (name, text) in [("net-cnitool-82e215debf7df4651d36-eth0", "{\"kind\":\"cniCac"), ("x", "")] {
        stage.host.write_file(&format!("{RESULTS}/{name}"), text);
    }
    let done = stage.cnm("del net web");
    assert!(done.status.success(), "{}", done.complaint());
    assert_eq!(done.complaint().matches("is ignored").count(), 2, "{}", done.complaint());
    assert_eq!(stage.calls(), ["00-second-DEL", "01-first-DEL"]);
    assert_eq!(stage.kept(), ["x"], "the corrupt file of this attachment is gone with it");
    stage.run("add net web");
    stage.run("del net web");
}

#[test]
fn a_failed_del_asks_all_and_keeps_the_attachment() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.scripted("1.0.0");
    stage.run("add net web");
    stage.fails("second", "DEL", "busy");
    let said = stage.refused("del net web");
    assert!(said.contains("eth0 of web is not wholly detached from net: second (DEL): busy"), "{said}");
    assert_eq!(stage.calls()[2..], ["02-second-DEL", "03-first-DEL"].map(String::from));
    assert_eq!(stage.kept().len(), 1);
}

#[test]
fn what_cannot_be_kept_is_undone() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.scripted("1.0.0");
    stage.host.write_file(RESULTS, "a file where the folder should be");
    // Reading fails before anything is begun.
    assert!(stage.refused("add net web").contains("cannot read /var/lib/cni/results"));
    assert_eq!(stage.calls(), [""; 0]);
    stage.host.run("rm /var/lib/cni/results");
    // Nobody may create anything there, not even root.
    stage.host.run("mount -t tmpfs -o size=4k,nr_inodes=1 none /var/lib/cni");
    let said = stage.refused("add net web");
    assert!(said.contains("cannot keep the result in /var/lib/cni/results/net-"), "{said}");
    assert_eq!(stage.calls(), ["00-first-ADD", "01-second-ADD", "02-second-DEL", "03-first-DEL"]);
}

#[test]
fn variables_stand_in_for_options() {
    let stage = Stage::new().with("CNI_IFNAME", "net7").with("CNI_ARGS", "A=1").with("CAP_ARGS", r#"{"mac":"m"}"#);
    let _web = stage.host.sandbox("web");
    stage.scripted("1.0.0");
    stage.run("add net web");
    assert!(stage.env("01-second-ADD").contains("CNI_ARGS=A=1\n"));
    assert_eq!(stage.stdin("01-second-ADD")["runtimeConfig"], json!({"mac": "m"}));
    assert_eq!(stage.kept(), ["net-cnitool-82e215debf7df4651d36-net7"]);
}
