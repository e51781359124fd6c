//! Our tables in the kernel: look, make true, take away, sweep. Every change is one transaction, planned from what was
//! just seen and sent with the generation that it was seen in: a race with another writer costs one more look.

use std::collections::HashSet;

use cnm::{KernelError, Owner, OwnerTag};

use super::conflict::{conflict, overlapping, taken};
use super::forward::outpost::{self, Foreign, Inquiry, Outpost};
use super::lower::Wishes;
use super::scheme::{Chain, FIREWALL_MEMBERS, INET, OWNED, SHARED};
use crate::nft::{Answer, Element, Failure, Nft, Question, Rule, Set, Step, Table, View};

/// How often a plan is made anew because another writer was faster. After that the generation is left out: the
/// kernel then still refuses what does not fit, only at a higher price.
const CHEAP_TRIES: usize = 40;
/// All tries.
const TRIES: usize = 60;
/// Refusals for reasons that a look should have shown.
const REFUSALS: usize = 3;
/// Elements in one transaction: a send must fit the socket's buffer (some 200 KiB).
const CHUNK: usize = 128;

const ENOENT: i32 = 2;
const EBUSY: i32 = 16;
pub(super) const EEXIST: i32 = 17;

/// Plans and commits until no other writer interferes. `plan` gives the steps, and the generation when they depend on
/// what it saw; no steps are success.
pub(super) fn transact(
    nft: &mut Nft,
    mut plan: impl FnMut(&mut Nft) -> Result<(Option<u32>, Vec<Step>), KernelError>,
) -> Result<(), KernelError> {
    let (mut last, mut refusals) = (Failure::Stale, 0);
    for attempt in 0..TRIES {
        let (generation, steps) = plan(nft)?;
        if steps.is_empty() {
            return Ok(());
        }
        match nft.commit(generation.filter(|_| attempt < CHEAP_TRIES), &steps) {
            Ok(()) => return Ok(()),
            Err(Failure::Stale) => last = Failure::Stale,
            Err(Failure::Refused(error)) if matches!(error.errno, ENOENT | EBUSY | EEXIST) => {
                // Either a race, then the next look shows it, or something that no look can show.
                refusals += 1;
                if refusals > REFUSALS && attempt < CHEAP_TRIES {
                    return Err(error);
                }
                last = Failure::Refused(error);
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(last.into())
}

/// What is there of some wishes, in their order.
#[derive(Debug)]
struct Seen {
    generation: u32,
    /// How often each base chain is used: by its rules.
    bases: Vec<Option<u32>>,
    chains: Vec<SeenChain>,
    elements: Vec<Option<Element>>,
    outposts: Vec<outpost::Seen>,
}

/// What is there of a chain.
#[derive(Debug)]
struct SeenChain {
    /// How often it is used, if it is there: by its rules, and by what leads to it.
    uses: Option<u32>,
    /// Wished and found.
    companions: Vec<(Element, Option<Element>)>,
}

impl SeenChain {
    /// The companions that lead to this chain.
    fn own_companions(&self) -> impl Iterator<Item = &Element> {
        self.companions.iter().filter_map(|(wished, found)| {
            found.as_ref().filter(|found| found.verdict == wished.verdict).map(|_| wished)
        })
    }
}

impl SeenChain {
    /// How many of the elements that were seen lead to it. Those of other networks, which lead there too, were not.
    fn leading(&self, name: &str, elements: &[Option<Element>]) -> u32 {
        let companions = self.own_companions().filter(|companion| companion.verdict.is_some()).count();
        let members = elements.iter().flatten().filter(|element| element.leads_to() == Some(name)).count();
        u32::try_from(companions + members).unwrap_or(u32::MAX)
    }
}

/// The steps that fill a chain of ours again that cannot have all of its `rules`, since so few `uses` are not by what leads
/// to it: somebody has flushed it. Where other networks use it as well that may not show; CHECK counts its rules.
pub(super) fn refill(
    nft: &mut Nft,
    table: Table,
    chain: &str,
    rules: Vec<Rule>,
    uses: u32,
) -> Result<Vec<Step>, KernelError> {
    if uses as usize >= rules.len() {
        return Ok(Vec::new());
    }
    let rest = nft.rules(table, chain)?.into_iter().map(|rule| Step::DropRule(table, rule.chain, rule.handle));
    Ok(rest.chain(rules.into_iter().map(|rule| Step::AddRule(table, chain.into(), rule))).collect())
}

fn look(nft: &mut Nft, wishes: &Wishes) -> Result<Seen, KernelError> {
    let names: Vec<String> = wishes.chains.iter().map(Chain::name).collect();
    let companions: Vec<Vec<Element>> = wishes.chains.iter().map(Chain::companions).collect();
    let mut questions: Vec<Question<'_>> = Vec::with_capacity(16);
    questions.extend(wishes.bases.iter().map(|base| Question::Chain(base.table(), base.chain())));
    questions.extend(names.iter().map(|name| Question::Chain(INET, name)));
    questions.extend(companions.iter().flatten().map(Question::Element));
    questions.extend(wishes.elements.iter().map(Question::Element));
    let inquiry = wishes.admin.as_ref().map(|admin| Inquiry::new(&wishes.chains, admin));
    questions.extend(inquiry.iter().flat_map(Inquiry::questions));
    let View { generation, answers } = nft.ask(&questions)?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Answer::Absent);
    let bases = wishes.bases.iter().map(|_| next().chain().map(|state| state.uses)).collect();
    let uses: Vec<Option<u32>> = names.iter().map(|_| next().chain().map(|state| state.uses)).collect();
    let mut chains = Vec::with_capacity(uses.len());
    for (uses, companions) in uses.into_iter().zip(companions) {
        let companions = companions.into_iter().map(|wished| (wished, next().into_element())).collect();
        chains.push(SeenChain { uses, companions });
    }
    let elements = wishes.elements.iter().map(|_| next().into_element()).collect();
    let outposts = inquiry.map(|inquiry| inquiry.read(&mut answers)).unwrap_or_default();
    Ok(Seen { generation, bases, chains, elements, outposts })
}

/// Makes the wishes true.
pub(super) fn install(nft: &mut Nft, wishes: &Wishes) -> Result<(), KernelError> {
    transact(nft, |nft| {
        let seen = look(nft, wishes)?;
        let steps = plan_install(nft, wishes, &seen)?;
        Ok((Some(seen.generation), steps))
    })
}

/// The steps that let chains of others accept what ours do. Those of iptables are looked at each time, those of other
/// tables when the subnet's first endpoint comes.
fn plan_outposts(nft: &mut Nft, wishes: &Wishes, seen: &Seen) -> Result<Vec<Step>, KernelError> {
    let Some(admin) = &wishes.admin else { return Ok(Vec::new()) };
    let mut steps = Vec::new();
    for family in &seen.outposts {
        steps.extend(family.install(nft, admin)?);
    }
    let chains = wishes.chains.iter().zip(&seen.chains);
    let new: Vec<Outpost> =
        chains.filter(|(_, seen)| seen.uses.is_none()).filter_map(|(chain, _)| Outpost::of(chain)).collect();
    if !new.is_empty() {
        let foreign = Foreign::list(nft)?;
        for outpost in &new {
            steps.extend(foreign.install(nft, outpost)?);
        }
    }
    Ok(steps)
}

/// The steps from what is there to what is wished.
fn plan_install(nft: &mut Nft, wishes: &Wishes, seen: &Seen) -> Result<Vec<Step>, KernelError> {
    let mut steps = Vec::new();
    for (base, uses) in wishes.bases.iter().zip(&seen.bases) {
        match uses {
            None => steps.extend(base.create()),
            Some(uses) => steps.extend(refill(nft, base.table(), base.chain(), base.rules(), *uses)?),
        }
    }
    for (chain, there) in wishes.chains.iter().zip(&seen.chains) {
        match there.uses {
            None => steps.extend(chain.create()),
            Some(uses) => {
                let leading = there.leading(&chain.name(), &seen.elements);
                steps.extend(refill(nft, INET, &chain.name(), chain.rules(), uses.saturating_sub(leading))?);
            }
        }
        for (wished, found) in &there.companions {
            let found = match found {
                None => overlapping(nft, wished, &steps)?,
                found => found.clone(),
            };
            match found {
                None => steps.push(Step::AddElement(wished.clone())),
                Some(found) if found.verdict == wished.verdict => {}
                Some(found) => return Err(conflict(nft, chain, &found)?),
            }
        }
    }
    for (wished, found) in wishes.elements.iter().zip(&seen.elements) {
        match found {
            None => steps.push(Step::AddElement(wished.clone())),
            Some(found) if OwnerTag::read(&found.comment) != OwnerTag::read(&wished.comment) => {
                return Err(taken(wished, found));
            }
            Some(found) if found.verdict == wished.verdict => {}
            Some(_) => {
                steps.push(Step::DropElement(wished.clone()));
                steps.push(Step::AddElement(wished.clone()));
            }
        }
    }
    steps.extend(plan_outposts(nft, wishes, seen)?);
    Ok(steps)
}

/// Takes away what `owner` alone has. `known` is what the configuration says that it has; but it may have changed since,
/// or the address of the interface may. So the port's element, whose key is certain, decides: where it is and `known`
/// does not name all of it, the sets are listed.
pub(super) fn remove(nft: &mut Nft, owner: &Owner, known: Option<Wishes>) -> Result<(), KernelError> {
    let tag = owner.tag();
    let own = |owned: &OwnerTag| *owned == tag;
    let Some(Wishes { elements, .. }) = known else { return erase_listed(nft, &own) };
    let mut asked = vec![Wishes::guarded_port(owner)];
    asked.extend(elements.iter().cloned());
    let questions: Vec<Question<'_>> = asked.iter().map(Question::Element).collect();
    let answers = nft.ask(&questions)?.answers;
    let present = |answer: &Answer| *answer != Answer::Absent;
    match (answers.iter().any(present), answers.iter().all(present)) {
        (false, _) => Ok(()),
        (true, true) if !elements.is_empty() => erase(nft, &own, &elements),
        (true, _) => erase_listed(nft, &own),
    }
}

/// Removes what endpoints of a network own that `keep` refuses, and chains that no network uses.
pub(super) fn collect(nft: &mut Nft, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
    let network = OwnerTag::of_network(network);
    erase_listed(nft, &|tag| tag.network == network && !keep(tag))?;
    sweep(nft)
}

/// Deletes what is found of the `doomed` endpoints.
fn erase_listed(nft: &mut Nft, doomed: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
    erase_from(nft, &OWNED, doomed)
}

/// Deletes what is found of the `doomed` endpoints in some sets.
pub(super) fn erase_from(
    nft: &mut Nft,
    sets: &[&'static Set],
    doomed: &dyn Fn(&OwnerTag) -> bool,
) -> Result<(), KernelError> {
    let mut elements = listed(nft, sets)?;
    elements.retain(|element| is_of(element, doomed));
    erase(nft, doomed, &elements)
}

/// The elements of some sets, each once.
pub(super) fn listed(nft: &mut Nft, sets: &[&'static Set]) -> Result<Vec<Element>, KernelError> {
    let mut all = Vec::new();
    for &set in sets {
        let mut elements = nft.elements(set)?;
        // A hash that grows while it is listed may show an element twice.
        elements.sort_by(|one, two| one.key.cmp(&two.key));
        elements.dedup_by(|one, two| one.key == two.key);
        all.append(&mut elements);
    }
    Ok(all)
}

/// Whether the element's owner is one of the `doomed`.
pub(super) fn is_of(element: &Element, doomed: &dyn Fn(&OwnerTag) -> bool) -> bool {
    OwnerTag::read(&element.comment).is_some_and(|tag| doomed(&tag))
}

/// Deletes those of the elements that are still there and whose owner is still one of the `doomed`.
fn erase(nft: &mut Nft, doomed: &dyn Fn(&OwnerTag) -> bool, elements: &[Element]) -> Result<(), KernelError> {
    for some in elements.chunks(CHUNK) {
        let wishes = Wishes { elements: some.to_vec(), ..Wishes::default() };
        transact(nft, |nft| {
            let there = look(nft, &wishes)?.elements.into_iter().flatten();
            // They can be dropped whatever else has changed.
            Ok((None, there.filter(|element| is_of(element, doomed)).map(Step::DropElement).collect()))
        })?;
    }
    Ok(())
}

/// Takes away what the endpoints of a network share, and with it each chain that no other network uses.
pub(super) fn release(nft: &mut Nft, network: &str) -> Result<(), KernelError> {
    clear(nft, &SHARED, &|tag| *tag == OwnerTag::shared(network))
}

/// The same for what endpoints have of the firewall plugin's themselves.
pub(super) fn clear_members(nft: &mut Nft, doomed: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
    clear(nft, &[&FIREWALL_MEMBERS], doomed)
}

/// Takes away the members in `maps` that are of the `doomed`, and with them each chain that nobody else uses.
fn clear(nft: &mut Nft, maps: &[&'static Set], doomed: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
    let mut more = true;
    while more {
        transact(nft, |nft| {
            let generation = nft.generation()?;
            let members = listed(nft, maps)?.into_iter();
            let (mut own, mut others): (Vec<_>, Vec<_>) = members.partition(|member| is_of(member, doomed));
            more = own.len() > CHUNK;
            others.extend(own.drain(own.len().min(CHUNK)..));
            let chains = own.iter().filter_map(Element::leads_to).filter_map(Chain::parse).collect();
            Ok((Some(generation), plan_clear(nft, own, &others, chains)?))
        })?;
    }
    Ok(())
}

/// Removes the chains that are ours and that no network uses: what remains when somebody else has taken members away.
fn sweep(nft: &mut Nft) -> Result<(), KernelError> {
    let mut more = true;
    while more {
        transact(nft, |nft| {
            let generation = nft.generation()?;
            let there = nft.chains(INET)?;
            let chains =
                there.iter().filter(|chain| !chain.base).filter_map(|chain| Chain::parse(&chain.name)).collect();
            let members = listed(nft, &SHARED)?;
            let steps = plan_clear(nft, Vec::new(), &members, chains)?;
            more = !steps.is_empty();
            Ok((Some(generation), steps))
        })?;
    }
    Ok(())
}

/// The steps that take away the members `own`, and those of the chains that none of the `others` leads to. Members are
/// counted, not the kernel's uses of a chain: in that number are also rules, which a person may have added or flushed.
fn plan_clear(
    nft: &mut Nft,
    own: Vec<Element>,
    others: &[Element],
    mut chains: Vec<Chain>,
) -> Result<Vec<Step>, KernelError> {
    let used: HashSet<&str> = others.iter().filter_map(Element::leads_to).collect();
    chains.retain(|chain| !used.contains(chain.name().as_str()));
    chains.truncate(CHUNK);
    let seen = look(nft, &Wishes { chains: chains.clone(), ..Wishes::default() })?;
    let mut steps: Vec<Step> = own.into_iter().map(Step::DropElement).collect();
    for (chain, seen) in chains.iter().zip(&seen.chains) {
        steps.extend(seen.own_companions().cloned().map(Step::DropElement));
        if seen.uses.is_some() {
            steps.push(Step::DropChain(INET, chain.name()));
        }
    }
    steps.extend(outpost::remove(nft, &chains)?);
    Ok(steps)
}

/// What of the wishes is missing or different.
pub(super) fn drift(nft: &mut Nft, wishes: &Wishes) -> Result<Vec<String>, KernelError> {
    let seen = look(nft, wishes)?;
    let mut drift = Vec::new();
    for (base, uses) in wishes.bases.iter().zip(&seen.bases) {
        if uses.is_none() {
            drift.push(format!("chain {} of {} is missing", base.chain(), base.table()));
        } else if nft.rules(base.table(), base.chain())?.len() < base.rules().len() {
            drift.push(format!("chain {} of {} has lost rules", base.chain(), base.table()));
        }
    }
    for (chain, seen) in wishes.chains.iter().zip(&seen.chains) {
        let name = chain.name();
        if seen.uses.is_none() {
            drift.push(format!("chain {name} of {INET} is missing"));
        } else if nft.rules(INET, &name)?.len() < chain.rules().len() {
            drift.push(format!("chain {name} of {INET} has lost rules"));
        }
        drift.extend(seen.companions.iter().filter_map(|(wished, found)| different(wished, found.as_ref())));
    }
    for (wished, found) in wishes.elements.iter().zip(&seen.elements) {
        match found {
            Some(found) if OwnerTag::read(&found.comment) != OwnerTag::read(&wished.comment) => {
                drift.push(format!("element {wished} of {} belongs to {}", wished.set, found.comment));
            }
            found => drift.extend(different(wished, found.as_ref())),
        }
    }
    for family in &seen.outposts {
        drift.extend(family.drift(nft)?);
    }
    if wishes.admin.is_some() {
        let foreign = Foreign::list(nft)?;
        for outpost in wishes.chains.iter().filter_map(Outpost::of) {
            drift.extend(foreign.drift(nft, &outpost)?);
        }
    }
    Ok(drift)
}

fn different(wished: &Element, found: Option<&Element>) -> Option<String> {
    match found {
        None => Some(format!("element {wished} of {} is missing", wished.set)),
        Some(found) if found.verdict != wished.verdict => {
            let lead = |element: &Element| element.leads_to().unwrap_or("nothing").to_owned();
            Some(format!("element {wished} of {} leads to {}, not {}", wished.set, lead(found), lead(wished)))
        }
        Some(_) => None,
    }
}
