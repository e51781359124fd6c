//! What people and programs see: tables, colour, JSON, help, wrong usage.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::stage::Stage;

#[test]
fn networks_are_listed_with_their_endpoints() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.bridged();
    stage.network("bridge", "1.0.0", json!([{"type": "bridge"}]));
    let ranges = json!([[{"subnet": "10.1.0.0/16"}], [{"SUBNET": "fd00::/64"}]]);
    stage.network("wide", "1.0.0", json!([{"type": "vxlan-overlay", "ipam": {"type": "x", "ranges": ranges}}]));
    stage.host.write_file("/run/conf/broken.conflist", "{");
    stage.run("add net web");
    let done = stage.cnm("network ls");
    assert_eq!(
        done.text(),
        "NAME     DRIVER          SCOPE     SUBNET                   ENDPOINTS\n\
         bridge   bridge          local     -                        0\n\
         net      bridge          local     10.90.0.0/24             1\n\
         wide     vxlan-overlay   cluster   10.1.0.0/16, fd00::/64   0\n"
    );
    assert!(done.complaint().starts_with("warning: /run/conf/broken.conflist is ignored: no JSON object"));
    let list = stage.json("network ls");
    assert_eq!((&list[0]["default"], &list[1]["default"]), (&json!(true), &json!(false)));
    assert_eq!((&list[1]["endpoints"], &list[2]["subnets"]), (&json!(1), &json!(["10.1.0.0/16", "fd00::/64"])));
}

#[test]
fn a_network_is_inspected() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.bridged();
    stage.run("add net web");
    let text = stage.run("network inspect net");
    assert!(text.contains("  plugins      bridge → second\n"), "{text}");
    assert!(text.contains("web       eth0        10.90.0.2/24   attached   cnitool-82e215debf7df4651d36\n"), "{text}");
    let seen = stage.json("network inspect net");
    assert_eq!((&seen["driver"], &seen["plugins"][1]["type"]), (&json!("bridge"), &json!("second")));
    assert_eq!(seen["endpoints"][0]["addresses"], json!(["10.90.0.2/24"]));
    let said = stage.refused("network inspect nothing");
    assert!(said.contains("there is no network nothing in /run/conf\n  there are: net"), "{said}");
    assert!(stage.refused("network inspect none").contains("none is one of the default networks"));
}

#[test]
fn an_attachment_is_summed_up() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.bridge("net");
    let text = stage.run("add net web");
    assert!(text.starts_with("eth0 of web is attached to net (bridge)\n  interface    br-net "), "{text}");
    for line in [
        "  address      10.90.0.2/24  on eth0\n",
        "  gateway      10.90.0.1\n",
        "  route        0.0.0.0/0  via 10.90.0.1\n",
        "  in the sandbox\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn sandboxes_are_those_of_ip_netns() {
    let stage = Stage::new();
    assert_eq!(stage.json("sandbox add web"), json!({"name": "web", "path": "/run/netns/web"}));
    stage.host.run("ip netns exec web ip link show lo");
    stage.host.run("ip netns add db");
    stage.scripted("1.0.0");
    stage.run("add net db");
    stage.host.write_file("/run/netns/leftover", "");
    assert_eq!(
        stage.run("sandbox ls"),
        "NAME       STATE         NETWORKS\n\
         db         alive         net (eth0)\n\
         leftover   a file only   -\n\
         web        alive         -\n"
    );
    assert!(stage.refused("sandbox add web").contains("remove it with `cnm sandbox rm web`"));
    let said = stage.refused("sandbox rm db");
    assert!(said.contains("sandbox db is attached: eth0 to net\n  detach it with `cnm del net db"), "{said}");
    stage.host.run("ip netns delete web");
    stage.run("sandbox rm db --force");
    stage.run("sandbox rm leftover");
    assert!(stage.refused("sandbox rm db").contains("there is no sandbox db"));
    assert_eq!(stage.host.list_folder("/run/netns"), [""; 0]);
    assert!(stage.run("gc net").starts_with("net: 1 detached, 0 kept"));
    for name in ["../x", ".", "a/b"] {
        stage.refused(&format!("sandbox add {name}"));
    }
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let stage = Stage::new();
    stage.scripted("1.0.0");
    // `script` gives a command a terminal.
    let line = format!("#!/bin/sh\nexec {} network ls\n", env!("CARGO_BIN_EXE_cnm"));
    stage.host.write_file("/run/ls", line);
    stage.host.run("chmod +x /run/ls");
    let on_terminal = |variables: &str| {
        stage.host.run(&format!("env NETCONFPATH=/run/conf {variables} script -qec /run/ls /dev/null"))
    };
    assert!(on_terminal("TERM=xterm").contains("\u{1b}[1mNAME\u{1b}[0m"));
    for plain in ["TERM=dumb", "TERM=xterm NO_COLOR=1"] {
        let text = on_terminal(plain);
        assert!(text.contains("NAME") && !text.contains('\u{1b}'), "{plain}: {text:?}");
    }
    assert!(!stage.run("network ls").contains('\u{1b}'));
}

#[test]
fn wrong_usage_exits_with_2_and_says_where_to_read_on() {
    let stage = Stage::new();
    for (line, command) in
        [("", "cnm"), ("add net", "cnm add"), ("network", "cnm network"), ("gc net --force", "cnm gc")]
    {
        let done = stage.cnm(line);
        assert_eq!(done.status.code(), Some(2), "{line}");
        assert_eq!(done.text(), "");
        assert!(done.complaint().contains(&format!("`{command} --help` tells more")), "{}", done.complaint());
    }
}

#[test]
fn every_command_has_help() {
    let stage = Stage::new();
    for command in [
        "",
        "add",
        "del",
        "check",
        "gc",
        "status",
        "network",
        "network ls",
        "network inspect",
        "sandbox",
        "sandbox add",
        "sandbox rm",
        "sandbox ls",
    ] {
        let text = stage.run(&format!("{command} --help"));
        assert!(text.starts_with(&format!("usage: {}", format!("cnm {command}").trim())), "{command}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{command}");
    }
    assert!(stage.run("--version").starts_with("cnm "));
}

#[test]
fn errors_are_json_when_asked_for() {
    let stage = Stage::new();
    let done = stage.cnm("add nothing web --json");
    assert_eq!((done.status.code(), done.text().as_str()), (Some(1), ""));
    let error: Value = serde_json::from_str(&done.complaint()).unwrap();
    assert_eq!((&error["code"], &error["msg"]), (&json!(7), &json!("there is no network nothing in /run/conf")));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let stage = Stage::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let done = stage.start(&["help"], |command| {
        command.stdout(Stdio::from(writer));
    });
    assert!(done.status.success(), "{}", done.complaint());
}
