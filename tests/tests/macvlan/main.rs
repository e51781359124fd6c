//! Macvlan networks: keys, modes, traffic on a wire, CHECK, DEL.
//!
//! What is below `own` goes beyond the reference plugins (spec 1.1.0, newer keys, what they get wrong) and is not
//! for `CNM_TEST_BIN=/usr/lib/cni`; everything else must pass with either suite.

mod check;
mod detach;
mod keys;
mod own;
mod traffic;

use cnm_tests::Conf;
use serde_json::json;

/// The subnets of the wire ([`cnm_tests::Lan`]).
const V4: &str = "10.1.2.0/24";
const V6: &str = "fd00:1:2::/64";

/// The world beyond the router, either family.
const OUTSIDE: [&str; 2] = ["198.51.100.2", "2001:db8:51::2"];

/// A network of one family on the wire; its endpoints have addresses from .100 up.
fn lan() -> Conf {
    Conf::macvlan("wire").range_set(json!([{ "subnet": V4, "rangeStart": "10.1.2.100", "rangeEnd": "10.1.2.120" }]))
}

/// A network of both families, with default routes.
fn world() -> Conf {
    let v6 = json!([{ "subnet": V6, "rangeStart": "fd00:1:2::100", "rangeEnd": "fd00:1:2::120" }]);
    lan().range_set(v6).routes(&["0.0.0.0/0", "::/0"])
}
