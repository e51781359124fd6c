//! The none network: the sandbox has lo, up, and nothing else.

#![forbid(unsafe_code)]

use cni::{AddResult, Error, Request};
use cnm::{Context, Driver, Endpoint, Mac, Observe, Owner, Place, Resource, Wiring};

/// The none network. It has no keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoNetwork;

impl Driver for NoNetwork {
    const TYPE: &'static str = "none";
    const HELP: &'static str = "\
none: no network. ADD brings lo up; CHECK proves that there is nothing else. No keys of its own.";

    fn parse(_request: &Request, _context: &Context<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn endpoint(&self, _owner: &Owner, _mac: Mac) -> Endpoint {
        let lo = Resource::Up { place: Place::Sandbox, link: "lo".into() };
        Endpoint { claim: None, resources: vec![lo, Resource::Alone] }
    }

    fn wire(&self, _owner: &Owner, _sandbox: &str, _lease: AddResult) -> Result<Wiring, Error> {
        Ok(Wiring { observe: Some(Observe::Loopback), ..Wiring::default() })
    }
}
