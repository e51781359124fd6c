//! What a call costs, in system calls, whatever the number of reservations.

use std::fs;
use std::path::Path;

use crate::support::{OURS, call, conf, start};

/// The system calls of one call between the opening of the lock and its closing.
fn traced(verb: &str, container: &str, conf: &str) -> Vec<String> {
    assert!(Path::new("/usr/bin/strace").exists(), "strace is missing; mend it with: apt-get install strace");
    let log = tempfile::NamedTempFile::new().expect("a file");
    let name = log.path().to_str().expect("text");
    let child = start(&["/usr/bin/strace", "-o", name, OURS], verb, container, conf, "", false);
    let output = child.wait_with_output().expect("waited for");
    assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stdout));
    let log = fs::read_to_string(log.path()).expect("text");
    let is_the_stores = |line: &&str| {
        // Debug builds ask before each close whether the descriptor is open; then the process prints and ends.
        let others = ["F_GETFD", "write(1,", "sigaltstack", "munmap", "exit_group", "+++"];
        !others.iter().any(|other| line.contains(other))
    };
    log.lines().skip_while(|line| !line.contains("/net/lock\"")).filter(is_the_stores).map(String::from).collect()
}

/// Makes reservations as an earlier version left them.
fn fill(data: &Path, count: u32) {
    let dir = data.join("net");
    fs::create_dir(&dir).expect("made");
    for number in 0..count {
        let address = std::net::Ipv4Addr::from_bits(0x0a07_0002 + number);
        fs::write(dir.join(address.to_string()), format!("old{number}\r\neth0")).expect("written");
    }
}

/// How many system calls it takes: no walk, and no more than `limit`.
fn measured(verb: &str, container: &str, conf: &str, limit: usize) -> usize {
    let calls = traced(verb, container, conf);
    let text = calls.join("\n");
    assert!(!text.contains("getdents"), "{verb} {container}: a walk\n{text}");
    assert!(calls.len() <= limit, "{verb} {container}: {} calls\n{text}", calls.len());
    calls.len()
}

#[test]
fn add_and_del_cost_the_same_with_none_and_with_thousands() {
    let mut costs = Vec::new();
    for count in [0, 20_000] {
        let data = tempfile::tempdir().expect("a directory");
        let conf = conf(data.path(), r#""subnet":"10.7.0.0/16""#);
        fill(data.path(), count);
        // The first call makes the index.
        call(OURS, "ADD", "first", &conf, "").expect("room");
        let steps =
            [("ADD", "new", 24), ("CHECK", "new", 12), ("DEL", "new", 20), ("DEL", "never", 12), ("STATUS", "", 14)];
        for (verb, container, limit) in steps {
            let conf = if verb == "STATUS" { conf.replace("1.0.0", "1.1.0") } else { conf.clone() };
            let cost = measured(verb, container, &conf, limit);
            costs.push((verb, count, cost));
        }
        // The hint points to the beginning of the occupied run: the next free address is thousands further on.
        fs::write(data.path().join("net/last_reserved_ip.0"), "10.7.0.2").expect("written");
        measured("ADD", "far", &conf, 30);
    }
    for verb in ["ADD", "DEL"] {
        let of = |count| costs.iter().find(|cost| cost.0 == verb && cost.1 == count).expect("measured").2;
        // With thousands the pages of the index are apart.
        assert!(of(20_000) <= of(0) + 4, "{verb}: {costs:?}");
    }
}
