//! What a verb does, once for all drivers: attach, detach, check, collect, status; rollback, order,
//! delegation. It knows no driver and no system call; both come in through `cnm`'s traits.

#![forbid(unsafe_code)]

mod attach;
mod call;
mod chained;
mod check;
mod collect;
mod converge;
pub mod delegate;
mod detach;
mod ensure;
mod errors;
mod inside;
mod ipam;
mod network_plugin;
mod parent;
mod refusal;
mod report;
mod serve;
mod shape;
mod shared;
mod status;
mod tune;
mod vlans;

pub use attach::attach;
pub use chained::{ChainedPlugin, adjust, check_adjustment, collect_traces, withdraw};
pub use check::check;
pub use collect::collect;
pub use detach::detach;
pub use ipam::Ipam;
pub use network_plugin::NetworkPlugin;
pub use serve::{serve, serve_by_name};
pub use status::{serve_needs, status};
