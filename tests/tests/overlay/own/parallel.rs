//! Parallel calls: whoever is last takes the network along, whoever comes meanwhile has it.

use cnm_tests::{Host, Sandbox};

use super::{Site, bare, blue, world};

fn all_at_once(host: &Host, verb: &str, sandboxes: &[Sandbox]) {
    let calls: Vec<_> = sandboxes.iter().map(|sandbox| host.calling(verb, &world(), sandbox).start()).collect();
    for call in calls {
        call.finish().succeeds();
    }
}

#[test]
fn coming_and_going_at_once_leaves_nothing() {
    let site = Site::new();
    site.warm_up(&world());
    let sandboxes = site.sandboxes(12);
    let before = site.snapshot();
    for _ in 0..3 {
        all_at_once(&site, "ADD", &sandboxes);
        assert_eq!(site.ports("ov42").len(), sandboxes.len() + 1);
        all_at_once(&site, "DEL", &sandboxes);
        assert!(!site.has_link("ov42") && !site.has_link("vx42"));
    }
    site.is_again(&before);
}

/// One endpoint comes and goes all the time; each time it is the first and the last. The other's network must never be
/// the victim.
#[test]
fn the_first_and_the_last_do_not_hurt_each_other() {
    let site = Site::new();
    site.joins(42, &["10.1.2.99/24"]);
    site.warm_up(&blue());
    let (one, two) = (site.sandbox("one"), site.sandbox("two"));
    let before = site.snapshot();
    site.add(&blue(), &one).succeeds();
    for _ in 0..8 {
        for (leaves, comes) in [(&one, &two), (&two, &one)] {
            let pair = [site.calling("DEL", &blue(), leaves).start(), site.calling("ADD", &blue(), comes).start()];
            for call in pair {
                call.finish().succeeds();
            }
            comes.reaches("10.1.2.99");
        }
    }
    site.del(&blue(), &one).succeeds_silently();
    site.is_again(&before);
}

/// GC takes what is dead while others come.
#[test]
fn gc_while_others_come() {
    let site = Site::new();
    site.joins(42, &["10.1.2.99/24"]);
    site.warm_up(&blue());
    let two = site.sandbox("two");
    for _ in 0..8 {
        let (one, _) = site.attach(&blue(), "one");
        one.vanish();
        let gc = site.call("vxlan-overlay", "GC").conf(&blue().keeping(&[("two", "eth0")])).start();
        let add = site.calling("ADD", &blue(), &two).start();
        gc.finish().succeeds_silently();
        add.finish().succeeds();
        two.reaches("10.1.2.99");
        site.del(&blue(), &two).succeeds_silently();
        site.gc(&blue()).succeeds_silently();
        assert!(!site.has_link("ov42") && !site.has_link("vx42"));
    }
}

#[test]
fn several_networks_at_once() {
    let site = Site::new();
    let confs: Vec<_> =
        (0..4).map(|n| bare(&format!("net{n}"), 100 + n).subnet(&format!("10.{n}.0.0/24")).to_the_world()).collect();
    let sandboxes = site.sandboxes(8);
    for verb in ["ADD", "DEL"] {
        let call = |(n, sandbox): (usize, &Sandbox)| site.calling(verb, &confs[n % 4], sandbox).start();
        let calls: Vec<_> = sandboxes.iter().enumerate().map(call).collect();
        for call in calls {
            call.finish().succeeds();
        }
        for n in 0..4 {
            let ports = if verb == "ADD" { 3 } else { 0 };
            assert_eq!(site.ports(&format!("ov{}", 100 + n)).len(), ports);
        }
    }
}
