//! `ctr run --cni`: containerd's own command, which takes the first network of `/etc/cni/net.d`.

use cnm_runtime_tests::Containerd;
use cnm_tests::eventually;
use serde_json::json;

use crate::OUTSIDE;

/// Where Debian's ctr, and where its upstream looks for plugins.
const FOLDERS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// A containerd and, for `ctr`, a network and our plugins where it looks for them.
fn with_network() -> Containerd {
    let containerd = Containerd::without_network();
    let network = json!({
        "cniVersion": "1.0.0",
        "name": "plain",
        "plugins": [{
            "type": "bridge", "bridge": "br-plain", "isDefaultGateway": true, "ipMasq": true,
            "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.4.0.0/24" }]] },
        }],
    });
    containerd.write_file("/etc/cni/net.d/10-plain.conflist", network.to_string());
    for folder in FOLDERS.iter().filter(|folder| std::path::Path::new(folder).is_dir()) {
        let bind = ["--bind", containerd.suite().folder(), folder];
        let _ = containerd.attempts(&[], "mount", &bind).expect_success();
    }
    containerd
}

/// Runs a container; `options` before, `command` after the image and the name.
#[track_caller]
fn run(containerd: &Containerd, name: &str, options: &str, command: &str) {
    let group = containerd.control_group();
    let fixed = format!("--cgroup {group}/{name} --snapshotter native --cni --null-io");
    let line = format!("run {options} {fixed} docker.io/local/pause:1 {name} {command}");
    let _ = containerd.ctr(&line).expect_success();
}

#[test]
fn a_container_in_the_background_reaches_the_world() {
    let containerd = with_network();
    let _outside = containerd.outside();
    run(&containerd, "web", "--detach", "");
    let tasks = containerd.ctr("task ls").expect_success();
    let task = tasks.lines().find(|line| line.starts_with("web")).unwrap_or_else(|| panic!("web runs: {tasks}"));
    let pid = task.split_whitespace().nth(1).and_then(|pid| pid.parse().ok());
    let container = containerd.namespace_of("web", pid.unwrap_or_else(|| panic!("a process id: {task}")));
    container.reaches("10.4.0.1");
    container.reaches(OUTSIDE[0]);
    let results = containerd.list_folder("/var/lib/cni/results");
    assert!(results.contains(&"plain-default-web-eth0".to_owned()), "{results:?}");
    drop(container);
    let _ = containerd.ctr("task rm --force web").expect_success();
    let _ = containerd.ctr("container rm web").expect_success();
    // ctr leaves the detaching to its user; the veth went with the namespace.
    eventually("the kernel destroys the namespace and its veth", || match containerd.ports("br-plain").as_slice() {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    });
    containerd.is_quiet(&["containerd --config"]);
}

mod own {
    use super::*;

    /// ctr detaches without a namespace; the reference then leaves its masquerading.
    #[test]
    fn a_container_in_the_foreground_leaves_nothing() {
        let containerd = with_network();
        run(&containerd, "warm-up", "--rm", "/bin/sleep 0.1");
        let before = containerd.state();
        // It looks at its own network.
        run(&containerd, "web", "--rm", "/bin/ip link show eth0");
        containerd.is_as(&before);
        containerd.is_quiet(&["containerd --config"]);
    }
}
