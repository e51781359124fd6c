//! nf_tables over netlink: ask for objects by name, change them in one atomic transaction. It knows the protocol
//! (`linux/netfilter/nf_tables.h`) and nothing of which tables we install.
//!
//! Two facts shape the interface. A transaction that the kernel refuses after it has looked at a message costs it a
//! wait for RCU, 7 to 11 ms on the hosts measured; one that passes costs some 40 µs, and a question 2 µs. So callers
//! ask first, and send the number of the generation that they saw along: when another writer was faster, the kernel
//! turns the transaction away at the door, for free ([`Failure::Stale`]).

mod compat;
mod expression;
mod object;
mod read;
mod rule;
mod set;
mod step;

use cnm::KernelError;

pub(crate) use compat::Listed;
pub(crate) use expression::Part;
pub(crate) use object::{Family, Hook, Table, Verdict};
pub(crate) use read::{ChainState, ListedChain, ListedRule};
pub(crate) use rule::{Rule, octets};
pub(crate) use set::{Element, Field, Key, Keys, Set, Value};
pub(crate) use step::Step;

use crate::netlink::{self, Batch, Netlink, Refusal, flags};
use crate::xtables;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const ERESTART: i32 = 85;
const ENOENT: i32 = 2;
/// A name longer than the kernel's: nothing can bear it.
const ERANGE: i32 = 34;

/// Questions in one send: each is answered by two datagrams, and all wait in the socket's buffer (some 200 KiB).
const AT_ONCE: usize = 32;

/// `NFT_MSG_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
enum Kind {
    NewTable = 0,
    GetTable = 1,
    NewChain = 3,
    GetChain = 4,
    DelChain = 5,
    NewRule = 6,
    GetRule = 7,
    DelRule = 8,
    NewSet = 9,
    NewElement = 12,
    GetElement = 13,
    DelElement = 14,
    NewGeneration = 15,
    GetGeneration = 16,
}

impl Kind {
    const fn number(self) -> u16 {
        SUBSYSTEM << 8 | self as u16
    }
}

/// `struct nfgenmsg`.
fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

/// Length of [`header`].
const HEADER: usize = 4;

/// Why a transaction did not happen. None of its changes was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another writer was faster: ask again.
    Stale,
    /// Refused.
    Refused(KernelError),
}

impl From<Failure> for KernelError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Stale => Self::new("change nf_tables", ERESTART, "another program keeps changing it"),
            Failure::Refused(error) => error,
        }
    }
}

/// An object to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question<'a> {
    /// A chain, by name.
    Chain(Table, &'a str),
    /// A table, by name.
    Table(Table),
    /// An element, by key.
    Element(&'a Element),
}

/// What the kernel has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing of that name, or not even the table.
    Absent,
    /// A table.
    Table,
    /// A chain.
    Chain(ChainState),
    /// An element.
    Element(Element),
}

impl Answer {
    /// The element.
    pub(crate) fn into_element(self) -> Option<Element> {
        match self {
            Self::Element(element) => Some(element),
            Self::Absent | Self::Table | Self::Chain(_) => None,
        }
    }

    /// What is known of the chain.
    pub(crate) const fn chain(&self) -> Option<ChainState> {
        match self {
            Self::Chain(state) => Some(*state),
            Self::Absent | Self::Table | Self::Element(_) => None,
        }
    }
}

/// What was seen, and when.
#[derive(Debug)]
pub(crate) struct View {
    /// Read before anything else: nothing older than this is in `answers`.
    pub(crate) generation: u32,
    /// One for each question, in order.
    pub(crate) answers: Vec<Answer>,
}

/// A socket for nf_tables.
#[derive(Debug)]
pub(crate) struct Nft {
    socket: Netlink,
}

impl Nft {
    /// Opens it in the calling thread's namespace.
    pub(crate) fn open() -> Result<Self, KernelError> {
        let socket = Netlink::open(netlink::NETFILTER).map_err(|error| KernelError::io("open nf_tables", &error))?;
        Ok(Self { socket })
    }

    /// Asks for the generation alone: whether there is an nf_tables that answers.
    pub(crate) fn probe(&mut self) -> Result<(), KernelError> {
        self.generation().map(|_| ())
    }

    /// The number of the last transaction: to be asked for before what a plan is made from.
    pub(crate) fn generation(&mut self) -> Result<u32, KernelError> {
        self.ask(&[]).map(|view| view.generation)
    }

