//! SCTP: most kernels have no sockets of it, but every one forwards its packets. One is written by hand.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

use cnm_tests::{Frame, Host, Namespace};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket};

use crate::{attach, mapping, network, portmap, publish, settle};

/// CRC-32C (RFC 9260, appendix A), bit by bit.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    (!crc).to_le_bytes()
}

/// Sends an INIT from port 4242; the kernel completes the IPv4 header.
fn send_init(from: &Namespace, to: SocketAddrV4) {
    let mut sctp = vec![0x10, 0x92];
    sctp.extend(to.port().to_be_bytes());
    sctp.extend([0; 8]);
    // INIT: tag, window, streams, first number.
    sctp.extend([1, 0, 0, 20, 0, 0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9]);
    let sum = checksum(&sctp);
    sctp[8..12].copy_from_slice(&sum);
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 132, 0, 0, 0, 0, 0, 0];
    packet.extend(to.ip().octets());
    packet.extend(sctp);
    from.enter(|| {
        let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw)
            .expect("a raw socket");
        sendto(raw.as_raw_fd(), &packet, &SockaddrIn::from(to), MsgFlags::empty()).expect("send");
    });
}

/// Whether a frame is an SCTP packet to this address and port.
fn is_to(frame: &Frame, address: Ipv4Addr, port: u16) -> bool {
    frame.bytes.get(12..14) == Some(&[0x08, 0x00])
        && frame.bytes.get(23) == Some(&132)
        && frame.bytes.get(30..34) == Some(&address.octets())
        && frame.bytes.get(36..38) == Some(&port.to_be_bytes())
}

#[test]
fn sctp_is_redirected_like_the_others() {
    for backend in ["nftables", "iptables"] {
        let host = Host::new();
        let outside = host.outside();
        let web = network("web", 2);
        let (one, first) = attach(&host, &web, "one");
        settle(&one);
        let conf = portmap(&web, &[mapping(3868, 38, "sctp")]).with("backend", backend);
        publish(&host, &conf, &one, &first).succeeds();
        let mut seen = one.capture();
        send_init(&outside, SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 3868));
        seen.wait_for("an SCTP packet", |frame| is_to(frame, Ipv4Addr::new(10, 1, 2, 2), 38));
        assert!(!host.attempt("conntrack -L -p sctp").text().is_empty(), "{backend}");
        host.del(&conf, &one).succeeds_silently();
        assert_eq!(host.attempt("conntrack -L -p sctp").text(), "", "{backend}: forgotten with the port");
    }
}
