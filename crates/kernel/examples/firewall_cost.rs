//! What the firewall costs, in microseconds, in a network namespace of its own: each call, and the closing of the socket
//! after it, which is where the kernel waits after a deletion. Run as root:
//! `cargo run --release -p kernel --example firewall_cost`. With `strace -c -e trace=sendto` it shows the sends.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use cnm::{
    Backend, Firewall, Hairpin, Intent, KernelError, Mac, Owner, Protocol, Publication, PublishedPort, SetMark, Share,
};
use ipnet::IpNet;
use kernel::HostFirewall;
use nix::sched::{CloneFlags, unshare};

fn main() -> Result<(), KernelError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| KernelError::io("make a network namespace", &errno.into()))?;
    for others in [0, 1, 100, 1000, 4000] {
        among_networks(others)?;
    }
    for others in [1, 1000, 5000] {
        among_endpoints(others)?;
    }
    for others in [1, 1000, 10_000] {
        among_ports(others)?;
    }
    Ok(())
}

/// `others` networks, dual stack, each on a bridge of its own.
fn among_networks(others: u32) -> Result<(), KernelError> {
    let mut firewall = HostFirewall::default();
    let before = kernel_memory();
    for number in 0..others {
        firewall.install(&owner(number), &masquerades(number))?;
    }
    let title = format!("{others} networks, {} KiB of the kernel's memory", kernel_memory().saturating_sub(before));
    heading(&title, &["install", "close", "remove", "close", "release", "close"]);
    let me = Owner::new("mine", "c1", "eth0");
    let first = Owner::new("mine", "c0", "eth0");
    let v4 = &masquerades(others)[..1];
    let mut all = masquerades(others);
    all.push(Intent::Guard { device: format!("br{others}"), internal: true, isolated: false });
    for (what, intents) in [("IPv4", v4), ("dual stack and a guard", &all)] {
        let mut columns = Columns::default();
        for _ in 0..40 {
            columns.time(0, |firewall| firewall.install(&me, intents))?;
            columns.time(2, |firewall| firewall.remove(&me, Some(intents)))?;
            columns.time(4, |firewall| firewall.release("mine"))?;
        }
        columns.show(&format!("  first and last, {what}"));
        firewall.install(&first, intents)?;
        let mut columns = Columns::default();
        for _ in 0..400 {
            columns.time(0, |firewall| firewall.install(&me, intents))?;
            columns.time(2, |firewall| firewall.remove(&me, Some(intents)))?;
        }
        columns.show(&format!("  in between, {what}"));
        firewall.release("mine")?;
    }
    for number in 0..others {
        firewall.release(&owner(number).network)?;
    }
    Ok(())
}

/// `others` endpoints of the same network, with an address check each.
fn among_endpoints(others: u32) -> Result<(), KernelError> {
    let mut firewall = HostFirewall::default();
    let spoof = |number: u32| Intent::SpoofCheck {
        port: format!("veth{number}"),
        mac: Mac([2, 0, 0, 0, (number >> 8) as u8, number as u8]),
    };
    let before = kernel_memory();
    let endpoint = |number: u32| Owner::new("net0", format!("other{number}"), "eth0");
    for number in 0..others {
        let mut intents = masquerades(0);
        intents.push(spoof(number));
        firewall.install(&endpoint(number), &intents)?;
    }
    let title = format!("{others} endpoints, {} KiB of the kernel's memory", kernel_memory().saturating_sub(before));
    heading(&title, &["install", "close", "remove", "close"]);
    let me = Owner::new("net0", "c1", "eth0");
    let mut all = masquerades(0);
    for (what, rounds) in [("dual stack", 400), ("dual stack and address check", 40)] {
        let mut columns = Columns::default();
        for _ in 0..rounds {
            columns.time(0, |firewall| firewall.install(&me, &all))?;
            columns.time(2, |firewall| firewall.remove(&me, Some(&all)))?;
        }
        columns.show(&format!("  in between, {what}"));
        all.push(spoof(others));
    }
    firewall.collect("net0", &|_| false)?;
    firewall.release("net0")
}

