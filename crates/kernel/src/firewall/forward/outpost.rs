//! Accepting where others drop. An `accept` in our table does not lift a `drop` in another chain of the same hook, so
//! what is accepted has outposts in the chains that may drop it: iptables' FORWARD (its nf_tables variant, written in
//! process, in rules that iptables understands) and chains of other tables whose policy is to drop. One outpost
//! serves all endpoints in a subnet. It plans steps; who sends them is `ruleset`.

use cnm::{KernelError, OwnerTag};
use ipnet::IpNet;

use super::super::scheme::{Chain, INET};
use crate::nft::{Answer, ChainState, Family, ListedRule, Nft, Question, Rule, Step, Table, Verdict};

/// The tables of iptables, where that is the nf_tables variant.
pub(in super::super) const FILTER4: Table = Table { family: Family::Ipv4, name: "filter" };
pub(in super::super) const FILTER6: Table = Table { family: Family::Ipv6, name: "filter" };
/// The host's own chain.
pub(in super::super) const FORWARD: &str = "FORWARD";
/// The reference plugin's chain, and the comments on the rules that lead there and on to the administrator's.
pub(in super::super) const ENTRY: &str = "CNI-FORWARD";
pub(in super::super) const ENTRY_COMMENT: &str = "CNI firewall plugin rules";
pub(in super::super) const ADMIN_COMMENT: &str = "CNI firewall plugin admin overrides";
/// `NF_INET_FORWARD`.
const FORWARD_HOOK: u32 = 2;

/// What some chain accepts, as an outpost sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Outpost {
    pub(in super::super) device: Option<String>,
    pub(in super::super) subnet: IpNet,
    /// The comment by which its rules are known.
    pub(in super::super) comment: String,
    /// The name of its chain of iptables.
    pub(in super::super) name: String,
}

impl Outpost {
    /// The outpost of a chain, if it is one that accepts.
    pub(in super::super) fn of(chain: &Chain) -> Option<Self> {
        let Chain::Accept { device, subnet } = chain else { return None };
        let name = chain.name();
        Some(Self {
            device: device.clone(),
            subnet: *subnet,
            name: format!("CNM-{}", OwnerTag::digits(&name)),
            comment: format!("cnm {name}"),
        })
    }

    pub(in super::super) fn is_v6(&self) -> bool {
        self.subnet.addr().is_ipv6()
    }

    const fn table(v6: bool) -> Table {
        if v6 { FILTER6 } else { FILTER4 }
    }

    fn rule(&self) -> (Rule, Rule) {
        match &self.device {
            Some(device) => (Rule::default().enters(device), Rule::default().leaves(device)),
            None => (Rule::default(), Rule::default()),
        }
    }

    /// What comes from it; what goes there, if it was asked for, or sent to a port or an address of the host that leads
    /// there: whoever redirects it has published it.
    fn rules_of_iptables(&self) -> [Rule; Self::RULES] {
        let (enters, leaves) = self.rule();
        let to = leaves.plainly_to(self.subnet);
        [enters.plainly_from(self.subnet), to.clone().xt_answers(), to.xt_redirected()]
            .map(|rule| rule.counted().verdict(Verdict::Accept))
    }

    fn rules_of_others(&self) -> [Rule; Self::RULES] {
        let (enters, leaves) = self.rule();
        let to = leaves.to(self.subnet);
        [enters.from(self.subnet), to.clone().answers(), to.redirected()]
            .map(|rule| rule.verdict(Verdict::Accept).commented(&self.comment))
    }

    /// How many rules it has in each chain.
    pub(in super::super) const RULES: usize = 3;

    /// How often its chain of iptables is used when all of it is there: by the rules, and by one that leads there.
    const USES: u32 = 4;
}

/// Iptables' chains of one family, and the outposts that they should have.
#[derive(Debug)]
pub(in super::super) struct Seen {
    v6: bool,
    forward: Option<ChainState>,
    entry: bool,
    admin: bool,
    outposts: Vec<(Outpost, Option<ChainState>)>,
}

/// The outposts by family.
fn families(chains: &[Chain]) -> impl Iterator<Item = (bool, Vec<Outpost>)> {
    [false, true].into_iter().filter_map(|v6| {
        let outposts: Vec<Outpost> = chains.iter().filter_map(Outpost::of).filter(|one| one.is_v6() == v6).collect();
        (!outposts.is_empty()).then_some((v6, outposts))
    })
}

/// What has to be asked about iptables' chains for the accepting ones of some chains.
#[derive(Debug)]
pub(in super::super) struct Inquiry<'a> {
    families: Vec<(bool, Vec<Outpost>)>,
    admin: &'a str,
}

impl<'a> Inquiry<'a> {
    /// For the accepting ones of `chains`, where `admin` is the administrator's chain.
    pub(in super::super) fn new(chains: &[Chain], admin: &'a str) -> Self {
        Self { families: families(chains).collect(), admin }
    }

