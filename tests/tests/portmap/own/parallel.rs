//! Calls at the same time.

use cnm_tests::{Attached, Conf, Host, Sandbox};

use crate::{at, mapping, network, portmap};

/// Whoever comes keeps its own while others come and go; and in the end nothing is left.
#[test]
fn coming_and_going_at_once_leaves_nothing() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let web = network("web", 2);
        let sandboxes = host.sandboxes(10);
        let conf = |number: usize| {
            let port = 8000 + u16::try_from(number).expect("a small number");
            portmap(&web, &[mapping(port, 80, "tcp"), mapping(port, 53, "udp")]).with("backend", backend)
        };
        let attached: Vec<Attached> = sandboxes.iter().map(|sandbox| host.add(&web, sandbox).attached()).collect();
        let all = |verb: &str, from: usize| {
            let calls: Vec<_> = (from..sandboxes.len())
                .map(|n| host.calling(verb, &conf(n).after(attached[n].json()), &sandboxes[n]).start())
                .collect();
            calls.into_iter().for_each(|call| assert!(call.finish().status.success(), "{backend}: {verb}"));
        };
        all("ADD", 0);
        all("DEL", 0);
        let before = host.snapshot();
        all("ADD", 0);
        all("CHECK", 0);
        all("DEL", 1);
        host.check(&conf(0).after(attached[0].json()), &sandboxes[0]).succeeds_silently();
        all("DEL", 0);
        host.is_again(&before);
    }
}

/// Several containers want one port at once: one gets it, whoever that is, and it works.
#[test]
fn one_of_many_gets_a_port() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let web = network("web", 2);
        let sandboxes: Vec<Sandbox> = host.sandboxes(6);
        let attached: Vec<Attached> = sandboxes.iter().map(|sandbox| host.add(&web, sandbox).attached()).collect();
        let echoes: Vec<_> = sandboxes.iter().map(|sandbox| sandbox.echo()).collect();
        let confs: Vec<Conf> = (0..6)
            .map(|n| {
                portmap(&web, &[mapping(8080, echoes[n].port(), "tcp")])
                    .with("backend", backend)
                    .after(attached[n].json())
            })
            .collect();
        let calls: Vec<_> =
            confs.iter().zip(&sandboxes).map(|(conf, sandbox)| host.calling("ADD", conf, sandbox).start()).collect();
        let outcomes: Vec<_> = calls.into_iter().map(|call| call.finish()).collect();
        let lucky = outcomes.iter().filter(|outcome| outcome.status.success()).count();
        assert_eq!(lucky, 1, "{backend}");
        outcomes.iter().filter(|outcome| !outcome.status.success()).for_each(|outcome| {
            outcome.fails_with(999, &["8080/tcp"]);
        });
        assert!(host.asks_tcp_at(at("10.1.2.1", 8080)).is_some(), "{backend}");
    }
}
