//! Beyond the reference: spec 1.1.0, newer keys, extensions, and what the reference gets wrong.

mod bad_input;
mod changed;
mod check;
mod collect;
mod crash;
mod detach;
mod host_access;
mod in_container;
mod keys;
mod parallel;
mod passthru;
mod status;
mod upgrade;
mod vm;

use cnm_tests::{Conf, Host, Lan, Namespace};

/// A network that speaks the newest version.
fn current() -> Conf {
    crate::world().version("1.1.0")
}

/// A network on which the host has addresses.
fn accessible() -> Conf {
    current().with("hostAccess", true).with("hostAddress", serde_json::json!(["10.1.2.130", "fd00:1:2::130"]))
}

/// Names of the links of a namespace that begin with `prefix`.
fn links(place: &Namespace, prefix: &str) -> Vec<String> {
    place.links().into_iter().map(|link| link.name).filter(|name| name.starts_with(prefix)).collect()
}

/// The host's interface on a network serves as long as there is an endpoint, and goes with the last one, whatever the
/// configuration that DEL gets still knows.
fn the_last_endpoint_takes_along(host: &Host, lan: &Lan, when_leaving: &Conf) {
    host.warm_up(&accessible());
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    let before = host.snapshot();
    host.add(&accessible(), &one).succeeds();
    let second = host.add(&accessible(), &two).attached();
    host.del(when_leaving, &one).succeeds_silently();
    assert_eq!(links(host, "mv-").len(), 1, "two is still there");
    host.reaches(second.ip());
    lan.station.reaches(second.ip());
    host.del(when_leaving, &two).succeeds_silently();
    host.is_again(&before);
}
