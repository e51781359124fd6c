//! The ids under which a namespace knows others: `RTM_*NSID` (`linux/net_namespace.h`).

use std::os::fd::RawFd;

use super::{GET_NAMESPACE_ID, NEW_NAMESPACE_ID};
use crate::netlink::{Batch, Message, flags, read_u32};

/// Length of `struct rtgenmsg`, filled up.
const HEADER: usize = 4;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `NETNSA_NSID_NOT_ASSIGNED`: in a request "whichever is free", in an answer "none".
const NOT_ASSIGNED: i32 = -1;

/// Gives the namespace behind a descriptor an id; one that has an id already is refused as `EEXIST`.
pub(crate) fn new_id(batch: &mut Batch, descriptor: RawFd) {
    batch.message(NEW_NAMESPACE_ID, flags::ACK, &[0; HEADER]);
    batch.u32(NETNSA_NSID, NOT_ASSIGNED.cast_unsigned());
    batch.u32(NETNSA_FD, descriptor.cast_unsigned());
}

/// Asks for the id of the namespace behind a descriptor.
pub(crate) fn get_id(batch: &mut Batch, descriptor: RawFd) {
    batch.message(GET_NAMESPACE_ID, 0, &[0; HEADER]);
    batch.u32(NETNSA_FD, descriptor.cast_unsigned());
}

/// Asks for all ids.
pub(crate) fn id_dump(batch: &mut Batch) {
    batch.message(GET_NAMESPACE_ID, flags::DUMP, &[0; HEADER]);
}

/// The id that an answer tells, if any.
pub(crate) fn parse_id(message: &Message<'_>) -> Option<i32> {
    let id = message.attributes(HEADER).find(NETNSA_NSID).filter(|_| message.kind == NEW_NAMESPACE_ID)?;
    Some(read_u32(id).cast_signed()).filter(|&id| id != NOT_ASSIGNED)
}
