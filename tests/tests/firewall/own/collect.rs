//! GC and STATUS.

use cnm_tests::{Conf, Host};
use serde_json::json;

use super::{NEWEST, nothing_is_left};
use crate::{IPTABLES_DROPS, Network, OUTSIDE, addresses};

#[test]
fn gc_removes_what_belongs_to_nobody_and_keeps_the_rest() {
    for backend in ["", "iptables"] {
        let host = Host::new();
        let _outside = host.outside();
        host.run(IPTABLES_DROPS);
        let of = |name, number| {
            Network::new(name, number).version(NEWEST).with("backend", backend).with("ingressPolicy", "same-bridge")
        };
        let (web, db) = (of("web", 11), of("db", 12));
        let (one, first) = web.attach(&host, "one");
        let (two, second) = web.attach(&host, "two");
        let (three, _) = db.attach(&host, "three");
        one.vanish();
        for conf in [&web.bridge, &web.firewall] {
            host.gc(&conf.clone().keeping(&[("two", "eth0")])).succeeds_silently();
        }
        if backend == "iptables" {
            assert_eq!(host.ruleset().mentions(&format!("{}/32", addresses(&first)[0])), Vec::<String>::new());
        }
        two.reaches(OUTSIDE[0]);
        host.check(&web.firewall.clone().after(&second), &two).succeeds_silently();
        two.vanish();
        for conf in [&web.bridge, &web.firewall] {
            host.gc(&conf.clone().with("cni.dev/valid-attachments", json!(null))).succeeds_silently();
        }
        nothing_is_left(&host, &web, &["10.11.".into()]);
        three.reaches(OUTSIDE[0]);
        db.del_untold(&host, &three);
        nothing_is_left(&host, &db, &[]);
    }
}

#[test]
fn gc_finds_what_attachments_behind_other_plugins_have_left() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        host.run(IPTABLES_DROPS);
        let conf = Conf::new("firewall", "web").version(NEWEST).with("backend", backend);
        let conf = conf.with("ingressPolicy", "isolated");
        for (name, address) in [("one", "10.11.0.2/24"), ("two", "10.11.0.3/24")] {
            let sandbox = host.sandbox(name);
            let previous = json!({ "cniVersion": NEWEST, "interfaces": [{ "name": "br-web" },
                { "name": "eth0", "sandbox": sandbox.path() }], "ips": [{ "address": address, "interface": 1 }] });
            host.add(&conf.clone().after(&previous), &sandbox).succeeds();
        }
        host.gc(&conf.clone().keeping(&[("two", "eth0"), ("one", "eth1")])).succeeds_silently();
        let rules = host.ruleset();
        assert_eq!(rules.mentions("10.11.0.2"), Vec::<String>::new(), "{backend}");
        assert_ne!(rules.mentions("10.11.0.3"), Vec::<String>::new(), "{backend}");
        host.gc(&conf).succeeds_silently();
        for trace in ["10.11.0", "br-web", "net: web"] {
            assert_eq!(host.ruleset().mentions(trace), Vec::<String>::new(), "{backend}");
        }
    }
}

#[test]
fn status_says_whether_the_backend_is_there() {
    let host = Host::new();
    let conf = Conf::new("firewall", "web").version(NEWEST);
    for backend in ["", "nftables", "iptables"] {
        host.status(&conf.clone().with("backend", backend)).succeeds_silently();
    }
    host.status(&conf.clone().with("backend", "firewalld")).fails_with(50, &["firewalld", "systemctl start firewalld"]);
    host.status(&conf.clone().with("backend", "pf")).fails_with(7, &["unknown backend \"pf\""]);
}
