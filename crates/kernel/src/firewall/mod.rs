//! The host's firewall: intents lowered to nf_tables (in process) or iptables (by its programs). `docs/rules.md` lists
//! everything that is installed. It knows no configurations and no verbs.

mod access;
mod conflict;
mod forward;
mod iptables;
mod legacy;
mod lower;
mod masquerading;
mod programs;
mod publish;
mod reference;
mod ruleset;
mod scheme;

use cnm::{Backend, Firewall, Gatekeeper, Intent, KernelError, Owner, OwnerTag, Share};
use ipnet::IpNet;

use crate::nft::Nft;
use lower::Wishes;
use programs::Suspects;

/// The firewall of the namespace in which it is first used: the host's.
#[derive(Debug, Default)]
pub struct HostFirewall {
    nftables: Nftables,
    /// Whether firewalld runs, once somebody has asked.
    firewalld: Option<bool>,
}

/// Whether the kernel has nf_tables, once somebody has asked.
#[derive(Debug, Default)]
enum Nftables {
    #[default]
    Unknown,
    Works(Nft),
    Missing(KernelError),
}

/// `EINVAL` and `EPROTONOSUPPORT`: what a kernel without nf_tables answers.
const WITHOUT_NFTABLES: [i32; 2] = [22, 93];

/// The first kernel that tells a nat rule by which interface a forwarded packet came (`iifname` in postrouting).
const OLDEST: (u32, u32) = (5, 7);

impl HostFirewall {
    /// The socket; `None` when this kernel has no nf_tables, so that nothing can be there.
    fn nft(&mut self) -> Result<Option<&mut Nft>, KernelError> {
        if matches!(self.nftables, Nftables::Unknown) {
            let mut opened = Nft::open();
            if let Ok(nft) = &mut opened
                && let Err(error) = nft.probe()
            {
                opened = Err(error);
            }
            self.nftables = match opened {
                Ok(nft) => Nftables::Works(nft),
                Err(error) if WITHOUT_NFTABLES.contains(&error.errno) => Nftables::Missing(error),
                Err(error) => return Err(error),
            };
        }
        Ok(match &mut self.nftables {
            Nftables::Works(nft) => Some(nft),
            Nftables::Unknown | Nftables::Missing(_) => None,
        })
    }

    /// The socket, or why there is none.
    fn working_nft(&mut self) -> Result<&mut Nft, KernelError> {
        self.nft()?;
        match &mut self.nftables {
            Nftables::Works(nft) => Ok(nft),
            Nftables::Missing(error) => {
                Err(KernelError::new("use nftables", error.errno, "this kernel has no nf_tables (CONFIG_NF_TABLES)"))
            }
            Nftables::Unknown => Err(KernelError::other("use nftables", "it was never opened")),
        }
    }

    /// What nftables has lost of some intents.
    fn nft_drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
        let wishes = Wishes::of(owner, intents);
        if wishes.is_empty() { Ok(Vec::new()) } else { ruleset::drift(self.working_nft()?, &wishes) }
    }

    fn install_iptables(&mut self, owner: &Owner, intents: &[Intent]) -> Result<(), KernelError> {
        let addresses = masqueraded(intents, |backend| backend == Backend::Iptables);
        if addresses.is_empty() { Ok(()) } else { masquerading::install(self.nft()?, owner, &addresses) }
    }

    /// What the reference plugins, or we with another backend, have left of the attachment.
    fn remove_others(&mut self, owner: &Owner, known: Option<&[Intent]>) -> Vec<KernelError> {
        let mut errors = Vec::new();
        let chain = owner.masquerade_chain();
        let mut suspects = Suspects { legacy: legacy_chains(&chain), ..Suspects::default() };
        match self.nft() {
            Ok(Some(nft)) => match reference::find(nft, owner) {
                Ok(found) => {
                    suspects.nft = found.iptables;
                    errors.extend(reference::remove(nft, owner, found).err());
                }
                Err(error) => errors.push(error),
            },
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        let addresses = known.map(|intents| masqueraded(intents, |_| true)).unwrap_or_default();
        let nft = self.nft().ok().flatten();
        errors.extend(masquerading::remove(nft, owner, &addresses, suspects));
        errors
    }

    /// Whether the reference plugins have made the attachment's masquerading: then it does not drift because ours is
    /// not there. Asked only in that case.
    fn masqueraded_by_reference(&mut self, owner: &Owner) -> Result<bool, KernelError> {
        if let Some(nft) = self.nft()?
            && (reference::find(nft, owner)?.iptables.contains(&true) || reference::masquerades(nft, owner)?)
        {
            return Ok(true);
        }
        Ok(legacy_chains(&owner.masquerade_chain()).contains(&true))
    }
}

impl Firewall for HostFirewall {
    fn preferred(&mut self) -> Backend {
        if self.usable(Backend::Nftables).is_ok() { Backend::Nftables } else { Backend::Iptables }
    }

    fn usable(&mut self, backend: Backend) -> Result<(), KernelError> {
        match backend {
            Backend::Iptables => programs::usable(),
            Backend::Nftables => {
                self.working_nft()?;
                let release = release();
                if release.is_some_and(|release| release < OLDEST) {
                    let words = "kernel 5.7 or newer is needed; use the iptables backend";
                    return Err(KernelError::other("masquerade by nftables", words));
                }
                Ok(())
            }
        }
    }

    fn forwards(&mut self, gatekeeper: Gatekeeper) -> Result<(), KernelError> {
        self.can_forward(gatekeeper)
    }

