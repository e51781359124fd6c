//! A driver as a CNI plugin: opens the sandbox, finds the IPAM plugin, calls the verb.

use std::marker::PhantomData;

use cni::{AddResult, Attachment, Error, Plugin, Request};
use cnm::Driver;
use kernel::{Linux, Sandbox};

use crate::delegate::Delegate;
use crate::ipam::Delegated;
use crate::{Ipam, attach, call, check, collect, detach, errors, status};

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
    call::open(sandbox, |context| D::parse(request, context))
}

impl<D: Driver> Plugin for NetworkPlugin<D> {
    fn name(&self) -> &'static str {
        D::TYPE
    }

    fn help(&self) -> &'static str {
        D::HELP
    }

    fn add(&self, request: &Request) -> Result<AddResult, Error> {
        let sandbox = call::open_sandbox(request, D::ISOLATION, D::TYPE)?;
        let (mut linux, driver) = open::<D>(request, sandbox)?;
        let ipam = self.ipam(&driver, request)?;
        let ipam = ipam.as_ref().map(|ipam| ipam as &dyn Ipam);
        let path = request.netns.as_deref().unwrap_or_default();
        attach(&driver, &mut linux, ipam, &call::owner(request), path)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        let (sandbox, own) = call::remaining_sandbox(request, D::ISOLATION);
        let (mut linux, driver) = open::<D>(request, sandbox)?;
        let mut failures = errors::Failures::default();
        failures.add(own);
        let previous = request.prev_result().unwrap_or_default();
        // A missing IPAM plugin must not keep the rest from going.
        let ipam = self.ipam(&driver, request);
        let usable = ipam.as_ref().ok().and_then(Option::as_ref).map(|ipam| ipam as &dyn Ipam);
        failures.add(detach(&driver, &mut linux, usable, &call::owner(request), previous.as_ref()));
        failures.add(ipam.map(drop));
        failures.verdict()
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let sandbox = call::open_sandbox(request, D::ISOLATION, D::TYPE)?;
        let (mut linux, driver) = open::<D>(request, sandbox)?;
        let ipam = self.ipam(&driver, request)?;
        let ipam = ipam.as_ref().map(|ipam| ipam as &dyn Ipam);
        let path = request.netns.as_deref().unwrap_or_default();
        check(&driver, &mut linux, ipam, &call::owner(request), path, request.prev_result()?.as_ref())
    }

    fn gc(&self, request: &Request, valid: &[Attachment]) -> Result<(), Error> {
        let (mut linux, driver) = open::<D>(request, None)?;
        let ipam = self.ipam(&driver, request)?;
        collect(&driver, &mut linux, ipam.as_ref().map(|ipam| ipam as &dyn Ipam), &request.network, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        let (mut linux, driver) = open::<D>(request, None).map_err(call::unavailable)?;
        let ipam = self.ipam(&driver, request).map_err(call::unavailable)?;
        status(&driver, &mut linux, ipam.as_ref().map(|ipam| ipam as &dyn Ipam))
    }
}
