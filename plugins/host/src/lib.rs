//! The host network: the container shares the host's own namespace. Nothing is made, nothing is changed; the
//! result says what is there.

#![forbid(unsafe_code)]

use cni::{AddResult, Error, Request};
use cnm::{Context, Driver, Isolation, Observe, Owner, Wiring};

/// The host network. It has no keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host;

impl Driver for Host {
    const TYPE: &'static str = "host";
    const HELP: &'static str = "\
host: the host's own network namespace, and no other: reports its interfaces and addresses, changes nothing.
No keys of its own.";
    const ISOLATION: Isolation = Isolation::Host;

    fn parse(_request: &Request, _context: &Context<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn wire(&self, _owner: &Owner, _sandbox: &str, _lease: AddResult) -> Result<Wiring, Error> {
        Ok(Wiring { observe: Some(Observe::Host), ..Wiring::default() })
    }
}
