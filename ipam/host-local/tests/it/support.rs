//! Calls plugins as a runtime does: environment, stdin, stdout.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cni::json::{Json, Node};

/// Our own program.
pub(crate) const OURS: &str = env!("CARGO_BIN_EXE_host-local");

/// The reference's.
pub(crate) fn reference() -> &'static str {
    let path = "/usr/lib/cni/host-local";
    assert!(Path::new(path).exists(), "{path} is missing; mend it with: apt-get install containernetworking-plugins");
    path
}

/// A configuration of network `net` with its store in `data`.
pub(crate) fn conf(data: &Path, ipam: &str) -> String {
    let data = data.display();
    format!(r#"{{"cniVersion":"1.0.0","name":"net","ipam":{{"type":"host-local","dataDir":"{data}",{ipam}}}}}"#)
}

/// Starts a call; what it says goes nowhere when `quiet`.
#[expect(clippy::disallowed_methods, reason = "it needs the child itself, to kill it")]
pub(crate) fn start(program: &[&str], verb: &str, container: &str, conf: &str, args: &str, quiet: bool) -> Child {
    let out = || if quiet { Stdio::null() } else { Stdio::piped() };
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .env_clear()
        .env("CNI_COMMAND", verb)
        .env("CNI_CONTAINERID", container)
        .env("CNI_NETNS", "/nowhere")
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", "/nowhere")
        .env("CNI_ARGS", args)
        .stdin(Stdio::piped())
        .stdout(out())
        .stderr(out())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program[0]));
    let mut stdin = child.stdin.take().expect("piped");
    match stdin.write_all(conf.as_bytes()) {
        // Killed before it read: what some tests are about.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        other => other.expect("a pipe takes a configuration"),
    }
    child
}

/// A whole call: what it printed, or the message of its error.
pub(crate) fn call(program: &str, verb: &str, container: &str, conf: &str, args: &str) -> Result<Json, String> {
    let output = start(&[program], verb, container, conf, args, false).wait_with_output().expect("waited for");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let json = if stdout.is_empty() { Json::Null } else { Json::parse(stdout.as_bytes()).expect("JSON") };
    if output.status.success() {
        return Ok(json);
    }
    let msg = Node::root(&json).text("msg").expect("text").map(String::from);
    Err(msg.unwrap_or_else(|| format!("no message: {output:?}")))
}

/// The addresses of a result.
pub(crate) fn addresses(result: &Json) -> Vec<String> {
    let ips = Node::root(result).list("ips").expect("a list");
    ips.iter().map(|ip| ip.text("address").expect("text").expect("there").to_owned()).collect()
}

/// Every reservation of network `net`, by the file's name.
pub(crate) fn reservations(data: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(data.join("net")).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    files
        .map(|path| (name(&path), path))
        .filter(|(name, _)| name.parse::<std::net::IpAddr>().is_ok())
        .map(|(name, path)| (name, fs::read_to_string(path).expect("readable")))
        .collect()
}

/// Numbers that look random and are the same in each run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
