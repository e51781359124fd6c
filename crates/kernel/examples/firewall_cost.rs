//! What the firewall costs, in microseconds of a call, in a network namespace of its own. Run as root:
//! `cargo run --release -p kernel --example firewall_cost`. With `strace -c -e trace=sendto` it shows the sends.

use std::time::Instant;

use cnm::{Backend, Firewall, Intent, KernelError, Owner};
use kernel::HostFirewall;
use nix::sched::{CloneFlags, unshare};

const ROUNDS: usize = 400;

fn main() -> Result<(), KernelError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| KernelError::io("make a network namespace", &errno.into()))?;
    let mut firewall = HostFirewall::default();
    for others in [0, 100, 1000, 5000] {
        for number in 0..others {
            firewall.install(&Owner::new("web", format!("other{number}"), "eth0"), &[masquerade(number + 10)])?;
        }
        let dual = Intent::Masquerade {
            device: "cni0".into(),
            address: ipnet::IpNet::new_assert([0xfd00, 1, 0, 0, 0, 0, 0, 3].into(), 64),
            backend: Backend::Nftables,
        };
        let guard = Intent::Guard { device: "cni0".into(), internal: true, isolated: false };
        let spoof = Intent::SpoofCheck { port: "veth0".into(), mac: cnm::Mac([2, 0, 0, 0, 0, 1]) };
        measure(&mut firewall, &format!("{others} others: masquerade IPv4"), &[masquerade(3)])?;
        let all = [masquerade(3), dual, guard, spoof];
        measure(&mut firewall, &format!("{others} others: everything, dual stack"), &all)?;
        firewall.collect("web", &|_| false)?;
    }
    Ok(())
}

fn masquerade(number: u32) -> Intent {
    let address = ipnet::IpNet::new_assert(std::net::Ipv4Addr::from(0x0a01_0000 + number).into(), 16);
    Intent::Masquerade { device: "cni0".into(), address, backend: Backend::Nftables }
}

/// One line: the median and the ninth decile of both calls.
#[expect(clippy::print_stdout, reason = "the output is what an example is for")]
fn measure(firewall: &mut HostFirewall, what: &str, intents: &[Intent]) -> Result<(), KernelError> {
    let me = Owner::new("web", "c0ffee", "eth0");
    let (mut install, mut remove) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        firewall.install(&me, intents)?;
        install.push(start.elapsed());
        let start = Instant::now();
        firewall.remove(&me, Some(intents))?;
        remove.push(start.elapsed());
    }
    install.sort();
    remove.sort();
    let at = |times: &[std::time::Duration], part: usize| times[times.len() * part / 10].as_micros();
    println!(
        "{what:<40} install {:>5} / {:>5} µs   remove {:>5} / {:>5} µs",
        at(&install, 5),
        at(&install, 9),
        at(&remove, 5),
        at(&remove, 9)
    );
    Ok(())
}