    /// Asks for objects: in one send, unless there are very many.
    pub(crate) fn ask(&mut self, questions: &[Question<'_>]) -> Result<View, KernelError> {
        let (some, rest) = questions.split_at(questions.len().min(AT_ONCE));
        let mut view = self.ask_some(some)?;
        for some in rest.chunks(AT_ONCE) {
            view.answers.extend(self.ask_some(some)?.answers);
        }
        Ok(view)
    }

    fn ask_some(&mut self, questions: &[Question<'_>]) -> Result<View, KernelError> {
        let mut batch = self.socket.batch();
        let first = batch.message(Kind::GetGeneration.number(), flags::ACK, &header(0, 0));
        for question in questions {
            question.write(&mut batch);
        }
        let mut generation = 0;
        let mut answers = vec![Answer::Absent; questions.len()];
        let verdicts =
            self.socket.exchange(&batch, |message| match message.sequence.wrapping_sub(first).checked_sub(1) {
                None if message.kind == Kind::NewGeneration.number() => generation = read::generation(&message),
                None => {}
                Some(at) => {
                    if let Some((question, answer)) = questions.get(at as usize).zip(answers.get_mut(at as usize)) {
                        *answer = question.read(&message).unwrap_or(Answer::Absent);
                    }
                }
            });
        let verdicts = verdicts.map_err(|error| KernelError::io("ask nf_tables", &error))?;
        for (at, verdict) in verdicts.into_iter().enumerate() {
            match verdict {
                Ok(()) => {}
                Err(refusal) if at > 0 && matches!(refusal.errno, ENOENT | ERANGE) => answers[at - 1] = Answer::Absent,
                Err(refusal) => {
                    let what = match at.checked_sub(1) {
                        None => "ask nf_tables for its generation".into(),
                        Some(at) => questions[at].describe(),
                    };
                    return Err(refused(what, refusal));
                }
            }
        }
        Ok(View { generation, answers })
    }

    /// Makes all changes or none. With a generation they happen only if nothing else has changed since.
    pub(crate) fn commit(&mut self, generation: Option<u32>, steps: &[Step]) -> Result<(), Failure> {
        let mut batch = self.socket.batch();
        let first = batch.message(BATCH_BEGIN, 0, &header(0, SUBSYSTEM));
        if let Some(generation) = generation {
            batch.be32(1, generation);
        }
        for step in steps {
            step.write(&mut batch);
        }
        // Kernels before 6.10 acknowledge neither begin nor end, but all of them the messages between.
        batch.raise(flags::ACK);
        batch.message(BATCH_END, 0, &header(0, SUBSYSTEM));
        let lost = |error| Failure::Refused(KernelError::io("change nf_tables", &error));
        self.socket.send(&batch).map_err(lost)?;
        // The kernel works within the send: all that it has to say is queued by now.
        let (mut acknowledged, mut worst) = (false, None::<(usize, Refusal)>);
        while self
            .socket
            .receive_now(|message| {
                let at = message.sequence.wrapping_sub(first) as usize;
                match netlink::acknowledgement(&message) {
                    Some(_) if at >= batch.len() => {}
                    Some(Ok(())) => acknowledged = true,
                    Some(Err(refusal)) if worst.as_ref().is_none_or(|(before, _)| at < *before) => {
                        worst = Some((at, refusal));
                    }
                    Some(Err(_)) | None => {}
                }
                true
            })
            .map_err(lost)?
        {}
        match worst {
            None if acknowledged => Ok(()),
            None => {
                let what = "change nf_tables";
                Err(Failure::Refused(KernelError::other(what, "the kernel passed over the transaction in silence")))
            }
            Some((0, refusal)) if refusal.errno == ERESTART => Err(Failure::Stale),
            Some((at, refusal)) => {
                let step = at.checked_sub(1).and_then(|at| steps.get(at));
                let what = step.map_or_else(|| "commit the changes of nf_tables".into(), Step::describe);
                Err(Failure::Refused(refused(what, refusal)))
            }
        }
    }

    /// All elements of a set, by a dump; none when it does not exist.
    pub(crate) fn elements(&mut self, set: &'static Set) -> Result<Vec<Element>, KernelError> {
        let fill = |batch: &mut Batch| {
            batch.message(Kind::GetElement.number(), flags::DUMP, &header(set.table.family.number(), 0));
            batch.text(1, set.table.name);
            batch.text(2, set.name);
        };
        absent_is_empty(self.socket.dump(fill, |found, message| found.extend(read::elements(set, &message))))
            .map_err(|refusal| refused(format!("list {set}"), refusal))
    }

    /// The rules of one chain, by a dump; none when it does not exist.
    pub(crate) fn rules(&mut self, table: Table, chain: &str) -> Result<Vec<ListedRule>, KernelError> {
        let each = |found: &mut Vec<ListedRule>, message: netlink::Message<'_>| {
            // Kernels before 5.9 know no filter when they are asked for a base chain.
            found.extend(read::rule(&message).filter(|rule| rule.table == table.name && rule.chain == chain));
        };
        self.list_rules(table, Some(chain), each)
    }

    /// The rules of one chain of iptables, or of all chains, by a dump: those that `keep` wants, and of these, if there are
    /// such, only what leads `to` some chains; none when there is no such chain.
    pub(crate) fn rules_of_iptables(
        &mut self,
        table: Table,
        chain: Option<&str>,
        to: &[&str],
        keep: &dyn Fn(&xtables::Rule) -> bool,
    ) -> Result<Vec<Listed>, KernelError> {
        let each = |found: &mut Vec<Listed>, message: netlink::Message<'_>| {
            found.extend(compat::rule(&message, table, chain, to).filter(|listed| keep(&listed.rule)));
        };
        self.list_rules(table, chain, each)
    }

