//! What we mean: the container network model of Docker as plain values.
//!
//! A [`Driver`] turns a configuration into descriptions: what its [`Network`] looks like on this host,
//! what an [`Endpoint`] owns, what a lease adds; a [`Chained`] plugin says what it adds to that. `lifecycle` makes them
//! true through a [`Kernel`]; nothing here opens, sends or writes anything.

#![forbid(unsafe_code)]

mod chained;
mod change;
pub mod configuration;
mod driver;
mod facility;
mod firewall;
mod forwarding;
pub mod interface;
mod kernel;
mod link;
mod mac;
mod macvlan;
mod notes;
mod owner;
mod publish;
mod resource;
mod satisfy;
mod shaping;
mod tuning;

pub use chained::{Adjustment, Chained, Share, Trace};
pub use change::Change;
pub use driver::{Context, Driver, Endpoint, Isolation, Lifetime, Members, Need, Network, Observe, Wiring};
pub use facility::Facility;
pub use firewall::{Backend, Firewall, Intent};
pub use forwarding::{Forwarding, Gatekeeper, Ingress};
pub use kernel::{Host, Kernel, KernelError, Place, RouteLookup};
pub use link::{
    Claimed, FdbEntry, Link, LinkKind, LinkName, LinkSpec, Neighbour, Peer, PortFlags, PortVlan, VlanRange, Vxlan,
};
pub use mac::Mac;
pub use macvlan::{Elsewhere, Macvlan, MacvlanMode, NotAMode};
pub use notes::Notes;
pub use owner::{Owner, OwnerTag, is_shared_group, leaving_group, network_group, shared_group};
pub use publish::{Hairpin, Protocol, Publication, PublishedPort, SetMark};
pub use resource::{Address, Resource, Route, Sysctl};
pub use satisfy::{Drift, satisfies};
pub use shaping::{
    Arriving, Bucket, Class, LIMITED_CLASS, Limited, Queueing, RateLimit, Root, Selector, Shaping, Side, Traffic,
    UNLIMITED_CLASS, UNLIMITED_RATE,
};
pub use tuning::{Attributes, Originals, Tuning};
