//! Wishes as messages. What is not said about a discipline here is as the reference plugins have it.

use cnm::{Bucket, Class, Selector, Side, Traffic, UNLIMITED_RATE};
use ipnet::IpNet;

use super::{
    DELETE_QDISC, EGRESS_REDIRECT, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, INGRESS, INGRESS_HANDLE, NEW_CLASS, NEW_FILTER,
    NEW_QDISC, ROOT, ROOT_HANDLE, TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_HTB_CEIL64, TCA_HTB_INIT, TCA_HTB_PARMS,
    TCA_HTB_RATE64, TCA_KIND, TCA_MIRRED_PARMS, TCA_OPTIONS, TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_U32_ACT,
    TCA_U32_CLASSID, TCA_U32_SEL, header,
};
use crate::netlink::{Batch, flags};

const NEW: u16 = flags::ACK | flags::CREATE | flags::EXCL;
/// `TC_LINKLAYER_ETHERNET`: no table of transmission times has to come along.
const ETHERNET: u8 = 1;
/// `TC_U32_TERMINAL`.
const TERMINAL: u8 = 1;
/// `TC_ACT_STOLEN`.
const STOLEN: u32 = 4;
/// What a class may send at a time (`quantum`), bytes: a tenth of its rate within these. Unsaid the kernel does the
/// same, and complains in its log about what lies outside.
const QUANTUM: std::ops::RangeInclusive<u64> = 1_514..=200_000;

/// Writes a change of what the link with this index does with its packets.
pub(crate) fn traffic(batch: &mut Batch, link: u32, change: &Traffic) {
    match change {
        Traffic::Limit(bucket) => bucket_root(batch, link, bucket),
        Traffic::Divide(default) => class_root(batch, link, *default),
        Traffic::Class(wanted) => class(batch, link, wanted),
        Traffic::Queue(class, limit) => {
            batch.message(NEW_QDISC, NEW, &header(link, 0, ROOT_HANDLE | u32::from(*class), 0));
            batch.text(TCA_KIND, "bfifo");
            batch.u32(TCA_OPTIONS, *limit);
        }
        Traffic::Select(selector) => select(batch, link, selector),
        Traffic::Ingress => {
            batch.message(NEW_QDISC, NEW, &header(link, INGRESS_HANDLE, INGRESS, 0));
            batch.text(TCA_KIND, "ingress");
        }
        Traffic::Redirect(to) => redirect(batch, link, *to),
        Traffic::Unlimit => delete(batch, link, ROOT_HANDLE, ROOT, "tbf"),
        Traffic::Unite => delete(batch, link, ROOT_HANDLE, ROOT, "htb"),
        Traffic::Passive => delete(batch, link, INGRESS_HANDLE, INGRESS, "ingress"),
    }
}

/// Deletes a discipline that has this handle and kind; another's is refused.
fn delete(batch: &mut Batch, link: u32, handle: u32, parent: u32, kind: &str) {
    batch.message(DELETE_QDISC, flags::ACK, &header(link, handle, parent, 0));
    batch.text(TCA_KIND, kind);
}

/// `struct tc_ratespec`. A rate that has more than 32 bits stands in an attribute of its own.
fn rate(rate: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[1] = ETHERNET;
    bytes[8..].copy_from_slice(&u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes());
    bytes
}

/// Adds the attribute for a rate of more than 32 bits.
fn wide_rate(batch: &mut Batch, kind: u16, rate: u64) {
    if rate > u32::MAX.into() {
        batch.attribute(kind, &rate.to_ne_bytes());
    }
}

/// Fields of 32 bits.
fn words(bytes: &mut Vec<u8>, values: &[u32]) {
    for value in values {
        bytes.extend_from_slice(&value.to_ne_bytes());
    }
}

fn bucket_root(batch: &mut Batch, link: u32, bucket: &Bucket) {
    batch.message(NEW_QDISC, NEW, &header(link, ROOT_HANDLE, ROOT, 0));
    batch.text(TCA_KIND, "tbf");
    batch.nest(TCA_OPTIONS, |options| {
        // `struct tc_tbf_qopt`: the rate, no peak rate, limit, buffer, mtu.
        let mut parameters = rate(bucket.rate).to_vec();
        parameters.extend_from_slice(&[0; 12]);
        words(&mut parameters, &[bucket.limit, bucket.buffer, 0]);
        options.attribute(TCA_TBF_PARMS, &parameters);
        wide_rate(options, TCA_TBF_RATE64, bucket.rate);
    });
}

fn class_root(batch: &mut Batch, link: u32, default: u16) {
    batch.message(NEW_QDISC, NEW, &header(link, ROOT_HANDLE, ROOT, 0));
    batch.text(TCA_KIND, "htb");
    batch.nest(TCA_OPTIONS, |options| {
        // `struct tc_htb_glob`: version, rate2quantum, defcls, debug, direct_pkts.
        let mut parameters = Vec::with_capacity(20);
        words(&mut parameters, &[3, 10, default.into(), 0, 0]);
        options.attribute(TCA_HTB_INIT, &parameters);
    });
}

