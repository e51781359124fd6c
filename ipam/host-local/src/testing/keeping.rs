//! What stays, what goes and who is told: DEL, CHECK, GC, STATUS, and strange stores.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use cni::{Attachment, Code, Command, Error, Plugin};

use super::verbs::{DUAL, V4, add, addresses, conf, del};
use super::{request, reservations, store};
use crate::address::Address;
use crate::files::Files;
use crate::owner::Owner;
use crate::{BROKEN_STORE, DRIFT, DUPLICATE, HostLocal};

fn check(container: &str, conf: &str) -> Result<(), Error> {
    HostLocal.check(&request(Command::Check, container, conf))
}

fn status(conf: &str) -> Result<(), Error> {
    HostLocal.status(&request(Command::Status, "", conf))
}

fn attachment(container: &str, ifname: &str) -> Attachment {
    Attachment { container_id: container.into(), ifname: ifname.into() }
}

/// The reservation as if made an hour before the machine was started.
fn age(data: &Path, name: &str) {
    let stat = fs::read_to_string("/proc/stat").expect("readable");
    let btime = stat.lines().find_map(|line| line.strip_prefix("btime ")).expect("btime").trim().parse::<u64>();
    let before = SystemTime::UNIX_EPOCH + Duration::from_secs(btime.expect("a number") - 3600);
    let file = File::options().write(true).open(data.join("net").join(name)).expect("a reservation");
    file.set_modified(before).expect("ours");
}

#[test]
fn legacy_content_is_understood() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(data.path(), V4, "");
    fs::create_dir(data.path().join("net")).expect("made");
    fs::write(data.path().join("net/10.7.0.3"), "old\n").expect("written");
    check("old", &conf).expect("found by its id alone");
    assert_eq!(add("old", &conf).expect_err("has one").code, DUPLICATE);
    // The exact match goes first, and alone.
    fs::write(data.path().join("net/10.7.0.4"), "old\r\neth0").expect("written");
    del("old", &conf).expect("ours");
    assert_eq!(reservations(data.path()).into_keys().collect::<Vec<_>>(), ["10.7.0.3"]);
    del("old", &conf).expect("ours");
    assert!(reservations(data.path()).is_empty());
}