    fn wants_alone(&mut self, intents: &[Intent]) -> bool {
        self.forwards_by_programs(intents) || publish::by_programs(intents)
    }

    fn install(&mut self, owner: &Owner, intents: &[Intent]) -> Result<(), KernelError> {
        let intents = &self.decided(intents);
        let wishes = Wishes::of(owner, intents);
        if !wishes.is_empty() {
            ruleset::install(self.working_nft()?, &wishes)?;
        }
        if intents.iter().any(|intent| matches!(intent, Intent::Publish(_))) {
            self.publish(owner, intents)?;
        }
        self.start_forwarding(owner, intents, &wishes)?;
        self.install_iptables(owner, intents)
    }

    fn remove(&mut self, owner: &Owner, known: Option<&[Intent]>) -> Result<(), KernelError> {
        let wishes = known.map(|intents| Wishes::owned(owner, intents));
        let mut errors = Vec::new();
        match self.nft() {
            Ok(Some(nft)) => errors.extend(ruleset::remove(nft, owner, wishes).err()),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        errors.extend(self.remove_others(owner, known));
        together(errors)
    }

    fn withdraw(&mut self, owner: &Owner, share: Share, known: &[Intent]) -> Result<(), KernelError> {
        match share {
            Share::Ports => self.withdraw_ports(owner),
            Share::Forwarding => self.stop_forwarding(owner, known),
        }
    }

    fn collect_share(
        &mut self,
        network: &str,
        share: Share,
        keep: &dyn Fn(&OwnerTag) -> bool,
        keep_container: &dyn Fn(&str) -> bool,
    ) -> Result<(), KernelError> {
        match share {
            Share::Ports => self.collect_ports(network, keep, keep_container),
            Share::Forwarding => self.collect_forwarding(network, keep),
        }
    }

    fn release(&mut self, network: &str) -> Result<(), KernelError> {
        self.release_outposts(network)?;
        match self.nft()? {
            Some(nft) => ruleset::release(nft, network),
            None => Ok(()),
        }
    }

    fn drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
        let intents = &self.decided(intents);
        let by_nftables = |intent: &Intent| matches!(intent, Intent::Masquerade { backend: Backend::Nftables, .. });
        let (masquerades, others): (Vec<Intent>, Vec<Intent>) = intents.iter().cloned().partition(by_nftables);
        let (forwards, others): (Vec<Intent>, Vec<Intent>) =
            others.into_iter().partition(|intent| matches!(intent, Intent::Forward(_)));
        let mut drift = self.nft_drift(owner, &others)?;
        let mut lost = self.nft_drift(owner, &forwards)?;
        lost.extend(self.forwarding_drift(&forwards, &Wishes::of(owner, &forwards))?);
        if !lost.is_empty() && !self.forwarded_by_reference(&forwards)? {
            drift.extend(lost);
        }
        let addresses = masqueraded(&others, |backend| backend == Backend::Iptables);
        if !addresses.is_empty() {
            drift.extend(masquerading::drift(self.nft()?, owner, &addresses)?);
        }
        if intents.iter().any(|intent| matches!(intent, Intent::Publish(_))) {
            drift.extend(self.port_drift(owner, intents)?);
        }
        let lost = self.nft_drift(owner, &masquerades)?;
        if !lost.is_empty() && !self.masqueraded_by_reference(owner)? {
            drift.extend(lost);
        }
        Ok(drift)
    }

    fn collect(&mut self, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
        let mut errors = Vec::new();
        match self.nft() {
            Ok(Some(nft)) => {
                errors.extend(ruleset::collect(nft, network, keep).err());
                errors.extend(reference::collect(nft, network, keep).err());
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
        together(errors)
    }

    fn collect_containers(&mut self, network: &str, keep: &dyn Fn(&str) -> bool) -> Result<(), KernelError> {
        let mut errors = Vec::new();
        let mut suspects =
            Suspects { legacy: [false, true].map(|v6| legacy::has_table(v6, "nat")), ..Suspects::default() };
        match self.nft().and_then(|nft| nft.map(reference::iptables_tables).transpose()) {
            Ok(tables) => suspects.nft = tables.unwrap_or_default(),
            Err(error) => errors.push(error),
        }
        let nft = self.nft().ok().flatten();
        errors.extend(masquerading::collect(nft, network, keep, suspects));
        together(errors)
    }
}

/// Whether the legacy iptables has a chain: IPv4, IPv6.
fn legacy_chains(chain: &str) -> [bool; 2] {
    [false, true].map(|v6| legacy::has_chain(v6, "nat", chain))
}

/// The addresses to masquerade.
fn masqueraded(intents: &[Intent], by: impl Fn(Backend) -> bool) -> Vec<IpNet> {
    let address = |intent: &Intent| match intent {
        Intent::Masquerade { address, backend, .. } => by(*backend).then_some(*address),
        Intent::SpoofCheck { .. }
        | Intent::Guard { .. }
        | Intent::Apart { .. }
        | Intent::Forward(_)
        | Intent::Publish(_) => None,
    };
    intents.iter().filter_map(address).collect()
}

/// The first error, with the others in its words.
fn together(errors: Vec<KernelError>) -> Result<(), KernelError> {
    let mut errors = errors.into_iter();
    let Some(mut first) = errors.next() else { return Ok(()) };
    for other in errors {
        if !first.words.is_empty() {
            first.words.push_str("; ");
        }
        first.words.push_str(&format!("and {other}"));
    }
    Err(first)
}

/// Version of the running kernel: major, minor.
fn release() -> Option<(u32, u32)> {
    let system = nix::sys::utsname::uname().ok()?;
    let text = system.release().to_str()?;
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
