use std::fs;

use super::*;

fn list_of(text: &str) -> Result<Network, String> {
    Network::from_list(text.as_bytes(), Path::new(""))
}

#[test]
fn a_list_as_debian_ships_it() {
    let network = list_of(
        r#"{"cniVersion":"0.4.0","name":"podman","plugins":[
            {"type":"bridge","Documentation":"x","ipam":{"type":"host-local","routes":[{"dst":"0.0.0.0/0"}],
             "ranges":[[{"subnet":"10.88.0.0/16","gateway":"10.88.0.1"}],[{"subnet":"fd00::/64"},{"subnet":"fd00::/64"}]]}},
            {"type":"portmap","capabilities":{"portMappings":true}}]}"#,
    )
    .unwrap();
    assert_eq!((network.name.as_str(), network.version.as_str(), network.plugins.len()), ("podman", "0.4.0", 2));
    assert_eq!(subnets(&network), ["10.88.0.0/16", "fd00::/64"]);
    let stdin = network.plugins[0].stdin(&network, Extra::Nothing);
    let stdin: Value = serde_json::from_slice(&stdin).unwrap();
    assert_eq!(
        (&stdin["name"], &stdin["cniVersion"], &stdin["Documentation"]),
        (&json!("podman"), &json!("0.4.0"), &json!("x"))
    );
}

