//! Beyond the reference: spec 1.1.0, newer keys, extensions, and what the reference gets wrong.

mod announce;
mod backends;
mod bad_input;
mod check;
mod collect;
mod crash;
mod detach;
mod foreign;
mod isolation;
mod keys;
mod parallel;
mod status;
mod upgrade;
mod vm;

use cnm_tests::Host;

/// No rule, chain, set or element of the host's firewall names the networks of this crate, their endpoints or
/// their subnets; nothing but unnamed scaffolding is left.
#[track_caller]
fn firewall_is_clean(host: &Host) {
    let rules = host.ruleset();
    for needle in ["10.1.2.", "fd00:1:2:", "br-web", "net: web", "CNI-", "macspoofchk", "\"veth"] {
        assert_eq!(rules.mentions(needle), Vec::<String>::new(), "the firewall still mentions {needle}");
    }
    assert_eq!(rules.elements(), Vec::<String>::new());
    assert_eq!(rules.plain_chains(), Vec::<String>::new());
}
