//! ADD: ensure the network, claim the endpoint, lease, wire, report. After the claim, failure undoes by DEL's
//! own code; before it nothing is ours.

use cni::{AddResult, Error};
use cnm::{
    Change, Claimed, Driver, Endpoint, Intent, Kernel, KernelError, Lifetime, Link, LinkKind, LinkName, LinkSpec,
    Members, Network, Owner, OwnerTag, Place, Resource, Sysctl,
};

use crate::converge::Converger;
use crate::detach::undo;
use crate::errors::{EXISTS, NO_DEVICE, kernel, undone};
use crate::shared::release_if_last;
use crate::{Ipam, inside, parent, report};

/// How often a bridge that vanishes between ensuring and claiming (a garbage collector's work) is made anew.
const CLAIM_TRIES: usize = 3;

/// Attaches `owner`, whose sandbox the caller calls `sandbox`, to the network of `driver`.
///
/// # Errors
/// The cause; nothing of this endpoint is left then, or the details say what could not be removed.
pub fn attach<D: Driver, K: Kernel>(
    driver: &D,
    kernel: &mut K,
    ipam: Option<&dyn Ipam>,
    owner: &Owner,
    sandbox: &str,
) -> Result<AddResult, Error> {
    let mac = kernel.random_mac();
    let endpoint = driver.endpoint(owner, mac);
    let mut converger = Converger::new(kernel);
    let claimed = claim(driver, &mut converger, owner, &endpoint)?;
    let outcome = wire(driver, &mut converger, ipam, owner, sandbox, &endpoint, claimed);
    outcome.map_err(|cause| undone(cause, undo(driver, kernel, ipam, owner, claimed)))
}

/// Ensures the network and claims the endpoint in it. Gives the index of the host's end.
fn claim<D: Driver, K: Kernel>(
    driver: &D,
    converger: &mut Converger<'_, K>,
    owner: &Owner,
    endpoint: &Endpoint,
) -> Result<Option<u32>, Error> {
    let network = driver.network();
    match (network.lifetime, &network.members) {
        (Lifetime::Stays, Members::Untraceable | Members::Ports { .. }) => {
            claim_in(&network, converger, owner, endpoint)
        }
        // GC must not see the link before it says whose it is.
        (Lifetime::Stays, Members::Elsewhere { .. }) => {
            converger.kernel.lock(false).map_err(kernel)?;
            let outcome = claim_in(&network, converger, owner, endpoint);
            converger.kernel.unlock();
            outcome
        }
        (Lifetime::LastEndpoint, _) => {
            converger.refuse_others();
            converger.kernel.lock(false).map_err(kernel)?;
            let outcome = claim_in(&network, converger, owner, endpoint);
            converger.kernel.unlock();
            // Nothing of the endpoint is there; but it may have made the network, and nobody else be in it.
            outcome.map_err(|cause| undone(cause, release_if_last(converger.kernel, &owner.network, &network)))
        }
    }
}

/// One message creates both ends of the endpoint's link, or fails because one of the names is taken, and then whoever has
/// it is left alone.
fn claim_in<K: Kernel>(
    network: &Network,
    converger: &mut Converger<'_, K>,
    owner: &Owner,
    endpoint: &Endpoint,
) -> Result<Option<u32>, Error> {
    let mut tries = CLAIM_TRIES;
    loop {
        converger.ensure(&owner.network, &network.resources)?;
        let Some(spec) = &endpoint.claim else { return Ok(None) };
        // With an address of our choice udev leaves the link's alone (its assign type is "set").
        let mac = spec.mac.unwrap_or_else(|| converger.kernel.random_mac());
        let spec = LinkSpec { mac: Some(mac), ..spec.clone() };
        tries -= 1;
        match converger.kernel.create(spec.asked_in(), &spec) {
            Ok(claimed) => {
                note_ends(converger, &spec, claimed);
                return match spec.born_in() {
                    Place::Host => Ok(Some(claimed.index)),
                    Place::Sandbox => mark_inside(converger, owner, &spec, claimed.index).map(|()| None),
                };
            }
            Err(error) if error.errno == EXISTS => return Err(taken(converger, owner, &spec, error)),
            Err(error) if error.errno == NO_DEVICE && tries > 0 => converger.forget(),
            Err(error) => return Err(parent::refused(converger, &spec, error)),
        }
    }
}

/// Says in the link whose it is. Nothing but its group and name did so far.
fn mark_inside<K: Kernel>(
    converger: &mut Converger<'_, K>,
    owner: &Owner,
    spec: &LinkSpec,
    index: u32,
) -> Result<(), Error> {
    let marked = converger.now(Place::Sandbox, Change::Alias(LinkName::Index(index), owner.alias(&[])));
    marked.map_err(|cause| undone(cause, inside::delete(converger.kernel, owner, spec)))
}

/// Tells the converger of the new link's two ends.
fn note_ends<K: Kernel>(converger: &mut Converger<'_, K>, spec: &LinkSpec, claimed: Claimed) {
    let Claimed { index, peer_index, .. } = claimed;
    // A passthru macvlan has its parent's MAC, and any the parent's MTU; a veth's is not believed before it is up.
    let (mac, mtu) = match &spec.kind {
        LinkKind::Macvlan(_) => (claimed.mac, claimed.mtu),
        _ => (spec.mac, spec.mtu.unwrap_or_default()),
    };
    converger.note(spec.born_in(), Link { index, name: spec.name.clone(), mac, mtu, ..Link::default() });
    match &spec.kind {
        LinkKind::Veth { peer } => {
            let place = if peer.in_sandbox { Place::Sandbox } else { Place::Host };
            let link = Link { index: peer_index, name: peer.name.clone(), mac: peer.mac, mtu, ..Link::default() };
            converger.note(place, link);
        }
        LinkKind::Bridge { .. }
        | LinkKind::Vxlan(_)
        | LinkKind::Ifb
        | LinkKind::Macvlan(_)
        | LinkKind::Vlan { .. }
        | LinkKind::Dummy => {}
    }
}

