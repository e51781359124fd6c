//! VLANs, where the kernel has them.

use cnm_tests::{Conf, Feature, needs};

use crate::cases::{Case, dual, lan};
use crate::compare;
use crate::known::{DIFFERENCES, Known, known};

/// Beside those that other cases show.
static OF_VLANS: &[Known] = &[known(
    ": host sysctl net/ipv6/conf/<other end of *accept_ra",
    "what arrives at a port is the bridge's, which refuses advertisements; the port's own stack never sees one",
)];

#[test]
fn vlans_are_those_of_the_reference() {
    needs(&[Feature::VlanFiltering]);
    // Debian's release (1.1.1) does not know the key and always keeps the default VLAN; later ones do as we.
    let vlan = |conf: Conf, id: u16| conf.with("vlan", id).with("preserveDefaultVlan", true);
    let cases = [
        Case::new("vlan", vlan(lan(), 100)),
        Case::new("gateway", vlan(dual(), 100).with("isDefaultGateway", true).with("mtu", 1400)).checked(),
        Case::new("masquerade", vlan(lan(), 7).to_the_world().with("ipMasqBackend", "iptables")).checked(),
        Case::new("existing device", vlan(lan(), 100).with("isGateway", true))
            .prepared("ip link add name br-web type bridge vlan_filtering 1")
            .prepared("ip link add name br-web.100 type veth peer name vethold")
            .prepared("ip link set vethold master br-web")
            .prepared("ip link set vethold up")
            .prepared("ip link set br-web.100 up"),
    ];
    compare(&cases, DIFFERENCES, OF_VLANS);
}
