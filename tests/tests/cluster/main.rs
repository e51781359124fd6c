//! The rig itself: many hosts on one machine, an underlay between them, and what can happen to it. A test of the
//! overlay can trust what it says.

mod command;
mod end;
mod faults;
mod underlay;

use std::fs;

use cnm_tests::Namespace;

/// What `/proc/<process>/ns/net` says of a namespace.
fn net_link(namespace: &Namespace) -> String {
    namespace.run("readlink /proc/self/ns/net").trim().to_owned()
}

/// Process ids of whoever is in the network namespace that `/proc/<process>/ns/net` calls so.
fn processes_in(net: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("a /proc").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link.as_os_str() == net)).collect()
}