#[test]
fn del_releases_whatever_the_ranges_are_now() {
    let data = tempfile::tempdir().expect("a directory");
    add("a", &conf(data.path(), DUAL, "")).expect("room");
    add("b", &conf(data.path(), DUAL, "")).expect("room");
    del("a", &conf(data.path(), r#""subnet":"192.0.2.0/24""#, "")).expect("ours");
    del("b", &conf(data.path(), r#""subnet":"nonsense""#, "")).expect("ours");
    assert!(reservations(data.path()).is_empty());
}

#[test]
fn del_and_check_make_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(data.path(), V4, "");
    del("a", &conf).expect("absent is success");
    let error = check("a", &conf).expect_err("absent");
    assert_eq!(error.msg, "host-local: Failed to find address added by container a");
    assert_eq!(error.code, DRIFT);
    HostLocal.gc(&request(Command::Gc, "", &conf), &[]).expect("nothing to do");
    status(&conf).expect("will be made");
    assert_eq!(fs::read_dir(data.path()).expect("there").count(), 0);
}

#[test]
fn check_compares_with_the_result() {
    let data = tempfile::tempdir().expect("a directory");
    add("a", &conf(data.path(), DUAL, "")).expect("room");
    let prev = |addresses: &str| format!(r#","prevResult":{{"cniVersion":"1.1.0","ips":[{addresses}]}}"#);
    let right = prev(r#"{"address":"10.7.0.2/29"},{"address":"fd00:7::2/64"},{"address":"192.0.2.1/24"}"#);
    check("a", &conf(data.path(), DUAL, &right)).expect("all there, and a stranger");
    check("a", &conf(data.path(), DUAL, "")).expect("no result, as in the reference");
    let wrong = prev(r#"{"address":"10.7.0.3/29"}"#);
    let error = check("a", &conf(data.path(), DUAL, &wrong)).expect_err("another address");
    assert_eq!(error.msg, "host-local: Failed to find address added by container a");
    assert!(error.details.contains("10.7.0.3"), "{error}");
    fs::remove_file(data.path().join("net/fd00:7::2")).expect("there");
    check("a", &conf(data.path(), DUAL, &right)).expect_err("half of it is gone");
}

#[test]
fn gc_keeps_what_is_listed_and_what_is_no_containers() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(data.path(), r#""subnet":"10.7.0.0/24""#, "");
    for id in ["a", "b", "c"] {
        add(id, &conf).expect("room");
    }
    let file = |name: &str| data.path().join("net").join(name);
    fs::write(file("10.7.0.50"), "legacy").expect("written");
    fs::write(file("10.7.0.51"), "gone").expect("written");
    fs::write(file("10.7.0.52"), "").expect("written");
    fs::write(file("10.7.0.53"), "the router of the lab").expect("written");
    fs::write(file("notes.txt"), "a\r\neth0").expect("written");
    fs::write(data.path().join(".net.new"), "left by a crash").expect("written");
    let valid = [attachment("a", "eth0"), attachment("b", "eth1"), attachment("legacy", "net7")];
    HostLocal.gc(&request(Command::Gc, "", &conf), &valid).expect("all removable");
    let left: Vec<String> = reservations(data.path()).into_keys().collect();
    assert_eq!(left, ["10.7.0.2", "10.7.0.50", "10.7.0.53"]);
    assert!(file("notes.txt").exists() && file("lock").exists() && !data.path().join(".net.new").exists());
    HostLocal.gc(&request(Command::Gc, "", &conf), &[]).expect("all removable");
    assert_eq!(reservations(data.path()).into_keys().collect::<Vec<_>>(), ["10.7.0.53"]);
}

#[test]
fn reservations_from_before_the_boot_give_way_when_the_pool_is_full() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(data.path(), V4, "");
    for id in ["a", "b", "c", "d", "e"] {
        add(id, &conf).expect("room");
    }
    for dead in ["10.7.0.3", "10.7.0.5"] {
        age(data.path(), dead);
        // What a reboot does to the index: it is of another boot. A lost one has the same effect.
        let _gone_already = fs::remove_file(data.path().join(".net.idx"));
    }
    status(&conf).expect("ADD can reclaim");
    assert_eq!(addresses(&add("f", &conf)), ["10.7.0.3/29"]);
    assert_eq!(reservations(data.path()).len(), 4, "both dead ones went");
    assert_eq!(addresses(&add("g", &conf)), ["10.7.0.5/29"]);
    assert_eq!(add("h", &conf).expect_err("full of the living").code, Code::TryAgain);
    assert_eq!(status(&conf).expect_err("full").code, Code::NotAvailable);
}

#[test]
fn an_operators_note_is_never_too_old() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(data.path(), V4, "");
    for id in ["a", "b", "c", "d"] {
        add(id, &conf).expect("room");
    }
    fs::write(data.path().join("net/10.7.0.6"), "the router of the lab").expect("written");
    age(data.path(), "10.7.0.6");
    assert_eq!(add("e", &conf).expect_err("full").code, Code::TryAgain);
    assert_eq!(status(&conf).expect_err("full, and nothing to reclaim").code, Code::NotAvailable);
    assert_eq!(reservations(data.path()).len(), 5);
}

#[test]
fn reservations_from_before_the_boot_stay_while_there_is_room() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(data.path(), V4, "");
    add("a", &conf).expect("room");
    age(data.path(), "10.7.0.2");
    fs::remove_file(data.path().join(".net.idx")).expect("there");
    for id in ["b", "c", "d", "e"] {
        add(id, &conf).expect("room");
    }
    assert_eq!(reservations(data.path()).len(), 5);
    check("a", &conf).expect("still there");
}

#[test]
fn status_says_what_is_missing() {
    let data = tempfile::tempdir().expect("a directory");
    let conf_v4 = conf(data.path(), V4, "");
    for id in ["a", "b", "c", "d", "e"] {
        status(&conf_v4).expect("room");
        add(id, &conf_v4).expect("room");
    }
    for index in ["believed", "lost"] {
        let error = status(&conf_v4).expect_err(index);
        assert_eq!(error.code, Code::NotAvailable, "{index}");
        assert_eq!(error.msg, "no IP addresses available in range set: 10.7.0.1-10.7.0.6", "{index}");
        let _gone_already = fs::remove_file(data.path().join(".net.idx"));
    }
    fs::write(data.path().join("net/10.7.0.4"), "").expect("written");
    status(&conf_v4).expect("an empty file is nobody's");
    let gateway_only = r#""subnet":"10.7.0.0/24","rangeStart":"10.7.0.1","rangeEnd":"10.7.0.1""#;
    assert!(status(&conf(data.path(), gateway_only, "")).is_err());
    assert!(add("z", &conf(data.path(), gateway_only, "")).is_err());
    let file = data.path().join("file");
    fs::write(&file, "").expect("written");
    let error = status(&conf(&file, V4, "")).expect_err("not a directory");
    assert_eq!(error.code, Code::NotAvailable);
    assert!(error.msg.contains("not a directory"), "{error}");
    status(&conf(data.path(), r#""subnet":"10.9.0.0/24","resolvConf":"/nonexistent""#, "")).expect_err("no resolvers");
}

/// A file system without hard links: FAT, some FUSE ones.
#[derive(Debug)]
struct NoLinks;

impl Files for NoLinks {
    fn link(&self, _from: &Path, _to: &Path) -> std::io::Result<()> {
        Err(std::io::Error::from_raw_os_error(1))
    }
}

#[test]
fn without_hard_links_files_are_renamed() {
    let data = tempfile::tempdir().expect("a directory");
    let store = store(data.path(), NoLinks);
    let [one, two] = ["a", "b"].map(|id| Owner::new(id, "eth0"));
    let address = Address::from_file_name("10.7.0.2").expect("an address");
    let mut session = store.enter().expect("the lock");
    assert!(session.reserve(address, &one).expect("possible"));
    assert!(!session.reserve(address, &two).expect("possible"));
    session.end();
    assert_eq!(reservations(data.path()).into_values().collect::<Vec<_>>(), ["a\r\neth0"]);
    assert!(!store.paths.temporary.exists());
}

#[test]
fn a_store_that_is_none_is_its_own_error() {
    let data = tempfile::tempdir().expect("a directory");
    fs::write(data.path().join("net"), "a file").expect("written");
    let conf = conf(data.path(), V4, "");
    let error = add("a", &conf).expect_err("a file");
    assert_eq!(error.code, BROKEN_STORE, "{error}");
    assert_eq!(del("a", &conf).expect_err("a file").code, BROKEN_STORE);
}

#[test]
fn strange_things_in_the_directory_take_their_address_and_no_more() {
    let data = tempfile::tempdir().expect("a directory");
    let conf = conf(data.path(), V4, "");
    let dir = data.path().join("net");
    fs::create_dir_all(dir.join("10.7.0.2")).expect("made");
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("10.7.0.3")).expect("bound");
    std::os::unix::fs::symlink("/nonexistent", dir.join("10.7.0.4")).expect("made");
    fs::write(dir.join("10.7.0.5"), "x".repeat(100_000)).expect("written");
    let fifo = dir.join("10.7.0.6");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");
    // A dangling link and a fifo hold nothing, hence nobody.
    assert_eq!(addresses(&add("a", &conf)), ["10.7.0.4/29"]);
    assert_eq!(addresses(&add("b", &conf)), ["10.7.0.6/29"]);
    assert_eq!(add("c", &conf).expect_err("full").code, Code::TryAgain);
    del("a", &conf).expect("ours");
    assert_eq!(addresses(&add("c", &conf)), ["10.7.0.4/29"]);
}

#[test]
fn an_owner_with_many_addresses_loses_them_all() {
    let data = tempfile::tempdir().expect("a directory");
    for number in 10..60 {
        let rest = format!(r#","runtimeConfig":{{"ips":["10.7.0.{number}"]}}"#);
        add("a", &conf(data.path(), r#""subnet":"10.7.0.0/24""#, &rest)).expect("free");
    }
    let conf = conf(data.path(), r#""subnet":"10.7.0.0/24""#, "");
    add("b", &conf).expect("room");
    assert_eq!(add("a", &conf).expect_err("has fifty").code, DUPLICATE);
    del("a", &conf).expect("ours");
    assert_eq!(reservations(data.path()).into_keys().collect::<Vec<_>>(), ["10.7.0.60"]);
}
