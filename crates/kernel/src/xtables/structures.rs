//! The kernel's structures of matches and targets (`linux/netfilter/xt_*.h`, `linux/netfilter_ipv4/ipt_*.h`), in the revisions
//! that iptables has used for at least ten years.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Action, Match};

/// A match or target as the kernel takes it, filled up to eight bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structure {
    pub(crate) name: &'static str,
    pub(crate) revision: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Structure {
    /// Whether the kernel has the same. It may leave out what fills up to eight bytes.
    fn is(&self, name: &[u8], revision: u32, bytes: &[u8]) -> bool {
        let length = self.bytes.len().min(bytes.len());
        self.name.as_bytes() == name
            && u32::from(self.revision) == revision
            && length + 8 > self.bytes.len()
            && self.bytes[..length] == bytes[..length]
    }
}

/// Writes numbers at their places into a structure of a length.
struct Form(Vec<u8>);

impl Form {
    fn new(length: usize) -> Self {
        Self(vec![0; length])
    }

    fn with(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn named(self, name: &'static str, revision: u8) -> Structure {
        Structure { name, revision, bytes: self.0 }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The structures of TCP, UDP and SCTP with one destination port.
fn port(protocol: u8, port: u16) -> Option<Structure> {
    let one = [port.to_ne_bytes(), port.to_ne_bytes()].concat();
    let any = [0u16.to_ne_bytes(), u16::MAX.to_ne_bytes()].concat();
    Some(match protocol {
        // Sources, then destinations: first and last.
        6 => Form::new(16).with(0, &any).with(4, &one).named("tcp", 0),
        17 => Form::new(16).with(0, &any).with(4, &one).named("udp", 0),
        // Destinations, sources; no kind of chunk four times; `XT_SCTP_DEST_PORTS`.
        132 => {
            let form = Form::new(296).with(0, &one).with(284, &2u32.to_ne_bytes());
            [268, 271, 274, 277].into_iter().fold(form, |form, at| form.with(at, &[0xff])).named("sctp", 0)
        }
        _ => return None,
    })
}

/// The match of a connection's state: `XT_CONNTRACK_STATE`, and which.
fn state(states: u16) -> Structure {
    Form::new(168).with(146, &1u16.to_ne_bytes()).with(150, &states.to_ne_bytes()).named("conntrack", 3)
}

/// [`Match::Answers`]: `IP_CT_ESTABLISHED` and `IP_CT_RELATED` as bits.
pub(crate) fn answers() -> Structure {
    state(1 << 1 | 1 << 2)
}

/// [`Match::Redirected`]: `XT_CONNTRACK_STATE_DNAT`.
pub(crate) fn redirected() -> Structure {
    state(1 << 7)
}

/// [`Match::Comment`], of which 255 bytes are kept.
pub(crate) fn commented(text: &str) -> Structure {
    // The last byte is its NUL.
    let text = text.as_bytes().get(..255).unwrap_or(text.as_bytes());
    Form::new(256).with(0, text).named("comment", 0)
}

impl Match {
    /// As the kernel takes it, in a rule of this protocol; `None` when it cannot be written.
    pub(crate) fn structure(&self, protocol: Option<u8>) -> Option<Structure> {
        Some(match self {
            Self::Comment(text) => commented(text),
            Self::Port(number) => port(protocol?, *number)?,
            Self::Ports(ports) => {
                let count = u8::try_from(ports.len()).ok().filter(|count| (1..=15).contains(count))?;
                let bytes: Vec<u8> = ports.iter().flat_map(|port| port.to_ne_bytes()).collect();
                // `XT_MULTIPORT_DESTINATION`.
                Form::new(48).with(0, &[1, count]).with(2, &bytes).named("multiport", 1)
            }
            Self::Mark(value, mask) => {
                Form::new(16).with(0, &value.to_ne_bytes()).with(4, &mask.to_ne_bytes()).named("mark", 1)
            }
            // The bit `RTN_LOCAL` of the kinds of destination.
            Self::ToHost => Form::new(8).with(2, &4u16.to_ne_bytes()).named("addrtype", 1),
            Self::Answers => answers(),
            Self::Redirected => redirected(),
            Self::Unknown => return None,
        })
    }

    /// Reads it back; what it would not write itself is unknown.
    pub(crate) fn of(name: &[u8], revision: u32, bytes: &[u8], protocol: Option<u8>) -> Self {
        let read = || {
            Some(match name {
                b"comment" => {
                    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                    return Some(Self::Comment(String::from_utf8_lossy(&bytes[..end]).into_owned()));
                }
                b"tcp" | b"udp" => Self::Port(u16_at(bytes, 4)?),
                b"sctp" => Self::Port(u16_at(bytes, 0)?),
                b"multiport" => {
                    let count = usize::from(*bytes.get(1)?);
                    Self::Ports((0..count).map(|at| u16_at(bytes, 2 + 2 * at)).collect::<Option<_>>()?)
                }
                b"mark" => Self::Mark(u32_at(bytes, 0)?, u32_at(bytes, 4)?),
                b"addrtype" => Self::ToHost,
                b"conntrack" if u16_at(bytes, 150)? == 1 << 7 => Self::Redirected,
                b"conntrack" => Self::Answers,
                _ => return None,
            })
        };
        let found = read().filter(|found| {
            matches!(found, Self::Comment(_))
                || found.structure(protocol).is_some_and(|own| own.is(name, revision, bytes))
        });
        found.unwrap_or(Self::Unknown)
    }
}

impl Action {
    /// As the kernel takes it, if it is a target and no verdict.
    pub(crate) fn structure(&self, v6: bool) -> Option<Structure> {
        Some(match self {
            // A range, in which nothing is asked for; in IPv4 the number of ranges before it.
            Self::Masquerade if v6 => Form::new(40).named("MASQUERADE", 0),
            Self::Masquerade => Form::new(24).with(0, &1u32.to_ne_bytes()).named("MASQUERADE", 0),
            Self::Redirect(to) => {
                let address = match to.ip() {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                let port = to.port().to_be_bytes();
                // `NF_NAT_RANGE_MAP_IPS` and `NF_NAT_RANGE_PROTO_SPECIFIED`; first and last of each.
                let form = Form::new(48).with(0, &3u32.to_ne_bytes()).with(4, &address).with(20, &address);
                form.with(36, &port).with(38, &port).named("DNAT", 2)
            }
            Self::SetMark(value, mask) => {
                Form::new(8).with(0, &value.to_ne_bytes()).with(4, &mask.to_ne_bytes()).named("MARK", 2)
            }
            _ => return None,
        })
    }

    /// Reads a target back; what it would not write itself is unknown.
    pub(crate) fn of(name: &[u8], revision: u32, bytes: &[u8], v6: bool) -> Self {
        let read = || {
            Some(match name {
                b"MASQUERADE" => Self::Masquerade,
                b"DNAT" => {
                    let port = u16::from_be_bytes(bytes.get(36..38)?.try_into().ok()?);
                    let address: IpAddr = if v6 {
                        Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(4..20)?).ok()?).into()
                    } else {
                        Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(4..8)?).ok()?).into()
                    };
                    Self::Redirect(SocketAddr::new(address, port))
                }
                b"MARK" => Self::SetMark(u32_at(bytes, 0)?, u32_at(bytes, 4)?),
                _ => return None,
            })
        };
        let found = read().filter(|found| found.structure(v6).is_some_and(|own| own.is(name, revision, bytes)));
        found.unwrap_or(Self::Unknown)
    }
}
