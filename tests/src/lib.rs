//! The harness of the black-box tests: a host of one's own for every test, sandboxes on it, plugins run as a runtime
//! runs them, and probes of what the kernel then has.
//!
//! It knows the CNI protocol from outside (environment, bytes, exit status) and Linux through the tools that an
//! administrator would use. It must not know the plugins' code: the same tests run against any suite of plugins,
//! chosen by `CNM_TEST_BIN` (see [`Suite`]).
//!
//! ```no_run
//! use cnm_tests::{Conf, Host};
//!
//! let host = Host::new();
//! let (one, two) = (host.sandbox("one"), host.sandbox("two"));
//! let web = Conf::bridge("web").subnet("10.1.2.0/24").with("isGateway", true);
//! host.add(&web, &one).succeeds();
//! let there = host.add(&web, &two).attached();
//! one.reaches(there.ip());
//! ```
//!
//! Nothing here is `#[cfg]`-ed out or skipped: a missing privilege or tool is a panic with the command that mends it.
//! Namespaces are anonymous and held by descriptors of the test process, so that even a killed test leaves nothing.

#![forbid(unsafe_code)]

mod call;
mod capture;
pub mod cluster;
mod conf;
mod crash;
pub mod detaching;
mod features;
mod firewall;
mod host;
mod lan;
mod links;
mod mounts;
mod namespace;
mod ordeal;
mod outcome;
mod portrait;
mod process;
mod queues;
mod routes;
mod sandbox;
mod snapshot;
mod suite;
mod sysctl;
mod traffic;
mod tunnel;

pub use call::{Call, Pending};
pub use capture::{Capture, Frame};
pub use conf::Conf;
pub use crash::{Crash, SystemCalls};
pub use features::{Feature, needs};
pub use firewall::Ruleset;
pub use host::Host;
pub use lan::Lan;
pub use links::Link;
pub use namespace::Namespace;
pub use ordeal::{Ordeal, SHARES};
pub use outcome::{Attached, Failure, Outcome};
pub use portrait::{Names, Portrait};
pub use process::{Finished, Running, eventually};
pub use routes::{Address, Route};
pub use sandbox::Sandbox;
pub use snapshot::Snapshot;
pub use suite::Suite;
pub use traffic::Echo;
pub use tunnel::{Checksum, Tunnelled};
