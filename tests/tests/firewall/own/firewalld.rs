//! Debian's firewalld on a bus of its own, both in the test's namespaces.

use cnm_tests::{Host, Running, Suite, eventually};

use super::{NEWEST, nothing_is_left};
use crate::{Network, OUTSIDE, addresses};

const BUS: &str = r#"<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<auth>EXTERNAL</auth><policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow send_type="method_call"/><allow receive_sender="*"/></policy></busconfig>"#;

/// A host where firewalld runs; it ends with the two processes. What the plugin finds is where it usually is.
struct Firewalld {
    _firewalld: Running,
    _bus: Running,
    host: Host,
}

impl Firewalld {
    fn start() -> Self {
        let host = Host::new();
        for (package, program) in [("dbus", "dbus-daemon"), ("firewalld", "firewalld")] {
            let found = host.attempt(&format!("which {program}")).status.success();
            assert!(found, "{program} is missing; mend it with: apt-get install {package}");
        }
        host.run("mount -t tmpfs none /var/log");
        host.run("mkdir -p /run/dbus");
        host.write_file("/run/bus.conf", BUS);
        let bus = host.launches("dbus-daemon", &["--config-file=/run/bus.conf", "--nofork", "--nopidfile"]);
        eventually("the bus is not there", || {
            let there = host.attempt("test -S /run/dbus/system_bus_socket").status.success();
            there.then_some(()).ok_or_else(|| "no socket".into())
        });
        let firewalld = host.launches("firewalld", &["--nofork", "--nopid"]);
        let this = Self { _firewalld: firewalld, _bus: bus, host };
        this.runs();
        this
    }

    /// Waits until firewalld has made its rules.
    fn runs(&self) {
        eventually("firewalld does not run", || {
            let state = self.host.attempt("firewall-cmd --state");
            state.status.success().then_some(()).ok_or_else(|| state.complaint())
        });
    }

    fn sources(&self, zone: &str) -> String {
        self.host.run(&format!("firewall-cmd --zone={zone} --list-sources")).trim().to_owned()
    }
}

#[test]
fn addresses_go_to_the_zone_and_packets_pass() {
    for backend in ["", "firewalld"] {
        let world = Firewalld::start();
        let host = &world.host;
        let _outside = host.outside();
        let network = Network::new("web", 11).version(NEWEST).with("backend", backend);
        host.status(&network.firewall).succeeds_silently();
        let one = host.sandbox("one");
        let result = host.add(&network.bridge, &one).succeeds();
        one.cannot_reach(OUTSIDE[0]);
        let attached = network.firewall.clone().after(&result);
        host.add(&attached, &one).succeeds();
        OUTSIDE.iter().for_each(|to| one.reaches(to));
        let of = addresses(&result);
        for address in [format!("{}/32", of[0]), format!("{}/128", of[1])] {
            assert!(
                world.sources("trusted").split(' ').any(|source| source == address),
                "{}",
                world.sources("trusted")
            );
        }
        host.add(&attached, &one).succeeds();
        host.check(&attached, &one).succeeds_silently();
        host.run(&format!("firewall-cmd --quiet --zone=trusted --remove-source={}/32", of[0]));
        host.check(&attached, &one).fails().says(&[&of[0], "is not in firewalld's zone trusted"]);
        host.add(&attached, &one).succeeds();
        // DEL knows the addresses although nobody tells it.
        host.del(&network.firewall, &one).succeeds_silently();
        assert_eq!(world.sources("trusted"), "");
        one.cannot_reach(OUTSIDE[0]);
        host.del(&network.bridge, &one).succeeds_silently();
        nothing_is_left(host, &network, &of);
    }
}

#[test]
fn the_policy_holds_and_the_zone_is_the_configurations() {
    let world = Firewalld::start();
    let host = &world.host;
    let of = |name, number| {
        let network = Network::new(name, number).version(NEWEST).with("firewalldZone", "home");
        network.with("ingressPolicy", "same-bridge")
    };
    let (web, db) = (of("web", 11), of("db", 12));
    let (one, first) = web.attach(host, "one");
    let (two, second) = db.attach(host, "two");
    assert_eq!(world.sources("home").split(' ').count(), 4);
    one.cannot_reach(&addresses(&second)[0]);
    one.reaches("10.11.0.1");
    // GC takes what belongs to nobody out of the zone.
    one.vanish();
    for conf in [&web.bridge, &web.firewall] {
        host.gc(conf).succeeds_silently();
    }
    nothing_is_left(host, &web, &addresses(&first));
    assert_eq!(world.sources("home").split(' ').count(), 2);
    // An address that is in another zone already is an error in firewalld's words.
    host.run("firewall-cmd --zone=drop --add-source=10.13.0.2/32 --quiet");
    let other = Network::new("other", 13);
    let three = host.sandbox("three");
    let result = host.add(&other.bridge, &three).succeeds();
    let failure = host.add(&other.firewall.clone().after(&result), &three).fails();
    failure.says(&["failed to add the address 10.13.0.2/32 to trusted zone", "ZONE_CONFLICT"]);
    assert!(!world.sources("trusted").contains("10.13"), "{}", world.sources("trusted"));
    other.del_untold(host, &three);
    db.del_untold(host, &two);
    assert_eq!(world.sources("home"), "");
}

/// What the reference plugin gave to firewalld is nobody's by our records: prevResult tells.
#[test]
fn addresses_of_the_reference_are_taken_out_after_an_upgrade() {
    let world = Firewalld::start();
    let host = &world.host;
    let (network, one) = (Network::new("web", 11), host.sandbox("one"));
    let result = host.add(&network.bridge, &one).succeeds();
    let attached = network.firewall.clone().after(&result);
    let reference = Suite::reference();
    host.calling("ADD", &attached, &one).by(&reference).run().succeeds();
    assert_eq!(world.sources("trusted").split(' ').count(), 2);
    host.check(&attached, &one).succeeds_silently();
    host.del(&attached, &one).succeeds_silently();
    assert_eq!(world.sources("trusted"), "");
    host.check(&attached, &one).fails().says(&["is missing"]);
    network.del_untold(host, &one);
}
