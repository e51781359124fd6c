use std::cell::RefCell;
use std::os::unix::fs::{PermissionsExt, symlink};

use cni::json::Json;
use cni::{Code, Version};

use super::*;

/// A folder with plugins that are shell scripts.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn script(&self, name: &str, body: &str) {
        let file = self.0.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn request(command: Command, path: &str) -> Request {
    let stdin = br#"{ "cniVersion": "1.0.0",  "name":"net", "ipam":{"type":"x"} }"#.to_vec();
    Request {
        command,
        container_id: "c1".into(),
        netns: Some("/run/netns/one".into()),
        ifname: "eth0".into(),
        args: "IP=10.0.0.9".into(),
        path: path.into(),
        netns_override: false,
        conf: Json::parse(&stdin).unwrap(),
        stdin,
        network: "net".into(),
        version: Version::V1_0_0,
    }
}

#[test]
fn finds_the_first_regular_file() {
    let (one, two) = (Folder::new(), Folder::new());
    fs::create_dir(one.0.path().join("x")).unwrap();
    fs::write(two.0.path().join("x"), "").unwrap();
    symlink("x", two.0.path().join("link")).unwrap();
    symlink("nowhere", two.0.path().join("dangling")).unwrap();
    let path = format!("{}::/nonexistent:{}", one.path(), two.path());
    assert_eq!(find(&path, "x").unwrap(), two.0.path().join("x"));
    assert_eq!(find(&path, "link").unwrap(), two.0.path().join("link"));
    for (kind, text) in [
        ("", "no plugin name provided".to_owned()),
        ("../x", "invalid plugin name: ../x".to_owned()),
        (
            "dangling",
            format!("failed to find plugin \"dangling\" in path [{} /nonexistent {}]", one.path(), two.path()),
        ),
        ("..", format!("failed to find plugin \"..\" in path [{} /nonexistent {}]", one.path(), two.path())),
    ] {
        let error = find(&path, kind).unwrap_err();
        assert_eq!((error.code, error.msg), (Code::Internal, text));
    }
    assert_eq!(find("", "x").unwrap_err().msg, "no paths provided");
}

#[test]
fn a_delegate_gets_our_variables_and_our_very_bytes() {
    let folder = Folder::new();
    folder.script(
        "x",
        r#"here=$(dirname "$0")
env | grep ^CNI_ | sort > "$here/env"
cat > "$here/stdin"
echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.9/24"}]}'"#,
    );
    let request = request(Command::Add, folder.path());
    let delegate = Delegate::find(&request.path, "x", &[]).unwrap();
    let result = delegate.add(&request).unwrap();
    assert_eq!(result.ips[0].address, "10.0.0.9/24".parse().unwrap());
    assert_eq!(fs::read(folder.0.path().join("stdin")).unwrap(), request.stdin);
    let variables = fs::read_to_string(folder.0.path().join("env")).unwrap();
    assert_eq!(
        variables,
        format!(
            "CNI_ARGS=IP=10.0.0.9\nCNI_COMMAND=ADD\nCNI_CONTAINERID=c1\nCNI_IFNAME=eth0\nCNI_NETNS=/run/netns/one\nCNI_PATH={}\n",
            folder.path()
        )
    );
    delegate.del(&request).unwrap();
    let variables = fs::read_to_string(folder.0.path().join("env")).unwrap();
    assert!(variables.contains("CNI_COMMAND=DEL\n"), "{variables}");
}

