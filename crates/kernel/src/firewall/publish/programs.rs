//! Published ports by iptables: one look and at most one change for each family. The look cannot be spared: a port may be
//! another container's. The caller holds the host's lock alone.

use cnm::{KernelError, Owner, Publication, SetMark};

use super::chains::{ENTRY, MASQUERADE, OLD_ENTRY, Rules, SET_MARK, Saved, chain_of, old_chain_of};
use super::flows::Redirection;
use crate::firewall::access::{Access, Look};
use crate::firewall::programs::{Program, Suspects, Variant};
use crate::nft::Nft;
use crate::xtables::{Action, Match, Rule};

/// The tables.
const NAT: &str = "nat";
const RAW: &str = "raw";

/// Whether a rule of the entry chain lists one of the ports. Where it leads the same port may be somebody else's.
fn lists(rule: &Rule, publication: &Publication) -> bool {
    let listed = |one: &Match| match one {
        Match::Ports(ports) => publication.ports.iter().any(|port| ports.contains(&port.port)),
        _ => false,
    };
    rule.matches.iter().any(listed)
}

/// Sees what matters to a publication: of the chains that all share what is ours or meets it.
fn with_looks<T>(owner: &Owner, publication: &Publication, what: impl FnOnce(&[Look<'_>]) -> T) -> T {
    let chain = chain_of(owner);
    let entries = |rule: &Rule| rule.leads_to() == Some(&chain) || lists(rule, publication);
    let drops = |rule: &Rule| rule.action == Action::Drop;
    let mut looks = vec![
        Look::at(NAT, &chain),
        Look::leading(NAT, "PREROUTING", &[ENTRY]),
        Look::leading(NAT, "OUTPUT", &[ENTRY]),
        Look::leading(NAT, "POSTROUTING", &[MASQUERADE]),
        Look::at(NAT, SET_MARK),
        Look::at(NAT, MASQUERADE),
        Look::followed(NAT, ENTRY, &entries),
        Look::some(RAW, "PREROUTING", &drops),
    ];
    if let SetMark::Chain(name) = &publication.mark {
        looks.push(Look::some(NAT, name, &|_| false));
    }
    what(&looks)
}

/// By whatever has the plain name, in the publication's family.
fn plain<'a>(nft: Option<&'a mut Nft>, publication: &Publication) -> Access<'a> {
    Access::to(Program { variant: Variant::Plain, v6: publication.target.addr().is_ipv6() }, nft)
}

/// Publishes, and tells where the container's other networks lead the same ports.
pub(super) fn install(
    nft: Option<&mut Nft>,
    owner: &Owner,
    publication: &Publication,
) -> Result<Vec<Redirection>, KernelError> {
    let rules = Rules::new(owner, publication);
    let mut others = Vec::new();
    let plan = &mut |saved: &str| {
        let (script, met) = rules.install(&Saved::read(saved))?;
        others = met;
        Ok(Some(script))
    };
    with_looks(owner, publication, |looks| plain(nft, publication).transact(looks, plan))?;
    Ok(others)
}

/// What is missing.
pub(super) fn drift(
    nft: Option<&mut Nft>,
    owner: &Owner,
    publication: &Publication,
) -> Result<Vec<String>, KernelError> {
    let saved = with_looks(owner, publication, |looks| plain(nft, publication).look(looks))?;
    Ok(Rules::new(owner, publication).missing(&Saved::read(&saved)))
}

/// Takes away what an attachment has published, by name alone, and adds to `gone` what that was.
pub(super) fn remove(
    mut nft: Option<&mut Nft>,
    owner: &Owner,
    suspects: Suspects,
    gone: &mut Vec<Redirection>,
) -> Vec<KernelError> {
    let each = |program: Program| remove_by(program, nft.as_deref_mut(), owner, gone).err();
    suspects.programs().filter_map(each).collect()
}

fn remove_by(
    program: Program,
    nft: Option<&mut Nft>,
    owner: &Owner,
    gone: &mut Vec<Redirection>,
) -> Result<(), KernelError> {
    let (chain, old) = (chain_of(owner), old_chain_of(owner));
    let ours: [&str; 2] = [&chain, &old];
    let looks = [
        Look::at(NAT, &chain),
        Look::at(NAT, &old),
        Look::leading(NAT, ENTRY, &ours),
        Look::leading(NAT, OLD_ENTRY, &ours),
    ];
    let mut found = Vec::new();
    let plan = &mut |saved: &str| {
        let saved = Saved::read(saved);
        let script = saved.remove(owner);
        if script.is_some() {
            found = saved.redirections(owner);
        }
        Ok(script)
    };
    Access::to(program, nft).transact(&looks, plan)?;
    gone.append(&mut found);
    Ok(())
}

/// Takes away what containers of a network have published that `keep` refuses.
pub(super) fn collect(
    mut nft: Option<&mut Nft>,
    network: &str,
    keep: &dyn Fn(&str) -> bool,
    suspects: Suspects,
    gone: &mut Vec<Redirection>,
) -> Vec<KernelError> {
    let mut errors = Vec::new();
    for program in suspects.programs() {
        match Access::to(program, nft.as_deref_mut()).look(&[Look::at(NAT, ENTRY)]) {
            Err(error) => errors.push(error),
            Ok(text) => {
                let all = Saved::read(&text).attachments(network).into_iter();
                for (container, _) in all.filter(|(container, _)| !keep(container)) {
                    let owner = Owner::new(network, container, "");
                    errors.extend(remove_by(program, nft.as_deref_mut(), &owner, gone).err());
                }
            }
        }
    }
    errors
}
