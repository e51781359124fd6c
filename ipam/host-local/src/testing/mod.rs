//! Tests of the whole crate against a real file system, and what they share.

mod crash;
mod faulty;
mod keeping;
mod model;
mod verbs;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cni::json::Json;
use cni::{Command, Request, Version};

use crate::address::Address;
use crate::boot::Boot;
use crate::files::{Disk, Files};
use crate::index::Index;
use crate::session::Session;
use crate::store::{Paths, Store};
use crate::walk::Fate;

/// A request as the protocol's checks let it through.
pub(crate) fn request(command: Command, container: &str, conf: &str) -> Request {
    let conf = Json::parse(conf.as_bytes()).expect("a configuration");
    let root = cni::json::Node::root(&conf);
    let network = root.text("name").expect("text").unwrap_or("net").to_owned();
    let version = root.text("cniVersion").expect("text").map(|text| Version::from_text(text).expect("known"));
    Request {
        command,
        container_id: container.into(),
        netns: None,
        ifname: "eth0".into(),
        args: String::new(),
        path: String::new(),
        netns_override: false,
        stdin: Vec::new(),
        conf,
        network,
        version: version.unwrap_or(Version::NEWEST),
    }
}

/// The store of network `net` in a directory.
pub(crate) fn store<F: Files>(data_dir: &Path, files: F) -> Store<F> {
    let paths = Paths::new(data_dir, "net").expect("a plain name");
    Store { files, paths, boot: Boot::at(1_000_000_000_000_000_000) }
}

/// Every reservation of network `net`, by the file's name.
pub(crate) fn reservations(data_dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(data_dir.join("net")) else { return found };
    for entry in entries {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("text");
        if Address::from_file_name(&name).is_some() {
            found.insert(name, fs::read_to_string(entry.path()).expect("readable"));
        }
    }
    found
}

/// Whether the index on disk would be believed; if so it must say what the files say.
pub(crate) fn index_is_right(data_dir: &Path) -> bool {
    let store = store(data_dir, Disk);
    let Ok(dir) = store.files.stat(&store.paths.dir) else { return false };
    let Ok(mut index) = Index::open(&Disk, &store.paths.index, &dir, &store.boot) else { return false };
    let mut fresh = Index::new(0);
    for (name, content) in reservations(data_dir) {
        let address = Address::from_file_name(&name).expect("an address");
        if crate::owner::is_void(content.as_bytes()) {
            continue;
        }
        let content = content.trim().as_bytes();
        fresh.insert(&Disk, content, address, 0).expect("room");
        // A page with a wrong checksum is not believed.
        let Ok(listed) = index.addresses(&Disk, content) else { return false };
        assert!(listed.contains(&address), "{name} is not listed");
    }
    let Ok(shape) = index.shape(&Disk) else { return false };
    assert_eq!(Ok(shape), fresh.shape(&Disk), "owners and bitmaps");
    true
}

/// A walk, as the next session would do without an index.
pub(crate) fn walked<F: Files>(session: &mut Session<'_, F>) -> Vec<Address> {
    let mut addresses = Vec::new();
    session
        .rebuild(&mut |address, _| {
            addresses.push(address);
            Fate::Keep
        })
        .expect("a walk");
    addresses.sort_unstable();
    addresses
}
