//! What the older iptables ("legacy") has, asked of the kernel itself (`linux/netfilter_ipv4/ip_tables.h`): it gives a table
//! as a whole, so that a program could not be told less. On a host full of its rules every DEL would otherwise have to
//! start a child to be told that there is nothing.

mod listing;

use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use crate::nft::octets;
pub(super) use listing::Listing;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Bytes of a table's name in requests.
const NAME: usize = 32;
/// `IPT_SO_GET_INFO`, also of IPv6.
const GET_INFO: libc::c_int = 64;
/// `IPT_SO_GET_ENTRIES`.
const GET_ENTRIES: libc::c_int = 65;
/// `struct ipt_getinfo`: the name, then 32-bit numbers, the last of them the size of all entries.
const INFO: usize = 84;
/// Where the entries begin in `struct ipt_get_entries`: name, size, padding to eight bytes.
const ENTRIES: usize = 40;
/// How often a table is read again that grew between the two questions.
const TRIES: usize = 5;

/// `NF_INET_FORWARD`.
const FORWARD: usize = 2;
/// What the verdict of a rule says that accepts: -`NF_ACCEPT` - 1.
const ACCEPT: i32 = -2;

/// Whether this thread's namespace has a table. To ask the kernel for it would make it.
pub(super) fn has_table(v6: bool, table: &str) -> bool {
    let name = if v6 { "ip6_tables_names" } else { "ip_tables_names" };
    // Not /proc/net: that is the namespace of the process' first thread.
    let names = std::fs::read_to_string(Path::new("/proc/thread-self/net").join(name)).unwrap_or_default();
    names.lines().any(|found| found == table)
}

/// Whether a table has a chain of this name; yes when the kernel does not tell.
pub(super) fn has_chain(v6: bool, table: &str, chain: &str) -> bool {
    // A chain begins with an entry that holds its name, ended by NUL; where rules lead to it they hold an offset.
    let name = [chain.as_bytes(), &[0]].concat();
    let holds = |(_, entries): (Vec<u8>, Vec<u8>)| entries.windows(name.len()).any(|window| window == name);
    has_table(v6, table) && entries(v6, table).is_none_or(holds)
}

/// Whether a table has a chain of this name with at least so many rules; yes when the kernel does not tell.
pub(super) fn has_rules(v6: bool, table: &str, chain: &str, count: usize) -> bool {
    let holds = |listing: Listing<'_>| {
        let place = listing.chains().position(|name| name == chain);
        place.is_some_and(|place| listing.rules(place).count() >= count)
    };
    Contents::of(v6, table).is_none_or(|contents| contents.listing().is_none_or(holds))
}

/// Whether a table has a rule for packets from exactly this address; yes when the kernel does not tell.
pub(super) fn has_source(address: IpAddr, table: &str) -> bool {
    // A rule begins with source, destination and the masks of both.
    let bytes = octets(address);
    let (none, all) = (vec![0; bytes.len()], vec![0xff; bytes.len()]);
    let rule = [bytes, none.clone(), all, none].concat();
    let holds = |(_, entries): (Vec<u8>, Vec<u8>)| entries.windows(rule.len()).any(|window| window == rule);
    let v6 = address.is_ipv6();
    has_table(v6, table) && entries(v6, table).is_none_or(holds)
}

/// Whether what is forwarded may be dropped: FORWARD has rules, or its policy is not to accept. No when there is no
/// table, yes when the kernel does not tell.
pub(super) fn filters_forwarded(v6: bool) -> bool {
    has_table(v6, "filter") && entries(v6, "filter").is_none_or(|(info, entries)| filters(v6, &info, &entries))
}

/// The same, from the answers: each chain begins somewhere and ends with the rule that is its policy.
fn filters(v6: bool, info: &[u8], entries: &[u8]) -> bool {
    // In `struct ipt_getinfo` five beginnings follow the name and a set of hooks, then five ends.
    let number = |at: usize| Some(u32::from_ne_bytes(info.get(at..at + 4)?.try_into().ok()?) as usize);
    let (Some(first), Some(policy)) = (number(NAME + 4 + 4 * FORWARD), number(NAME + 24 + 4 * FORWARD)) else {
        return true;
    };
    // `struct ipt_entry`: what it matches, four bytes, where its target is. A standard target has its verdict behind a
    // head of 32 bytes.
    let offset = policy + if v6 { 140 } else { 88 };
    let target = entries.get(offset..offset + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let verdict = target.map(|target| policy + usize::from(target) + 32);
    let verdict = verdict.and_then(|at| entries.get(at..at + 4)?.try_into().ok()).map(i32::from_ne_bytes);
    first != policy || verdict != Some(ACCEPT)
}

/// What a table has, as the kernel keeps it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    v6: bool,
    info: Vec<u8>,
    entries: Vec<u8>,
}

impl Contents {
    /// Asks for it; nothing when there is no such table, `None` when the kernel does not tell.
    pub(super) fn of(v6: bool, table: &str) -> Option<Self> {
        if !has_table(v6, table) {
            return Some(Self::default());
        }
        let (info, entries) = entries(v6, table)?;
        Some(Self { v6, info, entries })
    }

    /// Its chains; `None` when they are not as they should be.
    pub(super) fn listing(&self) -> Option<Listing<'_>> {
        if self.entries.is_empty() {
            return Listing::read(self.v6, &[0; 4], &[]);
        }
        Listing::read(self.v6, self.info.get(NAME..)?, &self.entries)
    }
}

/// What the kernel tells of a table, and all of it as the kernel keeps it.
fn entries(v6: bool, table: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut name = table.as_bytes().to_vec();
    name.resize(NAME, 0);
    let family = if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let level = if v6 { libc::IPPROTO_IPV6 } else { libc::IPPROTO_IP };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
    for _ in 0..TRIES {
        let mut info = name.clone();
        info.resize(INFO, 0);
        get(&socket, level, GET_INFO, &mut info)?;
        let size: [u8; 4] = info.get(INFO - 4..)?.try_into().ok()?;
        let mut all = name.clone();
        all.extend_from_slice(&size);
        all.resize(ENTRIES + u32::from_ne_bytes(size) as usize, 0);
        // The size is checked against the table's; another one is EAGAIN.
        if get(&socket, level, GET_ENTRIES, &mut all).is_some() {
            all.drain(..ENTRIES);
            return Some((info, all));
        }
    }
    None
}

/// getsockopt(2) with a request in the buffer that the answer overwrites.
fn get(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, buffer: &mut [u8]) -> Option<()> {
    let mut length = libc::socklen_t::try_from(buffer.len()).ok()?;
    // SAFETY: the kernel reads and writes at most `length` bytes of the buffer, which has that many, and writes
    // `length`, which outlives the call; any bytes are a valid value of both.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, buffer.as_mut_ptr().cast(), &raw mut length) };
    (result == 0).then_some(())
}
