//! The kernel floor: only the netlink messages that no plugin can do without for one endpoint of a bridge, or of a parent.
//!
//! ADD makes a veth pair whose peer is born in the sandbox, or a macvlan that is, then gives it its addresses, brings it up and adds the
//! default routes; DEL removes it by name. No IPAM, no firewall, no result beyond `{}`: what is left of a plugin's
//! time above this program's is the plugin's own. It knows nothing of the project's crates on purpose.
//!
//! Besides the CNI variables it takes `FLOOR_LINK` (host end), `FLOOR_BRIDGE` or `FLOOR_PARENT`, and `FLOOR_ADDRESSES`
//! (`address/prefix>gateway`, separated by commas).

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns};

const REQUEST_ACK: u16 = 0x1 | 0x4;
const ECHO: u16 = 0x8;
const CREATE_EXCL: u16 = 0x200 | 0x400;

/// Appends one attribute: length, type, value, padding to four bytes.
fn attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    to.extend_from_slice(&u16::try_from(value.len() + 4).unwrap_or(u16::MAX).to_ne_bytes());
    to.extend_from_slice(&kind.to_ne_bytes());
    to.extend_from_slice(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// A NUL-terminated name as `IFLA_IFNAME`.
fn name(to: &mut Vec<u8>, name: &str) {
    attribute(to, 3, format!("{name}\0").as_bytes());
}

/// `nlmsghdr` and `body`, which begins with the family's own header.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 16).unwrap_or(u32::MAX).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(REQUEST_ACK | flags).to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(body);
    bytes
}

/// `ifinfomsg`: family and type 0, index, and IFF_UP when `up`.
fn link(index: u32, up: bool) -> Vec<u8> {
    let mut body = vec![0; 4];
    for word in [index, u32::from(up), u32::from(up)] {
        body.extend_from_slice(&word.to_ne_bytes());
    }
    body
}

/// The kernel binds it with the first message.
fn open() -> Result<Socket> {
    Socket::new(NETLINK_ROUTE).context("open a route socket")
}

/// Sends everything at once and waits for `acks` acknowledgements; returns the first other message.
fn exchange(socket: &Socket, messages: &[u8], mut acks: u32) -> Result<Vec<u8>> {
    socket.send(messages, 0).context("send")?;
    let (mut echoed, mut buffer) = (Vec::new(), Vec::with_capacity(4096));
    while acks > 0 {
        buffer.clear();
        socket.recv(&mut buffer, 0).context("receive")?;
        if buffer[4..6] == [2, 0] {
            let errno = i32::from_ne_bytes(buffer[16..20].try_into()?);
            ensure!(errno == 0, "the kernel refused: {}", std::io::Error::from_raw_os_error(-errno));
            acks -= 1;
        } else {
            echoed = buffer.clone();
        }
    }
    Ok(echoed)
}

/// Makes the pair; returns the index of the end in the sandbox, which the echo carries as `IFLA_LINK`.
fn create(socket: &Socket, host: &str, bridge: u32, ifname: &str, sandbox: &File) -> Result<u32> {
    use std::os::fd::AsRawFd;
    let mut peer = link(0, false);
    name(&mut peer, ifname);
    attribute(&mut peer, 28, &sandbox.as_raw_fd().to_ne_bytes());
    let (mut data, mut info, mut body) = (Vec::new(), Vec::new(), link(0, true));
    attribute(&mut data, 1, &peer);
    attribute(&mut info, 1, b"veth");
    attribute(&mut info, 2, &data);
    name(&mut body, host);
    attribute(&mut body, 10, &bridge.to_ne_bytes());
    attribute(&mut body, 18, &info);
    let echoed = exchange(socket, &message(16, CREATE_EXCL | ECHO, &body), 1)?;
    let mut at = 32;
    while let Some(head) = echoed.get(at..at + 8) {
        let length = u16::from_ne_bytes([head[0], head[1]]);
        if head[2..4] == [5, 0] {
            return Ok(u32::from_ne_bytes([head[4], head[5], head[6], head[7]]));
        }
        at += usize::from(length.max(4)).next_multiple_of(4);
    }
    bail!("the echo names no peer")
}

