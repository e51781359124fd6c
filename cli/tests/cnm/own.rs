//! What only our own plugins can: every file of `conf-examples` is read, attached, checked and detached, and nothing is
//! left.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::stage::Stage;

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf-examples");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conflist"));
    files.sort();
    files
}

/// The three files of one network across hosts.
pub(crate) fn overlay_examples() -> [PathBuf; 3] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf-examples/overlay");
    [1, 2, 3].map(|number| folder.join(format!("host{number}.conflist")))
}

fn parsed(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn every_example_runs() {
    let files = examples();
    assert!(files.len() >= 7, "the examples are gone: {files:?}");
    for file in files {
        run(&file);
    }
}

fn run(file: &Path) {
    let conf = parsed(file);
    let (name, kind) = (conf["name"].as_str().unwrap(), conf["plugins"][0]["type"].as_str().unwrap());
    let stage = Stage::new();
    let file_name = file.file_name().unwrap().to_str().unwrap();
    stage.host.write_file(&format!("/run/conf/{file_name}"), fs::read(file).unwrap());
    let _web = stage.host.sandbox("web");
    // Something to stand on: the interface of the default route.
    let _outside = (kind == "macvlan").then(|| stage.host.outside());
    let before = links(&stage);

    let sandbox = if kind == "host" { "/proc/self/ns/net" } else { "web" };
    let listed = stage.json("network ls");
    assert_eq!(listed[0]["name"], name, "{listed}");
    stage.run(&format!("status {name}"));
    // Each plugin takes what it declares.
    let asked = json!({
        "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }],
        "bandwidth": { "ingressRate": 10_000_000, "ingressBurst": 80_000, "egressRate": 10_000_000, "egressBurst": 80_000 },
    });
    let result = stage.json(&format!("add {name} {sandbox} --cap {asked}"));
    let subnets = conf["plugins"][0]["ipam"]["ranges"].as_array().map_or(0, Vec::len);
    match kind {
        "bridge" | "macvlan" => assert_eq!(result["ips"].as_array().map_or(0, Vec::len), subnets, "{name}: {result}"),
        "none" | "host" => assert!(result["interfaces"].to_string().contains("\"lo\""), "{name}: {result}"),
        other => panic!("{name}: no test knows what {other} does"),
    }
    stage.run(&format!("check {name} {sandbox}"));
    stage.run(&format!("del {name} {sandbox}"));
    assert_eq!(stage.kept(), [""; 0], "{name}");
    let rules = stage.host.run("nft list ruleset");
    assert!(!rules.contains("net: "), "{name}: {rules}");
    stage.run(&format!("gc {name}"));
    let mut left = links(&stage);
    if !conf["cniVersions"].to_string().contains("1.1.0") {
        // Before 1.1.0 plugins know no garbage collection: the bridge stays.
        left.retain(|link| conf["plugins"][0]["bridge"] != link.as_str());
    }
    assert_eq!(left, before, "{name}");
}

fn links(stage: &Stage) -> Vec<String> {
    stage.host.links().into_iter().map(|link| link.name.clone()).collect()
}

#[test]
fn every_example_is_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf-examples");
    let text = fs::read_to_string(folder.join("README.md")).unwrap();
    for file in examples().into_iter().chain(overlay_examples()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(text.contains(&format!("{name})")), "{name} is not in the table");
        for plugin in parsed(&file)["plugins"].as_array().unwrap() {
            for key in plugin.as_object().unwrap().keys() {
                assert!(text.contains(&format!("`{key}")), "{name}: the key {key} is not explained");
            }
        }
    }
}
