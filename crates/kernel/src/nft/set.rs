//! Sets, maps and their elements as plain values, and how they are written into a message. It knows nothing of which
//! there are.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use cnm::{Mac, Protocol};

use super::object::{Table, Verdict, comment_data, user_data};
use crate::netlink::{Batch, read_text};

/// One part of a set's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Ifname,
    Ipv4,
    Ipv6,
    Ether,
    Mark,
    /// A transport protocol's number.
    Protocol,
    /// A port of a transport protocol.
    Port,
}

impl Field {
    /// The number that nft(8) gives the type, so that it can list the set.
    const fn number(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Ether => 9,
            Self::Protocol => 12,
            Self::Port => 13,
            Self::Mark => 19,
            Self::Ifname => 41,
        }
    }

    /// Bytes in a key: each part begins at a 32-bit register.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Ipv4 | Self::Mark | Self::Protocol | Self::Port => 4,
            Self::Ether => 8,
            Self::Ipv6 | Self::Ifname => 16,
        }
    }

    fn show(self, bytes: &[u8]) -> String {
        let octets = |at: usize| bytes.get(at).copied().unwrap_or_default();
        match self {
            Self::Ifname => read_text(bytes),
            Self::Ipv4 => Ipv4Addr::from([octets(0), octets(1), octets(2), octets(3)]).to_string(),
            Self::Ipv6 => <[u8; 16]>::try_from(bytes).map_or_else(|_| "?".into(), |b| Ipv6Addr::from(b).to_string()),
            Self::Ether => Mac([octets(0), octets(1), octets(2), octets(3), octets(4), octets(5)]).to_string(),
            Self::Mark => format!("{:#010x}", crate::netlink::read_u32(bytes)),
            Self::Protocol => match Protocol::of_number(octets(0)) {
                Some(protocol) => protocol.to_string(),
                None => octets(0).to_string(),
            },
            Self::Port => u16::from_be_bytes([octets(0), octets(1)]).to_string(),
        }
    }
}

/// What the keys of a set lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing: it is no map.
    Nothing,
    /// Verdicts. Each element that is added makes the kernel look at all the others, where a chain uses the map.
    Verdict,
    /// Values of these types. An element more costs the same however many there are.
    Data(&'static [Field]),
}

/// How the keys of a set are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// In a hash.
    Exact,
    /// As ranges (kernel 5.6 for concatenations).
    Ranges,
}

/// The definition of a set or map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) table: Table,
    pub(crate) name: &'static str,
    pub(crate) key: &'static [Field],
    pub(crate) value: Value,
    pub(crate) keys: Keys,
}

/// The type of a concatenation, as nft(8) numbers it: six bits for each part, so that five fit.
fn type_of(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |all, field| all << 6 | field.number())
}

/// Bytes of a concatenation.
pub(super) fn length_of(fields: &[Field]) -> u32 {
    fields.iter().map(|field| u32::try_from(field.length()).unwrap_or_default()).sum()
}

fn show(fields: &[Field], bytes: &[u8]) -> String {
    let mut rest = bytes;
    let mut parts = Vec::with_capacity(fields.len());
    for field in fields {
        let (part, others) = rest.split_at(field.length().min(rest.len()));
        parts.push(field.show(part));
        rest = others;
    }
    parts.join(" . ")
}

impl Set {
    /// A key for a person: `cni0 . 10.1.2.3`.
    pub(crate) fn show_key(&self, key: &[u8]) -> String {
        show(self.key, key)
    }

    /// What a key leads to, for a person.
    pub(crate) fn show_data(&self, data: &[u8]) -> String {
        match self.value {
            Value::Data(fields) => show(fields, data),
            Value::Nothing | Value::Verdict => String::new(),
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", if self.value == Value::Nothing { "set" } else { "map" }, self.name, self.table)
    }
}

/// Builds a key part by part.
#[derive(Debug, Default)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// An interface name; the kernel's are at most 15 bytes.
    pub(crate) fn ifname(mut self, name: &str) -> Self {
        let end = self.0.len() + Field::Ifname.length();
        self.0.extend(name.bytes().take(15));
        self.0.resize(end, 0);
        self
    }

    /// Bytes as the kernel has them, filled up to whole registers.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// The finished key.
    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}
