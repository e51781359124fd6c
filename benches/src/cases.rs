//! The cases and how they are run: contenders in turns, so that a drift of the machine hits them all.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::chain::Chain;
use crate::contender::{Contender, Endpoint, Shape, Verb, Who};
use crate::operation::Operation;
use crate::process::Outcome;
use crate::statistics::Sample;
use crate::world::World;

/// Operations under way at once in the parallel case.
pub const CONCURRENCY: usize = 16;
/// A case ends after this time even when rounds are left, but not before [`FEWEST`] rounds.
const LONGEST: Duration = Duration::from_secs(40);
const FEWEST: usize = 3;

/// Where the contenders are. One that is `None` is left out, and the report says so.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Folder of our plugins.
    pub ours: Option<PathBuf>,
    /// Folder of the reference plugins.
    pub reference: Option<PathBuf>,
    /// The floor program.
    pub floor: Option<PathBuf>,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// As printed.
    pub name: String,
    /// What the endpoint is.
    pub shape: Shape,
    /// Endpoints on the bridge before, during and after.
    pub present: usize,
    /// In this order for each endpoint; DEL last.
    pub verbs: Vec<Verb>,
    /// Endpoints that one contender attaches before it detaches them and the next has its turn. With 1 the processor
    /// has slept before every operation, since the kernel sleeps in DEL; with more it is awake, as while containers
    /// start.
    pub block: usize,
    /// Operations under way at once.
    pub concurrency: usize,
    /// Turns of each contender.
    pub rounds: usize,
}

/// What one contender did in one case with one verb.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the case.
    pub case: String,
    /// The verb, or what else was done.
    pub what: &'static str,
    /// The contender.
    pub who: Who,
    /// Its times.
    pub sample: Sample,
}

/// A contender in its world.
struct Party {
    contender: Contender,
    world: World,
    next: usize,
    times: Vec<(Verb, Vec<Duration>, Duration)>,
}

impl Places {
    /// The contenders that are there, with this shape.
    #[must_use]
    pub fn contenders(&self, shape: Shape) -> Vec<Contender> {
        [(Who::Ours, &self.ours), (Who::Reference, &self.reference), (Who::Floor, &self.floor)]
            .into_iter()
            // The floor makes a link; a chain is more than that.
            .filter(|(who, _)| *who != Who::Floor || matches!(shape.chain, Chain::Bridge | Chain::Macvlan))
            .filter_map(|(who, place)| place.clone().map(|place| Contender { who, place, shape }))
            .collect()
    }
}

/// All cases; `endpoints` for each contender in the long ones.
#[must_use]
pub fn all(endpoints: usize) -> Vec<Case> {
    let plain = Shape::plain();
    let case = |name: &str, block: usize, endpoints: usize| Case {
        name: name.to_owned(),
        shape: plain,
        present: 0,
        verbs: vec![Verb::Add, Verb::Del],
        block,
        concurrency: 1,
        rounds: endpoints.div_ceil(block).max(FEWEST),
    };
    let present = |present: usize| Case { present, ..case(&format!("IPv4, {present} present"), 10, endpoints / 4) };
    let chain = |chain: Chain, backend: &'static str| {
        let shape = Shape { chain, backend, ..plain };
        Case { shape, verbs: vec![Verb::Add, Verb::Check, Verb::Del], ..case(&shape.name(), 10, endpoints / 4) }
    };
    let verbs = vec![Verb::Version, Verb::Status, Verb::Add, Verb::Check, Verb::Del];
    vec![
        Case { verbs, ..case("IPv4, one by one", 20, endpoints) },
        Case { concurrency: CONCURRENCY, ..case("IPv4, 16 in parallel", 5 * CONCURRENCY, endpoints) },
        case("IPv4, alone, after idling", 1, endpoints / 2),
        present(1),
        present(100),
        present(900),
        Case { shape: Shape { backend: "iptables", ..plain }, ..case("IPv4, iptables", 20, endpoints / 4) },
        Case { shape: Shape { dual_stack: true, ..plain }, ..case("dual stack", 20, endpoints / 4) },
        chain(Chain::Macvlan, "nftables"),
        Case {
            shape: Shape { chain: Chain::Macvlan, dual_stack: true, ..plain },
            ..case("macvlan, dual stack", 20, endpoints / 4)
        },
        chain(Chain::Podman, "nftables"),
        chain(Chain::Podman, "iptables"),
        chain(Chain::Nerdctl, "nftables"),
    ]
}

