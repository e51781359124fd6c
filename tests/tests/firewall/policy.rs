//! Ingress policies keep bridges apart.

use cnm_tests::Host;

use crate::{Network, OUTSIDE, addresses};

#[test]
fn bridges_with_same_bridge_are_kept_apart() {
    for backend in ["", "iptables"] {
        let host = Host::new();
        let _outside = host.outside();
        let apart =
            |name, number| Network::new(name, number).with("backend", backend).with("ingressPolicy", "same-bridge");
        let (web, db, free) = (apart("web", 11), apart("db", 12), Network::new("free", 13).with("backend", backend));
        let (one, first) = web.attach(&host, "one");
        let (near, neighbour) = web.attach(&host, "near");
        let (two, second) = db.attach(&host, "two");
        let (other, third) = free.attach(&host, "other");
        let of = addresses;
        one.cannot_reach(&of(&second)[0]);
        two.cannot_reach(&of(&first)[1]);
        // Within the bridge, to the host, to the world and to a bridge without a policy all is as before.
        for to in [&of(&neighbour)[0], &of(&neighbour)[1], "10.11.0.1", OUTSIDE[0], OUTSIDE[1], &of(&third)[0]] {
            one.reaches(to);
        }
        other.reaches(&of(&first)[0]);
        for (network, sandbox, result) in
            [(&web, &one, &first), (&web, &near, &neighbour), (&db, &two, &second), (&free, &other, &third)]
        {
            network.del(&host, sandbox, result);
        }
    }
}
