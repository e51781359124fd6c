//! Where the tests play: a host of its own with configurations, scripted plugins and the command.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use cnm_tests::{Finished, Host, Sandbox};
use serde_json::{Value, json};

/// A plugin that notes each call as `/run/calls/<nn>-<type>-<verb>` (stdin) and `…-<verb>.env`, fails with the
/// content of `<type>.fail-<verb>` beside it, and answers ADD with `<type>.result`.
const SCRIPT: &str = r#"#!/bin/sh
name=${0##*/}
number=$(ls /run/calls | grep -vc env)
note=/run/calls/$(printf %02d "$number")-$name-$CNI_COMMAND
cat > "$note"
env | grep ^CNI_ | sort > "$note.env"
if [ -f "$0.fail-$CNI_COMMAND" ]; then
    cat "$0.fail-$CNI_COMMAND"
    exit 1
fi
case $CNI_COMMAND in
ADD) if [ -f "$0.result" ]; then cat "$0.result"; else echo "{\"cniVersion\":\"1.0.0\",\"by\":\"$name\"}"; fi ;;
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}' ;;
esac
"#;

/// A host with the folders `/run/conf` (`NETCONFPATH`) and `/run/plugins` (first on `CNI_PATH`).
pub(crate) struct Stage {
    pub(crate) host: Host,
    variables: Vec<(String, String)>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let host = Host::new();
        host.write_file("/run/conf/.keep", "");
        host.write_file("/run/calls/.keep", "");
        host.write_file("/run/plugins/.keep", "");
        let path = format!("/run/plugins:{}", host.suite().folder());
        let variables = vec![("NETCONFPATH".into(), "/run/conf".into()), ("CNI_PATH".into(), path)];
        Self { host, variables }
    }

    /// The same with one more variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// A scripted plugin.
    pub(crate) fn script(&self, kind: &str) {
        let file = format!("/run/plugins/{kind}");
        self.host.write_file(&file, SCRIPT);
        self.host.enter(|| std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755))).unwrap();
    }

    /// From now on a scripted plugin fails a verb.
    pub(crate) fn fails(&self, kind: &str, verb: &str, words: &str) {
        let error = json!({"code": 101, "msg": words}).to_string();
        self.host.write_file(&format!("/run/plugins/{kind}.fail-{verb}"), error);
    }

    /// What a scripted plugin answers to ADD.
    pub(crate) fn answers(&self, kind: &str, text: &str) {
        self.host.write_file(&format!("/run/plugins/{kind}.result"), text);
    }

    /// A configuration file.
    pub(crate) fn network(&self, name: &str, version: &str, plugins: Value) {
        let list = json!({"cniVersion": version, "name": name, "plugins": plugins});
        self.host.write_file(&format!("/run/conf/{name}.conflist"), list.to_string());
    }

    /// A network `net` of two scripted plugins, `first` and `second`; the second declares the capability `mac`.
    pub(crate) fn scripted(&self, version: &str) {
        self.script("first");
        self.script("second");
        self.network(
            "net",
            version,
            json!([{"type": "first", "own": 7}, {"type": "second", "capabilities": {"mac": true}}]),
        );
    }

    /// A network of a real bridge alone, 10.90.0.0/24 with a default route.
    pub(crate) fn bridge(&self, name: &str) {
        let ipam =
            json!({"type": "host-local", "ranges": [[{"subnet": "10.90.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]});
        self.network(name, "1.0.0", json!([{"type": "bridge", "bridge": "br-net", "isGateway": true, "ipam": ipam}]));
    }

    /// A network `net` with a real bridge, then the scripted plugin `second`, which passes the result on.
    pub(crate) fn bridged(&self) {
        self.script("second");
        let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.90.0.0/24"}]]});
        let bridge = json!({"type": "bridge", "bridge": "br-net", "isGateway": true, "ipam": ipam});
        self.network("net", "1.0.0", json!([bridge, {"type": "second"}]));
        self.answers("second", r#"{"cniVersion":"1.0.0","ips":[{"address":"10.90.0.2/24"}]}"#);
    }

    /// The calls of the scripted plugins so far: `00-first-ADD`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let mut names = self.host.list_folder("/run/calls");
        names.retain(|name| !name.ends_with(".env") && name != ".keep");
        names
    }

    /// What a call had on stdin.
    pub(crate) fn stdin(&self, call: &str) -> Value {
        serde_json::from_str(&self.host.read_file(&format!("/run/calls/{call}")).unwrap()).unwrap()
    }

    /// The CNI variables of a call.
    pub(crate) fn env(&self, call: &str) -> String {
        self.host.read_file(&format!("/run/calls/{call}.env")).unwrap()
    }

    /// The names of the kept results.
    pub(crate) fn kept(&self) -> Vec<String> {
        self.host.list_folder("/var/lib/cni/results")
    }

    /// Runs `cnm` with a line that is split at white space.
    pub(crate) fn cnm(&self, line: &str) -> Finished {
        self.start(&line.split_whitespace().collect::<Vec<_>>(), |_| {})
    }

    pub(crate) fn start(&self, words: &[&str], prepare: impl FnOnce(&mut Command) + Send) -> Finished {
        #[expect(clippy::disallowed_methods, reason = "cnm is under test as a program")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_cnm"));
        command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        prepare(&mut command);
        let output = self.host.enter(move || command.spawn().and_then(|child| child.wait_with_output())).unwrap();
        Finished {
            command: format!("cnm {}", words.join(" ")),
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }

    /// Runs `cnm`, which must succeed; its stdout.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        self.cnm(line).expect_success()
    }

    /// Runs `cnm … --json`, which must succeed.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        let text = self.run(&format!("{line} --json"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("cnm {line}: {error}: {text}"))
    }

    /// Runs `cnm`, which must exit with 1, say something on stderr and nothing on stdout; what it said.
    #[track_caller]
    pub(crate) fn refused(&self, line: &str) -> String {
        let done = self.cnm(line);
        assert_eq!(done.status.code(), Some(1), "cnm {line}: {}{}", done.text(), done.complaint());
        assert_eq!(done.text(), "", "cnm {line}");
        assert!(done.complaint().contains("error: "), "cnm {line}: {}", done.complaint());
        done.complaint()
    }
}

/// Whether a sandbox has an interface.
pub(crate) fn has_link(sandbox: &Sandbox, name: &str) -> bool {
    sandbox.attempt(&format!("ip link show {name}")).status.success()
}
