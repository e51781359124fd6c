use cnm::Gatekeeper;

use super::*;

fn forwarding(addresses: &[&str], ingress: Ingress) -> Forwarding {
    Forwarding {
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        device: Some("cni0".into()),
        shared: false,
        ingress,
        gatekeeper: Gatekeeper::Iptables,
        admin_chain: "CNI-ADMIN".into(),
        zone: "trusted".into(),
    }
}

/// What `iptables-save` prints after a script: enough of iptables for scripts that only make things.
fn applied(before: &Saved, script: Option<&str>) -> Saved {
    let mut after = before.clone();
    for line in script.unwrap_or_default().lines() {
        if let Some(chain) = line.strip_prefix("-N ") {
            after.chains.push(chain.into());
        } else if let Some(rest) = line.strip_prefix("-I ") {
            let rule = format!("-A {}", rest.replacen(" 1 ", " ", 1));
            let chain = rest.split(' ').next().unwrap();
            let at = after.rules.iter().position(|rule| rule.starts_with(&format!("-A {chain} ")));
            after.rules.insert(at.unwrap_or(after.rules.len()), rule);
        } else if line.starts_with("-A ") {
            after.rules.push(line.into());
        } else if let Some(rule) = line.strip_prefix("-D ") {
            let at = after.rules.iter().position(|other| *other == format!("-A {rule}"));
            after.rules.remove(at.expect("iptables refuses to delete what is not there"));
        } else if let Some(chain) = line.strip_prefix("-X ") {
            after.chains.retain(|other| other != chain);
        }
    }
    after
}

fn chain<'a>(saved: &'a Saved, name: &str) -> Vec<&'a str> {
    saved.rules_of(name).map(|rule| rule.split_once(&format!("{name} ")).unwrap().1).collect()
}

#[test]
fn chains_and_their_order_are_those_of_the_reference() {
    let owner = Owner::new("web", "c0ffee", "eth0");
    let isolated = forwarding(&["10.1.2.3/24", "fd00::3/64"], Ingress::Isolated);
    let attachment = Attachment { owner: &owner, forwarding: &isolated, v6: false };
    let nothing = Saved::default();
    let saved = applied(&nothing, nothing.install(attachment).as_deref());
    let all = "-m comment --comment \"CNI firewall plugin rules (ingressPolicy: same-bridge|isolated)\"";
    let own = "-m comment --comment \"CNI firewall plugin rules (ingressPolicy: isolated)\"";
    assert_eq!(
        chain(&saved, "FORWARD"),
        [
            &format!("{all} -j CNI-ISOLATION-STAGE-1")[..],
            "-m comment --comment \"CNI firewall plugin rules\" -j CNI-FORWARD"
        ]
    );
    assert_eq!(
        chain(&saved, "CNI-FORWARD"),
        [
            "-m comment --comment \"CNI firewall plugin admin overrides\" -j CNI-ADMIN",
            "-d 10.1.2.3/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-s 10.1.2.3/32 -j ACCEPT",
            "-d 10.1.2.3/32 -m conntrack --ctstate DNAT -j ACCEPT",
        ]
    );
    assert_eq!(
        chain(&saved, "CNI-ISOLATION-STAGE-1"),
        [
            format!("-i cni0 -o cni0 {own} -j DROP"),
            format!("-i cni0 ! -o cni0 {own} -j CNI-ISOLATION-STAGE-2"),
            format!("{all} -j RETURN"),
        ]
    );
    assert_eq!(chain(&saved, "CNI-ISOLATION-STAGE-2"), [format!("-o cni0 {all} -j DROP"), format!("{all} -j RETURN")]);
    assert_eq!(
        chain(&saved, "CNM-FORWARD"),
        ["-s 10.1.2.3/32 -o cni0 -m comment --comment \"cbead8fe640f4d4a-a9bcd915bbe82469, net: web, if: eth0, \
             id: c0ffee\""]
    );
    assert_eq!(saved.install(attachment), None, "once is enough");
    assert_eq!(saved.missing(attachment), Vec::<String>::new());
    let lost =
        Saved { rules: saved.rules.iter().filter(|rule| !rule.contains("STAGE-2 -o")).cloned().collect(), ..saved };
    assert_eq!(lost.missing(attachment).len(), 1);
}

/// The reference does not accept what is sent to published ports. That its attachments lack the rule is no drift, that ours
/// do is.
#[test]
fn published_ports_are_missed_where_the_record_says_that_it_is_ours() {
    let owner = Owner::new("web", "c0ffee", "eth0");
    let open = forwarding(&["10.1.2.3/24"], Ingress::Open);
    let attachment = Attachment { owner: &owner, forwarding: &open, v6: false };
    let nothing = Saved::default();
    let ours = applied(&nothing, nothing.install(attachment).as_deref());
    let without = |saved: &Saved, what: &str| Saved {
        chains: saved.chains.clone(),
        rules: saved.rules.iter().filter(|rule| !rule.contains(what)).cloned().collect(),
    };
    let lost = without(&ours, "DNAT");
    assert_eq!(lost.missing(attachment).len(), 1, "{:?}", lost.missing(attachment));
    assert!(!ours.made_by_reference(attachment) && !lost.made_by_reference(attachment));
    assert!(without(&lost, OWNERS).made_by_reference(attachment));
    assert!(!without(&without(&lost, OWNERS), "-s 10.1.2.3").made_by_reference(attachment));
}

