//! What is forwarded: the firewall plugin's intent in each backend, and taking it away from all of them.

mod chains;
mod dbus;
mod firewalld;
pub(super) mod outpost;
mod tables;

use std::fs::File;
use std::net::IpAddr;

use cnm::{Backend, Firewall, Forwarding, Gatekeeper, Intent, KernelError, Owner, OwnerTag};
use ipnet::IpNet;

use self::outpost::Outpost;
use super::lower::Wishes;
use super::programs::Suspects;
use super::scheme::{Chain, FIREWALL_MEMBERS, FIREWALL_OWNERS, SHARED, ZONED4, ZONED6};
use super::{HostFirewall, legacy, ruleset, together};
use crate::netns::OWN;
use crate::nft::{Answer, Element, Question, Set, Verdict};

/// The host's lock, exclusive, until it is dropped. As `Linux::lock`.
fn alone() -> Result<File, KernelError> {
    let lock = File::open(OWN).and_then(|file| file.lock().map(|()| file));
    lock.map_err(|error| KernelError::io(format!("lock {OWN}"), &error))
}

/// The intents of the firewall plugin.
fn forwardings(intents: &[Intent]) -> impl Iterator<Item = &Forwarding> {
    intents.iter().filter_map(|intent| if let Intent::Forward(forwarding) = intent { Some(forwarding) } else { None })
}

/// Outposts that the legacy iptables lacks, or rules of them, although it may drop what they accept. No child is started to know.
fn lacking(outposts: &[Outpost]) -> Vec<Outpost> {
    let filters = [false, true].map(|v6| outposts.iter().any(|one| one.is_v6() == v6) && legacy::filters_forwarded(v6));
    let lacks = |outpost: &&Outpost| {
        let v6 = outpost.is_v6();
        filters[usize::from(v6)] && !legacy::has_rules(v6, "filter", &outpost.name, Outpost::RULES)
    };
    outposts.iter().filter(lacks).cloned().collect()
}

/// Who leaves, and where something of theirs may be.
struct Departure<'a> {
    /// nf_tables has members or addresses of their own.
    responsible: bool,
    suspects: Suspects,
    owner: &'a Owner,
    /// What prevResult tells.
    known: Vec<&'a Forwarding>,
    doomed: &'a dyn Fn(&OwnerTag) -> bool,
}

impl HostFirewall {
    /// Decides who carries it where the configuration leaves it open.
    pub(super) fn decided(&mut self, intents: &[Intent]) -> Vec<Intent> {
        let mut intents = intents.to_vec();
        for intent in &mut intents {
            if let Intent::Forward(Forwarding { gatekeeper, .. }) = intent {
                *gatekeeper = self.decide(*gatekeeper);
            }
        }
        intents
    }

    fn firewalld_runs(&mut self) -> bool {
        *self.firewalld.get_or_insert_with(firewalld::runs)
    }

    fn decide(&mut self, gatekeeper: Gatekeeper) -> Gatekeeper {
        match gatekeeper {
            Gatekeeper::Auto if self.firewalld_runs() => Gatekeeper::Firewalld,
            Gatekeeper::Auto => match self.preferred() {
                Backend::Nftables => Gatekeeper::Nftables,
                Backend::Iptables => Gatekeeper::Iptables,
            },
            named => named,
        }
    }

    /// Whether the one who is to carry it can.
    pub(super) fn can_forward(&mut self, gatekeeper: Gatekeeper) -> Result<(), KernelError> {
        match self.decide(gatekeeper) {
            Gatekeeper::Auto | Gatekeeper::Nftables => self.usable(Backend::Nftables),
            Gatekeeper::Iptables => self.usable(Backend::Iptables),
            Gatekeeper::Firewalld if self.firewalld_runs() => Ok(()),
            Gatekeeper::Firewalld => {
                let words = "nobody has its name on the system's D-Bus; start it (systemctl start firewalld), or choose \
                             another backend";
                Err(KernelError::other("use firewalld", words))
            }
        }
    }

    /// Whether programs have to be run that look and change separately.
    pub(super) fn forwards_by_programs(&mut self, intents: &[Intent]) -> bool {
        let intents = self.decided(intents);
        forwardings(&intents).any(|forwarding| match forwarding.gatekeeper {
            Gatekeeper::Iptables => true,
            Gatekeeper::Auto | Gatekeeper::Nftables => {
                // Whose they are does not matter here.
                let wishes = Wishes::of(&Owner::new("", "", ""), &[Intent::Forward(forwarding.clone())]);
                !lacking(&outposts(&wishes.chains)).is_empty()
            }
            Gatekeeper::Firewalld => false,
        })
    }

