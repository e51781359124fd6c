//! Random histories against a model that walks, as the reference does: ours, an operator's, the reference plugin's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::{index_is_right, reservations, store};
use crate::address::Address;
use crate::allocate::allocate;
use crate::error::Error;
use crate::files::Disk;
use crate::owner::{Owner, is_void, parts};
use crate::range::{RangeSet, Wish};
use crate::walk::Fate;

#[derive(Debug, Clone)]
enum Step {
    Add(u8),
    AddAt(u8, u16),
    Del(u8),
    Gc(BTreeSet<u8>),
    /// Somebody writes a file: with an owner, with an id alone, or empty.
    Foreign(u16, Option<(u8, bool)>),
    /// Somebody removes a file.
    Remove(u16),
    /// The hint is lost or nonsense.
    Hint(Option<u16>),
    /// The index is lost, or one of its bytes is.
    Index(Option<u16>),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..40_u8;
    let place = 0..400_u16;
    prop_oneof![
        12 => who.clone().prop_map(Step::Add),
        2 => (who.clone(), place.clone()).prop_map(|(who, place)| Step::AddAt(who, place)),
        6 => who.clone().prop_map(Step::Del),
        1 => prop::collection::btree_set(who.clone(), 10..40).prop_map(Step::Gc),
        2 => (place.clone(), prop::option::of((who, any::<bool>()))).prop_map(|(at, who)| Step::Foreign(at, who)),
        1 => place.clone().prop_map(Step::Remove),
        1 => prop::option::of(place).prop_map(Step::Hint),
        1 => prop::option::of(any::<u16>()).prop_map(Step::Index),
    ]
}

/// Two sets; the first has two ranges that cross the borders of bitmaps.
fn sets() -> Vec<RangeSet> {
    let wish = |subnet: &str, start: &str, end: &str| Wish {
        subnet: subnet.parse().expect("a subnet"),
        start: (!start.is_empty()).then(|| start.parse().expect("an address")),
        end: (!end.is_empty()).then(|| end.parse().expect("an address")),
        gateway: None,
    };
    let one = [wish("10.7.0.0/29", "", ""), wish("10.8.0.0/16", "10.8.0.120", "10.8.1.10")];
    let two = [wish("fd00:7::/112", "", "fd00:7::40")];
    vec![RangeSet::new(&one).expect("a set"), RangeSet::new(&two).expect("a set")]
}

/// Addresses in and around the sets.
fn place(number: u16) -> Address {
    let text = match number {
        0..=9 => format!("10.7.0.{number}"),
        10..=309 => format!("10.8.{}.{}", (number + 100) / 256, (number + 100) % 256),
        310..=389 => format!("fd00:7::{:x}", number - 310),
        _ => format!("192.0.2.{}", number - 380),
    };
    Address::from(text.parse::<std::net::IpAddr>().expect("an address"))
}

fn owner(who: u8) -> Owner {
    Owner::new(&format!("c{who}"), "eth0")
}

#[derive(Debug, Default)]
struct Model {
    files: BTreeMap<Address, String>,
    last: BTreeMap<usize, Address>,
}

impl Model {
    fn held(&self, content: &str) -> Vec<Address> {
        self.files.iter().filter(|(_, file)| file.as_str() == content).map(|(address, _)| *address).collect()
    }

    fn is_free(&self, address: Address) -> bool {
        self.files.get(&address).is_none_or(|content| is_void(content.as_bytes()))
    }

    /// One step at a time from the last address, through all ranges.
    fn next(&self, index: usize, set: &RangeSet) -> Option<Address> {
        let last = self.last.get(&index).copied();
        set.stretches(last)
            .iter()
            .flat_map(|stretch| (stretch.from.0..=stretch.to.0).map(|at| (Address(at), stretch.range.gateway)))
            .find(|(address, gateway)| address != gateway && self.is_free(*address))
            .map(|(address, _)| address)
    }

    fn add(&mut self, who: u8, requested: Option<Address>) -> Option<Vec<Address>> {
        let owner = owner(who);
        let held = [self.held(owner.content()), self.held(owner.container())].concat();
        let mut given = Vec::new();
        for (index, set) in sets().iter().enumerate() {
            let wish = requested.filter(|address| set.range_of(*address).is_some());
            let address = match wish {
                Some(wish) => {
                    let gateway = set.range_of(wish).map(|range| range.gateway);
                    Some(wish).filter(|wish| self.is_free(*wish) && gateway != Some(*wish))
                }
                None if held.iter().any(|address| set.range_of(*address).is_some()) => None,
                None => self.next(index, set),
            };
            given.push((index, address?));
        }
        for (index, address) in &given {
            self.files.insert(*address, owner.content().into());
            self.last.insert(*index, *address);
        }
        Some(given.into_iter().map(|(_, address)| address).collect())
    }

