//! Tuning a link of the sandbox. What it had is noted before the first change, once: whoever tunes it again adds to the
//! note and never replaces what is in it. So DEL restores what was there at first, also after a SIGKILL in between.

use std::collections::HashSet;

use cni::{Attachment, Code, Error};
use cnm::{Attributes, Kernel, Link, LinkName, Originals, Owner, OwnerTag, Place, Tuning};

use crate::errors::{DRIFT, Failures, NO_ENTRY, kernel};

fn link<K: Kernel>(k: &mut K, owner: &Owner) -> Result<Option<Link>, Error> {
    k.link(Place::Sandbox, &LinkName::Name(owner.ifname.clone())).map_err(kernel)
}

/// Makes it true: variables, then the note, then the link.
pub(crate) fn tune<K: Kernel>(k: &mut K, tuning: &Tuning) -> Result<(), Error> {
    for (key, value) in &tuning.variables {
        k.set_sysctl(Place::Sandbox, key, value).map_err(|error| match error.errno {
            NO_ENTRY => Error::config(error.to_string()).with_details(format!("sysctl: the kernel has no {key} there")),
            _ => kernel(error),
        })?;
    }
    if tuning.attributes.is_empty() {
        return Ok(());
    }
    let owner = &tuning.owner;
    let link = link(k, owner)?.ok_or_else(|| no_link(owner))?;
    note(k, tuning, &link)?;
    let changes = tuning.attributes.changes(&link);
    k.apply(Place::Sandbox, &changes).into_iter().collect::<Result<(), _>>().map_err(kernel)
}

fn no_link(owner: &Owner) -> Error {
    Error::config(format!("Cannot find container link {}", owner.ifname))
        .with_details("the plugins before this one in the chain must have made it")
}

/// Notes what `link` has of what will change, beside what is noted already.
fn note<K: Kernel>(k: &mut K, tuning: &Tuning, link: &Link) -> Result<(), Error> {
    let (folder, name) = (&tuning.folder, Originals::file(&tuning.owner));
    let noted = k.notes().read(folder, &name).map_err(kernel)?;
    // What cannot be read restores nothing: it is as good as absent.
    let before = noted.as_deref().and_then(|text| Originals::parse(text).ok()).unwrap_or_default();
    let attributes = before.attributes.or(&tuning.attributes.of(link));
    let note = Originals { tag: Some(tuning.owner.tag()), attributes }.print();
    if noted.as_deref() == Some(note.as_str()) {
        return Ok(());
    }
    k.notes().write(folder, &name, &note).map_err(|error| Error::new(Code::Io, error.to_string()))
}

/// Restores what is noted and forgets the note, also when there is nothing left to restore. As the reference's it never
/// fails: an error would keep the rest of the chain from being detached. A note stays when the kernel refuses a part of
/// it, for whoever calls again.
pub(crate) fn restore<K: Kernel>(k: &mut K, owner: &Owner, folder: &str) {
    let name = Originals::file(owner);
    let Ok(Some(text)) = k.notes().read(folder, &name) else { return };
    // What cannot be read restores nothing.
    let originals = Originals::parse(&text).unwrap_or_default().attributes;
    if k.has_sandbox() && !put_back(k, owner, &originals) {
        return;
    }
    let _ = k.notes().remove(folder, &name);
}

/// Gives the link back what it had. Whether nothing is left to do: a link that is gone needs nothing.
fn put_back<K: Kernel>(k: &mut K, owner: &Owner, originals: &Attributes) -> bool {
    match link(k, owner) {
        Ok(Some(found)) => {
            let answers = k.apply(Place::Sandbox, &originals.changes(&found));
            answers.iter().all(Result::is_ok) || matches!(link(k, owner), Ok(None))
        }
        Ok(None) => true,
        Err(_) => false,
    }
}

/// Forgets the notes of attachments of `network` that are not `valid`. Those of the reference plugins do not say
/// which network they belong to, and stay.
pub(crate) fn collect_notes<K: Kernel>(
    k: &mut K,
    network: &str,
    folder: &str,
    valid: &[Attachment],
) -> Result<(), Error> {
    let file = |one: &Attachment| Originals::file(&Owner::new(network, &*one.container_id, &*one.ifname));
    let kept: HashSet<String> = valid.iter().map(file).collect();
    let of_network = OwnerTag::of_network(network);
    let mut failures = Failures::default();
    for name in k.notes().list(folder).map_err(kernel)? {
        if kept.contains(&name) {
            continue;
        }
        let noted = k.notes().read(folder, &name);
        failures.add(match noted {
            Ok(Some(text)) if Originals::parse(&text).is_ok_and(|note| is_of(&note, &of_network)) => {
                k.notes().remove(folder, &name).map_err(kernel)
            }
            Ok(_) => Ok(()),
            Err(error) => Err(kernel(error)),
        });
    }
    failures.verdict()
}

fn is_of(note: &Originals, network: &str) -> bool {
    note.tag.as_ref().is_some_and(|tag| tag.network == network)
}

/// Compares. The texts are the reference's.
pub(crate) fn expect_tuned<K: Kernel>(k: &mut K, tuning: &Tuning) -> Result<(), Error> {
    let differs = |what: String| Err(Error::new(DRIFT, what));
    for (key, wanted) in &tuning.variables {
        let have = k.sysctl(Place::Sandbox, key).map_err(kernel)?;
        let have = have.unwrap_or_else(|| "missing".into());
        // The kernel prints lists with tabs, whatever they were written with.
        if !have.split_whitespace().eq(wanted.split_whitespace()) {
            return differs(format!(
                "Error: Tuning configured value of /proc/sys/{key} is {wanted}, current value is {have}"
            ));
        }
    }
    let owner = &tuning.owner;
    let name = &owner.ifname;
    let Some(link) = link(k, owner)? else { return differs(format!("Cannot find container link {name}")) };
    let Attributes { mac, mtu, promisc, allmulti, queue } = tuning.attributes;
    if let Some(mac) = mac.filter(|mac| Some(*mac) != link.mac) {
        let have = link.mac.map(|mac| mac.to_string()).unwrap_or_default();
        return differs(format!("Error: Tuning configured Ethernet of {name} is {mac}, current value is {have}"));
    }
    if let Some(on) = promisc.filter(|on| *on != link.promisc) {
        let have = u8::from(link.promisc);
        return differs(format!("Error: Tuning link {name} configured promisc is {on}, current value is {have}"));
    }
    if let Some(mtu) = mtu.filter(|mtu| *mtu != link.mtu) {
        return differs(format!("Error: Tuning configured MTU of {name} is {mtu}, current value is {}", link.mtu));
    }
    if let Some(on) = allmulti.filter(|on| *on != link.allmulti) {
        let have = link.allmulti;
        return differs(format!(
            "Error: Tuning configured all-multicast mode of {name} is {on}, current value is {have}"
        ));
    }
    if let Some(size) = queue.filter(|size| *size != link.queue) {
        return differs(format!(
            "Error: Tuning configured TxQLen of {name} is {size}, current value is {}",
            link.queue
        ));
    }
    Ok(())
}
