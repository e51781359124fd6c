//! Every version of the specification.

use cnm_tests::Host;

use crate::{bandwidth, limit, limits, network};

#[test]
fn the_chain_works_in_every_version_that_has_interfaces() {
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let host = Host::new();
        let (one, attached) = host.attach(&network().version(version), "one");
        let conf = limits(8_000_000, 8_000_000).version(version);
        let result = limit(&host, &conf, &one, &attached).attached();
        assert_eq!(result.json()["cniVersion"], version);
        assert_eq!(result.interfaces().len(), attached.interfaces().len() + 1);
        assert_eq!(result.addresses(), attached.addresses());
        if version >= "0.4.0" {
            host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
        }
        host.del(&conf, &one).succeeds_silently();
    }
}

/// Results of the oldest versions have no interfaces. Without limits they pass; with them that is said.
#[test]
fn the_oldest_versions_pass_without_limits() {
    for version in ["0.1.0", "0.2.0"] {
        let host = Host::new();
        let (one, attached) = host.attach(&network().version(version), "one");
        let result = limit(&host, &bandwidth().version(version), &one, &attached).attached();
        assert_eq!(result.json(), attached.json());
        limit(&host, &limits(8_000_000, 0).version(version), &one, &attached).fails().says(&["no interfaces provided"]);
    }
}