/// Makes a macvlan in mode bridge. It is in the sandbox: that alone knows its index.
fn create_macvlan(socket: &Socket, parent: u32, ifname: &str, sandbox: &File) -> Result<()> {
    use std::os::fd::AsRawFd;
    let (mut data, mut info, mut body) = (Vec::new(), Vec::new(), link(0, false));
    attribute(&mut data, 1, &4u32.to_ne_bytes());
    attribute(&mut info, 1, b"macvlan");
    attribute(&mut info, 2, &data);
    name(&mut body, ifname);
    attribute(&mut body, 5, &parent.to_ne_bytes());
    attribute(&mut body, 28, &sandbox.as_raw_fd().to_ne_bytes());
    attribute(&mut body, 18, &info);
    exchange(socket, &message(16, CREATE_EXCL, &body), 1)?;
    Ok(())
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn add(env: impl Fn(&str) -> Result<String>) -> Result<()> {
    let sandbox = File::open(env("CNI_NETNS")?).context("open the sandbox")?;
    let ifname = env("CNI_IFNAME")?;
    let index = match env("FLOOR_PARENT") {
        Ok(parent) => {
            let parent = if_nametoindex(parent.as_str()).context("find the parent")?;
            create_macvlan(&open()?, parent, &ifname, &sandbox)?;
            None
        }
        Err(_) => {
            let bridge = if_nametoindex(env("FLOOR_BRIDGE")?.as_str()).context("find the bridge")?;
            Some(create(&open()?, &env("FLOOR_LINK")?, bridge, &ifname, &sandbox)?)
        }
    };
    #[expect(clippy::disallowed_methods, reason = "the floor knows nothing of the project, and does not come back")]
    setns(&sandbox, CloneFlags::CLONE_NEWNET).context("enter the sandbox")?;
    let index = match index {
        Some(index) => index,
        None => if_nametoindex(ifname.as_str()).context("find the link")?,
    };
    let (mut addresses, mut routes) = (Vec::new(), Vec::new());
    let mut acks = 1;
    for entry in env("FLOOR_ADDRESSES")?.split(',') {
        let (address, gateway) = entry.split_once('>').context("address/prefix>gateway")?;
        let (address, prefix) = address.split_once('/').context("address/prefix")?;
        let (address, gateway): (IpAddr, IpAddr) = (address.parse()?, gateway.parse()?);
        let family: u8 = if address.is_ipv4() { 2 } else { 10 };
        // ifaddrmsg, with IFA_F_NODAD; IFA_LOCAL and IFA_ADDRESS.
        let mut body = vec![family, prefix.parse()?, 2, 0];
        body.extend_from_slice(&index.to_ne_bytes());
        attribute(&mut body, 2, &octets(address));
        attribute(&mut body, 1, &octets(address));
        addresses.extend(message(20, CREATE_EXCL, &body));
        // rtmsg: table main, protocol static, scope universe, unicast; RTA_GATEWAY and RTA_OIF.
        let mut body = vec![family, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
        attribute(&mut body, 5, &octets(gateway));
        attribute(&mut body, 4, &index.to_ne_bytes());
        routes.extend(message(24, CREATE_EXCL, &body));
        acks += 2;
    }
    let up = message(16, 0, &link(index, true));
    exchange(&open()?, &[addresses, up, routes].concat(), acks)?;
    writeln!(std::io::stdout(), "{{}}").context("print")
}

fn delete(env: impl Fn(&str) -> Result<String>) -> Result<()> {
    let mut body = link(0, false);
    if env("FLOOR_PARENT").is_ok() {
        let sandbox = File::open(env("CNI_NETNS")?).context("open the sandbox")?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the floor knows nothing of the project, and does not come back"
        )]
        setns(&sandbox, CloneFlags::CLONE_NEWNET).context("enter the sandbox")?;
        name(&mut body, &env("CNI_IFNAME")?);
    } else {
        name(&mut body, &env("FLOOR_LINK")?);
    }
    exchange(&open()?, &message(17, 0, &body), 1)?;
    Ok(())
}

fn main() -> Result<()> {
    let env = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    match env("CNI_COMMAND")?.as_str() {
        "ADD" => add(env),
        "DEL" => delete(env),
        // The cost of a process that does nothing: what VERSION can be at best.
        "VERSION" => Ok(()),
        other => bail!("the floor has no {other}"),
    }
}