    /// The questions, to be asked with others.
    pub(in super::super) fn questions(&self) -> impl Iterator<Item = Question<'_>> {
        self.families.iter().flat_map(|(v6, outposts)| {
            let table = Outpost::table(*v6);
            let names = [FORWARD, ENTRY, self.admin].into_iter();
            let names = names.chain(outposts.iter().map(|outpost| outpost.name.as_str()));
            names.map(move |name| Question::Chain(table, name))
        })
    }

    /// Reads their answers.
    pub(in super::super) fn read(self, answers: &mut dyn Iterator<Item = Answer>) -> Vec<Seen> {
        let mut next = || answers.next().and_then(|answer| answer.chain());
        let mut seen = Vec::with_capacity(self.families.len());
        for (v6, outposts) in self.families {
            let (forward, entry, admin) = (next(), next().is_some(), next().is_some());
            let outposts = outposts.into_iter().map(|outpost| (outpost, next())).collect();
            seen.push(Seen { v6, forward, entry, admin, outposts });
        }
        seen
    }
}

impl Seen {
    /// The rules of FORWARD, when what is forwarded needs to be accepted there: its policy is to drop, it has rules of
    /// others, which may drop as well, or the administrator has filled the chain that is asked first.
    fn wanted(&self, nft: &mut Nft) -> Result<Option<Vec<ListedRule>>, KernelError> {
        let Some(forward) = self.forward else { return Ok(None) };
        let rules = if forward.uses == 0 { Vec::new() } else { nft.rules(Outpost::table(self.v6), FORWARD)? };
        let others = rules.iter().any(|rule| rule.leads_to() != Some(ENTRY));
        Ok((forward.drops || others || self.admin).then_some(rules))
    }

    /// The steps that make the outposts in iptables.
    pub(in super::super) fn install(&self, nft: &mut Nft, admin: &str) -> Result<Vec<Step>, KernelError> {
        let Some(forward) = self.wanted(nft)? else { return Ok(Vec::new()) };
        let table = Outpost::table(self.v6);
        let mut steps = Vec::new();
        let incomplete: Vec<_> =
            self.outposts.iter().filter(|(_, state)| state.is_none_or(|state| state.uses != Outpost::USES)).collect();
        let jumped = forward.iter().any(|rule| rule.leads_to() == Some(ENTRY));
        if incomplete.is_empty() && jumped {
            return Ok(steps);
        }
        let entry = if self.entry { nft.rules(table, ENTRY)? } else { Vec::new() };
        if !self.entry {
            steps.push(Step::AddChain(table, ENTRY.into(), None));
        }
        if !entry.iter().any(|rule| rule.leads_to() == Some(admin)) {
            steps.push(Step::EnsureChain(table, admin.into()));
            steps.push(Step::InsertRule(table, ENTRY.into(), jump(ADMIN_COMMENT, admin)));
        }
        if !jumped {
            steps.push(Step::InsertRule(table, FORWARD.into(), jump(ENTRY_COMMENT, ENTRY)));
        }
        for (outpost, state) in incomplete {
            match state {
                None => steps.push(Step::AddChain(table, outpost.name.clone(), None)),
                // Somebody has taken rules away: from the beginning.
                Some(_) => steps.extend(nft.rules(table, &outpost.name)?.into_iter().map(|rule| drop(table, rule))),
            }
            let rules = outpost.rules_of_iptables().into_iter();
            steps.extend(rules.map(|rule| Step::AddRule(table, outpost.name.clone(), rule)));
            if !entry.iter().any(|rule| rule.leads_to() == Some(&outpost.name)) {
                steps.push(Step::AddRule(table, ENTRY.into(), jump(&outpost.comment, &outpost.name)));
            }
        }
        Ok(steps)
    }

    /// What is missing in iptables, for a person.
    pub(in super::super) fn drift(&self, nft: &mut Nft) -> Result<Vec<String>, KernelError> {
        let Some(forward) = self.wanted(nft)? else { return Ok(Vec::new()) };
        let table = Outpost::table(self.v6);
        let mut drift = Vec::new();
        if !forward.iter().any(|rule| rule.leads_to() == Some(ENTRY)) {
            drift.push(format!("the rule of chain {FORWARD} of {table} that leads to {ENTRY} is missing"));
        }
        for (outpost, state) in &self.outposts {
            let Outpost { subnet, name, .. } = outpost;
            match state {
                None => drift.push(format!("chain {name} of {table}, which accepts {subnet}, is missing")),
                Some(state) if state.uses < Outpost::USES => {
                    drift.push(format!("chain {name} of {table}, which accepts {subnet}, has lost rules"));
                }
                Some(_) => {}
            }
        }
        Ok(drift)
    }
}

fn jump(comment: &str, chain: &str) -> Rule {
    Rule::default().xt_commented(comment).counted().verdict(Verdict::Jump(chain.into()))
}

