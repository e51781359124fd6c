//! Traffic shaping: how fast packets may pass, in the words of a configuration and in those of the kernel's queueing
//! disciplines. The numbers are the reference plugins', so that CHECK of either suite accepts what the other made.

use std::fmt;

use ipnet::IpNet;

use crate::Owner;

/// Ticks of the packet scheduler are 64 ns: 15.625 to the microsecond (`/proc/net/psched`; fixed since Linux 2.6.31).
const TICKS_IN_8_US: u64 = 125;
/// The same for a second.
const TICKS_PER_SECOND: u64 = 15_625_000;
/// The longest burst of kernels that keep it in 32 bits of nanoseconds, in ticks.
const LONGEST_BUFFER: u32 = u32::MAX >> 6;
/// go-cni's burst, 2^32 - 1 bits: nobody has said one.
const UNSAID: u32 = u32::MAX / 8;
/// A bucket of fewer bytes does not let the largest packets pass (64 KiB before segmentation).
const LARGEST_PACKET: u64 = 65_536;
/// How long a packet may wait beside the time that a burst takes: the reference's 25 ms, as a fraction of a second.
const WAITS_PER_SECOND: u64 = 40;
/// What passes unlimited in the reference's class for it, bytes per second.
pub const UNLIMITED_RATE: u64 = 100_000_000_000;
/// Minor number of the class for what is not limited: the reference's.
pub const UNLIMITED_CLASS: u16 = 0x1;
/// Minor number of the class for what is limited: the reference's.
pub const LIMITED_CLASS: u16 = 0x30;

/// What passes in the long run, and at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Bytes per second, not 0.
    pub rate: u64,
    /// Bytes.
    pub burst: u32,
}

impl RateLimit {
    /// The bucket that the kernel makes of it: the reference's, with two exceptions. A burst that nobody has said is one
    /// second's worth; the reference's is half a gigabyte, and so is then its queue, which takes minutes to pass. And
    /// where the reference's number for the buffer exceeds 32 bits and wraps to almost nothing, it is the largest.
    #[must_use]
    pub fn bucket(self) -> Bucket {
        let second = u32::try_from(self.rate).unwrap_or(UNSAID);
        let wish = if self.burst == UNSAID { Self { burst: second.min(UNSAID), ..self } } else { self };
        let bucket = wish.reference_bucket();
        let holds = self.rate.saturating_mul(bucket.buffer.into()) / TICKS_PER_SECOND;
        if wish.is_wrapped() && holds < LARGEST_PACKET {
            return Bucket { buffer: u32::MAX, ..bucket };
        }
        bucket
    }

    /// The reference's numbers, computed in 32 bits as there.
    fn reference_bucket(self) -> Bucket {
        let microseconds = self.microseconds() as u32;
        let buffer = (u64::from(microseconds) * TICKS_IN_8_US / 8) as u32;
        let limit = ((self.rate / WAITS_PER_SECOND) as u32).wrapping_add(self.burst);
        Bucket { rate: self.rate, limit, buffer }
    }

    /// The time that a burst takes.
    fn microseconds(self) -> u64 {
        u64::from(self.burst) * 1_000_000 / self.rate.max(1)
    }

    /// Whether that time is more than 32 bits of ticks.
    fn is_wrapped(self) -> bool {
        self.microseconds().saturating_mul(TICKS_IN_8_US) / 8 > u32::MAX.into()
    }

    /// Whether the bucket holds a byte: one that holds nothing is refused by the kernel.
    #[must_use]
    pub fn passes_anything(self) -> bool {
        self.rate.saturating_mul(u64::from(self.bucket().buffer)) >= TICKS_PER_SECOND
    }