fn class(batch: &mut Batch, link: u32, class: &Class) {
    batch.message(NEW_CLASS, NEW, &header(link, ROOT_HANDLE | u32::from(class.minor), ROOT_HANDLE, 0));
    batch.text(TCA_KIND, "htb");
    // The reference's ceiling is twice the rate, which without a parent to borrow from means nothing.
    let ceiling = if class.rate == UNLIMITED_RATE { class.rate } else { class.rate.saturating_mul(2) };
    let quantum = (class.rate / 10).clamp(*QUANTUM.start(), *QUANTUM.end());
    batch.nest(TCA_OPTIONS, |options| {
        // `struct tc_htb_opt`: rate, ceiling, buffer, cbuffer, quantum, level, prio.
        let mut parameters = rate(class.rate).to_vec();
        parameters.extend_from_slice(&rate(ceiling));
        words(&mut parameters, &[class.buffer, class.buffer, u32::try_from(quantum).unwrap_or(u32::MAX), 0, 0]);
        options.attribute(TCA_HTB_PARMS, &parameters);
        wide_rate(options, TCA_HTB_RATE64, class.rate);
        wide_rate(options, TCA_HTB_CEIL64, ceiling);
    });
}

/// `tcm_info` of a filter.
fn filter_info(priority: u16, protocol: u16) -> u32 {
    u32::from(priority) << 16 | u32::from(protocol.to_be())
}

/// `struct tc_u32_sel` with keys: (mask, value, offset).
fn keys(list: &[(u32, u32, i32)]) -> Vec<u8> {
    let mut bytes = vec![0; super::SELECTOR];
    bytes[0] = TERMINAL;
    bytes[2] = u8::try_from(list.len()).unwrap_or(u8::MAX);
    for (mask, value, offset) in list {
        bytes.extend_from_slice(&mask.to_be_bytes());
        bytes.extend_from_slice(&value.to_be_bytes());
        bytes.extend_from_slice(&offset.to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes());
    }
    bytes
}

/// Where an address stands in the header of IP.
const fn offset(v4: bool, side: Side) -> i32 {
    match (v4, side) {
        (true, Side::Source) => 12,
        (true, Side::Destination) => 16,
        (false, Side::Source) => 8,
        (false, Side::Destination) => 24,
    }
}

fn select(batch: &mut Batch, link: u32, selector: &Selector) {
    // One priority has one protocol only.
    let (v4, priority, protocol) = match selector.subnet {
        IpNet::V4(_) => (true, 16, ETH_P_IP),
        IpNet::V6(_) => (false, 15, ETH_P_IPV6),
    };
    batch.message(NEW_FILTER, NEW, &header(link, 0, ROOT_HANDLE, filter_info(priority, protocol)));
    batch.text(TCA_KIND, "u32");
    let (mask, value) = match selector.subnet {
        IpNet::V4(net) => (net.netmask().octets().to_vec(), net.network().octets().to_vec()),
        IpNet::V6(net) => (net.netmask().octets().to_vec(), net.network().octets().to_vec()),
    };
    let word = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut at = offset(v4, selector.side);
    let mut list = Vec::with_capacity(4);
    for (mask, value) in mask.chunks_exact(4).zip(value.chunks_exact(4)) {
        // What nothing is asked of matches; but a selector has one key at least.
        if word(mask) != 0 || list.is_empty() {
            list.push((word(mask), word(value), at));
        }
        at += 4;
    }
    batch.nest(TCA_OPTIONS, |options| {
        options.u32(TCA_U32_CLASSID, ROOT_HANDLE | u32::from(selector.class));
        options.attribute(TCA_U32_SEL, &keys(&list));
    });
}

fn redirect(batch: &mut Batch, link: u32, to: u32) {
    batch.message(NEW_FILTER, NEW, &header(link, 0, INGRESS_HANDLE, filter_info(1, ETH_P_ALL)));
    batch.text(TCA_KIND, "u32");
    batch.nest(TCA_OPTIONS, |options| {
        options.u32(TCA_U32_CLASSID, ROOT_HANDLE | 1);
        options.attribute(TCA_U32_SEL, &keys(&[(0, 0, 0)]));
        options.nest(TCA_U32_ACT, |actions| {
            actions.nest(1, |action| {
                action.text(TCA_ACT_KIND, "mirred");
                action.nest(TCA_ACT_OPTIONS, |options| {
                    // `struct tc_mirred`: index, capab, action, refcnt, bindcnt, eaction, ifindex.
                    let mut parameters = Vec::with_capacity(28);
                    words(&mut parameters, &[0, 0, STOLEN, 0, 0, EGRESS_REDIRECT, to]);
                    options.attribute(TCA_MIRRED_PARMS, &parameters);
                });
            });
        });
    });
}
