//! gc and status.

use serde_json::{Value, json};

use crate::stage::Stage;

/// `web` and `db` attached to `net`; `db` then vanishes.
fn two(version: &str) -> (Stage, cnm_tests::Sandbox) {
    let stage = Stage::new();
    let (web, db) = (stage.host.sandbox("web"), stage.host.sandbox("db"));
    stage.scripted(version);
    stage.run("add net web");
    stage.run("add net db -i net1 --args A=1");
    db.vanish();
    stage.host.run("rm -r /run/calls");
    stage.host.write_file("/run/calls/.keep", "");
    (stage, web)
}

fn ids(endpoints: &Value) -> Vec<&str> {
    endpoints.as_array().unwrap().iter().map(|endpoint| endpoint["sandbox"].as_str().unwrap()).collect()
}

#[test]
fn what_is_gone_is_detached_and_the_plugins_are_told_what_is_valid() {
    let (stage, _web) = two("1.1.0");
    let done = stage.json("gc net");
    assert_eq!((ids(&done["removed"]), ids(&done["kept"])), (vec!["/run/netns/db"], vec!["/run/netns/web"]));
    assert_eq!(done["asked"], json!(["first", "second"]));
    assert_eq!(stage.calls(), ["00-second-DEL", "01-first-DEL", "02-first-GC", "03-second-GC"]);
    let env = stage.env("00-second-DEL");
    assert!(env.contains("CNI_ARGS=A=1\n") && env.contains("CNI_IFNAME=net1\n"), "{env}");
    let valid = json!([{"containerID": "cnitool-82e215debf7df4651d36", "ifname": "eth0"}]);
    let stdin = stage.stdin("02-first-GC");
    assert_eq!((&stdin["cni.dev/valid-attachments"], &stdin["cni.dev/attachments"]), (&valid, &valid));
    assert_eq!((&stdin["name"], &stdin["cniVersion"], &stdin["own"]), (&json!("net"), &json!("1.1.0"), &json!(7)));
    assert_eq!(stdin.get("prevResult"), None);
    let env = stage.env("02-first-GC");
    assert!(
        env.contains("CNI_CONTAINERID=\n") && env.contains("CNI_NETNS=\n") && env.contains("CNI_IFNAME=\n"),
        "{env}"
    );
    assert_eq!(stage.kept().len(), 1);
}

#[test]
fn before_1_1_0_only_what_is_gone_is_detached() {
    let (stage, _web) = two("1.0.0");
    let text = stage.run("gc net");
    assert!(text.starts_with("net: 1 detached, 1 kept\n  - net1 of db (cnitool-"), "{text}");
    assert!(text.contains("GC needs cniVersion 1.1.0, net has 1.0.0"), "{text}");
    assert_eq!(stage.calls(), ["00-second-DEL", "01-first-DEL"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let (stage, _web) = two("1.1.0");
    assert!(stage.run("gc net -n").starts_with("net: 1 would be detached, 1 kept\n"));
    assert_eq!((stage.calls().len(), stage.kept().len()), (0, 2));
}

#[test]
fn keep_and_all_say_what_is_valid() {
    let (stage, _web) = two("1.1.0");
    let gone = stage.json("network inspect net")["endpoints"][0].clone();
    assert_eq!((&gone["alive"], &gone["ifname"]), (&json!(false), &json!("net1")));
    let id = gone["containerID"].as_str().unwrap();
    let done = stage.json(&format!("gc net --all --keep {id}:net1 --keep engine --keep other:eth7"));
    assert_eq!((ids(&done["removed"]), ids(&done["kept"])), (vec!["/run/netns/web"], vec!["/run/netns/db"]));
    assert_eq!(
        stage.stdin("02-first-GC")["cni.dev/valid-attachments"],
        json!([
            {"containerID": id, "ifname": "net1"},
            {"containerID": "engine", "ifname": "eth0"},
            {"containerID": "other", "ifname": "eth7"},
        ])
    );
}

#[test]
fn disable_gc_does_nothing() {
    let (stage, _web) = two("1.1.0");
    let list = json!({"cniVersion": "1.1.0", "name": "net", "disableGC": true, "plugins": [{"type": "first"}]});
    stage.host.write_file("/run/conf/net.conflist", list.to_string());
    let done = stage.json("gc net");
    assert_eq!((ids(&done["removed"]).len(), ids(&done["kept"]).len()), (0, 2));
    assert_eq!((stage.calls().len(), stage.kept().len()), (0, 2));
}

#[test]
fn gc_goes_on_after_failures_and_tells_them_all() {
    let (stage, _web) = two("1.1.0");
    stage.fails("first", "DEL", "stuck");
    stage.fails("first", "GC", "no space");
    let said = stage.refused("gc net");
    assert!(said.contains("first (DEL): stuck") && said.contains("first (GC): no space"), "{said}");
    assert_eq!(stage.calls().pop().unwrap(), "03-second-GC");
    assert_eq!(stage.kept().len(), 2, "what could not be detached is kept");
}

#[test]
fn status_ends_at_the_first_that_is_not_ready() {
    let stage = Stage::new();
    stage.scripted("1.1.0");
    assert_eq!(stage.json("status net"), json!({"network": "net", "ready": true, "asked": true}));
    stage.fails("first", "STATUS", "pool is full");
    assert_eq!(stage.refused("status net"), "error: first (STATUS): pool is full\n");
    assert_eq!(stage.calls(), ["00-first-STATUS", "01-second-STATUS", "02-first-STATUS"]);
    let stdin = stage.stdin("00-first-STATUS");
    assert_eq!(stdin, json!({"type": "first", "own": 7, "name": "net", "cniVersion": "1.1.0"}));
}

#[test]
fn before_1_1_0_status_asks_for_versions() {
    let stage = Stage::new();
    stage.scripted("1.0.0");
    assert!(stage.run("status net").contains("cniVersion 1.0.0 has no STATUS"));
    assert_eq!(stage.calls(), ["00-first-VERSION", "01-second-VERSION"]);
    stage.scripted("0.3.1");
    assert!(stage.refused("status net").contains("first does not speak version 0.3.1 of network net"));
}
