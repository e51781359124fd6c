//! What Go accepts, what it refuses, and the words for it.

use proptest::prelude::*;

use super::*;
use crate::{Code, Error};

fn parse(text: &str) -> Json {
    Json::parse(text.as_bytes()).expect("accepted")
}

fn failure<T>(result: Result<T, Error>) -> (u32, String) {
    match result {
        Ok(_) => panic!("was accepted"),
        Err(error) => (error.code.number(), error.to_string()),
    }
}

#[test]
fn keys_in_any_case_and_the_last_wins() {
    let conf = parse(r#"{"IpMasq":true,"mtu":1,"MTU":2,"Mtu":null,"\u017fub\u212aey":"x","unknown":{}}"#);
    let node = Node::root(&conf);
    assert!(node.flag("ipMasq").expect("accepted"));
    assert_eq!(node.integer("mtu").expect("accepted"), Some(2), "the last one that is not null, whatever its case");
    assert_eq!(node.string("subkey").expect("accepted"), Some("x"));
    assert_eq!(node.string("absent").expect("accepted"), None);
}

#[test]
fn null_and_empty() {
    let conf = parse(r#"{"a":null,"s":"","o":{},"l":[],"n":[null]}"#);
    let node = Node::root(&conf);
    assert!(node.get("a").expect("accepted").is_none() && node.object("a").expect("accepted").is_none());
    assert_eq!((node.string("s").expect("accepted"), node.text("s").expect("accepted")), (Some(""), None));
    assert_eq!((node.ip("s").expect("accepted"), node.cidr("s").expect("accepted")), (None, None));
    assert!(node.object("o").expect("accepted").is_some());
    assert!(node.list("l").expect("accepted").is_empty() && node.list("a").expect("accepted").is_empty());
    assert_eq!(node.strings("n").expect("accepted"), [""]);
    assert!(!node.flag("a").expect("accepted"));
    assert_eq!(node.optional_flag("a").expect("accepted"), None);
    assert!(Node::root(&Json::Null).get("x").expect("accepted").is_none(), "a null document is an empty one");
}

#[test]
fn paths_and_values_in_messages() {
    let conf =
        parse(r#"{"IPAM":{"ranges":[[{"subnet":"10.1.0.0/16"},{"subnet":"10.1.2.0"}]],"gateway":"x"},"mtu":1500.0}"#);
    let root = Node::root(&conf);
    let ipam = root.object("ipam").expect("accepted").expect("accepted");
    let set = ipam.list("ranges").expect("accepted")[0].as_list().expect("accepted");
    assert_eq!(set[1].path(), "ipam.ranges[0][1]");
    assert_eq!(
        failure(set[1].cidr("subnet")),
        (7, r#"ipam.ranges[0][1].subnet: expected an address with prefix length, got "10.1.2.0""#.to_owned())
    );
    assert_eq!(failure(ipam.ip("gateway")), (7, r#"ipam.gateway: expected an IP address, got "x""#.to_owned()));
    assert_eq!(failure(root.integer("mtu")), (6, "mtu: expected a whole number, got 1500.0".to_owned()));
    assert_eq!(failure(root.object("mtu")), (6, "mtu: expected an object, got 1500.0".to_owned()));
    assert_eq!(failure(root.flag("mtu")), (6, "mtu: expected true or false, got 1500.0".to_owned()));
    assert_eq!(failure(ipam.string("ranges")).0, 6);
    assert_eq!(failure(root.list("ipam")).0, 6);
    assert_eq!(
        failure(set[0].get("subnet").expect("accepted").expect("accepted").get("x")).1,
        r#"ipam.ranges[0][0].subnet: expected an object, got "10.1.0.0/16""#
    );
    assert_eq!(
        failure(ipam.required_cidr("subnet")).1,
        "ipam.subnet: expected an address with prefix length, got nothing"
    );
    assert_eq!(failure(root.required_text("master")), (7, "master: expected a string, got nothing".to_owned()));
    assert_eq!(root.reject("mtu", "too large for eth1").to_string(), "mtu: too large for eth1");
}

#[test]
fn the_document_itself_may_have_a_name() {
    let list = parse("[1]");
    assert_eq!(failure(Node::root(&list).get("x")).1, "expected an object, got [1]");
    assert_eq!(failure(Node::named("result of x", &list).get("x")).1, "result of x: expected an object, got [1]");
}

#[test]
fn numbers_within_bounds() {
    let conf = parse(r#"{"vlan":4095,"low":-1,"big":18446744073709551615,"text":"5","ok":4094}"#);
    let node = Node::root(&conf);
    assert_eq!(node.number("ok", 0_u16..=4094).expect("accepted"), Some(4094));
    assert_eq!(
        failure(node.number("vlan", 0_u16..=4094)),
        (7, "vlan: expected a whole number from 0 to 4094, got 4095".to_owned())
    );
    assert_eq!(failure(node.number("low", 0_u32..=9)).1, "low: expected a whole number from 0 to 9, got -1");
    assert_eq!(
        failure(node.number("big", 0_u32..=9)),
        (6, "big: expected a whole number, got 18446744073709551615".to_owned())
    );
    assert_eq!(failure(node.number("text", 0_u32..=9)).0, 6);
    assert_eq!(node.number("absent", 0_u32..=9).expect("accepted"), None);
}

#[test]
fn maps_keep_their_letters() {
    let conf = parse(r#"{"sysctl":{"a":"1","A":"2","a":"3","n":null}}"#);
    assert_eq!(Node::root(&conf).string_map("sysctl").expect("accepted"), [("A", "2"), ("a", "3"), ("n", "")]);
    assert_eq!(Node::root(&conf).string_map("absent").expect("accepted"), []);
}

#[test]
fn elements() {
    let conf = parse(r#"{"ips":["10.0.0.1","10.0.0.1/8",7,null]}"#);
    let ips = Node::root(&conf).list("ips").expect("accepted");
    assert_eq!(ips[0].as_ip().expect("accepted").to_string(), "10.0.0.1");
    assert_eq!(ips[1].as_cidr().expect("accepted").to_string(), "10.0.0.1/8");
    assert_eq!(failure(ips[1].as_ip()).1, r#"ips[1]: expected an IP address, got "10.0.0.1/8""#);
    assert_eq!(failure(ips[2].as_ip()).1, "ips[2]: expected a string, got 7");
    assert_eq!(failure(ips[3].as_ip()).1, "ips[3]: expected an IP address, got null");
}

#[test]
fn what_is_no_json() {
    for (text, expected) in [
        ("", "unexpected end of JSON input: nothing was sent"),
        (" \n", "unexpected end of JSON input: nothing was sent"),
        ("x", "expected value at line 1 column 1"),
        (r#"{"name":"n""#, "unexpected end of JSON input: EOF while parsing an object at line 1 column 11"),
        (r#"{"name":"n",}"#, "trailing comma at line 1 column 13"),
        (r#"{"name":"n"} x"#, "trailing characters at line 1 column 14"),
        (r#"{"name":"n"}{}"#, "trailing characters at line 1 column 13"),
        ("{'a':1}", "key must be a string at line 1 column 2"),
        ("\u{feff}{}", "expected value at line 1 column 1"),
        ("[01]", "invalid number at line 1 column 3"),
        ("NaN", "expected value at line 1 column 1"),
    ] {
        assert_eq!(failure(Json::parse(text.as_bytes())), (6, expected.to_owned()), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(nested(100).as_bytes()).is_ok());
    let (code, msg) = failure(Json::parse(nested(100_000).as_bytes()));
    assert_eq!(code, Code::Decoding.number());
    assert!(msg.starts_with("recursion limit exceeded"), "{msg}");
}

#[test]
fn bytes_that_are_no_text() {
    let conf = Json::parse(b"{\"name\":\"a\xffb\"}").expect("accepted");
    assert_eq!(Node::root(&conf).string("name").expect("accepted"), Some("a\u{fffd}b"));
}

#[test]
fn long_values_are_cut() {
    let conf = parse(&format!(r#"{{"mtu":"{}"}}"#, "é".repeat(500)));
    let (_, msg) = failure(Node::root(&conf).integer("mtu"));
    assert!(msg.ends_with("é…") && msg.chars().count() < 200, "{msg}");
}

#[test]
fn setting_and_removing() {
    let mut conf = parse(r#"{"Name":"a","x":1,"NAME":"b","y":2}"#);
    conf.set("name", "c".into());
    conf.set("cniVersion", "1.0.0".into());
    conf.remove("X");
    assert_eq!(conf.to_string(), r#"{"name":"c","y":2,"cniVersion":"1.0.0"}"#);
    assert_eq!(conf.pretty(), "{\n    \"name\": \"c\",\n    \"y\": 2,\n    \"cniVersion\": \"1.0.0\"\n}");
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(|number| Json::Number(number.into())),
        any::<u64>().prop_map(Json::from),
        ".{0,8}".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec((".{0,6}", inner), 0..6).prop_map(Json::Object),
        ]
    })
}

/// Calls every reader; the answers do not matter here.
fn read_everything(node: &Node<'_>, key: &str) {
    let _ = (node.get(key), node.object(key), node.string(key), node.text(key), node.flag(key), node.integer(key));
    let _ = (node.list(key), node.strings(key), node.string_map(key), node.ip(key), node.cidr(key), node.entries());
    let _ =
        (node.as_str(), node.as_list(), node.as_ip(), node.as_cidr(), node.number(key, 0_u8..=3), node.invalid("x"));
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(json) = Json::parse(&bytes) {
            read_everything(&Node::root(&json), "name");
        }
    }

    #[test]
    fn almost_json(text in "[\\[\\]{}:,\"a0.e\\\\u -]{0,60}") {
        if let Ok(json) = Json::parse(text.as_bytes()) {
            read_everything(&Node::root(&json), "a");
        }
    }

    #[test]
    fn order_and_duplicates_survive(json in any_json()) {
        prop_assert_eq!(&Json::parse(json.to_string().as_bytes()).expect("accepted"), &json);
        prop_assert_eq!(&Json::parse(json.pretty().as_bytes()).expect("accepted"), &json);
    }

    #[test]
    fn readers_never_panic(json in any_json(), key in ".{0,6}") {
        read_everything(&Node::root(&json), &key);
    }
}
