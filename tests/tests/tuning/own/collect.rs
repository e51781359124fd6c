//! GC and STATUS.

use cnm_tests::Host;
use serde_json::json;

use super::NEWEST;
use crate::{FOLDER, network, tune, tuning};

#[test]
fn gc_forgets_the_notes_of_the_dead_of_its_network() {
    let host = Host::new();
    let sandboxes = host.sandboxes(3);
    let conf = tuning().version(NEWEST).with("mtu", 1400);
    for sandbox in &sandboxes {
        let attached = host.add(&network().version(NEWEST), sandbox).attached();
        tune(&host, &conf, sandbox, &attached).succeeds();
    }
    // The reference's: nobody can tell of which network it is.
    host.write_file(&format!("{FOLDER}/theirs_eth0.json"), "{\n \"mtu\": 1500\n}");
    let names = || host.list_folder(FOLDER);
    host.gc(&conf.clone().with("name", "other")).succeeds_silently();
    assert_eq!(names().len(), 4);
    host.gc(&conf.clone().keeping(&[("s0", "eth0"), ("s1", "eth0"), ("s2", "eth1")])).succeeds_silently();
    assert_eq!(names(), ["s0_eth0.json", "s1_eth0.json", "theirs_eth0.json"]);
    host.gc(&conf.clone().with("cni.dev/valid-attachments", json!(null))).succeeds_silently();
    assert_eq!(names(), ["theirs_eth0.json"]);
    host.gc(&conf.with("dataDir", "/run/not/there")).succeeds_silently();
}

#[test]
fn status_says_what_add_would_say_of_the_configuration() {
    let host = Host::new();
    let conf = tuning().version(NEWEST).with("sysctl", json!({ "net.ipv4.conf.IFNAME.rp_filter": "1" }));
    host.status(&conf).succeeds_silently();
    host.write_file("/etc/cni/tuning/allowlist.conf", "^net\\.core\\.");
    host.status(&conf).fails().says(&["net.ipv4.conf.IFNAME.rp_filter is not allowed"]);
    host.status(&tuning().version(NEWEST).with("mtu", 1)).fails().says(&["mtu"]);
}
