//! A chained plugin as a CNI plugin: opens the sandbox, wants the chain's result, calls the verb.

use std::marker::PhantomData;

use cni::{AddResult, Attachment, Error, Plugin, Request};
use cnm::{Chained, Isolation};
use kernel::{Linux, Sandbox};

use crate::errors::Failures;
use crate::status::serve_needs;
use crate::{adjust, call, check_adjustment, collect_traces, withdraw};

/// The CNI plugin that a [`Chained`] makes.
pub struct ChainedPlugin<C>(PhantomData<fn() -> C>);

impl<C: Chained> ChainedPlugin<C> {
    /// The plugin of `C`.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<C: Chained> Default for ChainedPlugin<C> {
    fn default() -> Self {
        Self::new()
    }
}

fn open<C: Chained>(request: &Request, sandbox: Option<Sandbox>) -> Result<(Linux, C), Error> {
    call::open(sandbox, |context| C::parse(request, context))
}

/// The result of the chain so far.
fn previous<C: Chained>(request: &Request) -> Result<AddResult, Error> {
    let advice = format!("{} works behind another plugin: list it in \"plugins\" after the one that attaches", C::TYPE);
    request.prev_result()?.ok_or_else(|| Error::config(C::UNCHAINED).with_details(advice))
}

impl<C: Chained> Plugin for ChainedPlugin<C> {
    fn name(&self) -> &'static str {
        C::TYPE
    }

    fn help(&self) -> &'static str {
        C::HELP
    }

    fn add(&self, request: &Request) -> Result<AddResult, Error> {
        let previous = previous::<C>(request)?;
        let sandbox = call::open_sandbox(request, Isolation::Private, C::TYPE)?;
        let (mut linux, plugin) = open::<C>(request, sandbox)?;
        let path = request.netns.as_deref().unwrap_or_default();
        adjust(&plugin, &mut linux, &call::owner(request), path, previous)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        let (sandbox, own) = call::remaining_sandbox(request, Isolation::Private);
        let (mut linux, plugin) = open::<C>(request, sandbox)?;
        let mut failures = Failures::default();
        failures.add(own);
        let previous = request.prev_result().unwrap_or_default();
        failures.add(withdraw(&plugin, &mut linux, &call::owner(request), previous));
        failures.verdict()
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let previous = previous::<C>(request)?;
        let sandbox = call::open_sandbox(request, Isolation::Private, C::TYPE)?;
        let (mut linux, plugin) = open::<C>(request, sandbox)?;
        let path = request.netns.as_deref().unwrap_or_default();
        check_adjustment(&plugin, &mut linux, &call::owner(request), path, previous)
    }

    fn gc(&self, request: &Request, valid: &[Attachment]) -> Result<(), Error> {
        let (mut linux, plugin) = open::<C>(request, None)?;
        collect_traces(&plugin, &mut linux, &request.network, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        let (mut linux, plugin) = open::<C>(request, None).map_err(call::unavailable)?;
        serve_needs(&mut linux, plugin.needs())
    }
}
