//! The bridge plugin from outside: configurations in, results, kernel state and real traffic out.
//!
//! What is below `own` goes beyond the reference plugins (spec 1.1.0, newer keys, what they get wrong) and is not
//! for `CNM_TEST_BIN=/usr/lib/cni`; everything else must pass with either suite.

mod check;
mod detach;
mod gateway;
mod keys;
mod mac;
mod own;
mod parallel;
mod traffic;
mod vm;

use cnm_tests::Conf;

/// The subnets of this crate's networks.
const V4: &str = "10.1.2.0/24";
const V6: &str = "fd00:1:2::/64";

/// The address of [`cnm_tests::Host::outside`], either family.
const OUTSIDE: [&str; 2] = ["198.51.100.2", "2001:db8:51::2"];

/// A network of one family, without gateway.
fn lan() -> Conf {
    Conf::bridge("web").subnet(V4)
}

/// A network of both families, without gateway.
fn dual() -> Conf {
    lan().subnet(V6)
}

/// A network of both families that leads to the world.
fn world() -> Conf {
    dual().to_the_world()
}
