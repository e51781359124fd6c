//! add, del, check: what the plugins of a chain are asked, and what is left when one fails.

use cnm_tests::Sandbox;
use serde_json::json;

use crate::stage::{Stage, has_link};

/// `printf %s /run/netns/web | sha512sum | cut -c1-20`
const WEB: &str = "cnitool-82e215debf7df4651d36";

#[test]
fn a_chain_runs_in_order_and_comes_down_backwards() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.scripted("1.0.0");
    let line = r#"add net web -i net0 --args A=1;B=2 --cap {"mac":"02:00:00:00:00:07","ips":["10.0.0.9"]}"#;
    let result = stage.json(line);
    assert_eq!(result, json!({"cniVersion": "1.0.0", "by": "second"}));
    assert_eq!(stage.calls(), ["00-first-ADD", "01-second-ADD"]);
    assert_eq!(stage.stdin("00-first-ADD"), json!({"type": "first", "own": 7, "name": "net", "cniVersion": "1.0.0"}));
    let second = stage.stdin("01-second-ADD");
    assert_eq!(second["prevResult"], json!({"cniVersion": "1.0.0", "by": "first"}));
    assert_eq!(second["runtimeConfig"], json!({"mac": "02:00:00:00:00:07"}));
    let path = stage.host.suite().folder();
    assert_eq!(
        stage.env("01-second-ADD"),
        format!(
            "CNI_ARGS=A=1;B=2\nCNI_COMMAND=ADD\nCNI_CONTAINERID={WEB}\nCNI_IFNAME=net0\nCNI_NETNS=/run/netns/web\n\
             CNI_PATH=/run/plugins:{path}\n"
        )
    );

    stage.run("check net web -i net0");
    stage.run("del net web -i net0");
    assert_eq!(
        stage.calls()[2..],
        ["02-first-CHECK", "03-second-CHECK", "04-second-DEL", "05-first-DEL"].map(String::from)
    );
    for call in ["02-first-CHECK", "03-second-CHECK", "04-second-DEL", "05-first-DEL"] {
        assert_eq!(stage.stdin(call)["prevResult"], result, "{call}");
        assert!(stage.env(call).contains("CNI_ARGS=A=1;B=2\n"), "{call}");
    }
    assert_eq!(stage.stdin("04-second-DEL")["runtimeConfig"], json!({"mac": "02:00:00:00:00:07"}));
    assert_eq!(stage.kept(), [""; 0]);
}

#[test]
fn before_0_4_0_a_del_has_no_result_and_there_is_no_check() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.scripted("0.3.1");
    stage.answers("second", r#"{"ips":[]}"#);
    let result = stage.json("add net web");
    assert_eq!(result["cniVersion"], "0.3.1", "an answer without version has the configuration's");
    assert!(stage.refused("check net web").contains("CHECK needs cniVersion 0.4.0, it has 0.3.1"));
    stage.run("del net web");
    assert_eq!(stage.calls()[2..], ["02-second-DEL", "03-first-DEL"].map(String::from));
    assert_eq!(stage.stdin("03-first-DEL").get("prevResult"), None);
}

fn attach_and_detach_once(stage: &Stage, web: &Sandbox) {
    stage.run("add net web");
    assert!(has_link(web, "eth0"));
    stage.run("del net web");
    assert!(!has_link(web, "eth0"));
}

#[test]
fn a_failed_chain_is_undone() {
    let stage = Stage::new();
    let web = stage.host.sandbox("web");
    stage.bridged();
    attach_and_detach_once(&stage, &web);
    let links = stage.host.run("ip -o link");
    stage.fails("second", "ADD", "not today");
    let said = stage.refused("add net web");
    assert!(said.starts_with("error: second (ADD): not today\n"), "{said}");
    assert!(!has_link(&web, "eth0"));
    assert_eq!(stage.host.run("ip -o link").lines().count(), links.lines().count());
    let reserved = stage.host.list_folder("/var/lib/cni/networks/net");
    assert!(!reserved.iter().any(|name| name.starts_with("10.")), "{reserved:?}");
    assert_eq!(stage.kept(), [""; 0]);
    // The one that failed is asked, too, with the result that it had got.
    let undo = stage.calls().pop().unwrap();
    assert!(undo.ends_with("-second-DEL"), "{undo}");
    assert_eq!(stage.stdin(&undo)["prevResult"]["interfaces"][2]["name"], "eth0");
}

#[test]
fn what_cannot_be_undone_is_told() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.scripted("1.0.0");
    stage.fails("second", "ADD", "cause");
    stage.fails("first", "DEL", "stuck");
    let said = stage.refused("add net web");
    assert_eq!(said, "error: second (ADD): cause\n  and undoing it failed: first (DEL): stuck\n");
    let done = stage.cnm("add net web --json");
    let error: serde_json::Value = serde_json::from_str(&done.complaint()).unwrap();
    assert_eq!((&error["code"], &error["msg"]), (&json!(101), &json!("second (ADD): cause")));
}

#[test]
fn answers_that_are_no_results_are_failures() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.scripted("1.0.0");
    for answer in ["", "hello", "[]", r#"{"cniVersion":"1.0.0","ips":[{"address":"nonsense"}]}"#] {
        stage.answers("second", answer);
        let said = stage.refused("add net web");
        assert!(said.starts_with("error: second (ADD): "), "{answer}: {said}");
        assert!(stage.calls().pop().unwrap().ends_with("-first-DEL"), "{answer}");
    }
    stage.answers("second", "null");
    stage.run("add net web");
}