    fn list_rules<T>(
        &mut self,
        table: Table,
        chain: Option<&str>,
        each: impl FnMut(&mut Vec<T>, netlink::Message<'_>),
    ) -> Result<Vec<T>, KernelError> {
        let fill = |batch: &mut Batch| {
            batch.message(Kind::GetRule.number(), flags::DUMP, &header(table.family.number(), 0));
            batch.text(1, table.name);
            if let Some(chain) = chain {
                batch.text(2, chain);
            }
        };
        let what = |refusal| {
            refused(
                format!("list {} of {table}", chain.map_or("the rules".into(), |name| format!("chain {name}"))),
                refusal,
            )
        };
        absent_is_empty(self.socket.dump(fill, each)).map_err(what)
    }

    /// The chains of every family and table that hang on a hook, by a dump.
    pub(crate) fn base_chains(&mut self) -> Result<Vec<ListedChain>, KernelError> {
        let fill = |batch: &mut Batch| {
            batch.message(Kind::GetChain.number(), flags::DUMP, &header(0, 0));
        };
        let each = |found: &mut Vec<ListedChain>, message: netlink::Message<'_>| {
            found.extend(read::chain(&message).filter(|chain| chain.base));
        };
        self.socket.dump(fill, each).map_err(|refusal| refused("list the chains of nf_tables", refusal))
    }

    /// The chains of a table, by a dump.
    pub(crate) fn chains(&mut self, table: Table) -> Result<Vec<ListedChain>, KernelError> {
        let fill = |batch: &mut Batch| {
            batch.message(Kind::GetChain.number(), flags::DUMP, &header(table.family.number(), 0));
        };
        let each = |found: &mut Vec<ListedChain>, message: netlink::Message<'_>| {
            found.extend(read::chain(&message).filter(|chain| chain.table == table.name));
        };
        absent_is_empty(self.socket.dump(fill, each))
            .map_err(|refusal| refused(format!("list the chains of {table}"), refusal))
    }
}

impl Question<'_> {
    fn write(&self, batch: &mut Batch) {
        match self {
            Self::Chain(table, name) => {
                batch.message(Kind::GetChain.number(), flags::ACK, &header(table.family.number(), 0));
                batch.text(1, table.name);
                batch.text(3, name);
            }
            Self::Table(table) => {
                batch.message(Kind::GetTable.number(), flags::ACK, &header(table.family.number(), 0));
                batch.text(1, table.name);
            }
            Self::Element(element) => {
                let family = element.set.table.family.number();
                batch.message(Kind::GetElement.number(), flags::ACK, &header(family, 0));
                element.write(batch, false);
            }
        }
    }

    fn read(&self, message: &netlink::Message<'_>) -> Option<Answer> {
        match self {
            Self::Chain(..) => Some(Answer::Chain(read::chain_state(message))),
            Self::Table(_) => Some(Answer::Table),
            Self::Element(element) => read::elements(element.set, message).into_iter().next().map(Answer::Element),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Chain(table, name) => format!("look for chain {name} of {table}"),
            Self::Table(table) => format!("look for {table}"),
            Self::Element(element) => format!("look for element {element} in {}", element.set),
        }
    }
}

fn refused(what: impl Into<String>, refusal: Refusal) -> KernelError {
    KernelError::new(what, refusal.errno, refusal.words)
}

fn absent_is_empty<T>(dump: Result<Vec<T>, Refusal>) -> Result<Vec<T>, Refusal> {
    match dump {
        Err(refusal) if refusal.errno == ENOENT => Ok(Vec::new()),
        other => other,
    }
}
