//! The objects of nf_tables beside sets as plain values, and how they are written into a message
//! (`linux/netfilter/nf_tables.h`). It knows nothing of which tables we install.

use std::fmt;

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

/// One typed entry of the "user data" that nft(8) keeps with an object; the kernel only stores it.
pub(super) fn user_data(kind: u8, value: &[u8]) -> Vec<u8> {
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
    /// The attributes of `NFT_MSG_NEWTABLE`. An empty comment is none.
    pub(super) fn write(self, batch: &mut Batch, comment: &str) {
        batch.text(1, self.name);
        if !comment.is_empty() {
            batch.attribute(6, &comment_data(0, comment));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
