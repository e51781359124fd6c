//! The CNI protocol as every plugin must speak it: verbs, versions, environment, standard input and output.
//!
//! What is below `own` goes beyond the reference plugins and is not for `CNM_TEST_BIN=/usr/lib/cni`.

mod environment;
mod own;
mod streams;
mod versions;

use cnm_tests::{Call, Conf, Host};

/// All versions of the specification, oldest first.
const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The network of these tests.
fn lan() -> Conf {
    Conf::bridge("web").with("isGateway", true).subnet("10.1.2.0/24")
}

/// A complete call of the bridge plugin whose parts tests then spoil. The sandbox does not exist.
fn call<'h>(host: &'h Host, verb: &str) -> Call<'h> {
    host.call("bridge", verb).conf(&lan()).container("one").ifname("eth0").netns("/run/netns/one")
}
