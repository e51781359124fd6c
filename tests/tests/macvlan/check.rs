//! CHECK names what is missing or different.

use cnm_tests::{Conf, Host, Lan, Sandbox};
use serde_json::Value;

use crate::world;

fn attached(host: &Host) -> (Sandbox, Conf, Value) {
    let (one, result) = host.attach(&world(), "one");
    (one, world().after(result.json()), result.json().clone())
}

#[test]
fn what_add_made_is_in_order() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, conf, _) = attached(&host);
    let before = host.snapshot();
    host.check(&conf, &one).succeeds_silently();
    host.is_again(&before);
}

#[test]
fn whatever_is_changed_is_noticed() {
    for deed in [
        "ip link del eth0",
        "ip addr del 10.1.2.100/24 dev eth0",
        "ip addr del fd00:1:2::100/64 dev eth0",
        "ip route del default via 10.1.2.1",
        "ip link set eth0 address 02:00:00:00:00:99",
        "ip link set eth0 type macvlan mode private",
    ] {
        let host = Host::new();
        let _lan = Lan::new(&host);
        let (one, conf, _) = attached(&host);
        one.run(deed);
        let _ = host.check(&conf, &one).fails();
    }
}

#[test]
fn a_master_that_is_gone_is_noticed() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, conf, _) = attached(&host);
    host.run("ip link del eth0");
    let _ = host.check(&conf, &one).fails();
}

#[test]
fn the_previous_result_is_required() {
    let host = Host::new();
    let _lan = Lan::new(&host);
    let (one, _, _) = attached(&host);
    host.check(&world(), &one).fails().says(&["prevResult"]);
}
