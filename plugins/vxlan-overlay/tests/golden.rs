//! The pure ring: each folder of `tests/golden` is a case; see `fault_ring::golden`.

#![expect(clippy::unwrap_used, reason = "a test says by failing that a case is broken")]

use std::cell::RefCell;
use std::path::Path;

use cnm::{Address, Change, Kernel, LinkName, Mac, Place, Route};
use kernel_memory::Memory;
use vxlan_overlay::Overlay;

#[test]
fn every_case_is_described_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut host = host();
    fault_ring::golden::every_case_is_described_as_written::<Overlay>(&folder, 18, &RefCell::new(&mut host));
}

/// A host with an uplink up0 (1500 bytes, 192.0.2.1/24, 2001:db8::1/64), an address on lo (203.0.113.1), and a narrow route
/// (1300 bytes) to 198.51.100.0/24.
fn host() -> Memory {
    let mut memory = Memory::without_sandbox();
    let link = memory.add_hardware(Place::Host, "up0", Mac([2, 0, 0, 0, 1, 1]));
    let name = |name: &str| LinkName::Name(name.into());
    let address =
        |to: &str, net: &str| Change::AddAddress(name(to), Address { net: net.parse().unwrap(), nodad: true });
    let route = Route {
        dst: "198.51.100.0/24".parse().unwrap(),
        gateway: Some("192.0.2.254".parse().unwrap()),
        link,
        priority: 0,
        table: None,
        scope: None,
        mtu: 1300,
        advmss: 0,
    };
    let changes = [
        Change::Up(name("lo"), true),
        Change::Up(name("up0"), true),
        address("up0", "192.0.2.1/24"),
        address("up0", "2001:db8::1/64"),
        address("lo", "203.0.113.1/32"),
        Change::AddRoute(route),
    ];
    memory.apply(Place::Host, &changes).into_iter().collect::<Result<(), _>>().unwrap();
    memory
}
