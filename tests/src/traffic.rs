//! Real traffic between namespaces. It must not know who connected them.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::sockopt::Ipv6MulticastHops;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt, socket,
};

use crate::process::PATIENCE;
use crate::{Namespace, eventually};

/// How long a connection that may be refused or dropped is waited for.
const ANSWER: Duration = Duration::from_millis(1500);

/// A server in a namespace that answers every TCP connection and every UDP datagram with the peer's address as the
/// server sees it. Both families. It ends with this value.
#[derive(Debug)]
pub struct Echo {
    port: u16,
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl Echo {
    /// Its port, the same for TCP and UDP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

impl Namespace {
    /// Whether one of two echo requests is answered.
    #[must_use]
    #[track_caller]
    pub fn ping(&self, address: impl ToString) -> bool {
        self.attempt(&format!("ping -n -q -c 2 -i 0.2 -W 1 {}", address.to_string())).status.success()
    }

    /// It must become able to reach `address`.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn reaches(&self, address: impl ToString) {
        let address = address.to_string();
        eventually(&format!("{} pings {address}", self.label()), || {
            let output = self.attempt(&format!("ping -n -q -c 1 -W 1 {address}"));
            if output.status.success() { Ok(()) } else { Err(format!("{}{}", output.text(), output.complaint())) }
        });
    }

    /// It must not reach `address`.
    ///
    /// # Panics
    /// When it does.
    #[track_caller]
    pub fn cannot_reach(&self, address: impl ToString) {
        let address = address.to_string();
        assert!(!self.ping(&address), "{} reaches {address}", self.label());
    }

    /// Starts an echo server in here, on a free port.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    #[track_caller]
    pub fn echo(&self) -> Echo {
        self.echo_on(0)
    }

    /// Starts an echo server in here, on this port; 0 for a free one.
    ///
    /// # Panics
    /// When that fails, e.g. because the port is taken.
    #[must_use]
    #[track_caller]
    pub fn echo_on(&self, port: u16) -> Echo {
        let (listener, socket) = self.enter(|| {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).expect("listen on TCP");
            let port = listener.local_addr().expect("a listener has an address").port();
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).expect("listen on UDP");
            (listener, socket)
        });
        listener.set_nonblocking(true).expect("a listener that does not block");
        socket.set_nonblocking(true).expect("a socket that does not block");
        let port = listener.local_addr().expect("a listener has an address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let worker = thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                serve(&listener, &socket);
            }
        });
        Echo { port, stop, worker: Some(worker) }
    }

    /// Sends a router advertisement from `device` to all nodes: "I am your router, and `prefix` (of 64 bits) is yours".
    ///
    /// # Panics
    /// When it cannot be sent.
    #[track_caller]
    pub fn poses_as_router(&self, device: &str, prefix: Ipv6Addr) {
        let index = u32::try_from(self.link(device).index).expect("an index fits");
        // RFC 4861, sections 4.2 and 4.6.2: lifetime 1800 s; on-link and autonomous, valid and preferred for 3600 s.
        let mut packet = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        packet.extend([3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0]);
        packet.extend(prefix.octets());
        let all_nodes = SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), 0, 0, index);
        self.enter(|| {
            let flags = SockFlag::SOCK_CLOEXEC;
            let raw = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6).expect("a raw socket");
            setsockopt(&raw, Ipv6MulticastHops, &255).expect("a hop limit");
            sendto(raw.as_raw_fd(), &packet, &SockaddrIn6::from(all_nodes), MsgFlags::empty()).expect("send");
        });
    }

    /// Asks an echo server by TCP; the source address that it saw, or `None` when there is no connection.
    #[must_use]
    pub fn asks_tcp(&self, server: IpAddr, echo: &Echo) -> Option<IpAddr> {
        self.asks_tcp_at(SocketAddr::new(server, echo.port))
    }

    /// Asks whatever answers at `target` by TCP, e.g. an echo server behind a published port; the source address that
    /// it saw, or `None` when there is no connection.
    #[must_use]
    pub fn asks_tcp_at(&self, target: SocketAddr) -> Option<IpAddr> {
        let mut stream = self.enter(|| TcpStream::connect_timeout(&target, ANSWER)).ok()?;
        stream.set_read_timeout(Some(ANSWER)).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.parse().ok()
    }

    /// Asks an echo server by UDP; the source address that it saw, or `None` when there is no answer.
    #[must_use]
    pub fn asks_udp(&self, server: IpAddr, echo: &Echo) -> Option<IpAddr> {
        self.asks_udp_at(SocketAddr::new(server, echo.port))
    }

    /// Asks whatever answers at `target` by UDP; the source address that it saw, or `None` when there is no answer.
    #[must_use]
    pub fn asks_udp_at(&self, target: SocketAddr) -> Option<IpAddr> {
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = self.enter(|| UdpSocket::bind(any)).ok()?;
        socket.set_read_timeout(Some(ANSWER)).ok()?;
        socket.send_to(b"who am I?", target).ok()?;
        let mut buffer = [0; 64];
        let (length, _) = socket.recv_from(&mut buffer).ok()?;
        std::str::from_utf8(buffer.get(..length)?).ok()?.parse().ok()
    }

    /// A stream of `length` bytes by TCP to `address`, which is `there`'s, arrives whole and as it was sent.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn streams_to(&self, there: &Namespace, address: IpAddr, length: usize) {
        let listener = there.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("listen on TCP"));
        let port = listener.local_addr().expect("a listener has an address").port();
        // No two kilobytes are alike.
        let sent: Vec<u8> =
            (0..length).map(|at| u8::try_from(((at / 7) ^ (at >> 11)) & 0xff).unwrap_or_default()).collect();
        let received = thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                let (mut stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(PATIENCE))?;
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).map(|_| bytes)
            });
            let target = SocketAddr::new(address, port);
            let mut stream = self
                .enter(|| TcpStream::connect_timeout(&target, PATIENCE))
                .unwrap_or_else(|error| panic!("{} connects to {target}: {error}", self.label()));
            stream.write_all(&sent).unwrap_or_else(|error| panic!("{} sends to {target}: {error}", self.label()));
            drop(stream);
            receiver.join().expect("the receiver does not panic")
        });
        let received = received.unwrap_or_else(|error| panic!("{} receives: {error}", there.label()));
        assert!(received == sent, "{} of {length} bytes, or others, arrive at {}", received.len(), there.label());
    }

    /// The source address that an echo server at `server` sees, for TCP and UDP alike.
    ///
    /// # Panics
    /// When there is no answer or the two differ.
    #[must_use]
    #[track_caller]
    pub fn is_seen_as(&self, server: IpAddr, echo: &Echo) -> IpAddr {
        // The first packet after an attachment may meet an unresolved neighbour.
        self.reaches(server);
        let tcp = self.asks_tcp(server, echo).unwrap_or_else(|| panic!("{}: no TCP to {server}", self.label()));
        let udp = self.asks_udp(server, echo).unwrap_or_else(|| panic!("{}: no UDP to {server}", self.label()));
        assert_eq!(tcp, udp, "TCP and UDP from {} look different at {server}", self.label());
        tcp
    }
}

/// Waits a moment for a client and answers whoever is there.
fn serve(listener: &TcpListener, socket: &UdpSocket) {
    let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN), PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ready, 50_u16).unwrap_or(0) == 0 {
        return;
    }
    // A client that is gone meanwhile is no concern of the server's.
    if let Ok((mut stream, peer)) = listener.accept() {
        let _ = stream.write_all(peer.ip().to_canonical().to_string().as_bytes());
    }
    let mut buffer = [0; 64];
    if let Ok((_, peer)) = socket.recv_from(&mut buffer) {
        let _ = socket.send_to(peer.ip().to_canonical().to_string().as_bytes(), peer);
    }
}