fn drop(table: Table, rule: ListedRule) -> Step {
    Step::DropRule(table, rule.chain, rule.handle)
}

/// The base chains of others, not iptables', that see forwarded packets of a family.
#[derive(Debug)]
pub(in super::super) struct Foreign(Vec<(Table, String, bool)>);

/// A chain of others that drops what it does not know and lacks rules of an outpost.
struct Gap<'a> {
    table: Table,
    chain: &'a str,
    /// The rules that it has of it.
    rest: Vec<ListedRule>,
}

impl Foreign {
    /// Lists them. A dump: only the first endpoint in a subnet and the last need it.
    pub(in super::super) fn list(nft: &mut Nft) -> Result<Self, KernelError> {
        let chains =
            nft.base_chains()?.into_iter().filter(|chain| chain.hook == FORWARD_HOOK && chain.kind == "filter");
        let ours = |table: Table| table == INET;
        let iptables = |table: Table, name: &str| (table == FILTER4 || table == FILTER6) && name == FORWARD;
        let known = chains.filter_map(|chain| {
            let table = Table::foreign(Family::of_ip(chain.family)?, chain.table);
            (!ours(table) && !iptables(table, &chain.name)).then_some((table, chain.name, chain.state.drops))
        });
        Ok(Self(known.collect()))
    }

    fn of_family(&self, v6: bool) -> impl Iterator<Item = &(Table, String, bool)> {
        let other = if v6 { Family::Ipv4 } else { Family::Ipv6 };
        self.0.iter().filter(move |(table, ..)| table.family != other)
    }

    fn gaps(&self, nft: &mut Nft, outpost: &Outpost) -> Result<Vec<Gap<'_>>, KernelError> {
        let mut gaps = Vec::new();
        for (table, chain, _) in self.of_family(outpost.is_v6()).filter(|(.., drops)| *drops) {
            let mut rest = nft.rules(*table, chain)?;
            rest.retain(|rule| rule.comment == outpost.comment);
            if rest.len() < Outpost::RULES {
                gaps.push(Gap { table: *table, chain, rest });
            }
        }
        Ok(gaps)
    }

    /// The steps that make an outpost where it is lacking.
    pub(in super::super) fn install(&self, nft: &mut Nft, outpost: &Outpost) -> Result<Vec<Step>, KernelError> {
        let mut steps = Vec::new();
        for Gap { table, chain, rest } in self.gaps(nft, outpost)? {
            steps.extend(rest.into_iter().map(|rule| drop(table, rule)));
            let rules = outpost.rules_of_others().into_iter();
            steps.extend(rules.map(|rule| Step::InsertRule(table, chain.to_owned(), rule)));
        }
        Ok(steps)
    }

    /// What is missing, for a person.
    pub(in super::super) fn drift(&self, nft: &mut Nft, outpost: &Outpost) -> Result<Vec<String>, KernelError> {
        let missing = |Gap { table, chain, .. }: Gap<'_>| {
            format!("chain {chain} of {table} drops {}: the rules that accept it are missing", outpost.subnet)
        };
        Ok(self.gaps(nft, outpost)?.into_iter().map(missing).collect())
    }

    /// The steps that take an outpost away, wherever it is.
    fn remove(&self, nft: &mut Nft, outpost: &Outpost) -> Result<Vec<Step>, KernelError> {
        let mut steps = Vec::new();
        for (table, chain, _) in self.of_family(outpost.is_v6()) {
            let rules = nft.rules(*table, chain)?.into_iter().filter(|rule| rule.comment == outpost.comment);
            steps.extend(rules.map(|rule| drop(*table, rule)));
        }
        Ok(steps)
    }
}

/// The steps that take the outposts of some chains away.
pub(in super::super) fn remove(nft: &mut Nft, chains: &[Chain]) -> Result<Vec<Step>, KernelError> {
    let outposts: Vec<Outpost> = chains.iter().filter_map(Outpost::of).collect();
    if outposts.is_empty() {
        return Ok(Vec::new());
    }
    let questions: Vec<Question<'_>> =
        outposts.iter().map(|outpost| Question::Chain(Outpost::table(outpost.is_v6()), &outpost.name)).collect();
    let answers = nft.ask(&questions)?.answers;
    let foreign = Foreign::list(nft)?;
    let mut steps = Vec::new();
    for (outpost, answer) in outposts.iter().zip(answers) {
        if answer.chain().is_some() {
            let table = Outpost::table(outpost.is_v6());
            let leading = nft.rules(table, ENTRY)?.into_iter().filter(|rule| rule.leads_to() == Some(&outpost.name));
            steps.extend(leading.map(|rule| drop(table, rule)));
            steps.push(Step::DropChain(table, outpost.name.clone()));
        }
        steps.extend(foreign.remove(nft, outpost)?);
    }
    Ok(steps)
}
