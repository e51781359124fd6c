//! The numbers of errno(3) that Linux answers with here (asm-generic; the same on every architecture that we build
//! for).

/// The absence of a file or a sysctl.
pub const ENOENT: i32 = 2;
/// No such route.
pub const ESRCH: i32 = 3;
/// The answer never came.
pub const EIO: i32 = 5;
/// The link is too small for IPv6.
pub const ENXIO: i32 = 6;
/// IPv6 is switched off on the link.
pub const EACCES: i32 = 13;
/// Somebody else holds it.
pub const EBUSY: i32 = 16;
/// The name, address or route is taken.
pub const EEXIST: i32 = 17;
/// No such link.
pub const ENODEV: i32 = 19;
/// A value that cannot be.
pub const EINVAL: i32 = 22;
/// An attribute that is too long.
pub const ERANGE: i32 = 34;
/// A bridge as the port of a bridge.
pub const ELOOP: i32 = 40;
/// Not with this kind of link, or not with this kernel.
pub const EOPNOTSUPP: i32 = 95;
/// An address of another family.
pub const EAFNOSUPPORT: i32 = 97;
/// Another one has it: a UDP port, or the MAC on a wire.
pub const EADDRINUSE: i32 = 98;
/// No such address, or a MAC that no interface may carry.
pub const EADDRNOTAVAIL: i32 = 99;
/// The link is down.
pub const ENETDOWN: i32 = 100;
/// The gateway cannot be reached (IPv4).
pub const ENETUNREACH: i32 = 101;
/// The gateway cannot be reached (IPv6).
pub const EHOSTUNREACH: i32 = 113;
