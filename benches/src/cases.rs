//! The cases and how they are run: contenders in turns, so that a drift of the machine hits them all.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::contender::{Contender, Endpoint, Shape, Verb, Who};
use crate::process::Outcome;
use crate::statistics::Sample;
use crate::world::World;

/// Operations under way at once in the parallel case.
pub const CONCURRENCY: usize = 16;
/// Endpoints of one parallel batch.
const BATCH: usize = 5 * CONCURRENCY;
/// A sequential case ends after this time even when rounds are left, but not before [`FEWEST`].
const LONGEST: Duration = Duration::from_secs(40);
const FEWEST: usize = 20;

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
    /// Whether [`CONCURRENCY`] operations run at once.
    pub parallel: bool,
    /// Endpoints (sequential) or batches (parallel) for each contender.
    pub rounds: usize,
}

/// What one contender did in one case with one verb.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the case.
    pub case: String,
    /// The verb.
    pub verb: Verb,
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
            .filter_map(|(who, place)| place.clone().map(|place| Contender { who, place, shape }))
            .collect()
    }
}

/// All cases; `rounds` endpoints for each contender in the long ones.
#[must_use]
pub fn all(rounds: usize) -> Vec<Case> {
    let plain = Shape { dual_stack: false, backend: "nftables" };
    let case = |name: &str, shape, present, rounds| Case {
        name: name.to_owned(),
        shape,
        present,
        verbs: vec![Verb::Add, Verb::Del],
        parallel: false,
        rounds,
    };
    let mut every = case("IPv4, first endpoint", plain, 0, rounds);
    every.verbs = vec![Verb::Version, Verb::Status, Verb::Add, Verb::Check, Verb::Del];
    let mut parallel = case("IPv4, 16 in parallel", plain, 0, rounds.div_ceil(BATCH).max(2));
    parallel.parallel = true;
    let few = rounds.div_ceil(4).max(FEWEST);
    vec![
        every,
        parallel,
        case("IPv4, 1 present", plain, 1, few),
        case("IPv4, 100 present", plain, 100, few),
        case("IPv4, 900 present", plain, 900, few),
        case("IPv4, first, iptables", Shape { backend: "iptables", ..plain }, 0, few),
        case("dual stack, first", Shape { dual_stack: true, ..plain }, 0, few),
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
            let free = if self.parallel { BATCH } else { 1 };
            let world = World::new(self.present + free).context("make a world")?;
            contender.prepare(&world)?;
            let mut party = Party { contender, world, next: 0, times: Vec::new() };
            party.fill(self.present)?;
            parties.push(party);
        }
        if self.parallel {
            self.batches(&mut parties)?
        } else {
            self.singles(&mut parties)?
        }
        let rows = parties.into_iter().flat_map(|party| {
            let who = party.contender.who;
            party.times.into_iter().map(move |(verb, times, wall)| {
                let sample = if self.parallel { Sample::parallel(times, wall) } else { Sample::sequential(times) };
                Row { case: self.name.clone(), verb, who, sample }
            })
        });
        Ok(rows.collect())
    }

    fn singles(&self, parties: &mut [Party]) -> Result<()> {
        let begin = Instant::now();
        let warm_up = 3;
        for round in 0..self.rounds + warm_up {
            // Who comes first changes with every round.
            for turn in 0..parties.len() {
                let count = parties.len();
                let party = &mut parties[(round + turn) % count];
                party.single(&self.verbs, round >= warm_up)?;
            }
            if begin.elapsed() > LONGEST && round >= FEWEST {
                break;
            }
        }
        Ok(())
    }

    fn batches(&self, parties: &mut [Party]) -> Result<()> {
        for round in 0..self.rounds + 1 {
            for turn in 0..parties.len() {
                let count = parties.len();
                parties[(round + turn) % count].batch(&self.verbs, round > 0)?;
            }
        }
        Ok(())
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
            endpoints.iter().try_for_each(|endpoint| contender.invocation(Verb::Add, endpoint, None).run().map(drop))
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

    fn single(&mut self, verbs: &[Verb], record: bool) -> Result<()> {
        let endpoint = self.endpoints(1).remove(0);
        let mut previous = None;
        for verb in verbs.iter().copied().filter(|verb| self.contender.can(*verb)).collect::<Vec<_>>() {
            let invocation = self.contender.invocation(verb, &endpoint, previous.as_deref());
            let outcome = self.world.run(move || invocation.run())??;
            if verb == Verb::Add {
                previous = Some(outcome.output);
            }
            if record {
                self.record(verb, &[outcome.elapsed], outcome.elapsed);
            }
        }
        Ok(())
    }

    fn batch(&mut self, verbs: &[Verb], record: bool) -> Result<()> {
        let endpoints = self.endpoints(BATCH);
        let mut previous: Vec<Option<String>> = vec![None; endpoints.len()];
        for verb in verbs.iter().copied() {
            let invocations: Vec<_> = endpoints
                .iter()
                .zip(&previous)
                .map(|(endpoint, previous)| self.contender.invocation(verb, endpoint, previous.as_deref()))
                .collect();
            let (outcomes, wall) = self.world.run(move || at_once(&invocations))??;
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

/// Runs them all, [`CONCURRENCY`] at any time; also how long it took by the clock on the wall.
fn at_once(invocations: &[crate::process::Invocation]) -> Result<(Vec<Outcome>, Duration)> {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let mut outcomes = std::thread::scope(|scope| -> Result<Vec<(usize, Outcome)>> {
        let workers: Vec<_> = (0..CONCURRENCY)
            .map(|_| {
                scope.spawn(|| -> Result<Vec<(usize, Outcome)>> {
                    let mut done = Vec::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(invocation) = invocations.get(at) else { return Ok(done) };
                        done.push((at, invocation.run()?));
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