    /// ADD, after nf_tables has its part: who accepts is known before it is accepted.
    pub(super) fn start_forwarding(
        &mut self,
        owner: &Owner,
        intents: &[Intent],
        wishes: &Wishes,
    ) -> Result<(), KernelError> {
        if let Some(admin) = &wishes.admin {
            let lacking = lacking(&outposts(&wishes.chains));
            if !lacking.is_empty() {
                tables::open(&lacking, admin)?;
            }
        }
        for forwarding in forwardings(intents) {
            match forwarding.gatekeeper {
                Gatekeeper::Iptables => tables::install(self.nft()?, owner, forwarding)?,
                Gatekeeper::Firewalld => firewalld::admit(&forwarding.zone, &forwarding.addresses)?,
                Gatekeeper::Auto | Gatekeeper::Nftables => {}
            }
        }
        Ok(())
    }

    /// DEL of what an endpoint has of the firewall plugin's itself, in every backend, and of what the reference plugin
    /// has made for the `known`. What its network has goes with the last endpoint.
    pub(super) fn stop_forwarding(&mut self, owner: &Owner, known: &[Intent]) -> Result<(), KernelError> {
        let tag = owner.tag();
        let known = self.decided(known);
        let known: Vec<&Forwarding> = forwardings(&known).collect();
        let record = Wishes::responsible(owner);
        let mut answers = match self.nft()? {
            Some(nft) => nft.ask(&[&[Question::Element(&record)][..], &tables::QUESTIONS].concat())?.answers,
            None => Vec::new(),
        };
        let responsible = !answers.is_empty() && answers.remove(0) != Answer::Absent;
        let suspects = self.suspects(&answers, &known)?;
        self.see_off(&Departure { responsible, suspects, owner, known, doomed: &|one| *one == tag })
    }

    /// GC: the same for endpoints of `network` that `keep` refuses.
    pub(super) fn collect_forwarding(
        &mut self,
        network: &str,
        keep: &dyn Fn(&OwnerTag) -> bool,
    ) -> Result<(), KernelError> {
        let shared = OwnerTag::shared(network);
        let doomed = |tag: &OwnerTag| tag.network == shared.network && *tag != shared && !keep(tag);
        let (responsible, answers) = match self.nft()? {
            Some(nft) => {
                let members = ruleset::listed(nft, &[&FIREWALL_OWNERS, &FIREWALL_MEMBERS])?;
                let doomed = members.iter().any(|member| ruleset::is_of(member, &doomed));
                (doomed, nft.ask(&tables::QUESTIONS)?.answers)
            }
            None => (false, Vec::new()),
        };
        let suspects = self.suspects(&answers, &[])?;
        let nobody = Owner::new(network, "", "");
        self.see_off(&Departure { responsible, suspects, owner: &nobody, known: Vec::new(), doomed: &doomed })
    }

    /// Which iptables have something to look at. The reference's rules, which have no owner, are looked for only where
    /// the `known` may have some. No child is started to know.
    fn suspects(&mut self, answers: &[Answer], known: &[&Forwarding]) -> Result<Suspects, KernelError> {
        let there = |at: usize| answers.get(at).is_some_and(|answer| answer.chain().is_some());
        let addresses: Vec<IpAddr> = known.iter().flat_map(|one| &one.addresses).map(IpNet::addr).collect();
        let mut suspects = Suspects {
            nft: [there(0), there(1)],
            legacy: [false, true].map(|v6| {
                let mut some = addresses.iter().filter(|address| address.is_ipv6() == v6);
                legacy::has_chain(v6, "filter", chains::OWNERS) || some.any(|one| legacy::has_source(*one, "filter"))
            }),
        };
        for v6 in [false, true] {
            let at = usize::from(v6);
            if !suspects.nft[at] && there(2 + at) && addresses.iter().any(|address| address.is_ipv6() == v6) {
                let Some(nft) = self.nft()? else { continue };
                let rules = nft.rules(if v6 { outpost::FILTER6 } else { outpost::FILTER4 }, outpost::ENTRY)?;
                suspects.nft[at] = rules.iter().any(|rule| rule.verdict == Some(Verdict::Accept));
            }
        }
        Ok(suspects)
    }

    fn see_off(&mut self, departure: &Departure<'_>) -> Result<(), KernelError> {
        let Departure { responsible, suspects, owner, known, doomed } = departure;
        let zoned = known.iter().any(|forwarding| forwarding.gatekeeper == Gatekeeper::Firewalld);
        if !responsible && !zoned && *suspects == Suspects::default() {
            return Ok(());
        }
        let _alone = alone()?;
        let nft = self.nft().ok().flatten();
        let mut errors = tables::remove(nft, *suspects, owner, known, doomed);
        if *responsible || zoned {
            errors.extend(self.leave_zones(departure).err());
        }
        if *responsible {
            errors.extend(self.close_outposts(&[&FIREWALL_MEMBERS], doomed).err());
            if let Some(nft) = self.nft()? {
                errors.extend(ruleset::clear_members(nft, doomed).err());
                if errors.is_empty() {
                    // The last of all, so that what could not be removed is found again.
                    errors.extend(ruleset::erase_from(nft, &[&FIREWALL_OWNERS], doomed).err());
                }
            }
        }
        together(errors)
    }

