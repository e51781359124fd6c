//! Every system call of ADD and DEL fails once, and is the last one before a crash once.

use std::fs;
use std::path::Path;

use super::faulty::{Fault, Faulty};
use super::{index_is_right, reservations, store, walked};
use crate::address::Address;
use crate::allocate::{Refusal, allocate};
use crate::error::Error;
use crate::files::{Disk, Files};
use crate::owner::Owner;
use crate::range::{RangeSet, Wish};
use crate::store::Store;

/// More calls than any verb makes.
const CALLS: usize = 200;

fn sets() -> Vec<RangeSet> {
    ["10.7.0.0/29", "fd00:7::/125"]
        .map(|subnet| {
            let wish = Wish { subnet: subnet.parse().expect("a subnet"), start: None, end: None, gateway: None };
            RangeSet::new(&[wish]).expect("a set")
        })
        .to_vec()
}

fn add<F: Files>(store: &Store<F>, container: &str) -> Result<Vec<Address>, Refusal> {
    let mut session = store.enter()?;
    let given = allocate(&mut session, &sets(), &[], &Owner::new(container, "eth0"));
    session.end();
    Ok(given?.iter().map(|ip| Address::from(ip.address.addr())).collect())
}

fn del<F: Files>(store: &Store<F>, container: &str) -> Result<(), Error> {
    let owner = Owner::new(container, "eth0");
    let Some(mut session) = store.enter_existing()? else { return Ok(()) };
    let mut first = None;
    for address in session.held(&owner)?.exact {
        first = first.or(session.release(address, owner.content()).err());
    }
    first = first.or(session.complete().err());
    session.end();
    first.map_or(Ok(()), Err)
}

/// What the network looks like before the call that goes wrong.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// No directory.
    Nothing,
    /// Two attachments, the index believed.
    Indexed,
    /// The same without an index.
    Unindexed,
    /// The next address has an empty file, the hint is longer than what will replace it.
    Torn,
}

const ALL: [Before; 4] = [Before::Nothing, Before::Indexed, Before::Unindexed, Before::Torn];

fn prepare(data: &Path, before: Before) {
    let store = store(data, Disk);
    let dir = &store.paths.dir;
    match before {
        Before::Nothing => return,
        Before::Indexed | Before::Unindexed | Before::Torn => {
            add(&store, "one").expect("room");
            add(&store, "two").expect("room");
        }
    }
    match before {
        Before::Nothing | Before::Indexed => {}
        Before::Unindexed => fs::remove_file(&store.paths.index).expect("an index"),
        Before::Torn => {
            fs::write(dir.join("10.7.0.4"), "").expect("written");
            fs::write(dir.join("fd00:7::4"), "\0\0\0").expect("written");
            fs::write(dir.join("last_reserved_ip.0"), "10.7.0.3 and some rubbish").expect("written");
        }
    }
}

/// What must hold however a call ended: files are whole, nothing is blocked for ever, the index is right or unused.
fn sound(data: &Path, context: &str) {
    for (name, content) in reservations(data) {
        let owners = ["one\r\neth0", "two\r\neth0", "new\r\neth0", "", "\0\0\0"];
        assert!(owners.contains(&content.as_str()), "{context}: {name} holds {content:?}");
    }
    index_is_right(data);
    let store = store(data, Disk);
    for container in ["one", "two", "new"] {
        del(&store, container).unwrap_or_else(|error| panic!("{context}: DEL {container}: {error}"));
    }
    for number in 0..5 {
        let given = add(&store, &format!("later{number}"));
        given.unwrap_or_else(|refusal| panic!("{context}: address {number} is blocked: {}", refusal.cause));
    }
    assert!(add(&store, "surplus").is_err(), "{context}: more addresses than there are");
    assert!(index_is_right(data), "{context}: the index is not used");
    let mut session = store.enter().expect("the lock");
    assert_eq!(walked(&mut session).len(), 10, "{context}");
    session.end();
    assert!(!store.paths.temporary.exists() && !store.paths.inner.exists(), "{context}: a temporary file is left");
}

/// Lets `act` meet `fault` at its first call, its second, and so on until it gets through, from every starting state, and
/// looks at what is left.
fn at_every_call(verb: &str, fault: Fault, act: impl Fn(&Path, &Store<Faulty>, &str)) {
    for before in ALL {
        for at in 0..=CALLS {
            assert!(at < CALLS, "endless");
            let data = tempfile::tempdir().expect("a directory");
            prepare(data.path(), before);
            let context = format!("{verb}, {before:?}, {fault:?} at call {at}");
            let store = store(data.path(), Faulty::new(at, fault));
            act(data.path(), &store, &context);
            let struck = store.files.struck();
            sound(data.path(), &context);
            if !struck {
                break;
            }
        }
    }
}

/// How many reservations an owner has.
fn held_by(data: &Path, owner: &str) -> usize {
    reservations(data).values().filter(|content| *content == owner).count()
}

#[test]
fn add_dies_at_every_call() {
    at_every_call("ADD", Fault::Crash, |_, store, _| {
        let _killed = add(store, "new");
    });
}

#[test]
fn del_dies_at_every_call() {
    at_every_call("DEL", Fault::Crash, |_, store, _| {
        let _killed = del(store, "one");
    });
}

#[test]
fn add_fails_at_every_call_and_leaves_nothing() {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    for errno in [EIO, ENOSPC] {
        at_every_call("ADD", Fault::Error(errno), |data, store, context| {
            let result = add(store, "new");
            assert_eq!(held_by(data, "new\r\neth0"), result.map_or(0, |given| given.len()), "{context}");
        });
    }
}

#[test]
fn del_fails_at_every_call_and_can_be_repeated() {
    at_every_call("DEL", Fault::Error(5), |data, store, context| {
        let result = del(store, "one");
        let left = held_by(data, "one\r\neth0");
        assert!(result.is_err() || left == 0, "{context}: success with {left} left");
    });
}

#[test]
fn a_leftover_that_is_a_second_name_of_a_reservation_is_not_written_to() {
    let data = tempfile::tempdir().expect("a directory");
    let store = store(data.path(), Disk);
    add(&store, "one").expect("room");
    fs::hard_link(store.paths.dir.join("10.7.0.2"), &store.paths.temporary).expect("linked");
    add(&store, "two").expect("room");
    assert_eq!(reservations(data.path()).get("10.7.0.2").map(String::as_str), Some("one\r\neth0"));
}
