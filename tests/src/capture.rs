//! Frames as they pass in a namespace. It must not know more of them than a test asks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::{Namespace, eventually};

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Index of the interface where it was seen.
    pub interface: usize,
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The source hardware address, as `ip` writes it.
    #[must_use]
    pub fn source(&self) -> String {
        let bytes = self.bytes.get(6..12).unwrap_or_default();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
    }

    /// The address that a gratuitous ARP packet or an unsolicited neighbour advertisement announces.
    #[must_use]
    pub fn announces(&self) -> Option<IpAddr> {
        match self.bytes.get(12..14)? {
            [0x08, 0x06] => {
                let (sender, target) = (self.bytes.get(28..32)?, self.bytes.get(38..42)?);
                let address: [u8; 4] = sender.try_into().ok()?;
                (sender == target && address != [0; 4]).then(|| Ipv4Addr::from(address).into())
            }
            [0x86, 0xdd] => {
                // Next header ICMPv6, type 136, sent to all nodes.
                let all_nodes = self.bytes.get(38..54)? == "ff02::1".parse::<Ipv6Addr>().ok()?.octets();
                let advertisement = self.bytes.get(20)? == &58 && self.bytes.get(54)? == &136;
                let address: [u8; 16] = self.bytes.get(62..78)?.try_into().ok()?;
                (all_nodes && advertisement).then(|| Ipv6Addr::from(address).into())
            }
            _ => None,
        }
    }
}

/// All frames of all interfaces of a namespace since the capture was opened.
#[derive(Debug)]
pub struct Capture {
    socket: OwnedFd,
    seen: Vec<Frame>,
}

impl Namespace {
    /// Starts a capture; interfaces that come later are included.
    ///
    /// # Panics
    /// When the kernel has no packet sockets.
    #[must_use]
    #[track_caller]
    pub fn capture(&self) -> Capture {
        let socket = self.enter(|| {
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
                .expect("a packet socket (needs root and the kernel's CONFIG_PACKET)")
        });
        let moment = TimeVal::milliseconds(50);
        setsockopt(&socket, ReceiveTimeout, &moment).expect("a receive timeout");
        // So that nothing is lost before the test looks: "was not seen" counts, too.
        setsockopt(&socket, RcvBufForce, &(64 << 20)).expect("a large buffer (needs root)");
        Capture { socket, seen: Vec::new() }
    }
}

impl Capture {
    /// Waits, bounded, for a frame that `wanted` accepts; frames seen before count.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        eventually(&format!("capture {what}"), || {
            self.receive();
            self.seen.iter().find(|frame| wanted(frame)).cloned().ok_or_else(|| self.summary())
        })
    }

    /// All frames so far.
    pub fn frames(&mut self) -> &[Frame] {
        while self.receive() {}
        &self.seen
    }

    /// Receives one frame; false when none comes within a moment.
    fn receive(&mut self) -> bool {
        let mut buffer = vec![0; 65536];
        match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer) {
            Ok((length, from)) => {
                buffer.truncate(length);
                let interface = from.map_or(0, |address| address.ifindex());
                self.seen.push(Frame { interface, bytes: buffer });
                true
            }
            // ENETDOWN: an interface went away; the socket serves the others.
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            Err(Errno::ENETDOWN) => true,
            Err(error) => panic!("receive a frame: {error}"),
        }
    }

    fn summary(&self) -> String {
        let lines = self.seen.iter().map(|frame| {
            let head: String = frame.bytes.iter().take(78).map(|byte| format!("{byte:02x}")).collect();
            format!("interface {}: {head}", frame.interface)
        });
        format!("{} frames, none of them wanted\n{}", self.seen.len(), lines.collect::<Vec<_>>().join("\n"))
    }
}