impl Case {
    /// Runs it with every contender.
    ///
    /// # Errors
    /// At the first operation that fails: it names contender, verb and what was printed.
    pub fn run(&self, places: &Places) -> Result<Vec<Row>> {
        let mut parties = Vec::new();
        for contender in places.contenders(self.shape) {
            let world = World::new(self.present + self.block).context("make a world")?;
            contender.prepare(&world)?;
            let mut party = Party { contender, world, next: 0, times: Vec::new() };
            party.fill(self.present)?;
            parties.push(party);
        }
        let begin = Instant::now();
        // The first round warms up and is not recorded.
        for round in 0..=self.rounds {
            // Who comes first changes with every round.
            for turn in 0..parties.len() {
                let count = parties.len();
                parties[(round + turn) % count].turn(self, round > 0)?;
            }
            if begin.elapsed() > LONGEST && round >= FEWEST {
                break;
            }
        }
        let rows = parties.into_iter().flat_map(|party| {
            let who = party.contender.who;
            party.times.into_iter().map(move |(verb, times, wall)| {
                let sample =
                    if self.concurrency > 1 { Sample::parallel(times, wall) } else { Sample::sequential(times) };
                Row { case: self.name.clone(), what: verb.as_str(), who, sample }
            })
        });
        Ok(rows.collect())
    }
}

impl Party {
    /// Takes `count` endpoints for the next operations; each in a sandbox of its own, the last ones of the world.
    fn endpoints(&mut self, count: usize) -> Vec<Endpoint> {
        let sandboxes = self.world.sandboxes();
        let first = self.next;
        self.next += count;
        let free = &sandboxes[sandboxes.len() - count..];
        free.iter().enumerate().map(|(at, sandbox)| Endpoint { number: first + at, sandbox: sandbox.clone() }).collect()
    }

    /// Attaches endpoints that stay.
    fn fill(&mut self, count: usize) -> Result<()> {
        let endpoints: Vec<Endpoint> = self.world.sandboxes()[..count]
            .iter()
            .enumerate()
            .map(|(number, sandbox)| Endpoint { number, sandbox: sandbox.clone() })
            .collect();
        self.next = count;
        let contender = self.contender.clone();
        self.world.run(move || {
            endpoints.iter().try_for_each(|endpoint| contender.operation(Verb::Add, endpoint, None).run().map(drop))
        })?
    }

    fn record(&mut self, verb: Verb, times: &[Duration], wall: Duration) {
        let at = self.times.iter().position(|(known, ..)| *known == verb).unwrap_or_else(|| {
            self.times.push((verb, Vec::new(), Duration::ZERO));
            self.times.len() - 1
        });
        self.times[at].1.extend_from_slice(times);
        self.times[at].2 += wall;
    }

    /// One block of endpoints through all verbs.
    fn turn(&mut self, case: &Case, record: bool) -> Result<()> {
        let endpoints = self.endpoints(case.block);
        let mut previous: Vec<Option<String>> = vec![None; endpoints.len()];
        for verb in case.verbs.iter().copied() {
            if !self.contender.can(verb) {
                continue;
            }
            let operations: Vec<_> = endpoints
                .iter()
                .zip(&previous)
                .map(|(endpoint, previous)| self.contender.operation(verb, endpoint, previous.as_deref()))
                .collect();
            let concurrency = case.concurrency;
            let (outcomes, wall) = self.world.run(move || at_once(&operations, concurrency))??;
            if record {
                let times: Vec<Duration> = outcomes.iter().map(|outcome| outcome.elapsed).collect();
                self.record(verb, &times, wall);
            }
            if verb == Verb::Add {
                previous = outcomes.into_iter().map(|outcome| Some(outcome.output)).collect();
            }
        }
        Ok(())
    }
}

/// Runs them all, `concurrency` at any time; also how long it took by the clock on the wall.
fn at_once(operations: &[Operation], concurrency: usize) -> Result<(Vec<Outcome>, Duration)> {
    let begin = Instant::now();
    if concurrency == 1 {
        let outcomes = operations.iter().map(Operation::run).collect::<Result<Vec<_>>>()?;
        return Ok((outcomes, begin.elapsed()));
    }
    let next = AtomicUsize::new(0);
    let mut outcomes = std::thread::scope(|scope| -> Result<Vec<(usize, Outcome)>> {
        let workers: Vec<_> = (0..concurrency)
            .map(|_| {
                scope.spawn(|| -> Result<Vec<(usize, Outcome)>> {
                    let mut done = Vec::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(operation) = operations.get(at) else { return Ok(done) };
                        done.push((at, operation.run()?));
                    }
                })
            })
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| anyhow!("a worker panicked"))??);
        }
        Ok(all)
    })?;
    let wall = begin.elapsed();
    outcomes.sort_by_key(|(at, _)| *at);
    Ok((outcomes.into_iter().map(|(_, outcome)| outcome).collect(), wall))
}
