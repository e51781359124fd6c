//! Rules of iptables as values: the text that `iptables-save` prints and `iptables-restore` reads, and the structures in
//! which the kernel has their matches and targets (`linux/netfilter/xt_*.h`). It knows the words that our chains and the
//! reference plugins' are made of; whatever else a rule says is [`Match::Unknown`]. It knows neither of the two interfaces
//! by which rules reach the kernel, nor which rules there are.

mod structures;
mod text;

pub(crate) use structures::{Structure, answers, commented, redirected};
pub(crate) use text::{Line, comment_of, quote};

use std::net::SocketAddr;

use ipnet::IpNet;

/// A value that a packet must have, or must not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Is<T> {
    pub(crate) not: bool,
    pub(crate) value: T,
}

/// A rule, without the chain that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rule {
    /// `-s`.
    pub(crate) source: Option<Is<IpNet>>,
    /// `-d`.
    pub(crate) destination: Option<Is<IpNet>>,
    /// `-i`.
    pub(crate) entry: Option<Is<String>>,
    /// `-o`.
    pub(crate) exit: Option<Is<String>>,
    /// `-p`: `IPPROTO_*`.
    pub(crate) protocol: Option<u8>,
    /// `-m`, in order.
    pub(crate) matches: Vec<Match>,
    /// `-j`.
    pub(crate) action: Action,
}

/// What else a packet must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Match {
    /// `comment --comment`: anything; the text is for people.
    Comment(String),
    /// `tcp --dport`, `udp`, `sctp`: the protocol is the rule's.
    Port(u16),
    /// `multiport --dports`, at most fifteen.
    Ports(Vec<u16>),
    /// `mark --mark value/mask`.
    Mark(u32, u32),
    /// `addrtype --dst-type LOCAL`.
    ToHost,
    /// `conntrack --ctstate RELATED,ESTABLISHED`.
    Answers,
    /// `conntrack --ctstate DNAT`.
    Redirected,
    /// Something that is not known here.
    Unknown,
}

/// What becomes of the packet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Action {
    /// It is counted.
    #[default]
    Nothing,
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
    Masquerade,
    /// `DNAT --to-destination`.
    Redirect(SocketAddr),
    /// `MARK --set-xmark value/mask`.
    SetMark(u32, u32),
    /// Something that is not known here.
    Unknown,
}

impl Rule {
    /// The chain that it leads to.
    pub(crate) fn leads_to(&self) -> Option<&str> {
        match &self.action {
            Action::Jump(chain) | Action::Goto(chain) => Some(chain),
            _ => None,
        }
    }

    /// Notes that it says more than is known here.
    pub(crate) fn more(&mut self) {
        if !self.matches.contains(&Match::Unknown) {
            self.matches.push(Match::Unknown);
        }
    }
}

/// TCP, UDP and SCTP: number, name.
const PROTOCOLS: [(u8, &str); 3] = [(6, "tcp"), (17, "udp"), (132, "sctp")];

#[cfg(test)]
mod tests;