    fn del(&mut self, who: u8) {
        let owner = owner(who);
        let exact = self.held(owner.content());
        let gone = if exact.is_empty() { self.held(owner.container()) } else { exact };
        self.files.retain(|address, _| !gone.contains(address));
    }

    fn gc(&mut self, valid: &BTreeSet<u8>) {
        self.files.retain(|_, content| match parts(content.as_bytes()) {
            Some((id, _)) => valid.iter().any(|who| owner(*who).container() == id),
            None => false,
        });
    }
}

fn act(data: &Path, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let store = store(data, Disk);
    let dir = &store.paths.dir;
    let add = |who: u8, requested: Option<Address>| -> Result<Option<Vec<Address>>, Error> {
        let mut session = store.enter()?;
        let given = allocate(&mut session, &sets(), requested.as_slice(), &owner(who));
        // A set that fails has moved the hints of the sets before it, as in the reference.
        session.end();
        Ok(given.ok().map(|given| given.iter().map(|ip| Address::from(ip.address.addr())).collect()))
    };
    match step {
        Step::Add(who) => prop_assert_eq!(add(*who, None).expect("a store"), model.add(*who, None)),
        Step::AddAt(who, at) => {
            let requested = place(*at);
            let fits = sets().iter().any(|set| set.range_of(requested).is_some());
            let expected = if fits { model.add(*who, Some(requested)) } else { None };
            prop_assert_eq!(add(*who, Some(requested)).expect("a store"), expected);
        }
        Step::Del(who) => {
            model.del(*who);
            if let Some(mut session) = store.enter_existing().expect("a store") {
                let held = session.held(&owner(*who)).expect("readable");
                let owner = owner(*who);
                let (gone, content) = match held.exact.is_empty() {
                    true => (held.legacy, owner.container()),
                    false => (held.exact, owner.content()),
                };
                gone.iter().for_each(|address| session.release(*address, content).expect("removable"));
                session.end();
            }
        }
        Step::Gc(valid) => {
            model.gc(valid);
            let mut session = store.enter().expect("a store");
            let wanted = |content: &[u8]| {
                parts(content).is_some_and(|(id, _)| valid.iter().any(|who| owner(*who).container() == id))
            };
            let left = session.rebuild(&mut |_, found| if wanted(found.content) { Fate::Keep } else { Fate::Remove });
            prop_assert!(left.expect("readable").is_empty());
            session.end();
        }
        Step::Foreign(at, who) => {
            fs::create_dir_all(dir).expect("a directory");
            let content = match who {
                Some((who, true)) => owner(*who).content().to_owned(),
                Some((who, false)) => owner(*who).container().to_owned(),
                None => String::new(),
            };
            // As the reference: only where nothing is. An empty file filled in place is what no index can see.
            let path = dir.join(place(*at).to_string());
            if !path.exists() {
                fs::write(&path, &content).expect("written");
                model.files.insert(place(*at), content);
            }
        }
        Step::Remove(at) => {
            let _absent = fs::remove_file(dir.join(place(*at).to_string()));
            model.files.remove(&place(*at));
        }
        Step::Hint(at) => {
            let text = at.map_or("rubbish, and a long one at that, longer than any address is".into(), |at| {
                place(at).to_string()
            });
            let _no_directory = fs::write(dir.join("last_reserved_ip.0"), text);
        }
        Step::Index(at) => match (at, fs::read(&store.paths.index)) {
            (Some(at), Ok(mut bytes)) if !bytes.is_empty() => {
                let at = usize::from(*at) * 7 % bytes.len();
                bytes[at] ^= 0x10;
                fs::write(&store.paths.index, bytes).expect("written");
            }
            _ => {
                let _absent = fs::remove_file(&store.paths.index);
            }
        },
    }
    // The hints as they are now: a failed ADD may have moved them, which is no promise.
    model.last.clear();
    for index in 0..2 {
        let text = fs::read_to_string(store.paths.last_reserved(index)).unwrap_or_default();
        if let Ok(ip) = text.parse::<std::net::IpAddr>() {
            model.last.insert(index, Address::from(ip));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn every_history_ends_as_the_model_says(steps in prop::collection::vec(step(), 1..160)) {
        let data = tempfile::tempdir().expect("a directory");
        let mut model = Model::default();
        for step in &steps {
            act(data.path(), &mut model, step)?;
            // An empty file comes and goes: a reservation that was taken back may have replaced it.
            let mut found = reservations(data.path());
            found.retain(|_, content| !content.is_empty());
            model.files.retain(|_, content| !content.is_empty());
            let expected: BTreeMap<String, String> =
                model.files.iter().map(|(address, content)| (address.to_string(), content.clone())).collect();
            prop_assert_eq!(found, expected);
            if !matches!(step, Step::Index(_)) {
                index_is_right(data.path());
            }
        }
    }
}
