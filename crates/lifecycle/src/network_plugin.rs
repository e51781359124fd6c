//! A driver as a CNI plugin: opens the sandbox, finds the IPAM plugin, calls the verb.

use std::cell::RefCell;
use std::marker::PhantomData;

use cni::{AddResult, Attachment, Code, Error, Plugin, Request};
use cnm::{Context, Driver, Isolation, Kernel, Owner};
use kernel::{Linux, NotASandbox, Sandbox};

use crate::delegate::Delegate;
use crate::ipam::Delegated;
use crate::{Ipam, attach, check, collect, detach, errors, status};

/// The plugin that a driver makes, with the IPAM plugins that live in the same executable.
pub struct NetworkPlugin<D> {
    built_in: &'static [&'static (dyn Plugin + Sync)],
    driver: PhantomData<fn() -> D>,
}

impl<D: Driver> NetworkPlugin<D> {
    /// The plugin of the driver `D`.
    #[must_use]
    pub const fn new(built_in: &'static [&'static (dyn Plugin + Sync)]) -> Self {
        Self { built_in, driver: PhantomData }
    }

    fn ipam<'a>(&self, driver: &D, request: &'a Request) -> Result<Option<Delegated<'a>>, Error> {
        let Some(kind) = driver.ipam() else { return Ok(None) };
        let registry: Vec<&dyn Plugin> = self.built_in.iter().map(|plugin| *plugin as &dyn Plugin).collect();
        Ok(Some(Delegated { delegate: Delegate::find(&request.path, kind, &registry)?, request }))
    }
}

/// The kernel with the sandbox in which a verb works, and the driver with its configuration.
fn open<D: Driver>(request: &Request, sandbox: Option<Sandbox>) -> Result<(Linux, D), Error> {
    let mut linux = Linux::open(sandbox).map_err(errors::kernel)?;
    let shared = RefCell::new(&mut linux);
    let preferred_backend = || shared.borrow_mut().firewall().preferred();
    let driver = D::parse(request, &Context { preferred_backend: &preferred_backend })?;
    Ok((linux, driver))
}

fn owner(request: &Request) -> Owner {
    Owner::new(request.network.as_str(), request.container_id.as_str(), request.ifname.as_str())
}

/// The error of the specification's library, code and text.
fn own_namespace() -> Error {
    Error::new(Code::InvalidNetns, "plugin's netns and netns from CNI_NETNS should not be the same")
}

/// Opens the sandbox of a verb that cannot do without.
fn open_sandbox<D: Driver>(request: &Request) -> Result<Option<Sandbox>, Error> {
    let path = request.netns.as_deref().unwrap_or_default();
    match (D::ISOLATION, Sandbox::open(path, request.netns_override)) {
        (Isolation::Private, Ok(sandbox)) => Ok(Some(sandbox)),
        (Isolation::Private, Err(NotASandbox::Own)) => Err(own_namespace()),
        (Isolation::Host, Err(NotASandbox::Own)) => Ok(None),
        (Isolation::Host, Ok(_)) => Err(Error::new(
            Code::InvalidNetns,
            format!("the network type {} has only the host's own namespace, and {path} is another one", D::TYPE),
        )
        .with_details("start the container in the host's network namespace, or give it a bridge network")),
        (_, Err(error)) => Err(Error::new(Code::InvalidNetns, format!("failed to open netns {path:?}: {error}"))
            .with_details("CNI_NETNS must name a network namespace: /run/netns/… or /proc/<pid>/ns/net")),
    }
}

impl<D: Driver> Plugin for NetworkPlugin<D> {
    fn name(&self) -> &'static str {
        D::TYPE
    }

    fn help(&self) -> &'static str {
        D::HELP
    }

    fn add(&self, request: &Request) -> Result<AddResult, Error> {
        let sandbox = open_sandbox::<D>(request)?;
        let (mut linux, driver) = open::<D>(request, sandbox)?;
        let ipam = self.ipam(&driver, request)?;
        let ipam = ipam.as_ref().map(|ipam| ipam as &dyn Ipam);
        let path = request.netns.as_deref().unwrap_or_default();
        attach(&driver, &mut linux, ipam, &owner(request), path)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        // Gone, or a file left by an unmount: the sandbox's part is done. Our own: its part must not be done.
        let (sandbox, own) = match request.netns.as_deref().map(|path| Sandbox::open(path, request.netns_override)) {
            Some(Ok(sandbox)) => (Some(sandbox), false),
            Some(Err(NotASandbox::Own)) => (None, D::ISOLATION == Isolation::Private),
            Some(Err(NotASandbox::Missing | NotASandbox::NotANamespace | NotASandbox::Unreadable(_))) | None => {
                (None, false)
            }
        };
        let (mut linux, driver) = open::<D>(request, sandbox)?;
        let mut failures = errors::Failures::default();
        if own {
            failures.add(Err(own_namespace()));
        }
        let previous = request.prev_result().unwrap_or_default();
        // A missing IPAM plugin must not keep the rest from going.
        let ipam = self.ipam(&driver, request);
        let usable = ipam.as_ref().ok().and_then(Option::as_ref).map(|ipam| ipam as &dyn Ipam);
        failures.add(detach(&driver, &mut linux, usable, &owner(request), previous.as_ref()));
        failures.add(ipam.map(drop));
        failures.verdict()
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let sandbox = open_sandbox::<D>(request)?;
        let (mut linux, driver) = open::<D>(request, sandbox)?;
        let ipam = self.ipam(&driver, request)?;
        let ipam = ipam.as_ref().map(|ipam| ipam as &dyn Ipam);
        let path = request.netns.as_deref().unwrap_or_default();
        check(&driver, &mut linux, ipam, &owner(request), path, request.prev_result()?.as_ref())
    }

    fn gc(&self, request: &Request, valid: &[Attachment]) -> Result<(), Error> {
        let (mut linux, driver) = open::<D>(request, None)?;
        let ipam = self.ipam(&driver, request)?;
        collect(&driver, &mut linux, ipam.as_ref().map(|ipam| ipam as &dyn Ipam), &request.network, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        let unavailable = |error: Error| match error.code {
            Code::Internal => Error { code: Code::NotAvailable, ..error },
            _ => error,
        };
        let (mut linux, driver) = open::<D>(request, None).map_err(unavailable)?;
        let ipam = self.ipam(&driver, request).map_err(unavailable)?;
        status(&driver, &mut linux, ipam.as_ref().map(|ipam| ipam as &dyn Ipam))
    }
}