#[test]
fn a_plugin_gets_declared_capabilities_and_the_previous_result() {
    let network = list_of(
        r#"{"name":"n","cniVersion":"1.0.0","plugins":[{"type":"a","Capabilities":{"mac":true,"ips":false}},{"type":"b"}]}"#,
    )
    .unwrap();
    let capabilities: Object = serde_json::from_str(r#"{"mac":"02:00:00:00:00:07","ips":["10.0.0.9"]}"#).unwrap();
    let previous = json!({"cniVersion":"1.0.0"});
    let extra = Extra::Attachment { prev_result: Some(&previous), capabilities: &capabilities };
    let first: Value = serde_json::from_slice(&network.plugins[0].stdin(&network, extra)).unwrap();
    assert_eq!(first["runtimeConfig"], json!({"mac":"02:00:00:00:00:07"}));
    assert_eq!(first["prevResult"], previous);
    let second: Value = serde_json::from_slice(&network.plugins[1].stdin(&network, extra)).unwrap();
    assert_eq!(second.get("runtimeConfig"), None);
    let valid = json!([{"containerID":"c","ifname":"eth0"}]);
    let gc: Value = serde_json::from_slice(&network.plugins[1].stdin(&network, Extra::Valid(&valid))).unwrap();
    assert_eq!((&gc["cni.dev/valid-attachments"], &gc["cni.dev/attachments"]), (&valid, &valid));
}

#[test]
fn the_highest_known_version_is_spoken() {
    let version =
        |versions: &str| list_of(&format!(r#"{{"name":"n",{versions}"plugins":[{{"type":"a"}}]}}"#)).map(|n| n.version);
    assert_eq!(version(r#""cniVersion":"1.0.0","cniVersions":["0.3.1","0.4.0","1.0.0","1.1.0"],"#).unwrap(), "1.1.0");
    assert_eq!(version(r#""cniVersion":"1.0.0","cniVersions":["0.3.1","2.0.0"],"#).unwrap(), "1.0.0");
    assert_eq!(version(r#""cniVersions":["0.4.0","0.3.1"],"#).unwrap(), "0.4.0");
    assert_eq!(version(r#""cniVersion":"9.9.9","#).unwrap(), "9.9.9");
    assert_eq!(version("").unwrap(), "");
    assert_eq!(version(r#""cniVersions":[1],"#).unwrap_err(), "cniVersions[0] must be a string, not 1");
    let unknown = list_of(r#"{"name":"n","cniVersion":"9.9.9","plugins":[{"type":"a"}]}"#).unwrap();
    assert_eq!(unknown.known_version().unwrap_err().code.number(), 1);
    assert_eq!(list_of(r#"{"name":"n","plugins":[{"type":"a"}]}"#).unwrap().known_version(), Ok(Version::V0_1_0));
}

#[test]
fn what_is_wrong_is_named() {
    for (text, wrong) in [
        ("", "no JSON object: EOF"),
        ("[]", "no JSON object: invalid type"),
        ("{}", "name is missing"),
        (r#"{"name":"../x","plugins":[{"type":"a"}]}"#, "invalid characters found in network name; ../x"),
        (r#"{"name":"n"}"#, "no plugins: neither in the list nor in a folder n beside it"),
        (r#"{"name":"n","plugins":{}}"#, "plugins must be a list, not {}"),
        (r#"{"name":"n","plugins":[7]}"#, "plugins[0] must be an object, not 7"),
        (r#"{"name":"n","plugins":[{"type":"a"},{}]}"#, "plugins[1]: type is missing"),
        (r#"{"name":"n","plugins":[{"type":"a","ipam":"x"}]}"#, "plugins[0]: ipam must be an object, not \"x\""),
        (r#"{"name":"n","plugins":[{"type":"a","ipam":{"type":1}}]}"#, "plugins[0]: ipam.type must be a string, not 1"),
        (
            r#"{"name":"n","plugins":[{"type":"a","capabilities":{"mac":"yes"}}]}"#,
            "plugins[0]: capabilities.mac must be true or false, not \"yes\"",
        ),
        (r#"{"name":"n","disableCheck":1,"plugins":[{"type":"a"}]}"#, "disableCheck must be true or false, not 1"),
    ] {
        let error = list_of(text).unwrap_err();
        assert!(error.starts_with(wrong), "{text}: {error}");
    }
    let error = Network::from_single(br#"{"name":"n","plugins":[]}"#, Path::new("")).unwrap_err();
    assert_eq!(error, "this is a list of plugins: name the file .conflist");
}

#[test]
fn a_directory_is_read_in_libcnis_order() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("20-second.conflist", r#"{"name":"two","plugins":[{"type":"a"}]}"#);
    write("10-first.conflist", r#"{"name":"one","plugins":[{"type":"b"}]}"#);
    write("00-single.conf", r#"{"name":"single","type":"c","cniVersion":"0.3.1"}"#);
    write("05-again.conf", r#"{"name":"one","type":"d"}"#);
    write("99-broken.json", "{");
    write("notes.txt", "no configuration");
    fs::create_dir(folder.path().join("folder.conflist")).unwrap();
    let found = Directory::read(folder.path()).unwrap();
    let names: Vec<&str> = found.networks.iter().map(|network| network.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "single"]);
    assert_eq!(found.find("one").unwrap().plugins[0].kind, "b");
    let broken: Vec<&str> = found.broken.iter().map(|(file, _)| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(broken, ["05-again.conf", "99-broken.json"]);
    let single = found.find("single").unwrap();
    let again = Network::from_cache(&single.bytes, Path::new("/nonexistent")).unwrap();
    assert_eq!((again.version.as_str(), again.plugins[0].kind.as_str()), ("0.3.1", "c"));
    assert!(Directory::read(Path::new("/nonexistent")).unwrap().networks.is_empty());
}

#[test]
fn a_folder_beside_the_list_adds_plugins() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("net1")).unwrap();
    fs::write(folder.path().join("net1/20-b.conf"), r#"{"type":"b"}"#).unwrap();
    fs::write(folder.path().join("net1/10-a.conf"), r#"{"type":"a"}"#).unwrap();
    let file = folder.path().join("x.conflist");
    let kinds = |text: &str| {
        Network::from_list(text.as_bytes(), &file)
            .map(|network| network.plugins.iter().map(|plugin| plugin.kind.clone()).collect::<Vec<_>>())
    };
    assert_eq!(kinds(r#"{"name":"net1"}"#).unwrap(), ["a", "b"]);
    assert_eq!(kinds(r#"{"name":"net1","plugins":[{"type":"z"}]}"#).unwrap(), ["z", "a", "b"]);
    let alone = r#"{"name":"net1","loadOnlyInlinedPlugins":true,"plugins":[{"type":"z"}]}"#;
    assert_eq!(kinds(alone).unwrap(), ["z"]);
    // What is kept has them all, whatever becomes of the folder.
    let network = Network::from_list(br#"{"name":"net1","plugins":[{"type":"z"}],"x":1}"#, &file).unwrap();
    let kept = Network::from_cache(&network.bytes, folder.path()).unwrap();
    assert_eq!(kept.plugins, network.plugins);
    assert!(String::from_utf8(kept.bytes).unwrap().contains(r#""x":1"#));
}