    /// Whether `have` is this limit, in our numbers or the reference's.
    ///
    /// # Errors
    /// What differs.
    pub fn accepts(self, have: &Bucket) -> Result<(), String> {
        let (want, theirs) = (self.bucket(), self.reference_bucket());
        if have.rate != want.rate {
            return Err(format!("has the rate {}, not {} bytes per second", have.rate, want.rate));
        }
        if have.limit != want.limit && have.limit != theirs.limit {
            return Err(format!("has the limit {}, not {} bytes", have.limit, want.limit));
        }
        let cut = |buffer: u32| have.buffer == buffer || have.buffer == buffer.min(LONGEST_BUFFER);
        if !cut(want.buffer) && !cut(theirs.buffer) {
            return Err(format!("has the buffer {}, not {} ticks", have.buffer, want.buffer));
        }
        Ok(())
    }
}

/// A token bucket as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Bytes per second.
    pub rate: u64,
    /// Bytes that may wait.
    pub limit: u32,
    /// The time that the largest burst takes, in ticks.
    pub buffer: u32,
}

/// Which of the traffic is limited, by the address on the other side: what leaves the sandbox by its destination, what
/// enters it by its source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Limited {
    /// All of it.
    #[default]
    All,
    /// All but that with these.
    Except(Vec<IpNet>),
    /// That with these alone.
    Only(Vec<IpNet>),
}

impl Limited {
    /// The class of what matches no subnet, the subnets, and the class of what matches one; `None` without subnets.
    #[must_use]
    pub fn classes(&self) -> Option<(u16, &[IpNet], u16)> {
        match self {
            Self::All => None,
            Self::Except(subnets) => Some((LIMITED_CLASS, subnets, UNLIMITED_CLASS)),
            Self::Only(subnets) => Some((UNLIMITED_CLASS, subnets, LIMITED_CLASS)),
        }
    }
}

/// How fast packets may pass between a sandbox and the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shaping {
    /// Whose: its interface in the sandbox is the end of a veth; what is shaped is the other, on the host.
    pub owner: Owner,
    /// The links of the host that the attachment has: the other end must be one of these.
    pub ports: Vec<String>,
    /// Into the sandbox.
    pub ingress: Option<RateLimit>,
    /// Out of the sandbox.
    pub egress: Option<RateLimit>,
    /// Of what.
    pub limited: Limited,
}

/// Which address of a packet a selector looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The sender's.
    Source,
    /// The receiver's.
    Destination,
}

/// A class of traffic below the root of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Its minor number.
    pub minor: u16,
    /// Bytes per second.
    pub rate: u64,
    /// The time that the largest burst takes, in ticks; 0 lets the kernel choose.
    pub buffer: u32,
}

/// Traffic with an address of `subnet` on `side` belongs to `class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector {
    /// The subnet.
    pub subnet: IpNet,
    /// Which address.
    pub side: Side,
    /// Minor number of the class.
    pub class: u16,
}

/// A change of what a link does with its packets. All have the handles that the reference gives: `1:` the root, `ffff:`
/// what arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traffic {
    /// What is sent passes a bucket (`tbf` as the root). `EEXIST` when there is a root already.
    Limit(Bucket),
    /// What is sent is divided into classes (`htb` as the root), with the minor number of the one for all that no
    /// selector names. `EEXIST` when there is a root already.
    Divide(u16),
    /// Adds a class.
    Class(Class),
    /// How many bytes may wait in the class with this minor number (`bfifo`): else the length of the device's queue
    /// decides, which may be 0.
    Queue(u16, u32),
    /// Adds a selector.
    Select(Selector),
    /// What arrives can be filtered (`ingress`). `EEXIST` when it can already.
    Ingress,
    /// What arrives is sent by the link with this index first (`u32`, `mirred`).
    Redirect(u32),
    /// Takes the bucket away.
    Unlimit,
    /// Takes the classes away.
    Unite,
    /// Takes the filters on what arrives away.
    Passive,
}

/// Verb and object, before the name of the link.
impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(bucket) => write!(f, "limit traffic to {} bytes per second", bucket.rate),
            Self::Divide(_) => f.write_str("divide traffic into classes"),
            Self::Class(class) => write!(f, "create class 1:{:x} of traffic", class.minor),
            Self::Queue(class, _) => write!(f, "create the queue of class 1:{class:x} of traffic"),
            Self::Select(selector) => write!(f, "put {} into class 1:{:x} of traffic", selector.subnet, selector.class),
            Self::Ingress => f.write_str("create the ingress discipline"),
            Self::Redirect(link) => write!(f, "redirect to link {link} what arrives"),
            Self::Unlimit => f.write_str("delete the limit of traffic"),
            Self::Unite => f.write_str("delete the classes of traffic"),
            Self::Passive => f.write_str("delete the ingress discipline"),
        }
    }
}

