//! Every version of the specification.

use cnm_tests::Host;

use crate::{network, tune, tuning};

#[test]
fn the_chain_works_in_every_version() {
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let host = Host::new();
        let (one, attached) = host.attach(&network().version(version), "one");
        let conf = tuning().version(version).with("mac", "02:00:00:00:00:77").with("mtu", 1400);
        let result = tune(&host, &conf, &one, &attached).attached();
        assert_eq!(result.json()["cniVersion"], version);
        assert_eq!(result.addresses(), attached.addresses());
        if version >= "0.3.0" {
            assert_eq!(result.mac("eth0").as_deref(), Some("02:00:00:00:00:77"));
        }
        if version >= "0.4.0" {
            host.check(&conf.clone().after(result.json()), &one).succeeds_silently();
        }
        assert_eq!((one.link("eth0").mac.as_str(), one.link("eth0").mtu), ("02:00:00:00:00:77", 1400));
        host.del(&conf, &one).succeeds_silently();
        assert_eq!(one.link("eth0").mtu, 1500);
    }
}
