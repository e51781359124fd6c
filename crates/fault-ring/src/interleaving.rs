//! Two processes at once: every way in which two verbs can be interleaved with up to two changes of turn, call by
//! call, the host's lock obeyed. Whoever succeeds must have everything, whoever left must leave nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use cni::{AddResult, Attachment, Command, Error};
use cnm::Kernel;
use kernel_memory::{Fault, Faults, Faulty, Memory, SandboxId};
use lifecycle::Ipam;

use crate::leases::lease;
use crate::verbs::{Call, Verbs};
use crate::world::{World, owner};
use crate::{Case, Report, Subject};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// An ADD.
    Add,
    /// An ADD whose IPAM plugin refuses.
    AddInVain,
    /// A DEL.
    Del,
}

/// Whose turn it is, and everything they share.
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    memory: Memory,
    turn: usize,
    /// Calls until the turn changes, for each turn.
    plan: VecDeque<usize>,
    finished: [bool; 2],
    /// Who holds the host's lock: `Some(exclusive)`.
    held: [Option<bool>; 2],
}

impl State {
    /// The end of a call of `id`.
    fn charge(&mut self, id: usize) {
        let Some(left) = self.plan.front_mut() else { return };
        *left = left.saturating_sub(1);
        if *left == 0 && !self.finished[1 - id] {
            self.plan.pop_front();
            self.turn = 1 - id;
        }
    }

    fn conflicts(&self, id: usize, exclusive: bool) -> bool {
        self.held[1 - id].is_some_and(|other| other || exclusive)
    }
}

/// One of the two processes. Its kernel holds the memory during its turn, and something worthless else.
struct Process {
    id: usize,
    sandbox: Option<SandboxId>,
    turns: Arc<Turns>,
    holds_memory: bool,
}

impl Process {
    fn step(&mut self, what: &str, memory: &mut Memory) {
        let mut state = self.turns.state.lock().unwrap();
        if self.holds_memory {
            std::mem::swap(&mut state.memory, memory);
            state.charge(self.id);
            self.turns.changed.notify_all();
        }
        let wanted = what.strip_prefix("take the host's lock, ").map(|kind| kind == "exclusive");
        loop {
            state = self.turns.changed.wait_while(state, |state| state.turn != self.id).unwrap();
            match wanted {
                Some(exclusive) if state.conflicts(self.id, exclusive) => {
                    assert!(!state.finished[1 - self.id], "it waits for a process that has ended");
                    state.turn = 1 - self.id;
                    self.turns.changed.notify_all();
                }
                Some(exclusive) => {
                    state.held[self.id] = Some(exclusive);
                    break;
                }
                None => break,
            }
        }
        if what == "give the host's lock back" {
            state.held[self.id] = None;
        }
        std::mem::swap(&mut state.memory, memory);
        self.holds_memory = true;
        memory.look_at(self.sandbox);
        match state.held[self.id] {
            Some(exclusive) => memory.lock(exclusive).unwrap(),
            None => memory.unlock(),
        }
    }

    fn end(turns: &Turns, id: usize, memory: &mut Memory) {
        let mut state = turns.state.lock().unwrap();
        std::mem::swap(&mut state.memory, memory);
        state.finished[id] = true;
        state.held[id] = None;
        state.turn = 1 - id;
        turns.changed.notify_all();
    }
}

/// A lease decided beforehand.
struct Fixed {
    case: &'static Case,
    number: u8,
    refuses: bool,
}

impl Ipam for Fixed {
    fn add(&self) -> Result<AddResult, Error> {
        if self.refuses { Err(Error::internal("no address left")) } else { Ok(lease(self.case, self.number)) }
    }

