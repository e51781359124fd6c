//! The objects of nf_tables as plain values, and how they are written into a message (`linux/netfilter/nf_tables.h`).
//! It knows nothing of which tables we install.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use cnm::Mac;

use crate::netlink::{Batch, read_text};

/// `NFPROTO_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    /// IPv4 and IPv6 at once.
    Inet,
    Ipv4,
    Ipv6,
    Bridge,
}

impl Family {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ipv4 => 2,
            Self::Bridge => 7,
            Self::Ipv6 => 10,
        }
    }
}

impl Family {
    /// The families of tables that see IP packets.
    pub(crate) const fn of_ip(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Inet),
            2 => Some(Self::Ipv4),
            10 => Some(Self::Ipv6),
            _ => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
            Self::Bridge => "bridge",
        })
    }
}

/// A table, by family and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) family: Family,
    pub(crate) name: &'static str,
}

impl Table {
    /// A table of somebody else's whose name was read from the kernel. It is remembered until the process ends, which
    /// for a plugin is the end of the call.
    pub(crate) fn foreign(family: Family, name: String) -> Self {
        Self { family, name: Box::leak(name.into_boxed_str()) }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} {}", self.family, self.name)
    }
}

/// Where a base chain hooks into the path of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hook {
    /// `nat` or `filter`.
    pub(crate) kind: &'static str,
    /// `NF_INET_*` or `NF_BR_*`.
    pub(crate) number: u32,
    /// Lower comes first.
    pub(crate) priority: i32,
}

/// One part of a set's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Ifname,
    Ipv4,
    Ipv6,
    Ether,
    Mark,
}

impl Field {
    /// The number that nft(8) gives the type, so that it can list the set.
    const fn number(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Ether => 9,
            Self::Mark => 19,
            Self::Ifname => 41,
        }
    }

    /// Bytes in a key: each part begins at a 32-bit register.
    const fn length(self) -> usize {
        match self {
            Self::Ipv4 | Self::Mark => 4,
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
        }
    }
}

/// The definition of a set or, with verdicts, of a verdict map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) table: Table,
    pub(crate) name: &'static str,
    pub(crate) key: &'static [Field],
    pub(crate) verdicts: bool,
    /// Keys are ranges (kernel 5.6 for concatenations); else exact, in a hash.
    pub(crate) ranges: bool,
}

impl Set {
    /// The type of a concatenation, as nft(8) numbers it: six bits for each part.
    fn key_type(&self) -> u32 {
        self.key.iter().fold(0, |all, field| all << 6 | field.number())
    }

    fn key_length(&self) -> usize {
        self.key.iter().map(|field| field.length()).sum()
    }

    /// A key for a person: `cni0 . 10.1.2.3`.
    pub(crate) fn show_key(&self, key: &[u8]) -> String {
        let mut rest = key;
        let mut parts = Vec::with_capacity(self.key.len());
        for field in self.key {
            let (part, others) = rest.split_at(field.length().min(rest.len()));
            parts.push(field.show(part));
            rest = others;
        }
        parts.join(" . ")
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", if self.verdicts { "map" } else { "set" }, self.name, self.table)
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

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Drop,
    Accept,
    Return,
    Jump(String),
    Goto(String),
}

impl Verdict {
    /// `NFT_JUMP` and others: negative numbers.
    const fn code(&self) -> i32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Jump(_) => -3,
            Self::Goto(_) => -4,
            Self::Return => -5,
        }
    }

    /// The chain that it leads to.
    pub(crate) fn chain(&self) -> Option<&str> {
        match self {
            Self::Drop | Self::Accept | Self::Return => None,
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
        }
    }

    /// Reads the inside of `NFTA_DATA_VERDICT`; `None` for verdicts that we never write.
    pub(crate) fn read(code: i32, chain: Option<String>) -> Option<Self> {
        match (code, chain) {
            (0, _) => Some(Self::Drop),
            (1, _) => Some(Self::Accept),
            (-3, Some(chain)) => Some(Self::Jump(chain)),
            (-4, Some(chain)) => Some(Self::Goto(chain)),
            (-5, _) => Some(Self::Return),
            _ => None,
        }
    }

    /// Writes it as the data `kind` of an element or expression.
    pub(crate) fn write(&self, batch: &mut Batch, kind: u16) {
        batch.nest(kind, |data| {
            data.nest(2, |verdict| {
                verdict.be32(1, self.code().cast_unsigned());
                if let Some(chain) = self.chain() {
                    verdict.text(2, chain);
                }
            });
        });
    }
}

