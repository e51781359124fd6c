//! The network driver: pure questions and their answers.

use cni::{AddResult, Error, Request};

use crate::{Backend, Facility, Gatekeeper, Host, Mac, Owner, Resource};

/// What a driver may know of the host beside its configuration.
pub struct Context<'a> {
    /// The firewall backend for a configuration that needs one and names none; asked only then.
    pub preferred_backend: &'a dyn Fn() -> Backend,
    /// The host, for a configuration that builds on something of it: an uplink, its addresses, its MTU.
    pub host: &'a dyn Host,
}

/// What the network owns on this host: shared by its endpoints, ensured by every ADD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// In the order in which they become true.
    pub resources: Vec<Resource>,
    /// When its links go.
    pub lifetime: Lifetime,
    /// How its endpoints are found: what they share goes with the last of them.
    pub members: Members,
    /// The link of the host by which the host has a route to each endpoint; whose a route is, its metric
    /// says ([`Owner::route_metric`]).
    pub access: Option<String>,
    /// Names of the links of the host that it makes for itself under one configuration or another: DEL and GC look for them
    /// although today's configuration may not ask for them.
    pub own: Vec<String>,
}

/// When the links of a network go that we made for it: bridges, parents, tunnels. What its endpoints share in the firewall
/// always goes with the last of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// They stay, as the reference's bridge does, until GC finds no valid attachment. ADD takes no lock for them and
    /// never rolls them back.
    #[default]
    Stays,
    /// They go with the last endpoint, by DEL, GC or the undoing of a failed ADD. ADD ensures and claims under the host's
    /// lock, shared, so that one who comes keeps what one who leaves would take away. No other network may have them.
    LastEndpoint,
}

/// How the endpoints of a network that are left on this host are found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Members {
    /// They cannot be, because they leave no trace on the host.
    #[default]
    Untraceable,
    /// Ports of this bridge in the network's group (`network_group`).
    Ports {
        /// Name of the bridge.
        bridge: String,
    },
    /// Links of this kind in the network's group (`network_group`) in other namespaces: the host's kernel knows which there
    /// are. Such endpoints own nothing in the firewall.
    Elsewhere {
        /// `IFLA_INFO_KIND`.
        kind: &'static str,
    },
}

/// What exactly one attachment owns before it has addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The link whose creation is the claim: it must be new. `None` for drivers that create nothing.
    pub claim: Option<crate::LinkSpec>,
    /// What else belongs to it.
    pub resources: Vec<Resource>,
}

/// What a lease adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wiring {
    /// For the network: gateway addresses, forwarding. Shared: ensured, never rolled back.
    pub network: Vec<Resource>,
    /// For the endpoint: addresses, routes, masquerading.
    pub endpoint: Vec<Resource>,
    /// Host link whose operational state must be up before ADD returns: the bridge port.
    pub port: Option<String>,
    /// Link in the sandbox whose addresses are announced once the port forwards.
    pub announce: Option<String>,
    /// What the result also tells, as the kernel has it after everything.
    pub observe: Option<Observe>,
    /// The result, interfaces without hardware addresses: the lifecycle fills these in from the kernel.
    pub result: AddResult,
}

/// Links whose state a result reports although this call has not made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observe {
    /// lo of the sandbox with its addresses.
    Loopback,
    /// Every link of the host with its addresses.
    Host,
}

/// Which sandboxes a driver accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Only a namespace other than the plugin's own (error 8 otherwise), as every CNI plugin.
    Private,
    /// Only the plugin's own: the host network.
    Host,
}

/// Something that STATUS asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The firewall backend works.
    Firewall(Backend),
    /// The kernel has all of these.
    Facilities(Vec<Facility>),
    /// Whoever is to carry forwarding can.
    Forwarding(Gatekeeper),
    /// A link of the host, by name, exists and is up (51 when it is down, 50 when it is missing).
    Parent(String),
    /// If a link of the host of this name exists, it is up (51 otherwise): what endpoints that are there depend on.
    Open(String),
    /// The same of a link that is made when it is missing: then of the one that it will stand on.
    ParentOn {
        /// Its name.
        name: String,
        /// Name of the one beneath.
        beneath: String,
    },
    /// If a link of this name exists it is a bridge that can serve the network.
    Bridge {
        /// Its name.
        name: String,
        /// Ports of the network carry VLANs.
        vlan_filtering: bool,
    },
}

/// A network driver. It describes; it never acts. What it does not answer is nothing: no IPAM plugin, nothing shared,
/// nothing owned, nothing needed.
pub trait Driver: Sized {
    /// The CNI type, e.g. `bridge`.
    const TYPE: &'static str;
    /// A few lines for a person.
    const HELP: &'static str;

    /// Which sandboxes it accepts.
    const ISOLATION: Isolation = Isolation::Private;

    /// Reads and checks a configuration, defaults decided.
    ///
    /// # Errors
    /// Code 7 (or 2) with path and value.
    fn parse(request: &Request, context: &Context<'_>) -> Result<Self, Error>;

    /// Whether the configuration names an IPAM plugin that must be asked.
    fn ipam(&self) -> Option<&str> {
        None
    }

    /// What the network looks like on this host.
    fn network(&self) -> Network {
        Network::default()
    }

    /// What the attachment of `owner` owns. `mac` is for the sandbox's end unless the configuration names another.
    fn endpoint(&self, _owner: &Owner, _mac: Mac) -> Endpoint {
        Endpoint::default()
    }

    /// What a lease adds; `lease` is empty without IPAM.
    ///
    /// # Errors
    /// When the lease cannot be used, e.g. it has no address.
    fn wire(&self, owner: &Owner, sandbox: &str, lease: AddResult) -> Result<Wiring, Error>;

    /// What ADD will need.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }
}
