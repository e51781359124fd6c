//! Our tables in the kernel: look, make true, take away, sweep. Every change is one transaction, planned from what was
//! just seen and sent with the generation that it was seen in, so that no lock is needed and a race costs one more
//! look.

use cnm::{KernelError, Owner, OwnerTag};

use super::lower::Wishes;
use super::scheme::{Chain, INET, OWNED, SHARED};
use crate::nft::{Answer, Element, Failure, Nft, Question, Set, Step, View};

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
const EEXIST: i32 = 17;

/// Plans and commits until no other writer interferes. `plan` gives the steps, and the generation when they depend on
/// what it saw; no steps are success.
fn transact(
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
    bases: Vec<bool>,
    chains: Vec<SeenChain>,
    elements: Vec<Option<Element>>,
}

/// What is there of a chain.
#[derive(Debug)]
struct SeenChain {
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

fn look(nft: &mut Nft, wishes: &Wishes) -> Result<Seen, KernelError> {
    let names: Vec<String> = wishes.chains.iter().map(Chain::name).collect();
    let companions: Vec<Vec<Element>> = wishes.chains.iter().map(Chain::companions).collect();
    let mut questions: Vec<Question<'_>> = Vec::with_capacity(16);
    questions.extend(wishes.bases.iter().map(|base| Question::Chain(base.table(), base.chain())));
    questions.extend(names.iter().map(|name| Question::Chain(INET, name)));
    questions.extend(companions.iter().flatten().map(Question::Element));
    questions.extend(wishes.elements.iter().map(Question::Element));
    let View { generation, answers } = nft.ask(&questions)?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Answer::Absent);
    let bases = wishes.bases.iter().map(|_| next() != Answer::Absent).collect();
    let uses: Vec<Option<u32>> = names.iter().map(|_| next().uses()).collect();
    let mut chains = Vec::with_capacity(uses.len());
    for (uses, companions) in uses.into_iter().zip(companions) {
        let companions = companions.into_iter().map(|wished| (wished, next().into_element())).collect();
        chains.push(SeenChain { uses, companions });
    }
    let elements = wishes.elements.iter().map(|_| next().into_element()).collect();
    Ok(Seen { generation, bases, chains, elements })
}

/// Makes the wishes true.
pub(super) fn install(nft: &mut Nft, wishes: &Wishes) -> Result<(), KernelError> {
    if wishes.elements.is_empty() {
        return Ok(());
    }
    transact(nft, |nft| {
        let seen = look(nft, wishes)?;
        Ok((Some(seen.generation), plan_install(wishes, &seen)?))
    })
}