/// `others` published ports, each of a container of its own.
fn among_ports(others: u16) -> Result<(), KernelError> {
    let publish = |number: u16, protocol: Protocol| {
        let target = IpNet::new_assert(Ipv4Addr::from(0x0a00_0003 + u32::from(number)).into(), 8);
        Intent::Publish(Publication {
            target,
            device: Some("br0".into()),
            ports: vec![PublishedPort { protocol, host: None, port: 20_000 + number, target_port: 80 }],
            masquerade: Hairpin::Neighbours,
            backend: Backend::Nftables,
            conditions: Vec::new(),
            mark: SetMark::Bit(13),
        })
    };
    let mut firewall = HostFirewall::default();
    let before = kernel_memory();
    let other = |number: u16| Owner::new("net0", format!("other{number}"), "eth0");
    for number in 0..others {
        firewall.install(&other(number), &[publish(number, Protocol::Tcp)])?;
    }
    let title =
        format!("{others} published ports, {} KiB of the kernel's memory", kernel_memory().saturating_sub(before));
    heading(&title, &["install", "close", "withdraw", "close", "nothing", "close"]);
    let (me, nobody) = (Owner::new("net0", "c1", "eth0"), Owner::new("net0", "c2", "eth0"));
    for (what, protocol) in [("one more, TCP", Protocol::Tcp), ("one more, UDP", Protocol::Udp)] {
        let mut columns = Columns::default();
        for _ in 0..60 {
            columns.time(0, |firewall| firewall.install(&me, &[publish(others, protocol)]))?;
            columns.time(2, |firewall| firewall.withdraw(&me, Share::Ports, &[]))?;
            columns.time(4, |firewall| firewall.withdraw(&nobody, Share::Ports, &[]))?;
        }
        columns.show(&format!("  {what}; DEL of one without ports"));
    }
    firewall.collect_share("net0", Share::Ports, &|_| false, &|_| false)
}

fn owner(number: u32) -> Owner {
    Owner::new(format!("net{number}"), "other", "eth0")
}

fn masquerades(network: u32) -> Vec<Intent> {
    let v4 = IpNet::new_assert(Ipv4Addr::from(0x0a00_0003 + network * 256).into(), 24);
    let v6 = IpNet::new_assert(Ipv6Addr::from((0xfd00 << 112) + (u128::from(network) << 64) + 3).into(), 64);
    let device = format!("br{network}");
    [v4, v6].map(|address| Intent::Masquerade { device: device.clone(), address, backend: Backend::Nftables }).into()
}

/// What the whole machine's kernel has allocated, in KiB: slabs, large areas and what is kept for each processor. Old
/// versions of a set of ranges are freed some time after the transaction.
#[expect(clippy::disallowed_methods, reason = "the kernel says nothing when it has freed what it no longer needs")]
fn kernel_memory() -> u64 {
    std::thread::sleep(Duration::from_secs(1));
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let value = |line: &str| line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    let counted = |line: &&str| ["SUnreclaim:", "VmallocUsed:", "Percpu:"].iter().any(|name| line.starts_with(name));
    text.lines().filter(counted).filter_map(value).sum()
}

/// The times of up to three calls and of the closing after each.
#[derive(Default)]
struct Columns([Vec<Duration>; 6]);

impl Columns {
    /// One call by a process of its own, as far as the kernel's sockets can tell.
    fn time(
        &mut self,
        column: usize,
        call: impl FnOnce(&mut HostFirewall) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        let start = Instant::now();
        let mut firewall = HostFirewall::default();
        call(&mut firewall)?;
        self.0[column].push(start.elapsed());
        let start = Instant::now();
        drop(firewall);
        self.0[column + 1].push(start.elapsed());
        Ok(())
    }

    /// One line: the median and the ninth decile of each.
    #[expect(clippy::print_stdout, reason = "the output is what an example is for")]
    fn show(mut self, what: &str) {
        print!("{what:<42}");
        for times in self.0.iter_mut().filter(|times| !times.is_empty()) {
            times.sort();
            let at = |part: usize| times[times.len() * part / 10].as_micros();
            print!(" {:>6} {:>6}", at(5), at(9));
        }
        println!();
    }
}

#[expect(clippy::print_stdout, reason = "the output is what an example is for")]
fn heading(title: &str, columns: &[&str]) {
    print!("{title:<42}");
    for column in columns {
        print!(" {column:>13}");
    }
    println!();
}