/// A record with an old comment stands for the same rule: versions of the reference differ in nothing else.
#[test]
fn what_an_older_reference_has_made_is_used_and_removed() {
    let old = Saved::read(
        ":FORWARD DROP [0:0]\n:CNI-ADMIN - [0:0]\n:CNI-FORWARD - [0:0]\n:CNI-ISOLATION-STAGE-1 - [0:0]\n\
         :CNI-ISOLATION-STAGE-2 - [0:0]\n\
         -A FORWARD -m comment --comment \"CNI firewall plugin rules (ingressPolicy: same-bridge)\" -j CNI-ISOLATION-STAGE-1\n\
         -A FORWARD -m comment --comment \"CNI firewall plugin rules\" -j CNI-FORWARD\n\
         -A CNI-FORWARD -m comment --comment \"CNI firewall plugin admin overrides\" -j CNI-ADMIN\n\
         [12:345] -A CNI-FORWARD -d 10.1.2.3/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A CNI-FORWARD -s 10.1.2.3/32 -j ACCEPT\n\
         -A CNI-ISOLATION-STAGE-1 -i cni0 ! -o cni0 -m comment --comment \"CNI firewall plugin rules (ingressPolicy: same-bridge)\" -j CNI-ISOLATION-STAGE-2\n\
         -A CNI-ISOLATION-STAGE-1 -m comment --comment \"CNI firewall plugin rules (ingressPolicy: same-bridge)\" -j RETURN\n\
         -A CNI-ISOLATION-STAGE-2 -o cni0 -m comment --comment \"CNI firewall plugin rules (ingressPolicy: same-bridge)\" -j DROP\n\
         -A CNI-ISOLATION-STAGE-2 -m comment --comment \"CNI firewall plugin rules (ingressPolicy: same-bridge)\" -j RETURN\n",
    );
    let owner = Owner::new("web", "a", "eth0");
    let (first, second) =
        (forwarding(&["10.1.2.3/24"], Ingress::SameBridge), forwarding(&["10.1.2.4/24"], Ingress::SameBridge));
    let of = |forwarding| Attachment { owner: &owner, forwarding, v6: false };
    assert!(old.made_by_reference(of(&first)));
    let both = applied(&old, old.install(of(&second)).as_deref());
    assert_eq!(both.rules.len(), old.rules.len() + 4, "three rules and the record: {:?}", both.rules);
    // Ours goes first: the policy stays for the one of whom nothing is recorded.
    let tag = owner.tag();
    let one = applied(&both, both.remove(&|other| *other == tag, &[]).as_deref());
    assert_eq!(one, old);
    // Then that one, whose address prevResult tells, and the policy with it.
    let none = applied(&one, one.remove(&|_| false, &[of(&first)]).as_deref());
    assert!(none.rules.iter().all(|rule| !rule.contains("10.1.2.3") && !rule.contains("cni0")), "{:?}", none.rules);
    assert_eq!(none.remove(&|_| false, &[of(&first)]), None);
}

#[test]
fn an_address_that_somebody_else_has_now_and_a_policy_that_others_need_stay() {
    let (a, b) = (Owner::new("web", "a", "eth0"), Owner::new("web", "b", "eth0"));
    let (first, again) =
        (forwarding(&["10.1.2.3/24"], Ingress::SameBridge), forwarding(&["10.1.2.3/24"], Ingress::SameBridge));
    let mut saved = Saved::default();
    for attachment in [
        Attachment { owner: &a, forwarding: &first, v6: false },
        Attachment { owner: &b, forwarding: &again, v6: false },
    ] {
        saved = applied(&saved, saved.install(attachment).as_deref());
    }
    let tag = a.tag();
    let known = [Attachment { owner: &a, forwarding: &first, v6: false }];
    let left = applied(&saved, saved.remove(&|other| *other == tag, &known).as_deref());
    assert_eq!(left.missing(Attachment { owner: &b, forwarding: &again, v6: false }), Vec::<String>::new());
    assert_eq!(chain(&left, "CNM-FORWARD").len(), 1);
    let tag = b.tag();
    let none = applied(&left, left.remove(&|other| *other == tag, &[]).as_deref());
    assert!(!none.has_chain("CNM-FORWARD"));
    assert!(none.rules.iter().all(|rule| !rule.contains("cni0") && !rule.contains("10.1.2.3")), "{:?}", none.rules);
}

#[test]
fn comments_of_every_kind_are_left_out_of_a_comparison() {
    assert_eq!(
        bare("-A X -s 1.2.3.4/32 -m comment --comment \"a \\\"b\\\" -j c\" -j ACCEPT"),
        "-A X -s 1.2.3.4/32 -j ACCEPT"
    );
    assert_eq!(bare("-A X -m comment --comment word -j ACCEPT"), "-A X -j ACCEPT");
    assert_eq!(bare("-A X -m comment --comment word"), "-A X");
    assert_eq!(bare("-A X -j ACCEPT"), "-A X -j ACCEPT");
}

#[test]
fn an_outpost_is_opened_once_and_closed() {
    let outposts: Vec<Outpost> = ["10.1.2.0/24", "10.1.3.0/24"]
        .iter()
        .filter_map(|subnet| {
            let chain =
                crate::firewall::scheme::Chain::Accept { device: Some("cni0".into()), subnet: subnet.parse().unwrap() };
            Outpost::of(&chain)
        })
        .collect();
    let nothing = Saved::default();
    let saved = applied(&nothing, nothing.open(&outposts, "MINE").as_deref());
    assert!(saved.has_chain("MINE") && chain(&saved, "CNI-FORWARD").len() == 3, "{:?}", saved.rules);
    assert_eq!(saved.open(&outposts, "MINE"), None);
    let script = saved.close(&outposts[..1]).unwrap();
    assert!(script.contains(&format!("-X {}", outposts[0].name)) && !script.contains(&outposts[1].name), "{script}");
    assert_eq!(nothing.close(&outposts), None);
}
