//! The text of iptables without iptables.

use cnm::Backend;

use super::*;

/// What Debian's reference plugin has made of the same configuration.
const REFERENCE: &str = r#"*nat
:PREROUTING ACCEPT [0:0]
:CNI-DN-6fa081a84f4feb16e3c81 - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-DN-6fa081a84f4feb16e3c81 -s 10.1.2.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-6fa081a84f4feb16e3c81 -s 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-6fa081a84f4feb16e3c81 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.2.2:80
-A CNI-DN-6fa081a84f4feb16e3c81 -s 10.1.2.0/24 -d 192.0.2.1/32 -p udp -m udp --dport 53 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-6fa081a84f4feb16e3c81 -s 127.0.0.1/32 -d 192.0.2.1/32 -p udp -m udp --dport 53 -j CNI-HOSTPORT-SETMARK
-A CNI-DN-6fa081a84f4feb16e3c81 -d 192.0.2.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.1.2.2:53
-A CNI-HOSTPORT-DNAT -p sctp -m comment --comment "dnat name: \"web\" id: \"c0ffee\"" -m multiport --dports 9 -j CNI-DN-6fa081a84f4feb16e3c81
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"web\" id: \"c0ffee\"" -m multiport --dports 8080 -j CNI-DN-6fa081a84f4feb16e3c81
-A CNI-HOSTPORT-DNAT -p udp -m comment --comment "dnat name: \"web\" id: \"c0ffee\"" -m multiport --dports 53 -j CNI-DN-6fa081a84f4feb16e3c81
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
COMMIT
"#;

fn port(protocol: Protocol, host: Option<&str>, port: u16, target_port: u16) -> PublishedPort {
    PublishedPort { protocol, host: host.map(|host| host.parse().unwrap()), port, target_port }
}

fn publication(target: &str) -> Publication {
    Publication {
        target: target.parse().unwrap(),
        device: Some("cni0".into()),
        ports: vec![
            port(Protocol::Tcp, None, 8080, 80),
            port(Protocol::Udp, Some("192.0.2.1"), 53, 53),
            port(Protocol::Sctp, Some("::"), 9, 9),
        ],
        masquerade: Hairpin::Neighbours,
        backend: Backend::Iptables,
        conditions: Vec::new(),
        mark: SetMark::Bit(13),
    }
}

/// What iptables-save prints after a script was loaded.
fn saved(script: &str) -> Saved {
    let mut saved = Saved::default();
    let mut table = "";
    for line in script.lines() {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let chain = rest.split(' ').next().unwrap_or_default();
        match verb {
            "*nat" | "*raw" => table = line,
            "COMMIT" => {}
            "-N" => saved.chains.push(chain.into()),
            "-A" | "-I" => {
                let rule = line.replacen("-I", "-A", 1).replacen(&format!("{chain} 1 "), &format!("{chain} "), 1);
                if table == "*raw" { saved.raw.push(rule) } else { saved.rules.push(rule) }
            }
            name => saved.chains.push(name.trim_start_matches(':').into()),
        }
    }
    saved
}

#[test]
fn rules_are_those_of_the_reference() {
    let (owner, publication) = (Owner::new("web", "c0ffee", "eth0"), publication("10.1.2.2/24"));
    let rules = Rules::new(&owner, &publication);
    let there = Saved::read(REFERENCE);
    let ours = saved(&rules.install(&Saved::default()).unwrap().0);
    let sorted = |mut rules: Vec<String>| {
        rules.sort();
        rules
    };
    assert_eq!(sorted(ours.rules.clone()), sorted(there.rules.clone()));
    assert_eq!(ours.raw.len(), 2);
    let missing = rules.missing(&there);
    assert_eq!(missing.len(), 2, "only the guards are ours alone: {missing:?}");
    assert_eq!(rules.missing(&ours), Vec::<String>::new());
    assert_eq!(there.attachments("web"), [("c0ffee".to_owned(), "CNI-DN-6fa081a84f4feb16e3c81".to_owned())]);
    assert_eq!(there.attachments("db"), []);
}