/// Which of the two names of a claim is taken, and by whom.
fn taken<K: Kernel>(converger: &mut Converger<'_, K>, owner: &Owner, spec: &LinkSpec, error: KernelError) -> Error {
    match converger.kernel.link(spec.born_in(), &LinkName::Name(spec.name.clone())) {
        Ok(Some(link)) if spec.born_in() == Place::Sandbox && OwnerTag::read(&link.alias) != Some(owner.tag()) => {
            Error::internal(format!("failed to create {} {:?}: file exists", spec.kind.as_str(), spec.name))
                .with_details(format!("the sandbox has an interface {} already; choose another CNI_IFNAME", spec.name))
        }
        Ok(Some(_)) => Error::internal(format!(
            "container {} is already attached to network {} as {}: {error}",
            owner.container, owner.network, owner.ifname
        ))
        .with_details("call DEL for it first"),
        Ok(None) => Error::internal(format!(
            "container veth name ({:?}) peer provided ({:?}) already exists",
            owner.ifname, spec.name
        ))
        .with_details(format!("the sandbox has an interface {} already; choose another CNI_IFNAME", owner.ifname)),
        Err(_) => kernel(error),
    }
}

/// Everything after the claim.
fn wire<D: Driver, K: Kernel>(
    driver: &D,
    converger: &mut Converger<'_, K>,
    ipam: Option<&dyn Ipam>,
    owner: &Owner,
    sandbox: &str,
    endpoint: &Endpoint,
    claimed: Option<u32>,
) -> Result<AddResult, Error> {
    if let Some(spec) = &endpoint.claim {
        converger.give_birth_settings(Place::Host, spec)?;
    }
    let lease = match ipam {
        Some(ipam) => ipam.add()?,
        None => AddResult::default(),
    };
    let wiring = driver.wire(owner, sandbox, lease)?;
    if let Some(link) = claimed {
        let addresses: Vec<_> = wiring.result.ips.iter().map(|ip| ip.address).collect();
        // Before the first element of the firewall: DEL learns from it which ones there can be.
        converger.mark(link, owner.alias(&addresses));
    }
    converger.configure(&endpoint.resources)?;
    let intents = intents([&endpoint.resources[..], &wiring.endpoint[..]]);
    install(converger.kernel, owner, &intents)?;
    converger.ensure(&owner.network, &wiring.network)?;
    converger.configure(&wiring.endpoint)?;
    if let Some(port) = &wiring.port {
        wait_for_port(converger, port)?;
    }
    if let Some(name) = &wiring.announce {
        announce(converger, name, &wiring.result)?;
    }
    report::complete(converger, wiring, sandbox)
}

/// Installs the firewall's part. The lock keeps the last endpoint of the network that leaves at the same time from
/// taking away what was just found to be there; see `detach`.
pub(crate) fn install<K: Kernel>(k: &mut K, owner: &Owner, intents: &[Intent]) -> Result<(), Error> {
    if intents.is_empty() {
        return Ok(());
    }
    let alone = k.firewall().wants_alone(intents);
    k.lock(alone).map_err(kernel)?;
    let outcome = k.firewall().install(owner, intents);
    k.unlock();
    outcome.map_err(kernel)
}

/// The firewall's part of some resources.
pub(crate) fn intents<'a>(lists: impl IntoIterator<Item = &'a [Resource]>) -> Vec<Intent> {
    lists.into_iter().flatten().filter_map(Resource::intent).cloned().collect()
}

/// A port that does not forward would swallow the first packets.
fn wait_for_port<K: Kernel>(converger: &mut Converger<'_, K>, name: &str) -> Result<(), Error> {
    let link = converger.link(Place::Host, name).map_err(kernel)?.unwrap_or_default();
    let state = converger.kernel.wait_up(&LinkName::Index(link.index)).map_err(kernel)?;
    // Both ends of a veth are born with the same.
    converger.learn_mtu(state.mtu);
    match state.operstate_name() {
        "up" => Ok(()),
        other => Err(Error::internal(format!("bridge port in error state: {other}"))
            .with_details(format!("{name} did not come up within two seconds; is its bridge up?"))),
    }
}

/// Lets the kernel announce the addresses of a link, now and whenever its MAC changes. Neighbours that remember another
/// MAC for one of them learn the new one at once. Setting the MAC that it has is what makes the kernel do it. Only now,
/// because before the port forwards nobody would hear it, and each announcement goes to every port of the bridge.
fn announce<K: Kernel>(converger: &mut Converger<'_, K>, name: &str, result: &AddResult) -> Result<(), Error> {
    let link = converger.link(Place::Sandbox, name).map_err(kernel)?.unwrap_or_default();
    let Some(mac) = link.mac else { return Ok(()) };
    let mut changes = Vec::with_capacity(2);
    for v6 in [false, true] {
        if !result.ips.iter().any(|ip| ip.address.addr().is_ipv6() == v6) {
            continue;
        }
        if v6 {
            let key = format!("net/ipv6/conf/{name}/ndisc_notify");
            converger.write_sysctl(&Sysctl::optional(Place::Sandbox, &key, "1"))?;
        } else {
            changes.push(Change::ArpNotify(LinkName::Index(link.index), true));
        }
    }
    changes.push(Change::Mac(LinkName::Index(link.index), mac));
    converger.kernel.apply(Place::Sandbox, &changes).into_iter().collect::<Result<(), _>>().map_err(kernel)
}
