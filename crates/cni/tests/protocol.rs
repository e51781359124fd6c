//! `respond` from outside: one row for each thing that a caller can do wrong, and the answers to what is right.
//! Codes and texts were measured with the reference plugins.

use std::cell::RefCell;
use std::io;

use cni::{AddResult, Attachment, Code, Command, Error, Interface, Plugin, Reply, Request, Version, respond};
use proptest::prelude::*;

/// A plugin that remembers its calls.
#[derive(Default)]
struct Fake {
    calls: RefCell<Vec<String>>,
    addresses: bool,
    broken: Option<Error>,
    versions: Option<&'static [Version]>,
}

impl Fake {
    fn call(&self, request: &Request, more: &str) -> Result<(), Error> {
        let Request { command, container_id, ifname, network, version, .. } = request;
        let netns = request.netns.as_deref().unwrap_or("-");
        let call = format!("{command} {network} {version} {container_id}/{ifname} {netns}{more}");
        self.calls.borrow_mut().push(call);
        self.broken.clone().map_or(Ok(()), Err)
    }
}

impl Plugin for Fake {
    fn name(&self) -> &'static str {
        "firewall"
    }

    fn help(&self) -> &'static str {
        "for tests"
    }

    fn versions(&self) -> &'static [Version] {
        self.versions.unwrap_or(Version::ALL)
    }

    fn add(&self, request: &Request) -> Result<AddResult, Error> {
        self.call(request, "")?;
        let interface = Interface { name: request.ifname.clone(), ..Interface::default() };
        let mut result = AddResult { interfaces: vec![interface], ..AddResult::default() };
        if self.addresses {
            let address = "10.1.2.3/24".parse().map_err(|_| Error::internal("address"))?;
            result.ips.push(cni::Ip { address, gateway: None, interface: Some(0) });
        }
        Ok(result)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        self.call(request, "")
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        request.required_prev_result()?;
        self.call(request, "")
    }

    fn gc(&self, request: &Request, valid: &[Attachment]) -> Result<(), Error> {
        let valid: Vec<String> = valid.iter().map(|one| format!(" {}:{}", one.container_id, one.ifname)).collect();
        self.call(request, &valid.concat())
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        self.call(request, "")
    }
}

/// The environment that every verb is content with.
const FULL: [(&str, &str); 4] =
    [("CNI_CONTAINERID", "c1"), ("CNI_NETNS", "/run/netns/a"), ("CNI_IFNAME", "eth0"), ("CNI_PATH", "/opt/cni/bin")];

fn serve(plugin: &Fake, command: &str, variables: &[(&str, &str)], stdin: &str) -> Reply {
    let variable = |name: &str| match name {
        "CNI_COMMAND" => Some(command.to_owned()),
        _ => variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
    };
    respond(plugin, &variable, &mut || Ok(stdin.as_bytes().to_vec()))
}

/// The compact form of what a call with a full environment prints, after its exit status.
fn outcome(command: &str, stdin: &str) -> String {
    let reply = serve(&Fake::default(), command, &FULL, stdin);
    compact(&reply)
}

fn compact(reply: &Reply) -> String {
    assert_eq!(reply.stderr, "", "nothing on stderr");
    let stdout = match reply.stdout.as_str() {
        "" => String::new(),
        text => cni::json::Json::parse(text.as_bytes()).expect("JSON on stdout").to_string(),
    };
    format!("{} {stdout}", reply.exit)
}

#[test]
fn without_a_verb_the_about_line() {
    let expected = format!(
        "CNI firewall plugin v1.9.1+cnm{}\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n",
        env!("CARGO_PKG_VERSION")
    );
    let empty = serve(&Fake::default(), "", &FULL, "");
    let unset = respond(&Fake::default(), &|_| None, &mut || panic!("stdin must not be read"));
    for reply in [empty, unset] {
        assert_eq!(reply, Reply { stdout: String::new(), stderr: expected.clone(), exit: 0 });
    }
}

#[test]
fn version_is_one_line_and_reads_nothing() {
    let variable = |name: &str| (name == "CNI_COMMAND").then(|| "VERSION".to_owned());
    let mut closed = || panic!("stdin must not be read");
    let reply = respond(&Fake::default(), &variable, &mut closed);
    let all = "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";
    assert_eq!(reply, Reply::success(all.to_owned()));
    let few = Fake { versions: Some(&[Version::V0_4_0, Version::V1_0_0]), ..Fake::default() };
    let reply = respond(&few, &variable, &mut closed);
    assert_eq!(reply.stdout, "{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}\n");
}

