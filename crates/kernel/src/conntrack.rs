//! The connections that the kernel tracks, over netlink (`linux/netfilter/nfnetlink_conntrack.h`): which ones use a port,
//! and making the kernel forget some. It knows nothing of who published the port.

use std::io;
use std::net::IpAddr;

use cnm::{KernelError, Protocol};

use crate::netlink::{self, Attributes, Batch, Message, Netlink, flags};

/// `NFNL_SUBSYS_CTNETLINK`.
const SUBSYSTEM: u16 = 1;
const GET: u16 = SUBSYSTEM << 8 | 1;
const DELETE: u16 = SUBSYSTEM << 8 | 2;
/// `struct nfgenmsg`.
const HEADER: usize = 4;

/// `CTA_*`.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
const FILTER: u16 = 25;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// `CTA_FILTER_F_CTA_PROTO_NUM` and `CTA_FILTER_F_CTA_PROTO_DST_PORT`: what of the original tuple is compared.
const BY_PROTOCOL: u32 = 1 << 3;
const BY_PORT: u32 = 1 << 5;

const ENOENT: i32 = 2;
const EINVAL: i32 = 22;
/// Deletions in one send: each is answered, and the answers wait in the socket's buffer.
const AT_ONCE: usize = 64;

/// One tracked connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flow {
    /// To which address its first packet was sent.
    pub(crate) to: IpAddr,
    /// Where answers come from: `to`, or where the packets are redirected.
    pub(crate) answers_from: (IpAddr, u16),
    protocol: u8,
    /// To which port.
    pub(crate) port: u16,
    /// What names it: the original direction, its number, its zone, as the kernel has sent them.
    tuple: Vec<u8>,
    id: Vec<u8>,
    zone: Option<Vec<u8>>,
}

const fn header(v6: bool) -> [u8; HEADER] {
    [if v6 { 10 } else { 2 }, 0, 0, 0]
}

/// A socket for the namespace of the calling thread.
#[derive(Debug)]
pub(crate) struct Conntrack {
    socket: Netlink,
}

impl Conntrack {
    pub(crate) fn open() -> Result<Self, KernelError> {
        let socket = Netlink::open(netlink::NETFILTER);
        Ok(Self { socket: socket.map_err(|error| KernelError::io("open connection tracking", &error))? })
    }

    /// The connections whose first packet was sent to one of these ports. The kernel picks them out as far as it can
    /// (since 5.8): by one port, or by the protocol. It goes through its whole table for each question, which takes some
    /// milliseconds even if that is empty, so all ports are asked for at once.
    pub(crate) fn flows(&mut self, v6: bool, protocol: Protocol, ports: &[u16]) -> Result<Vec<Flow>, KernelError> {
        let wanted = |flow: &Flow| flow.protocol == protocol.number() && ports.contains(&flow.port);
        let only = if let [port] = ports { Some(*port) } else { None };
        let fill = |batch: &mut Batch| {
            batch.message(GET, flags::DUMP, &header(v6));
            batch.nest(ORIGINAL, |tuple| {
                tuple.nest(2, |transport| {
                    transport.u8(1, protocol.number());
                    if let Some(port) = only {
                        transport.attribute(3, &port.to_be_bytes());
                    }
                });
            });
            batch.nest(FILTER, |filter| {
                filter.u32(1, if only.is_some() { BY_PROTOCOL | BY_PORT } else { BY_PROTOCOL });
                filter.u32(2, 0);
            });
        };
        let each = |found: &mut Vec<Flow>, message: Message<'_>| found.extend(read(&message).filter(wanted));
        match self.socket.dump(fill, each) {
            // A kernel that keeps its connections to itself (no CONFIG_NF_CT_NETLINK).
            Err(refusal) if refusal.errno == EINVAL => Ok(Vec::new()),
            found => found.map_err(|refusal| {
                KernelError::new(format!("list the connections by {protocol}"), refusal.errno, refusal.words)
            }),
        }
    }

