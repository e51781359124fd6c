//! Text and values of rules, without a kernel.

use super::*;

/// One of each of our rules, and of the reference plugins', as iptables-save prints them.
const RULES: [&str; 20] = [
    " -s 10.1.2.3/32 -m comment --comment \"name: \\\"web\\\" id: \\\"c0ffee\\\"\" -j CNI-6fa081a84f4feb16e3c81d3f",
    " -d 10.1.2.0/24 -m comment --comment plain_text-1 -j ACCEPT",
    " ! -d 224.0.0.0/4 -m comment --comment \"it\\'s \\\\ quoted\" -j MASQUERADE",
    " ! -d ff00::/8 -m comment --comment \"a.b\" -j MASQUERADE",
    " -s fd00:1::3/128 -j ACCEPT",
    " -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
    " -i cni0 -p tcp -m comment --comment \"dnat name\" -m multiport --dports 8080,9090 -j CNI-DN-x",
    " -s 10.1.2.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
    " -d 127.0.0.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.1.2.3:53",
    " -p sctp -m sctp --dport 9 -j DNAT --to-destination [fd00::2]:9",
    " -m comment --comment \"CNI portfwd masquerade mark\" -j MARK --set-xmark 0x2000/0x2000",
    " -m mark --mark 0x2000/0x2000 -j MASQUERADE",
    " -m mark --mark 0x1 -j DROP",
    " -d 127.0.0.0/8 ! -i lo -m comment --comment \"a guard\" -j DROP",
    " -i cni0 ! -o cni0 -j CNI-ISOLATION-STAGE-2",
    " -i cni0 -o cni0 -j DROP",
    " -j RETURN",
    " -d 10.1.2.3/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    " -d 10.1.2.3/32 -m conntrack --ctstate DNAT -j ACCEPT",
    " -p tcp",
];

fn read(text: &str) -> Option<Rule> {
    Rule::read(text.trim_start())
}

#[test]
fn rules_are_printed_as_they_were_read() {
    for text in RULES {
        assert_eq!(read(text).unwrap_or_else(|| panic!("{text}")).to_string(), text);
    }
}

#[test]
fn what_is_not_known_is_not_guessed() {
    for text in [
        " -m limit --limit 1/sec -j ACCEPT",
        " -p icmp -j ACCEPT",
        " ! -p tcp -j ACCEPT",
        " -p tcp -m tcp ! --dport 80 -j ACCEPT",
        " -p tcp -m tcp --dport 80:90 -j ACCEPT",
        " -p tcp -m tcp --sport 80 -j ACCEPT",
        " -m multiport --dports 80:90 -j ACCEPT",
        " -m conntrack --ctstate NEW -j ACCEPT",
        " -m addrtype --dst-type UNICAST -j ACCEPT",
        " -j DNAT --to-destination 10.1.2.3",
        " -j DNAT --random --to-destination 10.1.2.3:80",
        " -i eth+ -j ACCEPT",
        " -m comment --comment \"open -j ACCEPT",
        " !",
        " -s",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    let mut rule = Rule { protocol: Some(6), ..Rule::default() };
    rule.more();
    rule.more();
    rule.action = Action::Unknown;
    assert_eq!(rule.to_string(), " -p tcp -m ? -j ?");
    assert_eq!(read(" -p tcp -m ? -j ?"), None);
}

#[test]
fn a_script_is_read_line_by_line() {
    let text = "*raw\n-I PREROUTING 1 -d 127.0.0.0/8 -j DROP\nCOMMIT\n*nat\n:A - [0:0]\n-N B\n-A A -j B\n-D C -m ? -j ?\n-F C\n-X C\nCOMMIT\n";
    let jump = Rule { action: Action::Jump("B".into()), ..Rule::default() };
    let nat = vec![
        Line::Declare("A".into()),
        Line::New("B".into()),
        Line::Append("A".into(), jump),
        Line::Delete("C".into(), "C -m ? -j ?".into()),
        Line::Flush("C".into()),
        Line::Remove("C".into()),
    ];
    let script = Line::script(text).unwrap();
    assert!(matches!(&script[0].1[..], [Line::Insert(chain, _)] if chain == "PREROUTING"));
    assert_eq!(script[1], ("nat".to_owned(), nat));
    assert_eq!(Line::script("-A A -j B\n"), None, "no table");
    assert_eq!(Line::script("*nat\n-A A -m limit --limit 1/sec\n"), None);
    assert_eq!(Line::script("*nat\n-R A 1 -j B\n"), None);
}

#[test]
fn structures_are_read_back() {
    for text in RULES {
        let rule = read(text).unwrap();
        for one in &rule.matches {
            let own = one.structure(rule.protocol).unwrap();
            assert_eq!(Match::of(own.name.as_bytes(), own.revision.into(), &own.bytes, rule.protocol), *one, "{text}");
            if !matches!(one, Match::Comment(_)) {
                let mut other = own.bytes.clone();
                other[1] ^= 0x10;
                assert_ne!(Match::of(own.name.as_bytes(), own.revision.into(), &other, rule.protocol), *one, "{text}");
                assert_eq!(Match::of(own.name.as_bytes(), 9, &own.bytes, rule.protocol), Match::Unknown, "{text}");
                assert_eq!(Match::of(own.name.as_bytes(), own.revision.into(), &[], rule.protocol), Match::Unknown);
            }
        }
        let v6 = text.contains("::");
        if let Some(own) = rule.action.structure(v6) {
            assert_eq!(Action::of(own.name.as_bytes(), own.revision.into(), &own.bytes, v6), rule.action, "{text}");
            let mut other = own.bytes.clone();
            other[0] ^= 0x80;
            assert_ne!(Action::of(own.name.as_bytes(), own.revision.into(), &other, v6), rule.action, "{text}");
            assert_eq!(Action::of(own.name.as_bytes(), own.revision.into(), &[], v6), Action::Unknown, "{text}");
        }
    }
    assert_eq!(Match::Ports(vec![1; 16]).structure(Some(6)), None);
    assert_eq!(Match::Port(1).structure(Some(1)), None);
    assert_eq!(Match::Unknown.structure(None), None);
}

#[test]
fn comments_are_read_unquoted() {
    assert_eq!(comment_of("-A A -m comment --comment \"a \\\"b\\\" \\\\\" -j B").as_deref(), Some("a \"b\" \\"));
    assert_eq!(comment_of("-A A -m comment --comment plain -j B").as_deref(), Some("plain"));
    assert_eq!(comment_of("-A A -j B"), None);
    assert_eq!(comment_of("-A A -m comment --comment \"open"), None);
}