#[test]
fn a_list_that_cannot_be_run_to_its_end_is_not_begun() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.script("first");
    stage.network("net", "1.0.0", json!([{"type": "first"}, {"type": "absent"}]));
    let said = stage.refused("add net web");
    assert!(said.contains("failed to find plugin \"absent\" in path [/run/plugins "), "{said}");
    stage.network("net", "9.9.9", json!([{"type": "first"}]));
    assert!(stage.refused("add net web").contains("cniVersion \"9.9.9\" is unknown"));
    stage.network("net", "1.0.0", json!([{"type": "../first"}]));
    assert!(stage.refused("add net web").contains("invalid plugin name: ../first"));
    assert_eq!(stage.calls(), [""; 0]);
}

#[test]
fn a_second_add_leaves_the_first_alone() {
    let stage = Stage::new();
    let web = stage.host.sandbox("web");
    stage.bridge("net");
    let other = json!([{"type": "bridge", "bridge": "br-other"}]);
    stage.network("other", "1.0.0", other);
    stage.run("add net web");
    // The kernel looks for duplicates of the link-local addresses meanwhile, which shows.
    let addresses = || web.run("ip -o addr show scope global");
    let before = addresses();
    assert!(before.contains("inet "), "{before}");
    for network in ["net", "other"] {
        let said = stage.refused(&format!("add {network} web"));
        assert!(said.contains("eth0 of web is attached to network net already"), "{said}");
        assert!(said.contains("cnm del net web --ifname eth0"), "{said}");
    }
    assert_eq!(addresses(), before);
    stage.run("check net web");
}

#[test]
fn an_interface_of_somebody_else_survives() {
    let stage = Stage::new();
    let web = stage.host.sandbox("web");
    stage.bridged();
    web.run("ip link add eth0 type veth peer name other");
    stage.refused("add net web");
    assert!(has_link(&web, "eth0"));
    assert_eq!(stage.kept(), [""; 0]);
}

#[test]
fn an_attachment_whose_sandbox_was_made_anew_is_replaced() {
    let stage = Stage::new();
    stage.host.sandbox("web").vanish();
    let first = stage.host.sandbox("web");
    stage.bridged();
    stage.run("add net web");
    first.vanish();
    let second = stage.host.sandbox("web");
    let done = stage.cnm("add net web");
    assert!(
        done.complaint().contains("an earlier attachment to net, which had no eth0, is replaced"),
        "{}",
        done.complaint()
    );
    assert!(done.status.success());
    assert!(has_link(&second, "eth0"));
    assert_eq!(stage.kept(), [format!("net-{WEB}-eth0")]);
}

#[test]
fn check_names_what_is_gone() {
    let stage = Stage::new();
    let web = stage.host.sandbox("web");
    stage.bridge("net");
    assert!(stage.refused("check net web").contains("eth0 of web is not attached to network net"));
    stage.run("add net web");
    stage.run("check net web");
    web.run("ip link del eth0");
    assert!(stage.refused("check net web").starts_with("error: bridge (CHECK): "));
    stage.run("del net web");
}

#[test]
fn disable_check_asks_nobody() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.script("first");
    let list = json!({"cniVersion": "1.0.0", "name": "net", "disableCheck": "true", "plugins": [{"type": "first"}]});
    stage.host.write_file("/run/conf/net.conflist", list.to_string());
    stage.run("add net web");
    assert_eq!(stage.json("check net web")["checked"], false);
    assert_eq!(stage.calls(), ["00-first-ADD"]);
}

#[test]
fn sandboxes_that_are_none_are_refused() {
    let stage = Stage::new();
    stage.scripted("1.0.0");
    stage.host.write_file("/run/netns/leftover", "");
    for (sandbox, words) in [
        ("nowhere", "make it with `cnm sandbox add nowhere`"),
        ("/run/netns/nowhere", "there is no network namespace at /run/netns/nowhere"),
        ("leftover", "is a file but no network namespace"),
        ("..", "\"..\" cannot be a sandbox"),
        ("/proc/self/ns/mnt", "error: "),
    ] {
        let said = stage.refused(&format!("add net {sandbox}"));
        assert!(said.contains(words), "{sandbox}: {said}");
    }
    assert_eq!(stage.calls(), [""; 0]);
    for line in ["add ../net web", "add net web -i a/b", "add net web --id ../x", "del net web -i 0123456789abcdef"] {
        stage.refused(line);
    }
}

#[test]
fn an_interrupt_undoes_what_was_done() {
    let stage = Stage::new();
    let _web = stage.host.sandbox("web");
    stage.scripted("1.0.0");
    // As Ctrl-C, it reaches both; the plugin dies of it. (A shell puts off its own SIGINT.)
    let script =
        "#!/bin/sh\n[ $CNI_COMMAND = ADD ] || exit 0\nkill -INT $PPID\nkill -TERM $PPID\nkill -TERM $$\nsleep 9\n";
    stage.host.write_file("/run/plugins/second", script);
    let said = stage.refused("add net web");
    assert_eq!(said, "error: second (ADD): netplugin failed with no error message: signal: terminated\n");
    assert_eq!(stage.calls(), ["00-first-ADD", "01-first-DEL"]);
    assert_eq!(stage.kept(), [""; 0]);
}

#[test]
fn of_many_at_once_one_attaches() {
    let stage = Stage::new();
    let web = stage.host.sandbox("web");
    stage.bridge("net");
    let successes = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| stage.cnm("add net web").status.success())).collect();
        all.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
    });
    assert_eq!(successes, 1);
    assert!(has_link(&web, "eth0"));
    stage.run("check net web");
}
