//! Addresses from ranges, kept in files on this host: the IPAM plugin `host-local`.
//!
//! The files are the reference plugin's, byte for byte, under the same lock, so that either can take over from the
//! other at any moment. A cache beside them (`index`) lets ADD and DEL cost the same with none and with a million
//! reservations. `conf` and `range` say what is wanted, `allocate` chooses, `store` names the files, `session` works on
//! them under the lock, `walk` reads them all where the cache is of no use, `files` is the seam to the system calls.

#![forbid(unsafe_code)]

mod address;
mod allocate;
mod boot;
mod conf;
mod error;
mod files;
mod index;
mod owner;
mod range;
mod resolv_conf;
mod session;
mod status;
mod store;
mod walk;

use std::collections::HashSet;

use cni::{AddResult, Attachment, Code, Dns, Error, Plugin, Request};

use crate::address::Address;
use crate::boot::Boot;
use crate::conf::{Conf, paths};
use crate::files::Disk;
use crate::owner::{Owner, is_note, parts};
use crate::store::Store;
use crate::walk::Fate;

pub use error::{BROKEN_STORE, DRIFT, DUPLICATE, OCCUPIED, OUT_OF_RANGE};

/// The IPAM plugin.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostLocal;

impl Plugin for HostLocal {
    fn name(&self) -> &'static str {
        "host-local"
    }

    fn help(&self) -> &'static str {
        "Gives out addresses of ranges and keeps them in files on this host.\n\
         Keys of \"ipam\":\n\
         \x20 ranges      list of range sets, each a list of {subnet, rangeStart, rangeEnd, gateway};\n\
         \x20             one address is given out of each set\n\
         \x20 subnet, rangeStart, rangeEnd, gateway\n\
         \x20             a single range, in front of \"ranges\"\n\
         \x20 routes      for the result: list of {dst, gw, mtu, advmss, priority, table, scope}\n\
         \x20 resolvConf  file whose name servers go into the result\n\
         \x20 dataDir     where the reservations are (default /var/lib/cni/networks)\n\
         An address can be asked for: CNI_ARGS \"IP=10.1.2.3\", args.cni.ips, runtimeConfig.ips.\n"
    }

    fn add(&self, request: &Request) -> Result<AddResult, Error> {
        let conf = Conf::parse(request)?;
        let store = open(request)?;
        let dns = match &conf.resolv_conf {
            Some(path) => resolv_conf::read(path)?,
            None => Dns::default(),
        };
        let owner = Owner::new(&request.container_id, &request.ifname);
        let mut session = store.enter()?;
        let given = allocate::allocate(&mut session, &conf.sets, &conf.requested, &owner);
        session.end();
        match given {
            Ok(ips) => Ok(AddResult { ips, routes: conf.routes, dns, ..AddResult::default() }),
            Err(refusal) => {
                let details: Vec<String> = refusal.leftover.iter().map(ToString::to_string).collect();
                Err(Error::from(refusal.cause).with_details(details.join("; ")))
            }
        }
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        let store = open(request)?;
        let Some(mut session) = store.enter_existing()? else { return Ok(()) };
        let owner = Owner::new(&request.container_id, &request.ifname);
        let held = session.held(&owner)?;
        let (addresses, content) = match held.exact.is_empty() {
            true => (held.legacy, owner.container()),
            false => (held.exact, owner.content()),
        };
        // An ADD that was killed may have left a file that nobody else will miss.
        session.sweep();
        let release = |address: &Address| session.release(*address, content).err();
        let mut failures: Vec<error::Error> = addresses.iter().filter_map(release).collect();
        failures.extend(session.complete().err());
        session.end();
        joined(failures)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let conf = Conf::parse(request)?;
        let missing = || {
            let id = &request.container_id;
            Error::new(DRIFT, format!("host-local: Failed to find address added by container {id}"))
        };
        let store = open(request)?;
        let mut session = store.enter_existing()?.ok_or_else(missing)?;
        let held = session.held(&Owner::new(&request.container_id, &request.ifname))?;
        let held: Vec<Address> = [held.exact, held.legacy].concat();
        let complete = session.complete();
        session.end();
        if held.is_empty() {
            complete?;
            return Err(missing());
        }
        // What lies in no range of ours was given by somebody else.
        let given =
            request.prev_result()?.unwrap_or_default().ips.into_iter().map(|ip| Address::from(ip.address.addr()));
        let ours = |address: &Address| conf.sets.iter().any(|set| set.range_of(*address).is_some());
        match given.filter(ours).find(|address| !held.contains(address)) {
            Some(address) => Err(missing().with_details(format!("{address} of prevResult is not reserved for it"))),
            None => Ok(()),
        }
    }

    fn gc(&self, request: &Request, valid: &[Attachment]) -> Result<(), Error> {
        let store = open(request)?;
        let Some(mut session) = store.enter_existing()? else { return Ok(()) };
        let pairs: HashSet<(&str, &str)> =
            valid.iter().map(|it| (it.container_id.trim(), it.ifname.as_str())).collect();
        let ids: HashSet<&str> = pairs.iter().map(|pair| pair.0).collect();
        let mut failures = session.rebuild(&mut |_, found| {
            let wanted = match parts(found.content) {
                Some((id, "")) => ids.contains(id),
                Some(pair) => pairs.contains(&pair),
                None => is_note(found.content),
            };
            if wanted { Fate::Keep } else { Fate::Remove }
        })?;
        failures.extend(session.complete().err());
        session.sweep();
        session.end();
        joined(failures)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        let conf = Conf::parse(request)?;
        let store = open(request)?;
        let ready = status::status(&store, &conf.sets)
            .and_then(|()| conf.resolv_conf.map_or(Ok(()), |path| resolv_conf::read(&path).map(drop)));
        ready.map_err(|error| Error::new(Code::NotAvailable, error.to_string()))
    }
}

fn open(request: &Request) -> Result<Store<Disk>, Error> {
    Ok(Store { files: Disk, paths: paths(request)?, boot: Boot::of_this_machine() })
}

/// All failures as one, in the reference's way.
fn joined(failures: Vec<error::Error>) -> Result<(), Error> {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    match failures.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(Error::new(first.code(), texts.join("; "))),
    }
}

#[cfg(test)]
mod testing;