/// The steps from what is there to what is wished.
fn plan_install(wishes: &Wishes, seen: &Seen) -> Result<Vec<Step>, KernelError> {
    let mut steps = Vec::new();
    for (base, there) in wishes.bases.iter().zip(&seen.bases) {
        if !there {
            steps.extend(base.create());
        }
    }
    for (chain, seen) in wishes.chains.iter().zip(&seen.chains) {
        if seen.uses.is_none() {
            steps.extend(chain.create());
        }
        for (wished, found) in &seen.companions {
            match found {
                None => steps.push(Step::AddElement(wished.clone())),
                Some(found) if found.verdict == wished.verdict => {}
                Some(found) => return Err(other_chain(chain, wished, found)),
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
    Ok(steps)
}

/// Two networks want different things of one bridge.
fn other_chain(chain: &Chain, wished: &Element, found: &Element) -> KernelError {
    let there = found.verdict.as_ref().and_then(|verdict| verdict.chain()).unwrap_or("something else");
    let what = format!("lead {wished} to chain {} of {INET}", chain.name());
    let words = match chain {
        Chain::Guard { .. } => format!(
            "it is guarded by chain {there}: another network, or an older configuration of this one, still has \
             endpoints on it; \"internal\" and \"icc\" must be the same for all of them"
        ),
        Chain::Outside { .. } => format!(
            "chain {there} has it: another network on the same bridge masquerades a subnet that overlaps; give each \
             network a bridge or a subnet of its own"
        ),
    };
    KernelError::new(what, EEXIST, words)
}

/// The key is another attachment's.
fn taken(wished: &Element, found: &Element) -> KernelError {
    let holder = if found.comment.is_empty() { "nobody that we know" } else { &found.comment };
    KernelError::new(
        format!("add element {wished} to {}", wished.set),
        EEXIST,
        format!(
            "it belongs to {holder}; asked for by {}; if that one is gone, delete it (DEL or GC) first",
            wished.comment
        ),
    )
}

/// Takes away what `owner` has of `known`; with `None` the sets are listed.
pub(super) fn remove(nft: &mut Nft, owner: &Owner, known: Option<Wishes>) -> Result<(), KernelError> {
    let tag = owner.tag();
    match known {
        Some(wishes) if wishes.elements.is_empty() => Ok(()),
        Some(wishes) => erase(nft, &mut |owned| *owned == tag, wishes),
        None => erase_listed(nft, &OWNED, &mut |owned| *owned == tag),
    }
}

/// Takes away what the endpoints of a network share, and every chain that no other network uses.
pub(super) fn release(nft: &mut Nft, network: &str) -> Result<(), KernelError> {
    let tag = OwnerTag::shared(network);
    erase_listed(nft, &SHARED, &mut |owner| *owner == tag)
}

/// Removes what endpoints of a network own that `keep` refuses, and chains that nobody uses.
pub(super) fn collect(nft: &mut Nft, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError> {
    let network = OwnerTag::of_network(network);
    erase_listed(nft, &OWNED, &mut |tag| tag.network == network && !keep(tag))?;
    sweep(nft)
}

fn erase_listed(
    nft: &mut Nft,
    sets: &[&'static Set],
    doomed: &mut dyn FnMut(&OwnerTag) -> bool,
) -> Result<(), KernelError> {
    for &set in sets {
        let mut found = nft.elements(set)?;
        found.retain(|element| OwnerTag::read(&element.comment).is_some_and(|tag| doomed(&tag)));
        // A hash that grows while it is listed may show an element twice.
        found.sort_by(|one, two| one.key.cmp(&two.key));
        found.dedup_by(|one, two| one.key == two.key);
        for some in found.chunks(CHUNK) {
            erase(nft, doomed, Wishes { elements: some.to_vec(), ..Wishes::default() })?;
        }
    }
    Ok(())
}

/// Removes the chains that are ours and that no element leads to.
fn sweep(nft: &mut Nft) -> Result<(), KernelError> {
    let listed = nft.chains(INET)?;
    let chains: Vec<Chain> =
        listed.iter().filter(|chain| !chain.base).filter_map(|chain| Chain::parse(&chain.name)).collect();
    for some in chains.chunks(CHUNK) {
        erase(nft, &mut |_| false, Wishes { chains: some.to_vec(), ..Wishes::default() })?;
    }
    Ok(())
}

/// Deletes those of the elements that `doomed` says yes to, then the chains that are without use. The last user
/// takes the chain with it in the same transaction; one who was not the last looks again afterwards, because the
/// others may have left at the same time.
fn erase(nft: &mut Nft, doomed: &mut dyn FnMut(&OwnerTag) -> bool, mut wishes: Wishes) -> Result<(), KernelError> {
    wishes.bases.clear();
    let mut again = true;
    while again {
        again = false;
        transact(nft, |nft| {
            let seen = look(nft, &wishes)?;
            let own: Vec<Element> = seen
                .elements
                .iter()
                .flatten()
                .filter(|element| OwnerTag::read(&element.comment).is_some_and(|tag| doomed(&tag)))
                .cloned()
                .collect();
            if learn_chains(&mut wishes, &own) {
                // A second look for the chains that only the elements could name.
                let seen = look(nft, &wishes)?;
                return Ok(plan_erase(&wishes, &seen, &own, &mut again));
            }
            Ok(plan_erase(&wishes, &seen, &own, &mut again))
        })?;
    }
    Ok(())
}

/// Adds the chains that elements lead to; whether there were new ones.
fn learn_chains(wishes: &mut Wishes, own: &[Element]) -> bool {
    let before = wishes.chains.len();
    for element in own {
        let chain = element.verdict.as_ref().and_then(|verdict| verdict.chain()).and_then(Chain::parse);
        if let Some(chain) = chain
            && !wishes.chains.contains(&chain)
        {
            wishes.chains.push(chain);
        }
    }
    wishes.chains.len() > before
}

fn plan_erase(wishes: &Wishes, seen: &Seen, own: &[Element], again: &mut bool) -> (Option<u32>, Vec<Step>) {
    let mut steps: Vec<Step> = own.iter().cloned().map(Step::DropElement).collect();
    // Our own elements can be dropped whatever else has changed.
    let mut generation = None;
    *again = false;
    for (chain, seen_chain) in wishes.chains.iter().zip(&seen.chains) {
        let Some(uses) = seen_chain.uses else { continue };
        let name = chain.name();
        let leads = |element: &&Element| element.verdict.as_ref().and_then(|verdict| verdict.chain()) == Some(&name);
        let ours = own.iter().filter(leads).count();
        let expected = chain.rules().len() + seen_chain.own_companions().count() + ours;
        if uses as usize <= expected {
            generation = Some(seen.generation);
            steps.extend(seen_chain.own_companions().cloned().map(Step::DropElement));
            steps.push(Step::DropChain(INET, name));
        } else if ours > 0 {
            *again = true;
        }
    }
    (generation, steps)
}

/// What of the wishes is missing or different.
pub(super) fn drift(nft: &mut Nft, wishes: &Wishes) -> Result<Vec<String>, KernelError> {
    let seen = look(nft, wishes)?;
    let mut drift = Vec::new();
    for (base, there) in wishes.bases.iter().zip(&seen.bases) {
        if !there {
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
    Ok(drift)
}

fn different(wished: &Element, found: Option<&Element>) -> Option<String> {
    match found {
        None => Some(format!("element {wished} of {} is missing", wished.set)),
        Some(found) if found.verdict != wished.verdict => {
            let lead = |element: &Element| {
                element.verdict.as_ref().and_then(|verdict| verdict.chain()).unwrap_or("nothing").to_owned()
            };
            Some(format!("element {wished} of {} leads to {}, not {}", wished.set, lead(found), lead(wished)))
        }
        Some(_) => None,
    }
}
