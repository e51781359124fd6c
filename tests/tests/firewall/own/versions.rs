//! Every version of the specification, and the line that nerdctl reads.

use cnm_tests::{Conf, Host};

use super::nothing_is_left;
use crate::{IPTABLES_DROPS, Network, OUTSIDE};

/// nerdctl calls the plugin without a verb and takes a version below 1.7.1 for one that lacks `isolated`.
#[test]
fn the_bare_call_prints_a_version_that_has_isolated() {
    let host = Host::new();
    let outcome = host.call("firewall", "").without_env("CNI_COMMAND").run();
    assert!(outcome.status.success() && outcome.stdout.is_empty(), "{outcome:?}");
    let line = outcome.stderr.lines().find_map(|line| line.strip_prefix("CNI firewall plugin v")).expect("the line");
    let number = line.split(['+', '-']).next().unwrap_or_default();
    let parts: Vec<u32> = number.split('.').map(|part| part.parse().expect("a version of three numbers")).collect();
    assert!(parts.len() == 3 && parts >= vec![1, 7, 1], "{line}");
}

#[test]
fn the_chain_works_in_every_version() {
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let host = Host::new();
        let _outside = host.outside();
        host.run(IPTABLES_DROPS);
        let old = version < "0.3.0";
        let bridge = Conf::bridge("web").subnet("10.11.0.0/24").to_the_world().version(version);
        let firewall = Conf::new("firewall", "web").version(version);
        let network = Network { bridge, firewall };
        // Results of the oldest versions have no interfaces: then there is no bridge to keep others from.
        let network = if old { network } else { network.with("ingressPolicy", "same-bridge") };
        let sandbox = host.sandbox("one");
        let previous = host.add(&network.bridge, &sandbox).succeeds();
        let result = host.add(&network.firewall.clone().after(&previous), &sandbox).succeeds();
        assert_eq!(result, previous, "{version}");
        sandbox.reaches(OUTSIDE[0]);
        network.del_untold(&host, &sandbox);
        nothing_is_left(&host, &network, &["10.11.0.".into()]);
    }
}
