//! What Linux does: network namespaces, rtnetlink, nf_tables, iptables, sysctl. The only crate that may
//! hold unsafe code; it knows nothing of CNI, configurations or verbs.

mod arena;
mod change;
mod conntrack;
mod creation;
mod elsewhere;
mod facilities;
mod firewall;
mod linux;
pub mod named;
mod netlink;
mod netns;
mod nft;
mod notes;
pub mod process;
mod rtnl;
mod sysctl;
mod xtables;

pub use arena::Arena;
pub use firewall::HostFirewall;
pub use linux::Linux;
pub use netns::{NotASandbox, Sandbox};
