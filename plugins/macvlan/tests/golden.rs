//! The pure ring: each folder of `tests/golden` is a case; see `fault_ring::golden`.

#![expect(clippy::unwrap_used, reason = "a test says by failing that a case is broken")]

use std::cell::RefCell;
use std::path::Path;

use cnm::{Address, Change, Kernel, LinkName, Mac, Place, Route};
use kernel_memory::Memory;
use macvlan::Macvlan;

#[test]
fn every_case_is_described_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut host = host();
    fault_ring::golden::every_case_is_described_as_written::<Macvlan>(&folder, 40, &RefCell::new(&mut host));
}

/// A host whose default route leaves by up0.
fn host() -> Memory {
    let mut memory = Memory::without_sandbox();
    let link = memory.add_hardware(Place::Host, "up0", Mac([2, 0, 0, 0, 1, 1]));
    let (up0, net) = (LinkName::Index(link), "10.1.2.10/24".parse().unwrap());
    let (dst, gateway) = ("0.0.0.0/0".parse().unwrap(), Some("10.1.2.1".parse().unwrap()));
    let route = Route { dst, gateway, link, priority: 0, table: None, scope: None, mtu: 0, advmss: 0 };
    let address = Change::AddAddress(up0.clone(), Address { net, nodad: true });
    let changes = [address, Change::Up(up0, true), Change::AddRoute(route)];
    memory.apply(Place::Host, &changes).into_iter().collect::<Result<(), _>>().unwrap();
    memory
}
