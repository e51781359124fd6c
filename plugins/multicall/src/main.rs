//! All short-lived plugins in one executable, installed under each plugin's name as a hard link: one text
//! segment, a small download, and IPAM without a child process.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use cni::Plugin;
use lifecycle::{ChainedPlugin, NetworkPlugin, serve_by_name};

/// Half a megabyte serves every call but the largest GC.
#[global_allocator]
static MEMORY: kernel::Arena<{ 512 * 1024 }> = kernel::Arena::new();

/// The IPAM plugins that interface plugins reach without a child process.
static IPAM: &[&(dyn Plugin + Sync)] = &[&host_local::HostLocal];

fn main() -> ExitCode {
    let plugins: &[&dyn Plugin] = &[
        &NetworkPlugin::<bridge::Bridge>::new(IPAM),
        &NetworkPlugin::<macvlan::Macvlan>::new(IPAM),
        &NetworkPlugin::<host::Host>::new(IPAM),
        &NetworkPlugin::<vxlan_overlay::Overlay>::new(IPAM),
        &NetworkPlugin::<none::NoNetwork>::new(IPAM),
        &NetworkPlugin::<loopback::Loopback>::new(IPAM),
        &ChainedPlugin::<firewall::Firewall>::new(),
        &ChainedPlugin::<portmap::Portmap>::new(),
        &ChainedPlugin::<tuning::Tuner>::new(),
        &ChainedPlugin::<bandwidth::Limiter>::new(),
        &host_local::HostLocal,
    ];
    serve_by_name(plugins, &[("host-local-ipam", "host-local")])
}
