//! Networks that are kept apart: nothing is forwarded between any two of them, all else is.

use cnm::{Firewall, Intent, Owner};
use kernel::HostFirewall;

use crate::world::{alone, pings, ruleset, run, topology};

const EMPTY: &str = "\
table inet cnm {
	comment \"container networks; made by cnm\"
	map apart_members {
		type mark . mark . mark . mark : verdict
	}

	map apart_in {
		type ifname : verdict
	}

	set apart_out {
		type ifname
	}

	chain between {
		type filter hook forward priority filter; policy accept;
		iifname vmap @apart_in
	}
}
";

fn of(network: &str) -> Owner {
    Owner::new(network, "c1", "eth0")
}

fn apart(device: &str) -> [Intent; 1] {
    [Intent::Apart { device: device.into() }]
}

#[test]
fn what_keeps_networks_apart_comes_with_the_first_and_goes_with_the_last_of_each() {
    alone(|| {
        let mut firewall = HostFirewall::default();
        firewall.install(&of("web"), &apart("cni0")).unwrap();
        let one = ruleset();
        assert!(
            one.contains("chain apart-cni0 {\n\t\toifname \"cni0\" return\n\t\toifname @apart_out drop\n\t}"),
            "{one}"
        );
        firewall.install(&of("web"), &apart("cni0")).unwrap();
        assert_eq!(ruleset(), one);
        firewall.install(&of("db"), &apart("cni1")).unwrap();
        assert_eq!(firewall.drift(&of("web"), &apart("cni0")).unwrap(), Vec::<String>::new());
        run("nft delete element inet cnm apart_out '{ \"cni0\" }'");
        let drift = firewall.drift(&of("web"), &apart("cni0")).unwrap();
        assert_eq!(drift, ["element cni0 of set apart_out of table inet cnm is missing"]);
        firewall.release("db").unwrap();
        firewall.install(&of("web"), &apart("cni0")).unwrap();
        assert_eq!(ruleset(), one);
        firewall.release("web").unwrap();
        assert_eq!(ruleset(), EMPTY);
    });
}

#[test]
fn no_packet_goes_from_one_to_another() {
    alone(|| {
        let name = topology();
        // A second bridge, and somebody behind it.
        run(&format!(
            "ip link add cni1 type bridge && ip link set cni1 up && ip addr add 10.1.9.1/24 dev cni1 && \
             ip netns add {name}far && ip link add far type veth peer name eth0 netns {name}far && \
             ip link set far master cni1 up && ip -n {name}far link set eth0 up && \
             ip -n {name}far addr add 10.1.9.3/24 dev eth0 && ip -n {name}far route add default via 10.1.9.1"
        ));
        let (left, far, world) = (format!("{name}left"), format!("{name}far"), format!("{name}world"));
        run(&format!("ip -n {world} route add 10.1.0.0/16 via 192.0.2.1"));
        assert!(pings(&left, "10.1.9.3") && pings(&far, "10.1.2.3"));
        let mut firewall = HostFirewall::default();
        firewall.install(&of("web"), &apart("cni0")).unwrap();
        assert!(pings(&left, "10.1.9.3"), "one alone is apart from nobody");
        firewall.install(&of("db"), &apart("cni1")).unwrap();
        assert!(!pings(&left, "10.1.9.3") && !pings(&far, "10.1.2.3"));
        assert!(pings(&left, "10.1.2.4") && pings(&left, "192.0.2.2") && pings(&world, "10.1.9.3"));
        firewall.release("db").unwrap();
        assert!(pings(&left, "10.1.9.3"));
    });
}
