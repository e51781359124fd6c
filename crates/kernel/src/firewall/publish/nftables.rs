//! Published ports in nf_tables: look, make true, take away, sweep. What a packet meets follows from a registry, so every
//! change is the difference between what follows from it before and after: one transaction, planned from what was just
//! seen and sent with the generation in which it was seen.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::iter;

use cnm::{Intent, KernelError, Owner, OwnerTag};

use super::conditional;
use super::registry::{Entry, Number, author, elements, note_of};
use super::scheme::{LEADING, PUBLISHERS, REDIRECTING, chains, create};
use crate::firewall::ruleset::{refill, transact};
use crate::firewall::scheme::INET;
use crate::nft::{Answer, Element, Nft, Question, Step};

/// Ports in one transaction: each takes four or five messages, and a send must fit the socket's buffer (some 200 KiB).
const CHUNK: usize = 64;
/// Notes and slots that are asked for at once: an attachment has a few ports, a port one holder.
const NOTES: u32 = 4;
const SLOTS: u32 = 2;

/// How often CHECK looks again because something has changed meanwhile.
const DRIFT_TRIES: usize = 40;

const EOPNOTSUPP: i32 = 95;
const EADDRINUSE: i32 = 98;

/// The entries of some ports.
type Entries = BTreeMap<Number, Vec<Entry>>;

/// What there is of an attachment and of some ports.
struct Seen {
    generation: u32,
    /// How often each of [`chains`] is used: by its rules, and by what leads to it.
    base: Vec<Option<u32>>,
    /// The attachment has ports with conditions.
    conditional: bool,
    /// The ports that the attachment has published, in the order of its notes.
    noted: Vec<Number>,
    /// Who has the ports that were asked for.
    entries: Entries,
}

/// Looks: in one send, where an attachment has few ports and each of them one holder at most.
fn look(nft: &mut Nft, tag: &OwnerTag, numbers: &BTreeSet<Number>) -> Result<Seen, KernelError> {
    let notes: Vec<Element> = (0..NOTES).map(|at| note_of(tag, at)).collect();
    let slots: Vec<Element> = numbers.iter().flat_map(|number| (0..SLOTS).map(|slot| number.slot(slot))).collect();
    let chain = conditional::chain_of(tag);
    let base = chains();
    let mut questions: Vec<Question<'_>> = base.iter().map(|(name, ..)| Question::Chain(INET, name)).collect();
    questions.push(Question::Chain(INET, &chain));
    questions.extend(notes.iter().chain(&slots).map(Question::Element));
    let view = nft.ask(&questions)?;
    let mut answers = view.answers.into_iter();
    let mut uses = || answers.next().and_then(|answer| answer.chain()).map(|state| state.uses);
    let base: Vec<Option<u32>> = base.iter().map(|_| uses()).collect();
    let conditional = uses().is_some();
    let mut found = answers.map(Answer::into_element);
    let mut noted: Vec<Number> = Vec::new();
    let mut open = true;
    for note in found.by_ref().take(notes.len()) {
        open = note.is_some();
        noted.extend(note.as_ref().and_then(Number::noted));
    }
    if open {
        more(nft, NOTES, &|at| note_of(tag, at), &mut |note| noted.extend(Number::noted(note)))?;
    }
    let mut entries = Entries::new();
    for &number in numbers {
        let list = entries.entry(number).or_default();
        let mut open = true;
        for element in found.by_ref().take(SLOTS as usize) {
            open = element.is_some();
            list.extend(element.and_then(|element| Entry::read(number, &element)));
        }
        if open {
            more(nft, SLOTS, &|slot| number.slot(slot), &mut |element| list.extend(Entry::read(number, element)))?;
        }
    }
    Ok(Seen { generation: view.generation, base, conditional, noted, entries })
}

