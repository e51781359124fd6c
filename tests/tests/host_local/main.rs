//! The host-local address plugin from outside: leases, files, errors.
//!
//! What is below `own` goes beyond the reference plugins and is not for `CNM_TEST_BIN=/usr/lib/cni`.

mod allocation;
mod own;
mod requests;
mod store;

use cnm_tests::{Attached, Conf, Host, Outcome};

/// The folder of the network that these tests use.
const STORE: &str = "/var/lib/cni/networks/pool";

/// A configuration of the network `pool`, without ranges.
fn pool() -> Conf {
    Conf::host_local("pool")
}

/// One call of host-local for a container's eth0. The address plugin never looks at the namespace.
#[track_caller]
fn call(host: &Host, verb: &str, conf: &Conf, container: &str) -> Outcome {
    let call = host.call("host-local", verb).conf(conf).container(container);
    call.ifname("eth0").netns("/run/netns/none").run()
}

#[track_caller]
fn lease(host: &Host, conf: &Conf, container: &str) -> Attached {
    call(host, "ADD", conf, container).attached()
}

/// The addresses that the store has.
fn reserved(host: &Host) -> Vec<String> {
    let names = host.list_folder(STORE).into_iter();
    names.filter(|name| name.parse::<std::net::IpAddr>().is_ok()).collect()
}
