//! What a runtime can call, whichever kind of plugin it is: a driver attaches, a chained plugin adjusts what was attached.

use std::fmt::Debug;
use std::ops::Deref;

use cni::{AddResult, Attachment, Command, Error, Interface, Request};
use cnm::{Chained, Context, Driver, Kernel, LinkKind, LinkSpec, Mac, Owner, Peer, Place};
use kernel_memory::{Faulty, Memory};
use lifecycle::Ipam;

use crate::Case;
use crate::leases::lease;
use crate::request::path;

/// What a verb has before it.
pub struct Call<'a> {
    /// The host, and the sandbox if the runtime names it.
    pub kernel: &'a mut Faulty<Memory>,
    /// The IPAM plugin, if there is one.
    pub ipam: Option<&'a dyn Ipam>,
    /// Whose attachment it is about; of GC's only the network counts.
    pub owner: &'a Owner,
}

impl Call<'_> {
    fn sandbox(&self) -> String {
        path(&self.owner.container)
    }
}

/// A plugin of one configuration, and its verbs.
pub trait Verbs: Debug + Clone + Sync + Sized {
    /// The CNI type.
    const TYPE: &'static str;
    /// It is the first of a chain: nothing comes before it, and an IPAM plugin gives it addresses.
    const IS_FIRST: bool;

    /// Reads the configuration of a call.
    ///
    /// # Errors
    /// What the plugin says.
    fn read(request: Request, context: &Context<'_>) -> Result<Self, Error>;

    /// Whether it asks an IPAM plugin.
    fn has_ipam(&self) -> bool;

    /// Does what the plugins before this one do for the container with this number, and gives their result. Its sandbox
    /// is in sight.
    fn precede(case: &Case, memory: &mut Memory, owner: &Owner, number: u8) -> AddResult;

    /// ADD behind `previous`.
    ///
    /// # Errors
    /// What it says.
    fn add(&self, call: Call<'_>, previous: AddResult) -> Result<AddResult, Error>;

    /// DEL with the result that the runtime kept, if it did.
    ///
    /// # Errors
    /// What it says.
    fn del(&self, call: Call<'_>, previous: Option<&AddResult>) -> Result<(), Error>;

    /// CHECK of an attachment with this result.
    ///
    /// # Errors
    /// What it says.
    fn check(&self, call: Call<'_>, result: &AddResult) -> Result<(), Error>;

    /// GC of the owner's network.
    ///
    /// # Errors
    /// What it says.
    fn gc(&self, call: Call<'_>, valid: &[Attachment]) -> Result<(), Error>;
}

/// A driver.
#[derive(Debug, Clone)]
pub struct Attaches<D>(D);

impl<D> Deref for Attaches<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.0
    }
}

impl<D: Driver + Debug + Clone + Sync> Verbs for Attaches<D> {
    const TYPE: &'static str = D::TYPE;
    const IS_FIRST: bool = true;

    fn read(request: Request, context: &Context<'_>) -> Result<Self, Error> {
        D::parse(&request, context).map(Self)
    }

    fn has_ipam(&self) -> bool {
        self.ipam().is_some()
    }

    fn precede(_case: &Case, _memory: &mut Memory, _owner: &Owner, _number: u8) -> AddResult {
        AddResult::default()
    }

    fn add(&self, call: Call<'_>, _previous: AddResult) -> Result<AddResult, Error> {
        lifecycle::attach(&self.0, call.kernel, call.ipam, call.owner, &call.sandbox())
    }

    fn del(&self, call: Call<'_>, previous: Option<&AddResult>) -> Result<(), Error> {
        lifecycle::detach(&self.0, call.kernel, call.ipam, call.owner, previous)
    }

    fn check(&self, call: Call<'_>, result: &AddResult) -> Result<(), Error> {
        lifecycle::check(&self.0, call.kernel, call.ipam, call.owner, &call.sandbox(), Some(result))
    }

    fn gc(&self, call: Call<'_>, valid: &[Attachment]) -> Result<(), Error> {
        lifecycle::collect(&self.0, call.kernel, call.ipam, &call.owner.network, valid)
    }
}

/// A chained plugin. Before it a plugin has attached the container to the bridge `cni0` by a veth.
#[derive(Debug, Clone)]
pub struct Adjusts<C>(C);

impl<C> Deref for Adjusts<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

/// The name of the host's end that a foreign plugin made for the container with this number.
fn foreign_port(number: u8) -> String {
    format!("veth1a2b3c{number:02x}")
}

impl<C: Chained + Debug + Clone + Sync> Verbs for Adjusts<C> {
    const TYPE: &'static str = C::TYPE;
    const IS_FIRST: bool = false;

    fn read(mut request: Request, context: &Context<'_>) -> Result<Self, Error> {
        if request.command == Command::Add {
            // `tuning` asks this very machine what ADD may change.
            request.command = Command::Check;
        }
        C::parse(&request, context).map(Self)
    }

    fn has_ipam(&self) -> bool {
        false
    }

    fn precede(case: &Case, memory: &mut Memory, owner: &Owner, number: u8) -> AddResult {
        let port = if case.foreign { foreign_port(number) } else { owner.host_link() };
        // The second container finds the bridge there.
        let _ = memory.create(Place::Host, &LinkSpec::new("cni0", LinkKind::Bridge { vlan_filtering: false }));
        let mac = |side| Some(Mac([2, 0, 0, 0, side, number]));
        let peer = Peer { name: owner.ifname.clone(), in_sandbox: true, mac: mac(1) };
        let (up, master) = (true, Some("cni0".into()));
        let spec = LinkSpec { up, master, mac: mac(0), ..LinkSpec::new(&port, LinkKind::Veth { peer }) };
        memory.create(Place::Host, &spec).unwrap();
        let link = |name: &str, sandbox: String| Interface { name: name.into(), sandbox, ..Interface::default() };
        let mut result = lease(case, number);
        result.interfaces =
            vec![link("cni0", String::new()), link(&port, String::new()), link(&owner.ifname, path(&owner.container))];
        result.ips.iter_mut().for_each(|ip| ip.interface = Some(2));
        result
    }

    fn add(&self, call: Call<'_>, previous: AddResult) -> Result<AddResult, Error> {
        lifecycle::adjust(&self.0, call.kernel, call.owner, &call.sandbox(), previous)
    }

    fn del(&self, call: Call<'_>, previous: Option<&AddResult>) -> Result<(), Error> {
        lifecycle::withdraw(&self.0, call.kernel, call.owner, previous.cloned())
    }

    fn check(&self, call: Call<'_>, result: &AddResult) -> Result<(), Error> {
        lifecycle::check_adjustment(&self.0, call.kernel, call.owner, &call.sandbox(), result.clone())
    }

    fn gc(&self, call: Call<'_>, valid: &[Attachment]) -> Result<(), Error> {
        lifecycle::collect_traces(&self.0, call.kernel, &call.owner.network, valid)
    }
}