/// Reads on where a list did not end with what was asked for first.
fn more(
    nft: &mut Nft,
    from: u32,
    place: &dyn Fn(u32) -> Element,
    each: &mut dyn FnMut(&Element),
) -> Result<(), KernelError> {
    let mut next = from;
    loop {
        let places: Vec<Element> = (next..next + 32).map(place).collect();
        let questions: Vec<Question<'_>> = places.iter().map(Question::Element).collect();
        for answer in nft.ask(&questions)?.answers {
            match answer.into_element() {
                Some(element) => each(&element),
                None => return Ok(()),
            }
        }
        next += 32;
    }
}

/// The notes of an attachment that begin at one of them.
fn notes<'a>(tag: &'a OwnerTag, noted: &'a [Number], first: usize) -> impl Iterator<Item = Element> + 'a {
    noted.iter().zip(0..).skip(first).map(|(number, at)| number.note(tag, at))
}

/// Everything that follows from some entries, with notes, each once: two ports of the host may lead to the same of an
/// endpoint.
fn all_elements(entries: &Entries, notes: impl Iterator<Item = Element>) -> Vec<Element> {
    let mut all: Vec<Element> = entries.values().flat_map(|list| elements(list)).chain(notes).collect();
    let mut seen = HashSet::with_capacity(all.len());
    all.retain(|element| seen.insert((element.set.name, element.key.clone())));
    all
}

/// The steps from what follows from `before` to what follows from `after`. All of it is looked at: what somebody has
/// taken away cannot be deleted, and is made again.
fn difference(nft: &mut Nft, before: Vec<Element>, after: Vec<Element>) -> Result<Vec<Step>, KernelError> {
    let kept: HashSet<(&str, &[u8])> = after.iter().map(|new| (new.set.name, new.key.as_slice())).collect();
    let gone: Vec<Element> =
        before.into_iter().filter(|old| !kept.contains(&(old.set.name, old.key.as_slice()))).collect();
    let questions: Vec<Question<'_>> = gone.iter().chain(&after).map(Question::Element).collect();
    let mut found = nft.ask(&questions)?.answers.into_iter().map(Answer::into_element);
    let mut steps = Vec::new();
    let mut additions = Vec::new();
    for old in gone {
        if found.next().flatten().is_some() {
            steps.push(Step::DropElement(old));
        }
    }
    for new in after {
        match found.next().flatten() {
            Some(there) if there == new => {}
            Some(there) => {
                steps.push(Step::DropElement(there));
                additions.push(Step::AddElement(new));
            }
            None => additions.push(Step::AddElement(new)),
        }
    }
    steps.append(&mut additions);
    Ok(steps)
}

/// Publishes what the intents say, and tells everything that is published at the same ports then. Nothing is looked at
/// when they publish nothing.
pub(super) fn install(nft: &mut Nft, owner: &Owner, intents: &[Intent]) -> Result<Vec<Entry>, KernelError> {
    let wanted = Entry::of(owner, intents);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut published = Vec::new();
    let tag = owner.tag();
    let numbers: BTreeSet<Number> = wanted.iter().map(|entry| entry.number).collect();
    let in_order: Vec<Number> = numbers.iter().copied().collect();
    for some in in_order.chunks(CHUNK) {
        let some: BTreeSet<Number> = some.iter().copied().collect();
        let mut there = Entries::new();
        transact(nft, |nft| {
            let mut seen = look(nft, &tag, &some)?;
            if seen.noted.iter().any(|noted| !numbers.contains(noted)) {
                // An attachment of the same name that had other ports and was never deleted.
                withdraw(nft, &tag)?;
                seen = look(nft, &tag, &some)?;
            }
            let before = all_elements(&seen.entries, iter::empty());
            let mut after = seen.entries;
            for (number, list) in &mut after {
                add_own(list, &tag, wanted.iter().filter(|entry| entry.number == *number).cloned().collect())?;
            }
            let mut noted = seen.noted;
            let new: Vec<Number> = some.iter().filter(|number| !noted.contains(number)).copied().collect();
            let known = noted.len();
            noted.extend(new);
            let mut steps = complete(nft, &seen.base)?;
            steps.extend(difference(nft, before, all_elements(&after, notes(&tag, &noted, known)))?);
            there = after;
            Ok((Some(seen.generation), steps))
        })
        .map_err(lacks_labels)?;
        published.extend(there.into_values().flatten());
    }
    Ok(published)
}