/// What a link does with its packets, as the kernel has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queueing {
    /// With what is sent.
    pub root: Root,
    /// With what arrives; `None` when it is not filtered.
    pub arriving: Option<Arriving>,
}

/// The root discipline of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Root {
    /// The kernel's own.
    #[default]
    Default,
    /// A bucket, handle `1:`.
    Limit(Bucket),
    /// Classes, handle `1:`.
    Classes {
        /// Minor number of the one for all that no selector names.
        default: u16,
        /// All of them, sorted by minor number.
        classes: Vec<Class>,
        /// In the kernel's order.
        selectors: Vec<Selector>,
    },
    /// Somebody else's: its kind and handle as `tc` prints them.
    Other(String),
}

/// What is filtered of what arrives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arriving {
    /// `ingress` or `clsact`.
    pub kind: String,
    /// Index of the link that everything is redirected to, 0 when that is gone.
    pub redirect: Option<u32>,
    /// Filters beside that.
    pub others: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that Debian's bandwidth plugin gives to the kernel.
    #[test]
    fn buckets_are_those_of_the_reference() {
        for (rate, burst, limit, buffer) in [
            (1_250_000, 125_000, 156_250, 1_562_500),
            (3_750_000, 750_000, 843_750, 3_125_000),
            (125, 125, 128, 15_625_000),
            (12_500_000_000, 1_500_000, 314_000_000, 1_875),
        ] {
            let bucket = RateLimit { rate, burst }.bucket();
            assert_eq!(bucket, Bucket { rate, limit, buffer }, "{rate} {burst}");
        }
    }

    /// 10 Mbit/s with go-cni's burst, and with CRI-O's: (2^32 - 1) * 8 - 1 bits.
    #[test]
    fn a_burst_that_nobody_has_said_is_a_second_s_worth() {
        let go_cni = RateLimit { rate: 1_250_000, burst: 536_870_911 };
        assert_eq!(go_cni.bucket(), Bucket { rate: 1_250_000, limit: 31_250 + 1_250_000, buffer: 15_625_000 });
        let theirs = Bucket { rate: 1_250_000, limit: 536_902_161, buffer: 2_415_919_079 };
        assert_eq!(go_cni.accepts(&theirs), Ok(()));
        let cri_o = RateLimit { rate: 1_250_000, burst: 4_294_967_294 };
        assert_eq!(cri_o.bucket(), Bucket { rate: 1_250_000, limit: 31_248, buffer: 2_147_483_619 });
    }

    #[test]
    fn a_number_that_wraps_to_almost_nothing_is_the_largest() {
        let unlucky = RateLimit { rate: 1_953_124, burst: 536_870_910 };
        assert!(unlucky.reference_bucket().buffer < 3000);
        assert_eq!(unlucky.bucket().buffer, u32::MAX);
        // What is small because it is asked for stays.
        assert_eq!(RateLimit { rate: 12_500_000_000, burst: 1_500 }.bucket().buffer, 0);
        assert!(!RateLimit { rate: 12_500_000_000, burst: 1_500 }.passes_anything());
    }

    #[test]
    fn other_numbers_are_named() {
        let limit = RateLimit { rate: 1000, burst: 500 };
        let bucket = limit.bucket();
        assert_eq!(limit.accepts(&bucket), Ok(()));
        for (other, word) in [
            (Bucket { rate: 999, ..bucket }, "rate 999"),
            (Bucket { limit: 1, ..bucket }, "limit 1"),
            (Bucket { buffer: 1, ..bucket }, "buffer 1"),
        ] {
            assert!(limit.accepts(&other).unwrap_err().contains(word), "{other:?}");
        }
    }
}
