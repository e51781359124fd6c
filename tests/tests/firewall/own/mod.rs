//! What goes beyond the reference plugin.

mod bad_input;
mod collect;
mod crash;
mod detach;
mod drop;
mod firewalld;
mod parallel;
mod published;
mod upgrade;
mod versions;

use cnm_tests::Host;

use crate::Network;

/// The version of the specification that has GC and STATUS.
const NEWEST: &str = "1.1.0";

/// What must not be found when a network's last endpoint has gone: its tag, its bridge and addresses; nor, when it was
/// the last network, any chain.
#[track_caller]
fn nothing_is_left(host: &Host, network: &Network, addresses: &[String]) {
    let rules = host.ruleset();
    let (bridge, tag) = (network.bridge.bridge_name(), format!("net: {}", network.bridge.name()));
    for trace in [bridge, &tag].into_iter().chain(addresses.iter().map(String::as_str)) {
        assert_eq!(rules.mentions(trace), Vec::<String>::new(), "{trace}");
    }
    if rules.mentions("net: ").is_empty() {
        assert_eq!(rules.mentions("CNM-"), Vec::<String>::new());
    }
}