/// The steps that make the base, or those of its chains that somebody has deleted or flushed.
fn complete(nft: &mut Nft, uses: &[Option<u32>]) -> Result<Vec<Step>, KernelError> {
    if uses.iter().all(Option::is_none) {
        return Ok(create());
    }
    let chains = chains();
    let of = |wanted: &str| chains.iter().zip(uses).find(|((name, ..), _)| *name == wanted).and_then(|(_, uses)| *uses);
    // The one rule of each of these.
    let leading = LEADING.iter().filter(|name| of(name).is_some_and(|uses| uses > 0)).count();
    let leading = u32::try_from(leading).unwrap_or_default();
    let mut steps = Vec::new();
    for ((name, hook, rules), uses) in chains.iter().zip(uses) {
        match uses {
            None => {
                steps.push(Step::AddChain(INET, (*name).into(), *hook));
                steps.extend(rules.iter().map(|rule| Step::AddRule(INET, (*name).into(), rule.clone())));
            }
            Some(uses) => {
                let leading = if *name == REDIRECTING { leading } else { 0 };
                steps.extend(refill(nft, INET, name, rules.clone(), uses.saturating_sub(leading))?);
            }
        }
    }
    Ok(steps)
}

/// The one thing that the rules need and that a kernel with nf_tables may lack.
fn lacks_labels(error: KernelError) -> KernelError {
    if error.errno != EOPNOTSUPP {
        return error;
    }
    let words = "the rules of published ports need CONFIG_NF_CONNTRACK_LABELS; use the iptables backend on this kernel";
    KernelError { words: words.into(), ..error }
}

/// Puts what is wanted of a port into its list, in place of what the attachment had before.
fn add_own(list: &mut Vec<Entry>, tag: &OwnerTag, wanted: Vec<Entry>) -> Result<(), KernelError> {
    if list.iter().filter(|entry| entry.is_of(tag)).eq(&wanted) {
        return Ok(());
    }
    list.retain(|entry| !entry.is_of(tag));
    for entry in wanted {
        if let Some(holder) = list.iter().find(|holder| holder.conflicts(&entry)) {
            return Err(taken(&entry, holder));
        }
        list.push(entry);
    }
    Ok(())
}

/// Another container has the port.
fn taken(entry: &Entry, holder: &Entry) -> KernelError {
    let who = holder.comment.split_once(", ").map_or(holder.comment.as_str(), |(_, who)| who);
    KernelError::new(
        format!("publish port {} of the host", entry.port()),
        EADDRINUSE,
        format!(
            "port {} is published by another container ({who}); choose another hostPort or hostIP, or delete that one \
             (DEL, or GC if it is gone)",
            holder.port()
        ),
    )
}

