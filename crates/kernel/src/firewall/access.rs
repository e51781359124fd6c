//! How rules of iptables are looked at and changed, whoever has them. A plan is made from text as `iptables-save` prints it
//! and is text for `iptables-restore --noflush`; between them and the kernel stands:
//!
//! - where the nf_tables variant has the rules: netlink, in process, in one transaction that happens only if nothing has
//!   changed since the look;
//! - where the legacy one has them: getsockopt(2) for the look, and `iptables-restore` for the change, since only with its
//!   lock may the whole table be replaced;
//! - whenever a plan or what it meets holds words that are not known here, or somebody has changed things so that names
//!   do not suffice: the programs, and then the whole table.
//!
//! It knows no chain by name but the hooks' own.

use std::collections::HashMap;
use std::fmt::Write as _;

use cnm::KernelError;

use super::programs::{Program, TRIES, Variant, locked};
use super::{legacy, ruleset};
use crate::nft::{Answer, Family, Hook, Nft, Question, Rule, Step, Table};
use crate::xtables::{self, Line};

/// What has to be seen of a table.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) table: &'static str,
    /// `None`: all chains.
    pub(super) chain: Option<&'a str>,
    /// Which of its rules.
    pub(super) keep: &'a dyn Fn(&xtables::Rule) -> bool,
    /// If there are any: only rules that lead to one of these chains. Where there is none of them no rule has to be read.
    pub(super) to: &'a [&'a str],
    /// Also the chains to which these lead, whole.
    pub(super) follow: bool,
}

impl<'a> Look<'a> {
    /// A chain with all its rules.
    pub(super) fn at(table: &'static str, chain: &'a str) -> Self {
        Self { table, chain: Some(chain), keep: &|_| true, to: &[], follow: false }
    }

    /// Those of its rules that `keep` wants.
    pub(super) fn some(table: &'static str, chain: &'a str, keep: &'a dyn Fn(&xtables::Rule) -> bool) -> Self {
        Self { keep, ..Self::at(table, chain) }
    }

    /// Those of its rules that lead to one of some chains.
    pub(super) fn leading(table: &'static str, chain: &'a str, to: &'a [&'a str]) -> Self {
        Self { to, ..Self::at(table, chain) }
    }

    /// Those that `keep` wants, and where they lead.
    pub(super) fn followed(table: &'static str, chain: &'a str, keep: &'a dyn Fn(&xtables::Rule) -> bool) -> Self {
        Self { keep, follow: true, ..Self::at(table, chain) }
    }

    fn wants(&self, rule: &xtables::Rule) -> bool {
        (self.to.is_empty() || rule.leads_to().is_some_and(|chain| self.to.contains(&chain))) && (self.keep)(rule)
    }

    /// Everything in a table.
    pub(super) fn whole(table: &'static str) -> Self {
        Self { chain: None, ..Self::at(table, "") }
    }
}

/// The rules of one variant and family, and the way to them.
#[derive(Debug)]
pub(super) struct Access<'a> {
    nft: Option<&'a mut Nft>,
    program: Program,
}

/// Makes a script from what was seen; `None` when there is nothing to do.
pub(super) type Plan<'a> = &'a mut dyn FnMut(&str) -> Result<Option<String>, KernelError>;

impl<'a> Access<'a> {
    /// `nft` is the socket where there is nf_tables.
    pub(super) fn to(program: Program, nft: Option<&'a mut Nft>) -> Self {
        let program = program.resolved();
        Self { nft: nft.filter(|_| program.variant == Variant::Nft), program }
    }

