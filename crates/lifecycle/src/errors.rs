//! From what the kernel refuses to what the runtime reads: the one place that chooses codes.

use cni::{Code, Error};
use cnm::{Drift, KernelError};

/// `EEXIST`.
pub(crate) const EXISTS: i32 = 17;
/// `ENODEV`.
pub(crate) const NO_DEVICE: i32 = 19;
/// `ENOENT`.
pub(crate) const NO_ENTRY: i32 = 2;
/// `ESRCH`.
pub(crate) const NO_SUCH_ROUTE: i32 = 3;
/// `EBUSY`.
pub(crate) const IS_BUSY: i32 = 16;
/// `EINVAL`.
pub(crate) const INVALID: i32 = 22;
/// `EOPNOTSUPP`.
pub(crate) const NOT_SUPPORTED: i32 = 95;
/// `EADDRINUSE`.
pub(crate) const IN_USE: i32 = 98;
/// `ENETUNREACH`.
pub(crate) const NO_NETWORK: i32 = 101;
/// `EHOSTUNREACH`.
pub(crate) const NO_HOST: i32 = 113;

/// CHECK found a difference. Plugin specific (100 and above); runtimes look at the text only.
pub(crate) const DRIFT: Code = Code::Other(100);

/// How to go on where the kernel does not know VLANs of bridge ports.
pub(crate) const NO_VLAN_FILTERING: &str =
    "it needs CONFIG_BRIDGE_VLAN_FILTERING; leave the keys out or boot another kernel";

/// A refusal of the kernel.
pub(crate) fn kernel(error: KernelError) -> Error {
    let advice = match error.errno {
        1 | 13 => "the plugin needs root or CAP_NET_ADMIN, in the user namespace that owns the network namespace",
        NOT_SUPPORTED => "the running kernel lacks this feature; load its module or leave the key out",
        _ => "",
    };
    Error::internal(error.to_string()).with_details(advice)
}

/// A difference that CHECK found.
pub(crate) fn drift(drift: &Drift) -> Error {
    Error::new(DRIFT, drift.to_string())
}

/// Why an ADD failed, and what its undoing could not remove.
pub(crate) fn undone(cause: Error, outcome: Result<(), Error>) -> Error {
    let Err(left) = outcome else { return cause };
    let more = format!("and the clean-up failed: {left}");
    let details = if cause.details.is_empty() { more } else { format!("{}; {more}", cause.details) };
    cause.with_details(details)
}

/// All failures of a verb that goes on after each: the first one's code, every message.
#[derive(Debug, Default)]
pub(crate) struct Failures(Vec<Error>);

impl Failures {
    /// Notes a failure.
    pub(crate) fn add(&mut self, outcome: Result<(), Error>) {
        self.0.extend(outcome.err());
    }

    /// Whether nothing was noted so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Success when nothing was noted.
    pub(crate) fn verdict(self) -> Result<(), Error> {
        let mut failures = self.0.into_iter();
        let Some(mut first) = failures.next() else { return Ok(()) };
        let rest: Vec<String> = failures.map(|failure| failure.to_string()).collect();
        if !rest.is_empty() {
            let more = format!("also: {}", rest.join("; "));
            first.details = if first.details.is_empty() { more } else { format!("{}; {more}", first.details) };
        }
        Err(first)
    }
}
