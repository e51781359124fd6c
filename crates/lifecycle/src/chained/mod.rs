//! The verbs of a chained plugin: it claims nothing, it adds to what the chain has made so far. As for drivers,
//! undoing is DEL's own code, and DEL needs the owner's name only.

mod plugin;

use std::collections::HashSet;

use cni::{AddResult, Attachment, Error};
use cnm::{Chained, Intent, Kernel, Owner, OwnerTag, Trace};

use crate::attach::{install, intents};
use crate::check::{check_firewall, expect_all};
use crate::converge::Converger;
use crate::errors::{Failures, kernel, undone};
use crate::shape;
use crate::tune::{collect_notes, restore};

pub use plugin::ChainedPlugin;

/// ADD: adds what the plugin describes to the attachment of `owner`, which `previous` tells of.
///
/// # Errors
/// The cause; nothing of it is left then, or the details say what could not be removed.
pub fn adjust<C: Chained, K: Kernel>(
    plugin: &C,
    k: &mut K,
    owner: &Owner,
    sandbox: &str,
    previous: AddResult,
) -> Result<AddResult, Error> {
    let adjustment = plugin.adjust(owner, sandbox, previous)?;
    let intents = intents([&adjustment.endpoint[..]]);
    let mut converger = Converger::new(k);
    let outcome = converger
        .configure(&adjustment.endpoint)
        .and_then(|()| install(converger.kernel, owner, &intents))
        // What is shared comes last: it may open what the firewall's part must guard by then.
        .and_then(|()| converger.ensure(&owner.network, &adjustment.network));
    match outcome {
        Ok(()) => {
            let mut result = adjustment.result;
            if let Some(name) = &converger.shaper {
                shape::tell(&mut result, owner, name);
            }
            Ok(result)
        }
        Err(cause) => Err(undone(cause, erase(plugin, k, owner, &intents))),
    }
}

/// DEL: erases what the attachment of `owner` may have left. `previous` is the result that the runtime kept, if it did:
/// rules of the reference plugins tell addresses, not owners. Absent is success.
///
/// # Errors
/// Everything that could not be removed, after all was tried.
pub fn withdraw<C: Chained, K: Kernel>(
    plugin: &C,
    k: &mut K,
    owner: &Owner,
    previous: Option<AddResult>,
) -> Result<(), Error> {
    // A result that it cannot use tells nothing.
    let known = previous.and_then(|previous| plugin.adjust(owner, "", previous).ok());
    let known = known.map(|adjustment| intents([&adjustment.endpoint[..]])).unwrap_or_default();
    erase(plugin, k, owner, &known)
}

fn erase<C: Chained, K: Kernel>(plugin: &C, k: &mut K, owner: &Owner, known: &[Intent]) -> Result<(), Error> {
    let mut failures = Failures::default();
    for trace in plugin.traces(owner) {
        failures.add(match trace {
            Trace::Firewall(share) => k.firewall().withdraw(owner, share, known).map_err(kernel),
            Trace::Tuning(folder) => {
                restore(k, owner, &folder);
                Ok(())
            }
            Trace::Shaping => shape::erase(k, owner),
        });
    }
    failures.verdict()
}

/// CHECK: compares what the plugin describes with the kernel. One-sided, as for drivers.
///
/// # Errors
/// The first object that is missing or different.
pub fn check_adjustment<C: Chained, K: Kernel>(
    plugin: &C,
    k: &mut K,
    owner: &Owner,
    sandbox: &str,
    previous: AddResult,
) -> Result<(), Error> {
    let adjustment = plugin.adjust(owner, sandbox, previous)?;
    let mut converger = Converger::new(k);
    expect_all(&mut converger, &adjustment.network)?;
    expect_all(&mut converger, &adjustment.endpoint)?;
    check_firewall(converger.kernel, owner, &intents([&adjustment.endpoint[..]]))
}

/// GC: erases what attachments of `network` have left that are not `valid`.
///
/// # Errors
/// Every failure, after all was tried.
pub fn collect_traces<C: Chained, K: Kernel>(
    plugin: &C,
    k: &mut K,
    network: &str,
    valid: &[Attachment],
) -> Result<(), Error> {
    let owner = |one: &Attachment| Owner::new(network, one.container_id.as_str(), one.ifname.as_str());
    let tags: HashSet<OwnerTag> = valid.iter().map(|one| owner(one).tag()).collect();
    let containers: HashSet<&str> = valid.iter().map(|one| one.container_id.as_str()).collect();
    let mut failures = Failures::default();
    // Nobody's traces show which kinds there are.
    for trace in plugin.traces(&Owner::new(network, "", "")) {
        failures.add(match trace {
            Trace::Firewall(share) => k
                .firewall()
                .collect_share(network, share, &|tag| tags.contains(tag), &|id| containers.contains(id))
                .map_err(kernel),
            Trace::Tuning(folder) => collect_notes(k, network, &folder, valid),
            Trace::Shaping => shape::collect_devices(k, network, valid),
        });
    }
    failures.verdict()
}