    /// Makes the kernel forget connections; those that have ended meanwhile are forgotten already.
    pub(crate) fn forget(&mut self, flows: &[Flow]) -> Result<(), KernelError> {
        let lost = |error: &io::Error| KernelError::io("forget connections", error);
        for some in flows.chunks(AT_ONCE) {
            let mut batch = self.socket.batch();
            for flow in some {
                batch.message(DELETE, flags::ACK, &header(flow.to.is_ipv6()));
                batch.attribute(NESTED | ORIGINAL, &flow.tuple);
                batch.attribute(ID, &flow.id);
                if let Some(zone) = &flow.zone {
                    batch.attribute(ZONE, zone);
                }
            }
            for answer in self.socket.exchange(&batch, |_| {}).map_err(|error| lost(&error))? {
                match answer {
                    Err(refusal) if refusal.errno != ENOENT => {
                        return Err(KernelError::new("forget a connection", refusal.errno, refusal.words));
                    }
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

fn read(message: &Message<'_>) -> Option<Flow> {
    let attributes = message.attributes(HEADER);
    let tuple = attributes.find(ORIGINAL)?;
    let (original, reply) = (Attributes::inside(tuple), Attributes::inside(attributes.find(REPLY)?));
    let (to, transport) = (addresses(original)?.1, ports(original)?);
    let (from, answers) = (addresses(reply)?.0, ports(reply)?);
    Some(Flow {
        to,
        answers_from: (from, answers.1),
        protocol: transport.0,
        port: transport.2,
        tuple: tuple.to_vec(),
        id: attributes.find(ID)?.to_vec(),
        zone: attributes.find(ZONE).map(<[u8]>::to_vec),
    })
}

/// Source and destination of a tuple.
fn addresses(tuple: Attributes<'_>) -> Option<(IpAddr, IpAddr)> {
    let inside = Attributes::inside(tuple.find(1)?);
    let v4 = |kind| Some(IpAddr::from(<[u8; 4]>::try_from(inside.find(kind)?).ok()?));
    let v6 = |kind| Some(IpAddr::from(<[u8; 16]>::try_from(inside.find(kind)?).ok()?));
    Some((v4(1).or_else(|| v6(3))?, v4(2).or_else(|| v6(4))?))
}

/// Protocol, source port and destination port of a tuple.
fn ports(tuple: Attributes<'_>) -> Option<(u8, u16, u16)> {
    let inside = Attributes::inside(tuple.find(2)?);
    let port = |kind| Some(u16::from_be_bytes(inside.find(kind)?.get(..2)?.try_into().ok()?));
    Some((*inside.find(1)?.first()?, port(2)?, port(3)?))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// By one port, one protocol, one family; the neighbour at another port is left alone.
    #[test]
    fn connections_are_found_by_port_and_forgotten() {
        std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root is needed: run with sudo");
            let quiet = |program: &str, arguments: &[&str]| {
                #[expect(clippy::disallowed_methods, reason = "a namespace is furnished by the usual programs")]
                let output = std::process::Command::new(program).args(arguments).output().unwrap();
                assert!(
                    output.status.success(),
                    "{program} {arguments:?}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            };
            quiet("ip", &["link", "set", "lo", "up"]);
            // Tracking begins with the first rule that needs it.
            quiet("nft", &["add table ip t"]);
            quiet("nft", &["add chain ip t c { type filter hook output priority 0; }"]);
            quiet("nft", &["add rule ip t c ct state new counter"]);
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for port in [5000, 5000, 5001] {
                socket.send_to(b"x", ("127.0.0.1", port)).unwrap();
            }
            let mut conntrack = Conntrack::open().unwrap();
            let flows = conntrack.flows(false, Protocol::Udp, &[5000]).unwrap();
            assert_eq!(flows.len(), 1, "{flows:?}");
            assert_eq!(flows[0].answers_from, (IpAddr::from([127, 0, 0, 1]), 5000));
            assert_eq!(conntrack.flows(false, Protocol::Sctp, &[5000]).unwrap(), []);
            assert_eq!(conntrack.flows(true, Protocol::Udp, &[5000]).unwrap(), []);
            let both = conntrack.flows(false, Protocol::Udp, &[5000, 5001, 5002]).unwrap();
            assert_eq!(
                both.iter().map(|flow| flow.port).collect::<std::collections::BTreeSet<_>>(),
                [5000, 5001].into()
            );
            conntrack.forget(&flows).unwrap();
            conntrack.forget(&flows).unwrap();
            assert_eq!(conntrack.flows(false, Protocol::Udp, &[5000]).unwrap(), []);
            assert_eq!(conntrack.flows(false, Protocol::Udp, &[5001]).unwrap().len(), 1, "the neighbour stays");
        })
        .join()
        .unwrap();
    }
}
