//! What one call works on: the sandbox that the runtime names, the kernel, the owner. The same for network drivers
//! and chained plugins; it knows neither.

use std::cell::RefCell;

use cni::{Code, Error, Request};
use cnm::{Context, Isolation, Kernel, Owner};
use kernel::{Linux, NotASandbox, Sandbox};

use crate::errors::kernel;

/// The kernel with the sandbox in which a verb works, and what `parse` makes of the configuration.
pub(crate) fn open<T>(
    sandbox: Option<Sandbox>,
    parse: impl FnOnce(&Context<'_>) -> Result<T, Error>,
) -> Result<(Linux, T), Error> {
    let mut linux = Linux::open(sandbox).map_err(kernel)?;
    let shared = RefCell::new(&mut linux);
    let preferred_backend = || shared.borrow_mut().firewall().preferred();
    let parsed = parse(&Context { preferred_backend: &preferred_backend, host: &shared })?;
    Ok((linux, parsed))
}

/// Whose attachment the call is about.
pub(crate) fn owner(request: &Request) -> Owner {
    Owner::new(request.network.as_str(), request.container_id.as_str(), request.ifname.as_str())
}

/// Opens the sandbox of a verb that cannot do without; `kind` is the plugin's type.
pub(crate) fn open_sandbox(request: &Request, isolation: Isolation, kind: &str) -> Result<Option<Sandbox>, Error> {
    let path = request.netns.as_deref().unwrap_or_default();
    match (isolation, Sandbox::open(path, request.netns_override)) {
        (Isolation::Private, Ok(sandbox)) => Ok(Some(sandbox)),
        (Isolation::Private, Err(NotASandbox::Own)) => Err(own_namespace()),
        (Isolation::Host, Err(NotASandbox::Own)) => Ok(None),
        (Isolation::Host, Ok(_)) => Err(Error::new(
            Code::InvalidNetns,
            format!("the network type {kind} has only the host's own namespace, and {path} is another one"),
        )
        .with_details("start the container in the host's network namespace, or give it a bridge network")),
        (_, Err(error)) => Err(Error::new(Code::InvalidNetns, format!("failed to open netns {path:?}: {error}"))
            .with_details("CNI_NETNS must name a network namespace: /run/netns/… or /proc/<pid>/ns/net")),
    }
}

/// The sandbox of DEL, as far as there still is one: gone, or a file left by an unmount, means that its part is done.
/// Our own is an error, and its part must not be done.
pub(crate) fn remaining_sandbox(request: &Request, isolation: Isolation) -> (Option<Sandbox>, Result<(), Error>) {
    match request.netns.as_deref().map(|path| Sandbox::open(path, request.netns_override)) {
        Some(Ok(sandbox)) => (Some(sandbox), Ok(())),
        Some(Err(NotASandbox::Own)) if isolation == Isolation::Private => (None, Err(own_namespace())),
        Some(Err(
            NotASandbox::Own | NotASandbox::Missing | NotASandbox::NotANamespace | NotASandbox::Unreadable(_),
        ))
        | None => (None, Ok(())),
    }
}

/// The error of the specification's library, code and text.
fn own_namespace() -> Error {
    Error::new(Code::InvalidNetns, "plugin's netns and netns from CNI_NETNS should not be the same")
}

/// An error of the kind that STATUS reports: whatever is broken, ADD cannot be served.
pub(crate) fn unavailable(error: Error) -> Error {
    match error.code {
        Code::Internal => Error { code: Code::NotAvailable, ..error },
        _ => error,
    }
}
