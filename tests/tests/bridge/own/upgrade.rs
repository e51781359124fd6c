//! Suites replaced while containers run: what one has attached, the other detaches.

use cnm_tests::{Conf, Host, Suite};

use super::firewall_is_clean;
use crate::world;

fn everything() -> Conf {
    world().with("macspoofchk", true).with("hairpinMode", true)
}

#[test]
fn ours_detaches_what_the_reference_attached() {
    for remember in [true, false] {
        let host = Host::new();
        let reference = Suite::reference();
        let one = host.sandbox("one");
        let result = host.calling("ADD", &everything(), &one).by(&reference).run().attached();
        let conf = if remember { everything().after(result.json()) } else { everything() };
        host.del(&conf, &one).succeeds_silently();
        assert!(!one.has_link("eth0") && !host.has_link(&result.host_link()));
        firewall_is_clean(&host);
        let left = host.list_folder("/var/lib/cni/networks/web");
        assert!(!left.iter().any(|name| name.starts_with("10.") || name.starts_with("fd00")), "{left:?}");
    }
}

#[test]
fn ours_cleans_up_after_the_reference_when_the_namespace_is_gone() {
    let host = Host::new();
    let one = host.sandbox("one");
    let result = host.calling("ADD", &everything(), &one).by(&Suite::reference()).run().attached();
    let call = host.calling("DEL", &everything().after(result.json()), &one);
    one.vanish();
    call.run().succeeds_silently();
    firewall_is_clean(&host);
}

#[test]
fn ours_checks_what_the_reference_attached() {
    let host = Host::new();
    let one = host.sandbox("one");
    let result = host.calling("ADD", &world(), &one).by(&Suite::reference()).run().attached();
    host.check(&world().after(result.json()), &one).succeeds_silently();
}

#[test]
fn both_suites_share_bridge_and_pool() {
    let host = Host::new();
    let _outside = host.outside();
    let (old, new) = (host.sandbox("old"), host.sandbox("new"));
    let first = host.calling("ADD", &world(), &old).by(&Suite::reference()).run().attached();
    let second = host.add(&world(), &new).attached();
    assert_ne!(first.ip(), second.ip());
    old.reaches(second.ip());
    old.reaches("198.51.100.2");
    new.reaches("198.51.100.2");
    host.del(&world(), &old).succeeds_silently();
    new.reaches("198.51.100.2");
    host.del(&world(), &new).succeeds_silently();
    firewall_is_clean(&host);
}

/// Downgrade. The reference finds the interface by its name in the sandbox and frees the addresses; then release
/// 1.1.1 misses its own iptables chain and reports that. A second DEL, which runtimes make, succeeds. It does not know
/// our tables: the network's entry there, which masquerades what comes from the bridge's subnet, stays until our
/// DEL or GC of that network, or a reboot.
#[test]
fn the_reference_detaches_what_ours_attached_but_for_the_networks_firewall_entry() {
    let host = Host::new();
    host.warm_up(&world());
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(&world(), &one).attached();
    let del = host.calling("DEL", &world().after(result.json()), &one).by(&Suite::reference());
    del.clone().run().fails().says(&["CNI-"]);
    del.run().succeeds_silently();
    assert!(!one.has_link("eth0") && !host.has_link(&result.host_link()));
    assert!(!host.ruleset().mentions("br-web").is_empty(), "nothing is left: the text above needs a correction");
    host.gc(&world().version("1.1.0").keeping(&[("other", "eth0")])).succeeds_silently();
    firewall_is_clean(&host);
    host.is_again(&before);
}

#[test]
fn with_the_iptables_backend_a_downgrade_leaves_nothing() {
    let host = Host::new();
    let conf = world().with("ipMasqBackend", "iptables");
    host.warm_up(&conf);
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(&conf, &one).attached();
    host.calling("DEL", &conf.clone().after(result.json()), &one).by(&Suite::reference()).run().succeeds_silently();
    firewall_is_clean(&host);
    host.is_again(&before);
}