    /// What there is.
    pub(super) fn look(&mut self, looks: &[Look<'_>]) -> Result<String, KernelError> {
        let v6 = self.program.v6;
        if let Some(nft) = &mut self.nft
            && let Ok(seen) = Seen::look(nft, v6, looks)
        {
            return Ok(seen.text);
        }
        self.own_look(looks).map_or_else(|| self.program.save(&tables(looks)), Ok)
    }

    /// Looks, and makes what `plan` asks for, all or nothing.
    pub(super) fn transact(&mut self, looks: &[Look<'_>], plan: Plan<'_>) -> Result<(), KernelError> {
        if let Some(result) = self.directly(looks, plan) {
            return result;
        }
        let mut seen = self.own_look(looks);
        let mut result = Ok(());
        // Somebody may be faster: then it is planned anew.
        for _ in 0..TRIES {
            let by_ourselves = seen.is_some();
            let text = seen.take().map_or_else(|| self.program.save(&tables(looks)), Ok)?;
            let Some(script) = plan(&text)? else { return Ok(()) };
            if by_ourselves && !is_speakable(&script) {
                continue;
            }
            result = self.program.restore(&script);
            if result.as_ref().map_or_else(|error| locked(&error.words), |()| true) {
                break;
            }
        }
        result
    }

    /// By netlink alone; `None` when that is not the way, or does not lead there.
    fn directly(&mut self, looks: &[Look<'_>], plan: Plan<'_>) -> Option<Result<(), KernelError>> {
        let v6 = self.program.v6;
        let nft = self.nft.as_mut()?;
        let mut refusal = None;
        let done = ruleset::transact(nft, |nft| {
            let seen = Seen::look(nft, v6, looks)?;
            let planned = plan(&seen.text).inspect_err(|error| refusal = Some(error.clone()))?;
            let Some(script) = planned else { return Ok((None, Vec::new())) };
            let steps = seen.steps(&script).ok_or_else(|| KernelError::other("change iptables", "words not known"))?;
            Ok((Some(seen.generation), steps))
        });
        match refusal {
            Some(error) => Some(Err(error)),
            None => done.ok().map(Ok),
        }
    }

    /// What the legacy variant has, without its program.
    fn own_look(&self, looks: &[Look<'_>]) -> Option<String> {
        if self.program.variant != Variant::Legacy {
            return None;
        }
        let mut text = String::new();
        for table in tables(looks) {
            let contents = legacy::Contents::of(self.program.v6, table)?;
            let listing = contents.listing()?;
            let _ = writeln!(text, "*{table}");
            let wanted = |chain: &str| {
                let mut looks = looks.iter().filter(|look| look.table == table);
                looks.find(|look| look.chain.is_none_or(|name| name == chain))
            };
            let mut followed: Vec<String> = Vec::new();
            for (place, chain) in listing.chains().enumerate() {
                let Some(look) = wanted(chain) else { continue };
                let rules: Vec<xtables::Rule> = listing.rules(place).filter(|rule| look.wants(rule)).collect();
                if look.follow {
                    followed.extend(rules.iter().filter_map(|rule| rule.leads_to()).map(str::to_owned));
                }
                print(&mut text, chain, &rules);
            }
            for (place, chain) in listing.chains().enumerate() {
                if wanted(chain).is_none() && followed.iter().any(|name| name == chain) {
                    print(&mut text, chain, &listing.rules(place).collect::<Vec<_>>());
                }
            }
            text.push_str("COMMIT\n");
        }
        Some(text)
    }
}

/// The tables of some looks, each once.
fn tables(looks: &[Look<'_>]) -> Vec<&'static str> {
    let mut tables: Vec<&'static str> = looks.iter().map(|look| look.table).collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

/// Whether a program can be told to delete what a script deletes: all of it is known here.
fn is_speakable(script: &str) -> bool {
    script.lines().all(|line| !line.starts_with("-D ") || !(line.contains(" -m ? ") || line.ends_with(" ?")))
}

fn print(text: &mut String, chain: &str, rules: &[xtables::Rule]) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, ":{chain} - [0:0]");
    for rule in rules {
        let _ = writeln!(text, "-A {chain}{rule}");
    }
}

/// A chain that the look found.
#[derive(Debug)]
struct SeenChain {
    table: Table,
    name: String,
    there: bool,
    /// Handles, and the rules as they are written behind `-A `.
    rules: Vec<(u64, String)>,
}

/// What nf_tables has.
#[derive(Debug)]
struct Seen {
    v6: bool,
    generation: u32,
    /// With whether each is there.
    tables: Vec<(Table, bool)>,
    chains: Vec<SeenChain>,
    text: String,
}

/// A table of iptables in nf_tables.
fn table(v6: bool, name: &'static str) -> Table {
    Table { family: if v6 { Family::Ipv6 } else { Family::Ipv4 }, name }
}

impl Seen {
    fn look(nft: &mut Nft, v6: bool, looks: &[Look<'_>]) -> Result<Self, KernelError> {
        let tables: Vec<Table> = tables(looks).into_iter().map(|name| table(v6, name)).collect();
        let mut questions: Vec<Question<'_>> = tables.iter().map(|table| Question::Table(*table)).collect();
        let named = || looks.iter().filter_map(|look| Some((look, look.chain?)));
        questions.extend(named().flat_map(|(look, chain)| {
            let chains = std::iter::once(chain).chain(look.to.iter().copied());
            chains.map(|chain| Question::Chain(table(v6, look.table), chain))
        }));
        let view = nft.ask(&questions)?;
        let mut there = view.answers.iter().map(|answer| *answer != Answer::Absent);
        let tables = tables.into_iter().map(|table| (table, there.next().unwrap_or(false))).collect();
        let mut seen = Self { v6, generation: view.generation, tables, chains: Vec::new(), text: String::new() };
        for (look, chain) in named() {
            let is_there = there.next().unwrap_or(false);
            let leads = look.to.iter().fold(look.to.is_empty(), |leads, _| there.next().unwrap_or(false) || leads);
            seen.add(nft, look, chain, (is_there, leads))?;
        }
        for look in looks.iter().filter(|look| look.chain.is_none()) {
            seen.add_all(nft, look)?;
        }
        seen.write();
        Ok(seen)
    }

    fn at(&self, table: &str, chain: &str) -> Option<&SeenChain> {
        self.chains.iter().find(|seen| seen.table.name == table && seen.name == chain)
    }

    /// Looks at a chain that is there or not, may have something or not, and those behind it.
    fn add(&mut self, nft: &mut Nft, look: &Look<'_>, chain: &str, state: (bool, bool)) -> Result<(), KernelError> {
        let (table, (there, leads)) = (table(self.v6, look.table), state);
        let listed = match there && leads {
            true => nft.rules_of_iptables(table, Some(chain), look.to, look.keep)?,
            false => Vec::new(),
        };
        let behind = listed.iter().filter(|_| look.follow).filter_map(|one| one.rule.leads_to());
        let mut behind: Vec<String> = behind.map(str::to_owned).collect();
        let rules = listed.iter().map(|one| (one.handle, format!("{chain}{}", one.rule))).collect();
        self.chains.push(SeenChain { table, name: chain.to_owned(), there, rules });
        behind.sort_unstable();
        behind.dedup();
        for name in behind {
            if self.at(look.table, &name).is_none() {
                self.add(nft, &Look::at(look.table, ""), &name, (true, true))?;
            }
        }
        Ok(())
    }

    /// Looks at a whole table.
    fn add_all(&mut self, nft: &mut Nft, look: &Look<'_>) -> Result<(), KernelError> {
        let table = table(self.v6, look.table);
        let mut chains: Vec<SeenChain> = nft
            .chains(table)?
            .into_iter()
            .map(|chain| SeenChain { table, name: chain.name, there: true, rules: Vec::new() })
            .collect();
        let places: HashMap<String, usize> = chains.iter().map(|chain| chain.name.clone()).zip(0..).collect();
        for one in nft.rules_of_iptables(table, None, look.to, look.keep)? {
            if let Some(chain) = places.get(&one.chain).and_then(|at| chains.get_mut(*at)) {
                chain.rules.push((one.handle, format!("{}{}", one.chain, one.rule)));
            }
        }
        self.chains.extend(chains);
        Ok(())
    }

    /// As `iptables-save` prints it.
    fn write(&mut self) {
        for (table, _) in &self.tables {
            let _ = writeln!(self.text, "*{}", table.name);
            for chain in self.chains.iter().filter(|chain| chain.there && chain.table == *table) {
                let _ = writeln!(self.text, ":{} - [0:0]", chain.name);
                for (_, rule) in &chain.rules {
                    let _ = writeln!(self.text, "-A {rule}");
                }
            }
            self.text.push_str("COMMIT\n");
        }
    }

    /// The transaction that does what a script says; `None` when there is a word in it that is not known here, or
    /// something that was not looked at.
    fn steps(&self, script: &str) -> Option<Vec<Step>> {
        let (mut steps, mut deleted) = (Vec::new(), Vec::new());
        let mut made: Vec<String> = Vec::new();
        for (name, lines) in Line::script(script)? {
            let (table, there) = *self.tables.iter().find(|(table, _)| table.name == name)?;
            if !there {
                steps.push(Step::AddTable(table, ""));
            }
            made.clear();
            for line in lines {
                let seen = |chain: &str| self.at(table.name, chain);
                match line {
                    Line::Declare(chain) => match seen(&chain)?.there {
                        true => steps.push(Step::FlushChain(table, chain)),
                        false => steps.push(Step::AddChain(table, chain, None)),
                    },
                    Line::New(chain) => steps.push(Step::AddChain(table, chain, None)),
                    Line::Flush(chain) => steps.push(Step::FlushChain(table, chain)),
                    Line::Remove(chain) => steps.push(Step::DropChain(table, chain)),
                    Line::Append(ref chain, ref rule) | Line::Insert(ref chain, ref rule) => {
                        if let Some(hook) = hook(table.name, chain)
                            && !seen(chain)?.there
                            && !made.contains(chain)
                        {
                            steps.push(Step::AddChain(table, chain.clone(), Some(hook)));
                            made.push(chain.clone());
                        }
                        let rule = Rule::of_iptables(rule, self.v6)?;
                        steps.push(match line {
                            Line::Insert(chain, _) => Step::InsertRule(table, chain, rule),
                            _ => Step::AddRule(table, chain.clone(), rule),
                        });
                    }
                    Line::Delete(chain, text) => {
                        let mut rules = seen(&chain)?.rules.iter();
                        let (handle, _) = rules.find(|(handle, rule)| *rule == text && !deleted.contains(handle))?;
                        deleted.push(*handle);
                        steps.push(Step::DropRule(table, chain, *handle));
                    }
                }
            }
        }
        Some(steps)
    }
}

/// Where the chains of iptables hang that are not there before somebody needs them.
fn hook(table: &str, chain: &str) -> Option<Hook> {
    let (kind, number, priority) = match (table, chain) {
        ("raw", "PREROUTING") => ("filter", 0, -300),
        ("nat", "PREROUTING") => ("nat", 0, -100),
        ("nat", "OUTPUT") => ("nat", 3, -100),
        ("nat", "POSTROUTING") => ("nat", 4, 100),
        ("filter", "FORWARD") => ("filter", 2, 0),
        _ => return None,
    };
    Some(Hook { kind, number, priority })
}
