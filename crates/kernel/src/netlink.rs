//! Netlink as bytes: one encoder, one socket, one way to read answers. It knows the frame (RFC 3549,
//! `linux/netlink.h`) and no family: rtnetlink and nf_tables stand on it.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols};
use nix::libc;

/// `nlmsg_flags`.
pub(crate) mod flags {
    pub(crate) const REQUEST: u16 = 0x1;
    pub(crate) const ACK: u16 = 0x4;
    pub(crate) const ECHO: u16 = 0x8;
    pub(crate) const DUMP: u16 = 0x300;
    pub(crate) const REPLACE: u16 = 0x100;
    pub(crate) const EXCL: u16 = 0x200;
    pub(crate) const CREATE: u16 = 0x400;
    pub(crate) const APPEND: u16 = 0x800;
    pub(crate) const DUMP_INTR: u16 = 0x10;
    /// On answers that are errors: only the header of the request is sent back.
    pub(crate) const CAPPED: u16 = 0x100;
    /// On answers: attributes with the kernel's words follow.
    pub(crate) const ACK_TLVS: u16 = 0x200;
}

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// Masks `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER` out of an attribute's type.
const TYPE_MASK: u16 = 0x3fff;
/// An answer longer than this comes in several datagrams; the kernel fills at most 32 KiB at a time.
const RECEIVE: usize = 32 * 1024;
/// A dump that changed under our hands is repeated this often.
const DUMP_TRIES: usize = 10;

const fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

/// Messages for one send, each with its own sequence number.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Offset of the message being written.
    start: usize,
    first: u32,
    next: u32,
}

impl Batch {
    /// Begins a message: `kind`, `flags` ([`flags::REQUEST`] is added) and the family's fixed header. What is
    /// written until the next call belongs to it. Gives its sequence number.
    pub(crate) fn message(&mut self, kind: u16, flags: u16, header: &[u8]) -> u32 {
        let sequence = self.next;
        self.next = self.next.wrapping_add(1);
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | flags::REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        self.bytes.extend_from_slice(header);
        self.pad();
        sequence
    }

    /// Adds flags to the message being written.
    pub(crate) fn raise(&mut self, flags: u16) {
        let at = self.start + 6;
        let flags = read_u16(&self.bytes[at..]) | flags;
        self.bytes[at..at + 2].copy_from_slice(&flags.to_ne_bytes());
    }

    /// Number of messages.
    pub(crate) fn len(&self) -> usize {
        self.next.wrapping_sub(self.first) as usize
    }

    /// Adds an attribute.
    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&value[..usize::from(length) - 4]);
        self.pad();
    }

    /// Adds an 8-bit attribute.
    pub(crate) fn u8(&mut self, kind: u16, value: u8) {
        self.attribute(kind, &[value]);
    }

    /// Adds a 32-bit attribute in host order.
    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// Adds a 32-bit attribute in network order, as nf_tables has them.
    pub(crate) fn be32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// Adds a text with its NUL.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.attribute(kind, &bytes);
    }

    /// Adds a nested attribute; `fill` writes what is inside.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        self.nest_plain(kind | NESTED, fill);
    }

    /// The same without `NLA_F_NESTED`, or with bytes of a fixed header first (`VETH_INFO_PEER`).
    pub(crate) fn nest_plain(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&0u16.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - at).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        // What is inside has filled up already, but an empty nest has told nobody that the message is longer.
        self.pad();
    }

    /// Adds bytes as they are: a fixed header inside a nest.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    /// Fills up to four bytes and keeps the length of the current message true.
    fn pad(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
        let length = u32::try_from(self.bytes.len() - self.start).unwrap_or(u32::MAX);
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
    }
}

/// The kernel's refusal of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// `errno`, positive.
    pub(crate) errno: i32,
    /// `NLMSGERR_ATTR_MSG`, or empty.
    pub(crate) words: String,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self { errno, words: String::new() },
            None => Self { errno: 0, words: error.to_string() },
        }
    }
}