#[test]
fn the_order_of_checks() {
    // Environment before input.
    let reply = serve(&Fake::default(), "ADD", &FULL[..1], "no JSON");
    assert_eq!(
        compact(&reply),
        r#"1 {"code":4,"msg":"required env variables [CNI_NETNS,CNI_IFNAME,CNI_PATH] missing"}"#
    );
    // Input before the verb, decoding before the name, the name before the verb, the verb before the version.
    for (stdin, expected) in [
        ("", r#"{"code":6,"msg":"error unmarshall network config: unexpected end of JSON input: nothing was sent"}"#),
        ("{}", r#"{"code":7,"msg":"missing network name"}"#),
        (r#"{"name":"-x"}"#, r#"{"code":7,"msg":"invalid characters found in network name","details":"-x"}"#),
        (r#"{"name":"n","cniVersion":"9.9.9"}"#, r#"{"code":4,"msg":"unknown CNI_COMMAND: FOO"}"#),
    ] {
        assert_eq!(outcome("FOO", stdin), format!("1 {expected}"));
        let bare = serve(&Fake::default(), "FOO", &[], stdin);
        assert_eq!(compact(&bare), format!("1 {expected}"), "an unknown verb needs no variables");
    }
}

#[test]
fn input_that_is_no_configuration() {
    let name_first = "1 {\"code\":6,\"msg\":\"error unmarshall network config: ";
    for (stdin, expected) in [
        ("x", format!("{name_first}expected value at line 1 column 1\"}}")),
        ("[]", format!("{name_first}expected an object, got []\"}}")),
        ("3", format!("{name_first}expected an object, got 3\"}}")),
        (r#"{"name":1}"#, format!("{name_first}name: expected a string, got 1\"}}")),
        (r#"{"name":"a"} x"#, format!("{name_first}trailing characters at line 1 column 14\"}}")),
        ("null", r#"1 {"code":7,"msg":"missing network name"}"#.to_owned()),
        (r#"{"name":""}"#, r#"1 {"code":7,"msg":"missing network name"}"#.to_owned()),
        (r#"{"name":null}"#, r#"1 {"code":7,"msg":"missing network name"}"#.to_owned()),
        (
            r#"{"name":"n","NAME":"m!"}"#,
            r#"1 {"code":7,"msg":"invalid characters found in network name","details":"m!"}"#.to_owned(),
        ),
        (
            r#"{"name":"../../etc"}"#,
            r#"1 {"code":7,"msg":"invalid characters found in network name","details":"../../etc"}"#.to_owned(),
        ),
        (
            r#"{"name":"n","cniVersion":1}"#,
            r#"1 {"code":6,"msg":"decoding version from network config: cniVersion: expected a string, got 1"}"#
                .to_owned(),
        ),
    ] {
        assert_eq!(outcome("ADD", stdin), expected, "{stdin}");
    }
}

#[test]
fn versions_and_gates() {
    let list = r#"[\"0.1.0\" \"0.2.0\" \"0.3.0\" \"0.3.1\" \"0.4.0\" \"1.0.0\" \"1.1.0\"]"#;
    let unknown = format!(
        r#"1 {{"code":1,"msg":"incompatible CNI versions","details":"config is \"9.9.9\", plugin supports {list}"}}"#
    );
    let at = |version: &str| format!(r#"{{"name":"n","cniVersion":"{version}"}}"#);
    assert_eq!(outcome("ADD", &at("9.9.9")), unknown);
    assert_eq!(outcome("DEL", &at("9.9.9")), unknown);
    for command in ["CHECK", "GC", "STATUS"] {
        let refused = |who: &str| format!(r#"1 {{"code":1,"msg":"{who} version does not allow {command}"}}"#);
        assert_eq!(outcome(command, &at("9.9.9")), refused("plugin"));
        assert_eq!(outcome(command, &at("0.3.1")), refused("config"));
        assert_eq!(outcome(command, r#"{"name":"n"}"#), refused("config"));
        let no_version = r#"1 {"code":6,"msg":"failed to convert major version part \"abc\": strconv.Atoi: parsing \"abc\": invalid syntax"}"#;
        assert_eq!(outcome(command, &at("abc")), no_version);
    }
    assert_eq!(outcome("STATUS", &at("1.1.0")), "0 ");
    assert_eq!(outcome("DEL", r#"{"name":"n","cniVersion":""}"#), "0 ");
}

#[test]
fn stdin_that_fails_or_never_ends() {
    let variable = |name: &str| match name {
        "CNI_COMMAND" => Some("DEL".to_owned()),
        _ => FULL.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
    };
    let reply = respond(&Fake::default(), &variable, &mut || Err(io::Error::other("boo")));
    assert_eq!(compact(&reply), r#"1 {"code":5,"msg":"error reading from stdin: boo"}"#);
    let large = format!("{{\"name\":\"n\"}}{}", " ".repeat(cni::MAX_INPUT));
    let expected = r#"1 {"code":6,"msg":"error unmarshall network config: the configuration on stdin is longer than 8388608 bytes (8 MiB)"}"#;
    assert_eq!(outcome("DEL", &large), expected);
    assert_eq!(outcome("DEL", &large[..cni::MAX_INPUT]), "0 ");
}

#[test]
fn what_the_plugin_gets() {
    let fake = Fake { addresses: true, ..Fake::default() };
    let prev = r#"{"name":"n","cniVersion":"1.1.0","prevResult":{}}"#;
    for command in ["ADD", "CHECK", "DEL", "STATUS"] {
        assert_eq!(serve(&fake, command, &FULL, prev).exit, 0, "{command}");
    }
    let gone: Vec<_> = FULL.iter().copied().filter(|(key, _)| *key != "CNI_NETNS").collect();
    assert_eq!(serve(&fake, "DEL", &gone, r#"{"name":"n"}"#).exit, 0);
    assert_eq!(
        *fake.calls.borrow(),
        [
            "ADD n 1.1.0 c1/eth0 /run/netns/a",
            "CHECK n 1.1.0 c1/eth0 /run/netns/a",
            "DEL n 1.1.0 c1/eth0 /run/netns/a",
            "STATUS n 1.1.0 / -",
            "DEL n 0.1.0 c1/eth0 -",
        ]
    );
    assert_eq!(
        outcome("CHECK", r#"{"name":"n","cniVersion":"1.0.0"}"#),
        r#"1 {"cniVersion":"1.0.0","code":7,"msg":"Required prevResult missing"}"#
    );
}

#[test]
fn attachments_that_gc_must_keep() {
    let gc = |members: &str| {
        let fake = Fake::default();
        let stdin = format!(r#"{{"name":"n","cniVersion":"1.1.0"{members}}}"#);
        let reply = serve(&fake, "GC", &FULL, &stdin);
        let calls = fake.calls.borrow().concat();
        if reply.exit == 0 { calls } else { reply.stdout }
    };
    let one = r#"[{"containerID":"a","ifname":"eth0"}]"#;
    let two = r#"[{"ContainerId":"b","IfName":"eth1","more":1}]"#;
    assert_eq!(
        gc(&format!(r#","cni.dev/valid-attachments":{one},"cni.dev/attachments":{two}"#)),
        "GC n 1.1.0 / - a:eth0"
    );
    assert_eq!(
        gc(&format!(r#","cni.dev/valid-attachments":null,"cni.dev/attachments":{two}"#)),
        "GC n 1.1.0 / - b:eth1"
    );
    assert_eq!(gc(&format!(r#","cni.dev/attachments":{two}"#)), "GC n 1.1.0 / - b:eth1");
    assert_eq!(gc(&format!(r#","cni.dev/valid-attachments":[],"cni.dev/attachments":{two}"#)), "GC n 1.1.0 / -");
    assert_eq!(gc(""), "GC n 1.1.0 / -");
    let half = gc(r#","cni.dev/valid-attachments":[{"ifname":"eth0"}]"#);
    assert!(half.contains("cni.dev/valid-attachments[0].containerID: expected a string, got nothing"), "{half}");
    assert!(gc(r#","cni.dev/valid-attachments":{}"#).contains("expected a list, got {}"));
}

#[test]
fn results_and_errors_on_stdout() {
    let fake = Fake { addresses: true, ..Fake::default() };
    let reply = serve(&fake, "ADD", &FULL, r#"{"name":"n","cniVersion":"0.2.0"}"#);
    let expected = "{\n    \"cniVersion\": \"0.2.0\",\n    \"ip4\": {\n        \"ip\": \"10.1.2.3/24\"\n    },\n    \"dns\": {}\n}";
    assert_eq!(reply, Reply::success(expected.to_owned()));
    let broken = Fake { broken: Some(Error::new(Code::TryAgain, "later").with_details("d")), ..Fake::default() };
    for command in ["ADD", "DEL", "GC", "STATUS"] {
        let reply = serve(&broken, command, &FULL, r#"{"name":"n","cniVersion":"1.1.0"}"#);
        assert_eq!(compact(&reply), r#"1 {"cniVersion":"1.1.0","code":11,"msg":"later","details":"d"}"#, "{command}");
    }
}

#[test]
fn a_result_without_shape_is_undone() {
    let fake = Fake::default();
    let reply = serve(&fake, "ADD", &FULL, r#"{"name":"n","cniVersion":"0.2.0"}"#);
    let expected = r#"1 {"cniVersion":"0.2.0","code":999,"msg":"cannot convert: no valid IP addresses"}"#;
    assert_eq!(compact(&reply), expected);
    assert_eq!(*fake.calls.borrow(), ["ADD n 0.2.0 c1/eth0 /run/netns/a", "DEL n 0.2.0 c1/eth0 /run/netns/a"]);
}

/// An ADD with `conf`, past all checks.
fn request(conf: &str) -> Request {
    Request {
        command: Command::Add,
        container_id: "c".into(),
        netns: None,
        ifname: "eth0".into(),
        args: "IP=10.1.2.3;IgnoreUnknown=1".into(),
        path: String::new(),
        netns_override: false,
        stdin: conf.as_bytes().to_vec(),
        conf: cni::json::Json::parse(conf.as_bytes()).expect("JSON"),
        network: "n".into(),
        version: Version::V1_0_0,
    }
}

#[test]
fn what_plugins_read_from_a_request() {
    let full = request(
        r#"{"ipam":{"type":"host-local"},"dns":{"nameservers":["10.0.0.1"]},"args":{"cni":{"mac":"x"}},
            "runtimeConfig":{"ips":["10.1.2.4/24"]},"prevResult":{"cniVersion":"0.2.0","ip4":{"ip":"10.1.2.3/24"}}}"#,
    );
    assert_eq!(full.ipam_type(), Ok(Some("host-local")));
    assert_eq!(full.dns().map(|dns| dns.nameservers), Ok(vec!["10.0.0.1".to_owned()]));
    assert_eq!(full.args_cni().expect("an object").expect("present").text("mac"), Ok(Some("x")));
    assert_eq!(full.runtime_config().expect("an object").expect("present").strings("ips"), Ok(vec!["10.1.2.4/24"]));
    assert_eq!(full.prev_result().expect("a result").map(|result| result.ips.len()), Some(1));
    assert_eq!(full.cni_args(&["IP"]).expect("valid").get("IP"), Some("10.1.2.3"));
    assert_eq!(full.with_command(Command::Del).command, Command::Del);
    for bare in ["{}", r#"{"ipam":{}}"#, r#"{"ipam":{"type":""}}"#, r#"{"ipam":null,"args":{},"dns":{}}"#] {
        let bare = request(bare);
        assert_eq!(bare.ipam_type(), Ok(None), "layer 2");
        assert!(bare.args_cni().expect("nothing").is_none() && bare.dns().expect("nothing").is_empty());
        assert_eq!(bare.prev_result(), Ok(None));
    }
    let wrong = request(r#"{"ipam":[],"args":{"cni":1},"prevResult":{"ips":[{"address":"x"}]}}"#);
    assert_eq!(wrong.ipam_type().expect_err("a list").msg, "ipam: expected an object, got []");
    assert_eq!(wrong.args_cni().expect_err("a number").msg, "args.cni: expected an object, got 1");
    let error = wrong.prev_result().expect_err("no address");
    assert_eq!(error.msg, r#"prevResult.ips[0].address: expected an address with prefix length, got "x""#);
}

proptest! {
    #[test]
    fn every_call_has_one_clean_answer(
        command in "ADD|DEL|CHECK|GC|STATUS|VERSION|add|.{0,5}",
        id in ".{0,9}", ifname in ".{0,17}", stdin in prop::collection::vec(any::<u8>(), 0..60), name in ".{0,6}",
        version in "|0\\.[1-4]\\.0|1\\.[01]\\.0|.{0,6}", raw in any::<bool>(),
    ) {
        let conf = format!(r#"{{"name":{:?},"cniVersion":{:?},"prevResult":{{}}}}"#, name, version).into_bytes();
        let variable = |key: &str| Some(match key {
            "CNI_COMMAND" => command.clone(),
            "CNI_CONTAINERID" => id.clone(),
            "CNI_IFNAME" => ifname.clone(),
            "CNI_NETNS" | "CNI_PATH" => "/x".to_owned(),
            _ => return None,
        });
        let fake = Fake { addresses: true, ..Fake::default() };
        let reply = respond(&fake, &variable, &mut || Ok(if raw { stdin.clone() } else { conf.clone() }));
        prop_assert_eq!(reply.stderr.is_empty(), !command.is_empty());
        if reply.exit == 0 {
            prop_assert!(reply.stdout.is_empty() || cni::json::Json::parse(reply.stdout.as_bytes()).is_ok());
        } else {
            prop_assert_eq!(reply.exit, 1);
            let error = Error::from_delegate(reply.stdout.as_bytes(), b"", "exit status 1");
            prop_assert!(error.code != Code::Other(0) && !error.msg.is_empty(), "{}", reply.stdout);
        }
    }
}
