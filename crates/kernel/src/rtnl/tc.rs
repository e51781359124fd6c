//! Queueing disciplines, classes and filters: `RTM_*QDISC`, `RTM_*TCLASS`, `RTM_*TFILTER` (`linux/pkt_sched.h`,
//! `linux/pkt_cls.h`).

mod read;
mod write;

use crate::netlink::{Batch, flags};

pub(crate) use read::{Filter, Qdisc, parse_class, parse_filter, parse_qdisc};
pub(crate) use write::traffic;

const NEW_QDISC: u16 = 36;
const DELETE_QDISC: u16 = 37;
const GET_QDISC: u16 = 38;
const NEW_CLASS: u16 = 40;
const GET_CLASS: u16 = 42;
const NEW_FILTER: u16 = 44;
const GET_FILTER: u16 = 46;
const NEW_ACTION: u16 = 48;

/// Index of the loopback device of every namespace.
const LOOPBACK: u32 = 1;
/// Length of `struct tcamsg`.
const ACTIONS: usize = 4;
const TCA_ACT_TAB: u16 = 1;

/// Length of `struct tcmsg`.
const HEADER: usize = 20;

/// `TC_H_ROOT`.
pub(crate) const ROOT: u32 = 0xffff_ffff;
/// `TC_H_INGRESS`.
pub(crate) const INGRESS: u32 = 0xffff_fff1;
/// Handle of our roots, `1:`.
pub(crate) const ROOT_HANDLE: u32 = 0x0001_0000;
/// Handle of an ingress discipline, `ffff:`.
pub(crate) const INGRESS_HANDLE: u32 = 0xffff_0000;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;

const TCA_HTB_PARMS: u16 = 1;
const TCA_HTB_INIT: u16 = 2;
const TCA_HTB_RATE64: u16 = 6;
const TCA_HTB_CEIL64: u16 = 7;

const TCA_U32_CLASSID: u16 = 1;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;
/// Length of `struct tc_u32_sel` without keys, and of a key.
const SELECTOR: usize = 16;
const KEY: usize = 16;

const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
/// `TCA_EGRESS_REDIR`.
const EGRESS_REDIRECT: u32 = 1;

const ETH_P_ALL: u16 = 0x0003;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// `struct tcmsg`.
fn header(link: u32, handle: u32, parent: u32, info: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    for (at, value) in [(4, link), (8, handle), (12, parent), (16, info)] {
        bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }
    bytes
}

/// Asks for the discipline of a link at `parent`; the answer is the discipline or a refusal. The kernel tells it to those
/// who listen to events, and to whoever asks with `NLM_F_ECHO`; of the built-in ones it says nothing at all but the
/// acknowledgement.
pub(crate) fn get_qdisc(batch: &mut Batch, link: u32, parent: u32) {
    batch.message(GET_QDISC, flags::ECHO | flags::ACK, &header(link, 0, parent, 0));
}

/// Asks for a discipline that cannot be without options, as the root of the loopback device: refused with `EINVAL`, or
/// with `ENOENT` when the kernel does not know the kind. These flags make it look at the kind even where there is a root,
/// which stays: the new one would have to be ready first.
pub(crate) fn ask_discipline(batch: &mut Batch, kind: &str) {
    let new = flags::ACK | flags::CREATE | flags::REPLACE | flags::EXCL;
    batch.message(NEW_QDISC, new, &header(LOOPBACK, 0, ROOT, 0));
    batch.text(TCA_KIND, kind);
}

/// The same with an action, of which there is none without options.
pub(crate) fn ask_action(batch: &mut Batch, kind: &str) {
    batch.message(NEW_ACTION, flags::ACK | flags::CREATE | flags::EXCL, &[0; ACTIONS]);
    batch.nest(TCA_ACT_TAB, |list| list.nest(1, |action| action.text(TCA_ACT_KIND, kind)));
}

/// Asks for the classes of a link.
pub(crate) fn class_dump(batch: &mut Batch, link: u32) {
    batch.message(GET_CLASS, flags::DUMP, &header(link, 0, 0, 0));
}

/// Asks for the filters at a discipline of a link.
pub(crate) fn filter_dump(batch: &mut Batch, link: u32, parent: u32) {
    batch.message(GET_FILTER, flags::DUMP, &header(link, 0, parent, 0));
}