/// An element of a set, or of a map when it has a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) set: &'static Set,
    pub(crate) key: Vec<u8>,
    /// The last key of the range, in a set of ranges.
    pub(crate) end: Option<Vec<u8>>,
    pub(crate) verdict: Option<Verdict>,
    /// At most 128 bytes; empty is none.
    pub(crate) comment: String,
}

impl Element {
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

/// One typed entry of the "user data" that nft(8) keeps with an object; the kernel only stores it.
fn user_data(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, u8::try_from(value.len()).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(&value[..usize::from(bytes[1])]);
    bytes
}

/// A comment as user data: text with its NUL.
pub(super) fn comment_data(kind: u8, comment: &str) -> Vec<u8> {
    let mut text = comment.as_bytes().to_vec();
    text.push(0);
    user_data(kind, &text)
}

/// Reads a comment back from the user data of an element (0) or a rule (0): both use the same number.
pub(crate) fn read_comment(mut data: &[u8]) -> String {
    while let [kind, length, rest @ ..] = data {
        let Some((value, others)) = rest.split_at_checked(usize::from(*length)) else { break };
        if *kind == 0 {
            return read_text(value);
        }
        data = others;
    }
    String::new()
}

impl Table {
    /// The attributes of `NFT_MSG_NEWTABLE`.
    pub(super) fn write(self, batch: &mut Batch, comment: &str) {
        batch.text(1, self.name);
        batch.attribute(6, &comment_data(0, comment));
    }
}

impl Hook {
    /// The attributes that make a chain a base chain.
    pub(super) fn write(self, batch: &mut Batch) {
        batch.nest(4, |hook| {
            hook.be32(1, self.number);
            hook.be32(2, self.priority.cast_unsigned());
        });
        // Policy: accept.
        batch.be32(5, 1);
        batch.text(7, self.kind);
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
        let map = if self.verdicts { MAP } else { 0 };
        batch.be32(3, map | if self.ranges { INTERVAL | CONCATENATION } else { 0 });
        batch.be32(4, self.key_type());
        batch.be32(5, u32::try_from(self.key_length()).unwrap_or(u32::MAX));
        if self.verdicts {
            batch.be32(6, VERDICT);
            batch.be32(7, 0);
        }
        if self.ranges {
            // The lengths of the parts: each is matched as a range of its own.
            batch.nest(9, |description| {
                description.nest(2, |parts| {
                    for field in self.key {
                        let length = u32::try_from(field.length()).unwrap_or(u32::MAX);
                        parts.nest(1, |part| part.be32(1, length));
                    }
                });
            });
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

    const SET: Set = Set {
        table: Table { family: Family::Inet, name: "t" },
        name: "s",
        key: &[Field::Ifname, Field::Ipv4],
        verdicts: true,
        ranges: false,
    };

    #[test]
    fn a_key_is_written_and_shown_part_by_part() {
        let key = Key::default().ifname("cni0").bytes(&[10, 1, 2, 3]).done();
        assert_eq!(key.len(), SET.key_length());
        assert_eq!(SET.show_key(&key), "cni0 . 10.1.2.3");
        assert_eq!(SET.key_type(), 0xa47);
        assert_eq!(SET.to_string(), "map s of table inet t");
        assert_eq!(SET.show_key(&key[..18]), "cni0 . 10.1.0.0");
        assert_eq!(Key::default().bytes(&[1, 2, 3, 4, 5, 6]).done().len(), 8);
        assert_eq!(Key::default().ifname("a-name-that-is-too-long").done().len(), 16);
    }

    #[test]
    fn comments_are_read_back_and_rubbish_is_none() {
        assert_eq!(read_comment(&comment_data(0, "hello")), "hello");
        let mut two = user_data(3, &[1, 2, 3]);
        two.extend(comment_data(0, "x"));
        assert_eq!(read_comment(&two), "x");
        assert_eq!(read_comment(&[0, 200, b'x']), "");
        assert_eq!(read_comment(&[]), "");
    }
}