#[test]
fn names_alone_remove_it() {
    let there = Saved::read(REFERENCE);
    let script = there.remove(&Owner::new("web", "c0ffee", "eth7")).unwrap();
    assert_eq!(script.matches("\n-D CNI-HOSTPORT-DNAT ").count(), 3, "{script}");
    let chain = "CNI-DN-6fa081a84f4feb16e3c81";
    assert!(script.ends_with(&format!("-F {chain}\n-X {chain}\nCOMMIT\n")), "{script}");
    assert_eq!(there.remove(&Owner::new("web", "other", "eth0")), None);
}

#[test]
fn another_container_is_refused_and_another_network_of_the_same_comes_nearer() {
    let there = Saved::read(REFERENCE);
    let publication = publication("10.9.9.2/24");
    let other = Owner::new("db", "other", "eth0");
    let error = Rules::new(&other, &publication).install(&there).unwrap_err().to_string();
    assert!(error.contains("port 8080/tcp") && error.contains(r#"name: "web" id: "c0ffee""#), "{error}");
    let same = Owner::new("db", "c0ffee", "eth1");
    let script = Rules::new(&same, &publication).install(&there).unwrap().0;
    assert_eq!(script.matches("\n-I CNI-HOSTPORT-DNAT 1 -i cni0 -p ").count(), 3, "{script}");
    // Another address of the host is another port; a condition may keep the two apart.
    let elsewhere = Publication { ports: vec![port(Protocol::Udp, Some("192.0.2.2"), 53, 53)], ..publication.clone() };
    Rules::new(&other, &elsewhere).install(&there).unwrap();
    let conditional = Publication { conditions: ["!", "-s", "10.0.0.0/8"].map(str::to_owned).to_vec(), ..publication };
    let script = Rules::new(&other, &conditional).install(&there).unwrap().0;
    assert!(script.contains("--dports 8080 ! -s 10.0.0.0/8 -j CNI-DN-"), "{script}");
}

#[test]
fn other_switches() {
    let owner = Owner::new("web", "c0ffee", "eth0");
    let all = Publication { masquerade: Hairpin::Everybody, mark: SetMark::Bit(31), ..publication("10.1.2.2/24") };
    let script = Rules::new(&owner, &all).install(&Saved::default()).unwrap().0;
    assert!(script.contains("-p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK\n"), "{script}");
    assert!(script.contains("0x80000000/0x80000000") && !script.contains("127.0.0.1"), "{script}");
    let none = Publication { masquerade: Hairpin::Nobody, ..publication("10.1.2.2/24") };
    let script = Rules::new(&owner, &none).install(&Saved::default()).unwrap().0;
    assert!(!script.contains("MASQ") && !script.contains("MARK") && !script.contains("*raw"), "{script}");
    let external = Publication { mark: SetMark::Chain("KUBE-MARK-MASQ".into()), ..publication("10.1.2.2/24") };
    let error = Rules::new(&owner, &external).install(&Saved::default()).unwrap_err().to_string();
    assert!(error.contains("KUBE-MARK-MASQ") && error.contains("externalSetMarkChain"), "{error}");
    let there = Saved { chains: vec!["KUBE-MARK-MASQ".into()], ..Saved::default() };
    let script = Rules::new(&owner, &external).install(&there).unwrap().0;
    assert!(script.contains("--dport 8080 -j KUBE-MARK-MASQ\n") && !script.contains("CNI-HOSTPORT-MASQ"), "{script}");
    let many = Publication {
        ports: (1..=31).map(|number| port(Protocol::Tcp, None, number, 80)).collect(),
        ..publication("fd00:1::2/64")
    };
    let script = Rules::new(&owner, &many).install(&Saved::default()).unwrap().0;
    assert_eq!(script.matches("-m multiport").count(), 3, "{script}");
    assert!(script.contains("-j DNAT --to-destination [fd00:1::2]:80\n") && !script.contains("127.0.0"), "{script}");
}

#[test]
fn a_long_id_is_cut_to_what_the_match_holds() {
    let cut = comment("web", &"x".repeat(300));
    assert!(cut.len() == COMMENT && cut.ends_with("..."), "{cut}");
}
