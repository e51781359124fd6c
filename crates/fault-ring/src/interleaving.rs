//! Two processes at once: every way in which two verbs can be interleaved with up to two changes of turn, call by
//! call, the host's lock obeyed. Whoever succeeds must have everything, whoever left must leave nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use cni::{AddResult, Attachment, Error};
use cnm::Kernel;
use kernel_memory::{Fault, Faults, Faulty, Memory, SandboxId};
use lifecycle::Ipam;

use crate::world::{World, lease, owner, path};
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
    case: &'static Case,
    driver: S::Driver,
    /// The state when nobody is attached.
    empty: Vec<String>,
    memory: Memory,
    sandboxes: [SandboxId; 2],
}

type Said = Result<Option<AddResult>, Error>;

impl<S: Subject> Scene<S> {
    /// A host on which those are attached that are about to leave.
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
        Self { case, driver: world.driver, empty, memory: world.memory, sandboxes }
    }

    fn ipam(&self, id: usize, verb: Verb) -> Option<Fixed> {
        let (number, refuses) = (NUMBERS[id], verb == Verb::AddInVain);
        (self.case.v4 || self.case.v6).then_some(Fixed { case: self.case, number, refuses })
    }

    fn process(&self, id: usize, verb: Verb, turns: &Arc<Turns>) -> (Said, usize) {
        let mut process =
            Process { id, sandbox: Some(self.sandboxes[id]), turns: Arc::clone(turns), holds_memory: false };
        let faults = Faults::new(Fault::Never);
        // Between its turns, too, it must not draw the MACs of the other.
        let worthless = Memory::without_sandbox().drawing_macs_from(if id == 0 { 1 << 16 } else { 2 << 16 });
        let kernel = Faulty::new(worthless, faults.clone());
        let mut kernel = kernel.scheduled(Box::new(move |what, memory| process.step(what, memory)));
        let ipam = self.ipam(id, verb);
        let ipam = ipam.as_ref().map(|ipam| ipam as &dyn Ipam);
        let owner = owner(NAMES[id]);
        // `has_sandbox` is asked between calls, when the kernel inside may be the worthless one.
        kernel.inner_mut().add_sandbox();
        let said = match verb {
            Verb::Add | Verb::AddInVain => {
                lifecycle::attach(&self.driver, &mut kernel, ipam, &owner, &path(NAMES[id])).map(Some)
            }
            Verb::Del => lifecycle::detach(&self.driver, &mut kernel, ipam, &owner, None).map(|()| None),
        };
        Process::end(turns, id, kernel.inner_mut());
        (said, faults.calls().len())
    }

    /// Lets both run, the first for the first number of calls, the second for the second, and so on.
    fn run(&self, verbs: [Verb; 2], plan: &[usize]) -> ([(Said, usize); 2], Memory) {
        let turn = usize::from(plan.first() == Some(&0));
        let plan = plan.iter().copied().filter(|calls| *calls > 0).collect();
        let state = State { memory: self.memory.clone(), turn, plan, finished: [false; 2], held: [None; 2] };
        let turns = Arc::new(Turns { state: Mutex::new(state), changed: Condvar::new() });
        let said = thread::scope(|scope| {
            let second = scope.spawn(|| self.process(1, verbs[1], &turns));
            let first = self.process(0, verbs[0], &turns);
            [first, second.join().unwrap()]
        });
        let memory = turns.state.lock().unwrap().memory.clone();
        (said, memory)
    }

    fn judge(&self, report: &mut Report, what: &str, verbs: [Verb; 2], said: [Said; 2], memory: &Memory) {
        let mut memory = memory.clone();
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
                    memory.look_at(Some(self.sandboxes[id]));
                    let checked =
                        lifecycle::check(&self.driver, &mut memory, None, &owner(name), &path(name), result.as_ref());
                    report.fine(&format!("{what}: CHECK of {name}"), checked);
                }
            }
        }
        if !attached {
            let left = memory.snapshot();
            let left: Vec<String> = left.lines().filter(|line| !S::stays(self.case, line)).map(str::to_owned).collect();
            report.same(what, &self.empty, &left);
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
            scene.judge(&mut report, &format!("{}: {verbs:?}, turns {plan:?}", case.name), verbs, [one, two], &memory);
        }
    }
    report.verdict();
}