/// One message of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// `nlmsg_type`.
    pub(crate) kind: u16,
    /// `nlmsg_flags`.
    pub(crate) flags: u16,
    /// Sequence number of the request that it answers; 0 for events.
    pub(crate) sequence: u32,
    /// What follows the header.
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes after a fixed header of `header` bytes.
    pub(crate) fn attributes(&self, header: usize) -> Attributes<'a> {
        Attributes { bytes: self.payload.get(aligned(header)..).unwrap_or_default() }
    }
}

/// Iterates over attributes: (type without flag bits, value).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The attributes inside a nest.
    pub(crate) const fn inside(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The value of the first attribute of this type.
    pub(crate) fn find(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find_map(|(found, value)| (found == kind).then_some(value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(self.bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(self.bytes.get(2..4)?.try_into().ok()?);
        let value = self.bytes.get(4..length)?;
        self.bytes = self.bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind & TYPE_MASK, value))
    }
}

/// Reads a 32-bit value in host order; 0 when it is too short.
pub(crate) fn read_u32(value: &[u8]) -> u32 {
    value.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

/// Reads a 16-bit value in host order; 0 when it is too short.
pub(crate) fn read_u16(value: &[u8]) -> u16 {
    value.get(..2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_ne_bytes)
}

/// Reads a text up to its NUL.
pub(crate) fn read_text(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// A netlink socket, bound to the namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// `NETLINK_ROUTE`.
pub(crate) const ROUTE: isize = protocols::NETLINK_ROUTE;
/// `NETLINK_NETFILTER`.
pub(crate) const NETFILTER: isize = protocols::NETLINK_NETFILTER;

impl Netlink {
    /// Opens a socket of `protocol` in the calling thread's namespace.
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        // Not bound: the kernel does that with the first send.
        let socket = Socket::new(protocol)?;
        // Without them answers are poorer but not wrong: kernels before 4.12 and 4.20 lack them.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self { socket, sequence: 1, buffer: vec![0; RECEIVE] })
    }

    /// Joins a multicast group: events then arrive at [`Netlink::receive`].
    pub(crate) fn join(&mut self, group: u32) -> io::Result<()> {
        self.socket.bind(&SocketAddr::new(0, 0))?;
        self.socket.add_membership(group)
    }

    /// The socket itself, for poll(2).
    pub(crate) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Begins a batch.
    pub(crate) const fn batch(&self) -> Batch {
        Batch { bytes: Vec::new(), start: 0, first: self.sequence, next: self.sequence }
    }

    /// Sends a batch.
    pub(crate) fn send(&mut self, batch: &Batch) -> io::Result<()> {
        self.sequence = batch.next;
        let sent = self.socket.send(&batch.bytes, 0)?;
        if sent == batch.bytes.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
    }

    /// Reads one datagram and calls `each` for its messages until that says `false`.
    pub(crate) fn receive(&mut self, each: impl FnMut(Message<'_>) -> bool) -> io::Result<()> {
        self.read(0, each)
    }

    /// The same, but never waits: `false` when nothing is queued.
    pub(crate) fn receive_now(&mut self, each: impl FnMut(Message<'_>) -> bool) -> io::Result<bool> {
        match self.read(libc::MSG_DONTWAIT, each) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn read(&mut self, how: libc::c_int, mut each: impl FnMut(Message<'_>) -> bool) -> io::Result<()> {
        let length = loop {
            match self.socket.recv(&mut &mut self.buffer[..], how) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let mut rest = &self.buffer[..length.min(self.buffer.len())];
        while rest.len() >= HEADER {
            let size = (read_u32(rest) as usize).clamp(HEADER, rest.len());
            let message = Message {
                kind: read_u16(&rest[4..]),
                flags: read_u16(&rest[6..]),
                sequence: read_u32(&rest[8..]),
                payload: &rest[HEADER..size],
            };
            if !each(message) {
                break;
            }
            rest = rest.get(aligned(size)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends a batch whose messages all asked for [`flags::ACK`] and collects one answer for each, in order.
    /// `each` sees every other message that answers one of them ([`flags::ECHO`], or a single object asked for).
    pub(crate) fn exchange(
        &mut self,
        batch: &Batch,
        mut each: impl FnMut(Message<'_>),
    ) -> io::Result<Vec<Result<(), Refusal>>> {
        let mut answers: Vec<Option<Result<(), Refusal>>> = vec![None; batch.len()];
        let mut open = answers.len();
        self.send(batch)?;
        while open > 0 {
            self.receive(|message| {
                let at = message.sequence.wrapping_sub(batch.first) as usize;
                if at < answers.len() {
                    match acknowledgement(&message) {
                        Some(answer) => {
                            if answers[at].replace(answer).is_none() {
                                open -= 1;
                            }
                        }
                        None => each(message),
                    }
                }
                true
            })?;
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Ok(()))).collect())
    }

    /// Sends one message that asks for one object: the object itself is the answer, or a refusal; an acknowledgement
    /// alone, where [`flags::ACK`] was asked for, is none. `read` turns it into a value.
    pub(crate) fn ask<T>(
        &mut self,
        batch: &Batch,
        read: impl Fn(&Message<'_>) -> Option<T>,
    ) -> io::Result<Result<Option<T>, Refusal>> {
        self.send(batch)?;
        let mut answer = None;
        while answer.is_none() {
            self.receive(|message| {
                if message.sequence == batch.first && answer.is_none() {
                    answer = Some(match acknowledgement(&message) {
                        Some(Err(refusal)) => Err(refusal),
                        Some(Ok(())) => Ok(None),
                        None => Ok(read(&message)),
                    });
                }
                true
            })?;
        }
        Ok(answer.unwrap_or(Ok(None)))
    }

    /// Sends the dump that `fill` writes and calls `each` for every object; repeats when the kernel says that
    /// the table changed meanwhile (`NLM_F_DUMP_INTR`), so `restart` must forget what `each` has kept.
    pub(crate) fn dump<T>(
        &mut self,
        mut fill: impl FnMut(&mut Batch),
        mut each: impl FnMut(&mut Vec<T>, Message<'_>),
    ) -> Result<Vec<T>, Refusal> {
        for attempt in 1.. {
            let mut batch = self.batch();
            fill(&mut batch);
            self.send(&batch)?;
            let (mut found, mut interrupted, mut done) = (Vec::new(), false, None);
            while done.is_none() {
                self.receive(|message| {
                    if message.sequence == batch.first {
                        interrupted |= message.flags & flags::DUMP_INTR != 0;
                        match acknowledgement(&message) {
                            Some(answer) => done = Some(answer),
                            None => each(&mut found, message),
                        }
                    }
                    true
                })?;
            }
            if let Some(Err(refusal)) = done {
                return Err(refusal);
            }
            if !interrupted {
                return Ok(found);
            }
            if attempt >= DUMP_TRIES {
                break;
            }
        }
        Err(Refusal { errno: 4, words: format!("the table changed during each of {DUMP_TRIES} dumps") })
    }
}

/// The verdict that a message carries, if it is one: `NLMSG_ERROR` (0 is an acknowledgement) or `NLMSG_DONE`.
pub(crate) fn acknowledgement(message: &Message<'_>) -> Option<Result<(), Refusal>> {
    if message.kind != NLMSG_ERROR && message.kind != NLMSG_DONE {
        return None;
    }
    let errno = read_u32(message.payload).cast_signed().wrapping_neg();
    if errno == 0 {
        return Some(Ok(()));
    }
    let request = read_u32(message.payload.get(4..).unwrap_or_default()) as usize;
    let skip = match message.kind {
        NLMSG_DONE => 4,
        _ if message.flags & flags::CAPPED != 0 => 4 + HEADER,
        _ => 4 + aligned(request),
    };
    let words = match message.payload.get(skip..) {
        Some(bytes) if message.flags & flags::ACK_TLVS != 0 => Attributes::inside(bytes).find(1).map(read_text),
        _ => None,
    };
    Some(Err(Refusal { errno, words: words.unwrap_or_default() }))
}

#[cfg(test)]
mod tests;
