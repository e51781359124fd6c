//! ADD's choice: one address out of each range set, in the reference's order. Knows sessions, not files.

use std::net::IpAddr;

use cni::Ip;
use ipnet::IpNet;

use crate::address::Address;
use crate::error::Error;
use crate::files::Files;
use crate::owner::Owner;
use crate::range::{Range, RangeSet};
use crate::session::Session;

/// How often an address that the index calls free may turn out to be taken before we stop believing in the index.
const SURPRISES: usize = 3;

/// Why nothing was given, and what could not be taken back.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) cause: Error,
    pub(crate) leftover: Vec<Error>,
}

impl From<Error> for Refusal {
    fn from(cause: Error) -> Self {
        Self { cause, leftover: Vec::new() }
    }
}

/// Reserves one address out of each set for `owner`: all of them or none. What the owner had before stays his, also
/// when this fails.
pub(crate) fn allocate<F: Files>(
    session: &mut Session<'_, F>,
    sets: &[RangeSet],
    requested: &[Address],
    owner: &Owner,
) -> Result<Vec<Ip>, Refusal> {
    let wishes = distribute(sets, requested)?;
    if wishes.contains(&None) {
        refuse_duplicate(session, sets, &wishes, owner)?;
    }
    let mut given: Vec<Ip> = Vec::with_capacity(sets.len());
    for (index, (set, wish)) in sets.iter().zip(wishes).enumerate() {
        let result = match wish {
            Some(address) => reserve_exactly(session, index, set, address, owner),
            None => reserve_next(session, index, set, owner),
        };
        match result {
            Ok((range, address)) => given.push(entry(&range, address)),
            Err(source) => {
                let cause = Error::InSet { index, source: Box::new(source) };
                return Err(Refusal { cause, leftover: take_back(session, &given, owner) });
            }
        }
    }
    Ok(given)
}

/// Which requested address each set has to give. Every one must be used: several in one set are not.
fn distribute(sets: &[RangeSet], requested: &[Address]) -> Result<Vec<Option<Address>>, Error> {
    let mut left = requested.to_vec();
    let wishes = sets
        .iter()
        .map(|set| left.iter().position(|address| set.range_of(*address).is_some()).map(|at| left.remove(at)))
        .collect();
    if left.is_empty() {
        return Ok(wishes);
    }
    let list: Vec<String> = left.iter().map(ToString::to_string).collect();
    Err(Error::Unfulfilled(list.join(" ")))
}

/// An attachment has one address of a set, unless it asks for a second one by name.
fn refuse_duplicate<F: Files>(
    session: &mut Session<'_, F>,
    sets: &[RangeSet],
    wishes: &[Option<Address>],
    owner: &Owner,
) -> Result<(), Error> {
    let held = session.held(owner)?;
    for (index, (set, _)) in sets.iter().zip(wishes).enumerate().filter(|(_, (_, wish))| wish.is_none()) {
        let duplicate = held.exact.iter().chain(&held.legacy).find(|address| set.range_of(**address).is_some());
        if let Some(address) = duplicate {
            let (address, container) = (address.to_string(), owner.container().to_owned());
            return Err(Error::InSet { index, source: Box::new(Error::Duplicate { address, container }) });
        }
    }
    Ok(())
}

fn reserve_exactly<F: Files>(
    session: &mut Session<'_, F>,
    index: usize,
    set: &RangeSet,
    address: Address,
    owner: &Owner,
) -> Result<(Range, Address), Error> {
    let occupied = || Error::Occupied { address: address.to_string(), set: set.to_string() };
    let range = *set.range_of(address).ok_or_else(occupied)?;
    if address == range.gateway {
        return Err(Error::Gateway(address.to_string()));
    }
    if !session.reserve(address, owner)? {
        return Err(occupied());
    }
    let last = session.last_reserved(index);
    session.set_last_reserved(&last, address);
    Ok((range, address))
}

/// The next address after the one given last, all ranges round.
fn reserve_next<F: Files>(
    session: &mut Session<'_, F>,
    index: usize,
    set: &RangeSet,
    owner: &Owner,
) -> Result<(Range, Address), Error> {
    let last = session.last_reserved(index);
    let exhausted = || Error::Exhausted { set: set.to_string() };
    let mut surprises = 0;
    loop {
        let next = find(set, last.address(), &mut |from, to| session.next_free(from, to))?;
        let Some((range, address)) = next else {
            // Only now is it worth a walk: the dead first, then what the index may have missed.
            if session.reclaim()? || session.refresh()? {
                continue;
            }
            return Err(exhausted());
        };
        if session.reserve(address, owner)? {
            session.set_last_reserved(&last, address);
            return Ok((range, address));
        }
        surprises += 1;
        if surprises > SURPRISES {
            return Err(exhausted());
        }
        session.reread()?;
    }
}

/// A free address that is no gateway of its range. `next_free` gives the first free one between two, both included.
pub(crate) fn find<E>(
    set: &RangeSet,
    last: Option<Address>,
    next_free: &mut dyn FnMut(Address, Address) -> Result<Option<Address>, E>,
) -> Result<Option<(Range, Address)>, E> {
    for stretch in set.stretches(last) {
        let mut from = stretch.from;
        while let Some(address) = next_free(from, stretch.to)? {
            if address != stretch.range.gateway {
                return Ok(Some((stretch.range, address)));
            }
            match address.checked_add(1).filter(|next| *next <= stretch.to) {
                Some(next) => from = next,
                None => break,
            }
        }
    }
    Ok(None)
}

fn take_back<F: Files>(session: &mut Session<'_, F>, given: &[Ip], owner: &Owner) -> Vec<Error> {
    given.iter().filter_map(|ip| session.release(Address::from(ip.address.addr()), owner.content()).err()).collect()
}

/// The result's entry: the address with the length of its subnet.
fn entry(range: &Range, address: Address) -> Ip {
    let length = range.subnet.prefix_len();
    let ip = IpAddr::from(address);
    // The length is the subnet's, whose family the address has.
    let address = IpNet::new(ip, length).unwrap_or_else(|_| IpNet::from(ip));
    Ip { address, gateway: Some(range.gateway.into()), interface: None }
}
