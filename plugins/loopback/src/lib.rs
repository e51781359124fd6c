//! lo up in the sandbox, as containerd asks of every CNI installation.

#![forbid(unsafe_code)]

use cni::{AddResult, Error, Request};
use cnm::{Context, Driver, Endpoint, Mac, Observe, Owner, Place, Resource, Wiring};

/// The loopback network. Chained behind another plugin it passes that one's result on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loopback {
    previous: Option<AddResult>,
}

impl Driver for Loopback {
    const TYPE: &'static str = "loopback";
    const HELP: &'static str = "\
loopback: brings lo up in the sandbox, whatever CNI_IFNAME says. No keys of its own.";

    fn parse(request: &Request, _context: &Context<'_>) -> Result<Self, Error> {
        Ok(Self { previous: request.prev_result()? })
    }

    fn endpoint(&self, _owner: &Owner, _mac: Mac) -> Endpoint {
        let lo = Resource::Up { place: Place::Sandbox, link: "lo".into() };
        Endpoint { claim: None, resources: vec![Resource::OnlyLoopbackAddresses, lo] }
    }

    fn wire(&self, _owner: &Owner, _sandbox: &str, _lease: AddResult) -> Result<Wiring, Error> {
        Ok(match &self.previous {
            Some(previous) => Wiring { result: previous.clone(), ..Wiring::default() },
            None => Wiring { observe: Some(Observe::Loopback), ..Wiring::default() },
        })
    }
}
