//! The text of iptables without iptables.

use super::*;

const CHAIN: &str = "CNI-6fa081a84f4feb16e3c81d3f";

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn owner() -> Owner {
    Owner::new("web", "c0ffee", "eth0")
}

/// The script that makes rules where there are none. It is also what iptables-save prints then.
fn create(rules: &Rules) -> String {
    rules.complete(&Found::default())
}

#[test]
fn accepts_come_before_masquerade() {
    let script = create(&Rules::new(&owner(), &nets(&["10.1.2.3/24", "10.9.0.3/16", "10.1.2.4/24"])));
    let comment = "-m comment --comment \"name: \\\"web\\\" id: \\\"c0ffee\\\"\"";
    let expected = [
        "*nat".into(),
        format!(":{CHAIN} - [0:0]"),
        format!("-A {CHAIN} -d 10.1.2.0/24 {comment} -j ACCEPT"),
        format!("-A {CHAIN} -d 10.9.0.0/16 {comment} -j ACCEPT"),
        format!("-A {CHAIN} ! -d 224.0.0.0/4 {comment} -j MASQUERADE"),
        format!("-A POSTROUTING -s 10.1.2.3/32 {comment} -j {CHAIN}"),
        format!("-A POSTROUTING -s 10.9.0.3/32 {comment} -j {CHAIN}"),
        format!("-A POSTROUTING -s 10.1.2.4/32 {comment} -j {CHAIN}"),
        "COMMIT\n".into(),
    ];
    assert_eq!(script, expected.join("\n"));
    let six = create(&Rules::new(&owner(), &nets(&["fd00::3/64"])));
    assert!(six.contains("! -d ff00::/8 ") && six.contains("-s fd00::3/128 "), "{six}");
}

#[test]
fn completing_keeps_what_another_interface_needs() {
    let there = Found::read(&create(&Rules::new(&owner(), &nets(&["10.1.2.3/24"]))), CHAIN);
    assert!(there.exists);
    let mine = Rules::new(&owner(), &nets(&["10.9.0.3/16"]));
    let script = mine.complete(&there);
    assert!(script.starts_with(&format!("*nat\n:{CHAIN} - [0:0]\n")), "{script}");
    assert_eq!(script.matches("-j ACCEPT").count(), 2, "{script}");
    assert_eq!(script.matches("-j MASQUERADE").count(), 1, "{script}");
    assert_eq!(script.matches("-A POSTROUTING").count(), 1, "{script}");
    let again = Found::read(&script, CHAIN);
    assert_eq!(mine.missing(&again), Vec::<String>::new());
    assert_eq!(mine.missing(&there).len(), 2);
}

#[test]
fn removing_leaves_what_another_interface_needs() {
    let first = nets(&["10.1.2.3/24"]);
    let both = create(&Rules::new(&owner(), &nets(&["10.1.2.3/24", "10.9.0.3/16"])));
    let there = Found::read(&both, CHAIN);
    let script = there.delete(CHAIN, Some(&first)).unwrap();
    assert!(script.contains("-D POSTROUTING -s 10.1.2.3/32 ") && !script.contains("-X "), "{script}");
    let all = there.delete(CHAIN, None).unwrap();
    assert!(all.contains(&format!("-F {CHAIN}\n-X {CHAIN}\n")), "{all}");
    assert_eq!(Found::default().delete(CHAIN, Some(&first)), None);
    // The chain alone, after a crash.
    let chain = Found::read(&format!(":{CHAIN} - [0:0]\n"), CHAIN);
    assert!(chain.delete(CHAIN, Some(&first)).unwrap().contains("-X "));
}

#[test]
fn the_old_form_of_the_reference_is_recognised() {
    let old = format!("-A POSTROUTING -s 10.1.2.0/24 -m comment --comment x -j {CHAIN}");
    assert!(concerns(&old, "10.1.2.3/24".parse().unwrap()));
    assert!(!concerns(&old, "10.1.3.3/24".parse().unwrap()));
    assert!(!concerns("-A POSTROUTING -s 10.1.2.30/32 -j X", "10.1.2.3/24".parse().unwrap()));
}

#[test]
fn attachments_are_read_from_comments() {
    let mut text = create(&Rules::new(&owner(), &nets(&["10.1.2.3/24"])));
    text.push_str(&create(&Rules::new(&Owner::new("other", "x", "eth0"), &nets(&["10.1.2.4/24"]))));
    text.push_str("-A POSTROUTING -m comment --comment \"name: \\\"web\\\" id: \\\"forged\\\"\" -j ACCEPT\n");
    assert_eq!(attachments(&text, "web"), [("c0ffee".to_owned(), CHAIN.to_owned())]);
}

#[test]
fn a_long_id_is_cut_to_what_the_match_holds() {
    let owner = Owner::new("web", "x".repeat(300), "eth0");
    assert_eq!(comment(&owner).len(), COMMENT);
}
