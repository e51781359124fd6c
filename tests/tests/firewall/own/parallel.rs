//! Calls at the same time.

use cnm_tests::{Host, Outcome, Sandbox};
use serde_json::Value;

use super::nothing_is_left;
use crate::{IP6TABLES_DROPS, IPTABLES_DROPS, Network, OUTSIDE};

/// The chain's ADD for all at once: the bridge's part, then the firewall's.
fn add_all(host: &Host, network: &Network, sandboxes: &[Sandbox]) -> Vec<Value> {
    let calls: Vec<_> = sandboxes.iter().map(|sandbox| host.calling("ADD", &network.bridge, sandbox).start()).collect();
    let results: Vec<Value> = calls.into_iter().map(|call| call.finish().succeeds()).collect();
    let calls: Vec<_> = sandboxes
        .iter()
        .zip(&results)
        .map(|(sandbox, result)| host.calling("ADD", &network.firewall.clone().after(result), sandbox).start())
        .collect();
    calls.into_iter().for_each(|call| drop(call.finish().succeeds()));
    results
}

fn del_all(host: &Host, network: &Network, sandboxes: &[Sandbox]) {
    for conf in [&network.firewall, &network.bridge] {
        let calls: Vec<_> = sandboxes.iter().map(|sandbox| host.calling("DEL", conf, sandbox).start()).collect();
        calls.into_iter().map(|call| call.finish()).for_each(|outcome: Outcome| outcome.succeeds_silently());
    }
}

#[test]
fn coming_and_going_at_once_leaves_nothing() {
    for backend in ["", "iptables"] {
        let host = Host::new();
        host.run(IPTABLES_DROPS);
        host.run(IP6TABLES_DROPS);
        let network = Network::new("web", 11).with("backend", backend).with("ingressPolicy", "same-bridge");
        let warm = host.sandbox("warm");
        network.add(&host, &warm);
        network.del_untold(&host, &warm);
        warm.vanish();
        let sandboxes = host.sandboxes(12);
        let before = host.snapshot();
        for _ in 0..2 {
            let results = add_all(&host, &network, &sandboxes);
            for (sandbox, result) in sandboxes.iter().zip(&results) {
                host.check(&network.firewall.clone().after(result), sandbox).succeeds_silently();
            }
            let lines = host.ruleset().iptables;
            let jumps = lines.iter().filter(|line| line.contains("-A FORWARD ") && line.ends_with("-j CNI-FORWARD"));
            assert_eq!(jumps.count(), 2, "{backend}: one a family: {lines:?}");
            del_all(&host, &network, &sandboxes);
        }
        host.is_again(&before);
        nothing_is_left(&host, &network, &["10.11.0.".into(), "fd00:11:".into()]);
    }
}

/// One endpoint comes and goes all the time; each time it is the first and the last. The other's packets must never
/// be dropped for it.
#[test]
fn the_first_and_the_last_do_not_hurt_each_other() {
    for backend in ["", "iptables"] {
        let host = Host::new();
        let _outside = host.outside();
        host.run(IPTABLES_DROPS);
        let network = Network::new("web", 11).with("backend", backend).with("ingressPolicy", "same-bridge");
        let (one, two) = (host.sandbox("one"), host.sandbox("two"));
        let first = network.add(&host, &one);
        for _ in 0..6 {
            for (gone, come) in [(&one, &two), (&two, &one)] {
                let result = host.add(&network.bridge, come).succeeds();
                let leaving = host.calling("DEL", &network.firewall, gone).start();
                let coming = host.calling("ADD", &network.firewall.clone().after(&result), come).start();
                leaving.finish().succeeds_silently();
                let last = host.calling("DEL", &network.bridge, gone).start();
                coming.finish().succeeds();
                last.finish().succeeds_silently();
                host.check(&network.firewall.clone().after(&result), come).succeeds_silently();
                come.reaches(OUTSIDE[0]);
            }
        }
        drop(first);
        network.del_untold(&host, &one);
        nothing_is_left(&host, &network, &["10.11.0.".into()]);
    }
}