/// An element of a set, or of a map when it has a verdict or data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) set: &'static Set,
    pub(crate) key: Vec<u8>,
    /// The last key of the range, in a set of ranges.
    pub(crate) end: Option<Vec<u8>>,
    pub(crate) verdict: Option<Verdict>,
    /// What the key of a map of data leads to; else empty.
    pub(crate) data: Vec<u8>,
    /// At most 128 bytes; empty is none.
    pub(crate) comment: String,
}

impl Element {
    /// A key alone.
    pub(crate) const fn new(set: &'static Set, key: Vec<u8>) -> Self {
        Self { set, key, end: None, verdict: None, data: Vec::new(), comment: String::new() }
    }

    /// The chain that it leads to.
    pub(crate) fn leads_to(&self) -> Option<&str> {
        self.verdict.as_ref().and_then(Verdict::chain)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.set.show_key(&self.key))?;
        match &self.end {
            Some(end) => write!(f, " - {}", self.set.show_key(end)),
            None => Ok(()),
        }
    }
}

impl Set {
    /// The attributes of `NFT_MSG_NEWSET`.
    pub(super) fn write(&self, batch: &mut Batch) {
        const INTERVAL: u32 = 4;
        const MAP: u32 = 8;
        const CONCATENATION: u32 = 0x80;
        const VERDICT: u32 = 0xffff_ff00;
        batch.text(1, self.table.name);
        batch.text(2, self.name);
        let map = if self.value == Value::Nothing { 0 } else { MAP };
        batch.be32(
            3,
            map | match self.keys {
                Keys::Exact => 0,
                Keys::Ranges => INTERVAL | CONCATENATION,
            },
        );
        batch.be32(4, type_of(self.key));
        batch.be32(5, length_of(self.key));
        match self.value {
            Value::Nothing => {}
            Value::Verdict => {
                batch.be32(6, VERDICT);
                batch.be32(7, 0);
            }
            Value::Data(fields) => {
                batch.be32(6, type_of(fields));
                batch.be32(7, length_of(fields));
            }
        }
        match self.keys {
            Keys::Exact => {}
            // The lengths of the parts: each is matched as a range of its own.
            Keys::Ranges => batch.nest(9, |description| {
                description.nest(2, |parts| {
                    for field in self.key {
                        let length = u32::try_from(field.length()).unwrap_or(u32::MAX);
                        parts.nest(1, |part| part.be32(1, length));
                    }
                });
            }),
        }
        // An identity within the transaction, which the kernel wants; we refer to sets by name.
        batch.be32(10, 1);
        // The byte order of the key, 1 for the host's: without it nft(8) shows interface names reversed.
        let order = u32::from(self.key == [Field::Ifname]);
        batch.attribute(13, &user_data(0, &order.to_ne_bytes()));
    }
}

impl Element {
    /// The attributes of `NFT_MSG_NEWSETELEM`, `GETSETELEM` and `DELSETELEM`; the last two want the key alone.
    pub(super) fn write(&self, batch: &mut Batch, whole: bool) {
        batch.text(1, self.set.table.name);
        batch.text(2, self.set.name);
        batch.nest(3, |list| {
            list.nest(1, |element| {
                element.nest(1, |key| key.attribute(1, &self.key));
                if let Some(end) = &self.end {
                    element.nest(10, |key| key.attribute(1, end));
                }
                if whole {
                    if let Some(verdict) = &self.verdict {
                        verdict.write(element, 2);
                    }
                    if !self.data.is_empty() {
                        element.nest(2, |data| data.attribute(1, &self.data));
                    }
                    if !self.comment.is_empty() {
                        element.attribute(6, &comment_data(0, &self.comment));
                    }
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::Family;

    const SET: Set = Set {
        table: Table { family: Family::Inet, name: "t" },
        name: "s",
        key: &[Field::Ifname, Field::Ipv4],
        value: Value::Verdict,
        keys: Keys::Exact,
    };

    #[test]
    fn a_key_is_written_and_shown_part_by_part() {
        let key = Key::default().ifname("cni0").bytes(&[10, 1, 2, 3]).done();
        assert_eq!(key.len(), length_of(SET.key) as usize);
        assert_eq!(SET.show_key(&key), "cni0 . 10.1.2.3");
        assert_eq!(type_of(SET.key), 0xa47);
        assert_eq!(SET.to_string(), "map s of table inet t");
        assert_eq!(SET.show_key(&key[..18]), "cni0 . 10.1.0.0");
        assert_eq!(Key::default().bytes(&[1, 2, 3, 4, 5, 6]).done().len(), 8);
        assert_eq!(Key::default().ifname("a-name-that-is-too-long").done().len(), 16);
    }
}
