//! Parallel calls, down to the last trace.

use cnm_tests::{Conf, Host};

use super::firewall_is_clean;
use crate::world;

/// All endpoints come at once and go at once, several times: whoever is last takes the network's rules along, and
/// whoever comes meanwhile has its own.
#[test]
fn coming_and_going_at_once_leaves_nothing() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let conf = world().with("ipMasqBackend", backend).with("macspoofchk", true);
        host.warm_up(&conf);
        let sandboxes = host.sandboxes(16);
        let before = host.snapshot();
        for _ in 0..2 {
            all_at_once(&host, "ADD", &conf, &sandboxes);
            all_at_once(&host, "DEL", &conf, &sandboxes);
        }
        firewall_is_clean(&host);
        host.is_again(&before);
    }
}

/// One endpoint comes and goes all the time; each time it is the first and the last. The other's rules must never
/// be the victim.
#[test]
fn the_first_and_the_last_do_not_hurt_each_other() {
    let host = Host::new();
    let _outside = host.outside();
    let conf = world().with("icc", false);
    host.warm_up(&conf);
    let (one, two) = (host.sandbox("one"), host.sandbox("two"));
    let before = host.snapshot();
    host.add(&conf, &one).succeeds();
    for _ in 0..12 {
        let pair = [host.calling("DEL", &conf, &one).start(), host.calling("ADD", &conf, &two).start()];
        for call in pair {
            call.finish().succeeds();
        }
        two.reaches("198.51.100.2");
        let pair = [host.calling("DEL", &conf, &two).start(), host.calling("ADD", &conf, &one).start()];
        for call in pair {
            call.finish().succeeds();
        }
        one.reaches("2001:db8:51::2");
    }
    host.del(&conf, &one).succeeds_silently();
    firewall_is_clean(&host);
    host.is_again(&before);
}

#[test]
fn del_and_add_of_the_same_endpoint_at_once_end_in_one_or_the_other() {
    let host = Host::new();
    let conf = world();
    host.warm_up(&conf);
    let one = host.sandbox("one");
    let before = host.snapshot();
    for _ in 0..10 {
        let add = host.calling("ADD", &conf, &one).start();
        let del = host.calling("DEL", &conf, &one).start();
        let _ = add.finish();
        del.finish().succeeds_silently();
        // Whatever came first, the runtime's last word counts.
        host.del(&conf, &one).succeeds_silently();
        host.is_again(&before);
    }
}

fn all_at_once(host: &Host, verb: &str, conf: &Conf, sandboxes: &[cnm_tests::Sandbox]) {
    let calls: Vec<_> = sandboxes.iter().map(|sandbox| host.calling(verb, conf, sandbox).start()).collect();
    for call in calls {
        call.finish().succeeds();
    }
}