    /// Takes addresses of those who leave out of firewalld's zones, while it runs: it forgets them when it ends. Those
    /// that the reference plugin gave it are nobody's by our records.
    fn leave_zones(&mut self, departure: &Departure<'_>) -> Result<(), KernelError> {
        const ZONED: [&Set; 2] = [&ZONED4, &ZONED6];
        let runs = self.firewalld_runs();
        let zoned = match self.nft()? {
            Some(nft) => ruleset::listed(nft, &ZONED)?,
            None => Vec::new(),
        };
        let address = |element: &&Element| element.set.show_key(&element.key).parse::<IpAddr>().ok();
        let (gone, kept): (Vec<&Element>, Vec<&Element>) =
            zoned.iter().partition(|element| ruleset::is_of(element, departure.doomed));
        let kept: Vec<IpAddr> = kept.iter().filter_map(address).collect();
        let mut addresses: Vec<IpAddr> = gone.iter().filter_map(address).collect();
        let by_firewalld = departure.known.iter().filter(|known| known.gatekeeper == Gatekeeper::Firewalld);
        addresses.extend(by_firewalld.flat_map(|known| &known.addresses).map(IpNet::addr));
        addresses.retain(|address| !kept.contains(address));
        addresses.sort_unstable();
        addresses.dedup();
        if runs && !addresses.is_empty() {
            let zone = departure.known.first().map(|known| known.zone.as_str());
            firewalld::dismiss(zone, &addresses.into_iter().map(IpNet::from).collect::<Vec<_>>())?;
        }
        match self.nft()? {
            Some(nft) if !gone.is_empty() => ruleset::erase_from(nft, &ZONED, departure.doomed),
            Some(_) | None => Ok(()),
        }
    }

    /// The legacy iptables gives up the outposts that will have no member when those of the `doomed` in `maps` have gone.
    /// Before nf_tables forgets who they are for, so that a DEL that is killed can be repeated.
    fn close_outposts(&mut self, maps: &[&'static Set], doomed: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
        if !legacy::has_table(false, "filter") && !legacy::has_table(true, "filter") {
            return Ok(());
        }
        let Some(nft) = self.nft()? else { return Ok(()) };
        let members = ruleset::listed(nft, maps)?;
        let (gone, kept): (Vec<_>, Vec<_>) = members.iter().partition(|member| ruleset::is_of(member, doomed));
        let unused = gone
            .iter()
            .filter_map(|member| member.leads_to())
            .filter(|chain| kept.iter().all(|member| member.leads_to() != Some(*chain)));
        let chains: Vec<Chain> = unused.filter_map(Chain::parse).collect();
        let outposts = outposts(&chains);
        let there = |one: &&Outpost| legacy::has_chain(one.is_v6(), "filter", &one.name);
        let outposts: Vec<Outpost> = outposts.iter().filter(there).cloned().collect();
        if outposts.is_empty() { Ok(()) } else { tables::close(&outposts) }
    }

    /// The same, when the last endpoint of a network leaves. The caller holds the host's lock alone.
    pub(super) fn release_outposts(&mut self, network: &str) -> Result<(), KernelError> {
        let shared = OwnerTag::shared(network);
        self.close_outposts(&SHARED, &|tag| *tag == shared)
    }

    /// Whether the reference plugin has made what the intents ask for: before an upgrade, in iptables or firewalld. Then it
    /// does not drift because ours is not there. Asked only in that case.
    pub(super) fn forwarded_by_reference(&mut self, intents: &[Intent]) -> Result<bool, KernelError> {
        let answers = match self.nft()? {
            Some(nft) => nft.ask(&tables::QUESTIONS)?.answers,
            None => Vec::new(),
        };
        for forwarding in forwardings(intents) {
            if forwarding.gatekeeper == Gatekeeper::Firewalld {
                if !firewalld::drift(&forwarding.zone, &forwarding.addresses)?.is_empty() {
                    return Ok(false);
                }
            } else {
                let suspects = self.suspects(&answers, &[forwarding])?;
                if !tables::made_by_reference(self.nft()?, suspects, forwarding)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// What is missing beside nf_tables' part.
    pub(super) fn forwarding_drift(&mut self, intents: &[Intent], wishes: &Wishes) -> Result<Vec<String>, KernelError> {
        let mut drift = Vec::new();
        for Outpost { name, subnet, .. } in lacking(&outposts(&wishes.chains)) {
            drift.push(format!(
                "chain {name} of the legacy iptables, which accepts {subnet}, is missing or has lost rules"
            ));
        }
        for forwarding in forwardings(intents) {
            match forwarding.gatekeeper {
                Gatekeeper::Iptables => drift.extend(tables::drift(self.nft()?, forwarding)?),
                Gatekeeper::Firewalld => drift.extend(firewalld::drift(&forwarding.zone, &forwarding.addresses)?),
                Gatekeeper::Auto | Gatekeeper::Nftables => {}
            }
        }
        Ok(drift)
    }
}

fn outposts(chains: &[Chain]) -> Vec<Outpost> {
    chains.iter().filter_map(Outpost::of).collect()
}