#[test]
fn an_error_keeps_code_message_and_details() {
    let folder = Folder::new();
    folder.script("x", r#"echo noise >&2; echo '{"code":50,"msg":"pool is full","details":"10.0.0.0/30"}'; exit 1"#);
    let request = request(Command::Status, folder.path());
    let error = Delegate::find(folder.path(), "x", &[]).unwrap().status(&request).unwrap_err();
    assert_eq!(error, Error::new(Code::NotAvailable, "pool is full").with_details("10.0.0.0/30"));
}

#[test]
fn failures_without_an_error_object_are_told_as_the_reference_does() {
    for (body, text) in [
        ("exit 3", "netplugin failed with no error message: exit status 3"),
        ("echo boom >&2; exit 1", r#"netplugin failed: "boom\n": exit status 1"#),
        ("kill -9 $$", "netplugin failed with no error message: signal: killed"),
    ] {
        let folder = Folder::new();
        folder.script("x", body);
        let error = execute(&folder.0.path().join("x"), &[], b"").unwrap_err();
        assert_eq!((error.code.number(), error.msg.as_str()), (0, text));
    }
    for answer in ["log line", r#"{"code":-1,"msg":"x"}"#, r#"{"code":1.5,"msg":"x"}"#, "[]"] {
        let folder = Folder::new();
        folder.script("x", &format!("echo '{answer}'; exit 1"));
        let error = execute(&folder.0.path().join("x"), &[], b"").unwrap_err();
        assert!(error.msg.starts_with("netplugin failed but error parsing its diagnostic message "), "{error}");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let folder = Folder::new();
    fs::write(folder.0.path().join("x"), "no program").unwrap();
    let error = execute(&folder.0.path().join("x"), &[], b"").unwrap_err();
    assert!(error.msg.starts_with(&format!("cannot execute plugin {}/x: ", folder.path())), "{error}");
}

#[test]
fn answers_that_are_no_results() {
    for (answer, good) in [("", false), ("null", true), ("{}", true), ("hello", false), (r#"{"ips":7}"#, false)] {
        let folder = Folder::new();
        folder.script("x", &format!("cat > /dev/null; printf '%s' '{answer}'"));
        let request = request(Command::Add, folder.path());
        let result = Delegate::find(folder.path(), "x", &[]).unwrap().add(&request);
        assert_eq!(result.is_ok(), good, "{answer:?}: {result:?}");
    }
}

/// Notes which verbs it was asked for.
struct Notes(RefCell<Vec<Command>>);

impl Notes {
    fn note(&self, request: &Request) -> Result<(), Error> {
        self.0.borrow_mut().push(request.command);
        Ok(())
    }
}

impl Plugin for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }
    fn help(&self) -> &'static str {
        ""
    }
    fn add(&self, request: &Request) -> Result<AddResult, Error> {
        self.note(request).map(|()| AddResult::default())
    }
    fn del(&self, request: &Request) -> Result<(), Error> {
        self.note(request)
    }
    fn check(&self, request: &Request) -> Result<(), Error> {
        self.note(request)
    }
    fn gc(&self, request: &Request, valid: &[Attachment]) -> Result<(), Error> {
        assert_eq!(valid.len(), 1);
        self.note(request)
    }
    fn status(&self, request: &Request) -> Result<(), Error> {
        self.note(request)
    }
}

#[test]
fn our_own_executable_is_called_in_process_a_replacement_is_executed() {
    let folder = Folder::new();
    // A symbolic link has our inode as a hard link has, on whatever file system the test runs.
    symlink(std::env::current_exe().unwrap(), folder.0.path().join("notes")).unwrap();
    symlink(std::env::current_exe().unwrap(), folder.0.path().join("other")).unwrap();
    let notes = Notes(RefCell::default());
    let request = request(Command::Add, folder.path());
    let delegate = Delegate::find(folder.path(), "notes", &[&notes]).unwrap();
    assert!(delegate.is_built_in());
    let valid = [Attachment { container_id: "c1".into(), ifname: "eth0".into() }];
    delegate.add(&request).unwrap();
    delegate.del(&request).unwrap();
    delegate.check(&request).unwrap();
    delegate.gc(&request, &valid).unwrap();
    delegate.status(&request).unwrap();
    assert_eq!(*notes.0.borrow(), [Command::Add, Command::Del, Command::Check, Command::Gc, Command::Status]);
    assert!(!Delegate::find(folder.path(), "other", &[&notes]).unwrap().is_built_in());
    symlink(std::env::current_exe().unwrap(), folder.0.path().join("notes-ipam")).unwrap();
    assert!(Delegate::find(folder.path(), "notes-ipam", &[&notes]).unwrap().is_built_in());

    let replaced = Folder::new();
    replaced.script("notes", "exit 0");
    assert!(!Delegate::find(replaced.path(), "notes", &[&notes]).unwrap().is_built_in());
}