    fn del(&self) -> Result<(), Error> {
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn gc(&self, _: &[Attachment]) -> Result<(), Error> {
        Ok(())
    }

    fn status(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The two containers, and the last parts of their addresses.
const NAMES: [&str; 2] = ["one", "two"];
const NUMBERS: [u8; 2] = [2, 3];

struct Scene<S: Subject> {
    /// Those are attached that are about to leave.
    world: World<S>,
    /// The state when nobody is attached.
    empty: Vec<String>,
    sandboxes: [SandboxId; 2],
}

/// What one process is called with.
struct Task<P> {
    id: usize,
    verb: Verb,
    plugin: P,
    previous: AddResult,
    ipam: Option<Fixed>,
    sandbox: SandboxId,
}

impl<P: Verbs> Task<P> {
    /// What it says, and how many calls it has made.
    fn run(&self, turns: &Arc<Turns>) -> (Said, usize) {
        let Self { id, sandbox, .. } = *self;
        let mut process = Process { id, sandbox: Some(sandbox), turns: Arc::clone(turns), holds_memory: false };
        let faults = Faults::new(Fault::Never);
        // Between its turns, too, it must not draw the MACs of the other.
        let worthless = Memory::without_sandbox().drawing_macs_from(if id == 0 { 1 << 16 } else { 2 << 16 });
        let kernel = Faulty::new(worthless, faults.clone());
        let mut kernel = kernel.scheduled(Box::new(move |what, memory| process.step(what, memory)));
        // `has_sandbox` is asked between calls, when the kernel inside may be the worthless one.
        kernel.inner_mut().add_sandbox();
        let ipam = self.ipam.as_ref().map(|ipam| ipam as &dyn Ipam);
        let call = Call { kernel: &mut kernel, ipam, owner: &owner(NAMES[id]) };
        let said = match self.verb {
            Verb::Add | Verb::AddInVain => self.plugin.add(call, self.previous.clone()).map(Some),
            Verb::Del => self.plugin.del(call, None).map(|()| None),
        };
        Process::end(turns, id, kernel.inner_mut());
        (said, faults.calls().len())
    }
}

type Said = Result<Option<AddResult>, Error>;

impl<S: Subject> Scene<S> {
    fn new(case: &'static Case, verbs: [Verb; 2]) -> Self {
        let mut world = World::<S>::new(case);
        let sandboxes = NAMES.map(|name| world.add_sandbox(name));
        let empty = world.unshared();
        for (id, (name, verb)) in NAMES.iter().zip(verbs).enumerate() {
            if verb == Verb::Del {
                world.reserve(name, NUMBERS[id]);
                world.add(name, Fault::Never).said.unwrap();
            }
        }
        Self { world, empty, sandboxes }
    }

    fn ipam(&self, id: usize, verb: Verb) -> Option<Fixed> {
        let (number, refuses) = (NUMBERS[id], verb == Verb::AddInVain);
        let case = self.world.case();
        (S::Plugin::IS_FIRST && (case.v4 || case.v6)).then_some(Fixed { case, number, refuses })
    }

    fn task(&self, id: usize, verb: Verb) -> Task<S::Plugin> {
        let (name, leaves) = (NAMES[id], verb == Verb::Del);
        let plugin = self.world.clone().plugin(if leaves { Command::Del } else { Command::Add }, name, !leaves);
        let (previous, ipam) = (self.world.previous(name), self.ipam(id, verb));
        Task { id, verb, plugin, previous, ipam, sandbox: self.sandboxes[id] }
    }

    /// Lets both run, the first for the first number of calls, the second for the second, and so on.
    fn run(&self, verbs: [Verb; 2], plan: &[usize]) -> ([(Said, usize); 2], Memory) {
        let turn = usize::from(plan.first() == Some(&0));
        let plan = plan.iter().copied().filter(|calls| *calls > 0).collect();
        let state = State { memory: self.world.memory.clone(), turn, plan, finished: [false; 2], held: [None; 2] };
        let turns = Arc::new(Turns { state: Mutex::new(state), changed: Condvar::new() });
        let [first, second] = [0, 1].map(|id| self.task(id, verbs[id]));
        let said = thread::scope(|scope| {
            let second = scope.spawn(|| second.run(&turns));
            let first = first.run(&turns);
            [first, second.join().unwrap()]
        });
        let memory = turns.state.lock().unwrap().memory.clone();
        (said, memory)
    }

    fn judge(&self, report: &mut Report, what: &str, verbs: [Verb; 2], said: [Said; 2], memory: Memory) {
        let mut world = self.world.clone();
        world.memory = memory;
        // The leases were decided beforehand: nobody has kept them.
        for name in NAMES {
            world.forget_lease(name);
        }
        let mut attached = false;
        for (id, (verb, said)) in verbs.into_iter().zip(said).enumerate() {
            let name = NAMES[id];
            match (verb, said) {
                // Layer 2 asks nobody for an address.
                (Verb::AddInVain, Ok(_)) if self.ipam(id, verb).is_none() => attached = true,
                (Verb::AddInVain, Ok(_)) => {
                    report.wrong(format!("{what}: {name} was given no address, and yet it is well"))
                }
                (Verb::AddInVain, Err(error)) if error.msg.contains("no address left") && error.details.is_empty() => {}
                (_, Err(error)) => report.wrong(format!("{what}: {verb:?} of {name}: {error}")),
                (Verb::Del, Ok(_)) => {}
                (Verb::Add, Ok(result)) => {
                    attached = true;
                    world.reserve(name, NUMBERS[id]);
                    report.fine(&format!("{what}: CHECK of {name}"), world.check(name, &result.unwrap_or_default()));
                }
            }
        }
        if !attached {
            report.same(what, &self.empty, &world.unshared());
        }
    }
}

/// Both verbs, in all interleavings with up to two changes of turn, of the cases with these names.
///
/// # Panics
/// With what is wrong.
pub fn every_interleaving_of<S: Subject>(cases: &[&str], verbs: [Verb; 2]) {
    let mut report = Report::default();
    let known = |name: &&str| S::CASES.iter().any(|case| case.name == *name);
    assert!(!cases.is_empty() && cases.iter().all(known), "no such case: {cases:?}");
    for case in S::CASES.iter().filter(|case| cases.contains(&case.name)) {
        let scene = Scene::<S>::new(case, verbs);
        // Whoever comes last may have more to do.
        let calls = [[].as_slice(), &[0]].map(|plan| scene.run(verbs, plan).0.map(|(_, calls)| calls));
        let (first, second) = (calls[0][0].max(calls[1][0]), calls[0][1].max(calls[1][1]));
        let mut plans: Vec<Vec<usize>> = (0..=first).map(|calls| vec![calls]).collect();
        plans.extend((1..=first).flat_map(|one| (1..=second).map(move |two| vec![one, two])));
        plans.extend((1..=second).flat_map(|one| (1..=first).map(move |two| vec![0, one, two])));
        for plan in plans {
            let ([(one, _), (two, _)], memory) = scene.run(verbs, &plan);
            scene.judge(&mut report, &format!("{}: {verbs:?}, turns {plan:?}", case.name), verbs, [one, two], memory);
        }
    }
    report.verdict();
}
