//! An upgrade in place: what the real reference plugins have made, our DEL removes.

use cnm::{Backend, Firewall, Owner};
use kernel::HostFirewall;

use crate::world::{alone, masquerade, owner, ruleset, run, spoof};

const BRIDGE: &str = "/usr/lib/cni/bridge";

/// Attaches `eth0` of a new namespace to `cni0` by the reference plugin, dual stack, with all that makes rules.
fn attach(container: &str, last: u8) {
    let conf = format!(
        r#"{{"cniVersion":"1.0.0","name":"web","type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,
            "macspoofchk":true,"ipam":{{"type":"static","addresses":[
            {{"address":"10.1.2.{last}/24"}},{{"address":"fd00:1::{last:x}/64"}}]}}}}"#
    );
    std::fs::write("/run/conf", conf).unwrap();
    run(&format!(
        "ip netns add {container} && CNI_COMMAND=ADD CNI_CONTAINERID={container} CNI_NETNS=/run/netns/{container} \
         CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni {BRIDGE} </run/conf"
    ));
}

fn rules_of(container: &str) -> Vec<String> {
    let chain = owner(container).masquerade_chain();
    let all = ruleset() + &run("iptables-save -t nat; ip6tables-save -t nat");
    let own = all.lines().filter(|line| line.contains(container) || line.contains(&chain));
    // Counters count.
    own.map(|line| line.split_once(" counter ").map_or(line, |(rule, _)| rule).to_owned()).collect()
}

#[test]
fn rules_of_the_reference_are_removed_and_others_stay() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        let known = [
            masquerade("10.1.2.3/24", Backend::Nftables),
            masquerade("fd00:1::3/64", Backend::Nftables),
            spoof("veth0", "02:00:00:00:00:01"),
        ];
        attach("keep", 9);
        let kept = rules_of("keep");
        assert_eq!(kept.len(), 18, "{kept:?}");
        for known in [Some(&known[..]), None] {
            attach("c0ffee", 3);
            assert_eq!(rules_of("c0ffee").len(), kept.len());
            firewall.remove(&owner("c0ffee"), known).unwrap();
            assert_eq!(rules_of("c0ffee"), Vec::<String>::new());
            assert_eq!(rules_of("keep"), kept);
            run("ip netns del c0ffee");
        }
        firewall.collect_containers("web", &|_| false).unwrap();
        assert!(!run("iptables-save -t nat").contains("CNI-"), "{}", run("iptables-save -t nat"));
    });
}

#[test]
fn ours_by_iptables_are_those_of_the_reference() {
    alone(|| {
        let rules = || {
            let text = run("iptables-save -t nat; ip6tables-save -t nat");
            text.lines().filter(|line| line.contains("CNI-")).map(str::to_owned).collect::<Vec<String>>()
        };
        attach("c0ffee", 3);
        let theirs = rules();
        let intents = [masquerade("10.1.2.3/24", Backend::Iptables), masquerade("fd00:1::3/64", Backend::Iptables)];
        let mut firewall = HostFirewall::default();
        assert_eq!(firewall.drift(&owner("c0ffee"), &intents).unwrap(), Vec::<String>::new());
        firewall.remove(&owner("c0ffee"), Some(&intents)).unwrap();
        assert_eq!(rules(), Vec::<String>::new());
        firewall.install(&owner("c0ffee"), &intents).unwrap();
        assert_eq!(rules(), theirs);
        // And the reference's DEL takes ours, after a downgrade.
        run("CNI_COMMAND=DEL CNI_CONTAINERID=c0ffee CNI_NETNS=/run/netns/c0ffee CNI_IFNAME=eth0 \
             CNI_PATH=/usr/lib/cni /usr/lib/cni/bridge </run/conf");
        assert_eq!(rules(), Vec::<String>::new());
    });
}

/// The table of newer reference plugins (1.5 on), which Debian's do not make: written as they write it.
#[test]
fn masquerading_by_nftables_of_the_reference_is_removed() {
    alone(|| {
        run("nft 'add table inet cni_plugins_masquerade; add chain inet cni_plugins_masquerade masq_checks'");
        let attachments = [("c0ffee", 3), ("keep", 9)].map(|(container, last)| (owner(container), last));
        let add = |owner: &Owner, last: u8| {
            for (family, address, net) in
                [("ip", format!("10.1.2.{last}"), "10.1.2.0/24"), ("ip6", format!("fd00:1::{last}"), "fd00:1::/64")]
            {
                run(&format!(
                    "nft 'add rule inet cni_plugins_masquerade masq_checks {family} saddr == {address} {family} daddr != \
                     {net} masquerade comment \"{}\"'",
                    owner.comment()
                ));
            }
        };
        let mut firewall = HostFirewall::default();
        add(&attachments[1].0, attachments[1].1);
        let kept = ruleset();
        add(&attachments[0].0, attachments[0].1);
        let intents = [masquerade("10.1.2.3/24", Backend::Nftables)];
        assert_eq!(firewall.drift(&owner("c0ffee"), &intents).unwrap(), Vec::<String>::new());
        firewall.remove(&owner("c0ffee"), Some(&intents)).unwrap();
        assert_eq!(ruleset(), kept);
        let valid = owner("c0ffee").tag();
        firewall.collect("other", &|_| false).unwrap();
        assert_eq!(ruleset(), kept);
        firewall.collect("web", &|tag| *tag == valid).unwrap();
        assert!(!ruleset().contains("keep"), "{}", ruleset());
    });
}
