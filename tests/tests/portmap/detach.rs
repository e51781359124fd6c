//! DEL: what the runtime still knows, and what it does not.

use cnm_tests::Host;

use crate::{HOST, at, attach, mapping, network, portmap, publish};

#[test]
fn nothing_to_publish_passes_the_result_on() {
    let host = Host::new();
    let web = network("web", 2);
    host.warm_up(&web);
    let (one, first) = attach(&host, &web, "one");
    let before = host.snapshot();
    for conf in [portmap(&web, &[]), portmap(&web, &[]).without("runtimeConfig")] {
        assert_eq!(publish(&host, &conf, &one, &first).attached().json(), first.json());
        host.is_again(&before);
        host.del(&conf.after(first.json()), &one).succeeds_silently();
        host.is_again(&before);
    }
}

#[test]
fn a_second_del_is_fine() {
    let host = Host::new();
    let outside = host.outside();
    let web = network("web", 2);
    let (one, first) = attach(&host, &web, "one");
    let (two, second) = attach(&host, &web, "two");
    let (echo, other) = (one.echo(), two.echo());
    let conf = portmap(&web, &[mapping(8080, echo.port(), "tcp")]);
    let beside = portmap(&web, &[mapping(8081, other.port(), "tcp")]);
    publish(&host, &conf, &one, &first).succeeds();
    publish(&host, &beside, &two, &second).succeeds();
    for _ in 0..2 {
        host.del(&conf.clone().after(first.json()), &one).succeeds_silently();
        assert_eq!(outside.asks_tcp_at(at(HOST[0], 8080)), None);
        assert!(outside.asks_tcp_at(at(HOST[0], 8081)).is_some(), "the neighbour's port is there");
    }
}