/// Takes away what an attachment has published, and tells what that was. Whether there is anything is one question.
pub(super) fn withdraw(nft: &mut Nft, tag: &OwnerTag) -> Result<Vec<Entry>, KernelError> {
    let mut left = true;
    let mut withdrawn = Vec::new();
    while left {
        let mut gone = Vec::new();
        transact(nft, |nft| {
            gone.clear();
            let Seen { mut noted, conditional, generation, .. } = look(nft, tag, &BTreeSet::new())?;
            let all = noted.clone();
            let some: BTreeSet<Number> = noted.drain(noted.len().saturating_sub(CHUNK)..).collect();
            left = !noted.is_empty();
            if some.is_empty() {
                let steps = if conditional { conditional::remove(nft, tag)? } else { Vec::new() };
                return Ok((Some(generation), steps));
            }
            let seen = look(nft, tag, &some)?;
            if seen.noted != all {
                // Another DEL of the same attachment is at work.
                left = true;
                return Ok((Some(seen.generation), Vec::new()));
            }
            let before = all_elements(&seen.entries, notes(tag, &all, noted.len()));
            let mut after = seen.entries;
            after.values_mut().for_each(|list| gone.extend(list.extract_if(.., |entry| entry.is_of(tag))));
            let mut steps = difference(nft, before, all_elements(&after, iter::empty()))?;
            if conditional && !left {
                steps.extend(conditional::remove(nft, tag)?);
            }
            Ok((Some(seen.generation), steps))
        })?;
        withdrawn.append(&mut gone);
    }
    Ok(withdrawn)
}

/// Takes away what attachments of a network have published that `keep` refuses, and tells what that was.
pub(super) fn collect(
    nft: &mut Nft,
    network: &str,
    keep: &dyn Fn(&OwnerTag) -> bool,
) -> Result<Vec<Entry>, KernelError> {
    let network = OwnerTag::of_network(network);
    let notes = nft.elements(&PUBLISHERS)?;
    let mut doomed: Vec<OwnerTag> = notes.iter().filter_map(author).collect();
    doomed.retain(|tag| tag.network == network && !keep(tag));
    doomed.sort_by(|one, two| one.endpoint.cmp(&two.endpoint));
    doomed.dedup();
    let mut withdrawn = Vec::new();
    for tag in &doomed {
        withdrawn.append(&mut withdraw(nft, tag)?);
    }
    Ok(withdrawn)
}

/// What is missing or different of what the intents publish.
pub(super) fn drift(nft: &mut Nft, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError> {
    let wanted = Entry::of(owner, intents);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut drift = Vec::new();
    for _ in 0..DRIFT_TRIES {
        let seen = look(nft, &owner.tag(), &wanted.iter().map(|entry| entry.number).collect())?;
        drift = differences(nft, &wanted, &seen)?;
        // What looks wrong may have been changed between two looks.
        if drift.is_empty() || nft.generation()? == seen.generation {
            break;
        }
    }
    Ok(drift)
}

fn differences(nft: &mut Nft, wanted: &[Entry], seen: &Seen) -> Result<Vec<String>, KernelError> {
    let mut drift = Vec::new();
    let has = |entry: &Entry| seen.entries.get(&entry.number).is_some_and(|list| list.contains(entry));
    let lost = wanted.iter().filter(|entry| !has(entry));
    drift.extend(lost.map(|entry| {
        format!("port {} of the host is not published to {} port {}", entry.port(), entry.target, entry.target_port)
    }));
    let unnoted = wanted.iter().filter(|entry| has(entry) && !seen.noted.contains(&entry.number));
    drift.extend(unnoted.map(|entry| format!("port {} of the host is missing in {}", entry.port(), &PUBLISHERS)));
    for ((name, _, rules), uses) in chains().into_iter().zip(&seen.base) {
        if uses.is_none() {
            drift.push(format!("chain {name} of {INET} is missing"));
        } else if nft.rules(INET, name)?.len() < rules.len() {
            drift.push(format!("chain {name} of {INET} has lost rules"));
        }
    }
    let expected = all_elements(&seen.entries, iter::empty());
    let questions: Vec<Question<'_>> = expected.iter().map(Question::Element).collect();
    for (wished, answer) in expected.iter().zip(nft.ask(&questions)?.answers) {
        match answer.into_element() {
            Some(found) if found == *wished => {}
            Some(found) => drift.push(format!(
                "element {wished} of {} is {}, not {}",
                wished.set,
                wished.set.show_data(&found.data),
                wished.set.show_data(&wished.data)
            )),
            None => drift.push(format!("element {wished} of {} is missing", wished.set)),
        }
    }
    Ok(drift)
}
