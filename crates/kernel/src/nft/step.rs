//! The changes that make up a transaction.

use super::object::{Hook, Table};
use super::rule::Rule;
use super::set::{Element, Set};
use super::{Kind, header};
use crate::netlink::{Batch, flags};

/// One change within a transaction: one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A table; fine when it exists.
    AddTable(Table, &'static str),
    /// A set or map; it must be new.
    AddSet(&'static Set),
    /// A chain, with a hook a base chain; it must be new.
    AddChain(Table, String, Option<Hook>),
    /// A chain without a hook; fine when it exists.
    EnsureChain(Table, String),
    /// A rule at the end of a chain.
    AddRule(Table, String, Rule),
    /// A rule at the head of a chain.
    InsertRule(Table, String, Rule),
    /// An element; its key must be new.
    AddElement(Element),
    /// An element, by key.
    DropElement(Element),
    /// A chain with its rules. Refused (`EBUSY`) while an element or another chain's rule leads to it.
    DropChain(Table, String),
    /// All rules of a chain.
    FlushChain(Table, String),
    /// A rule by its handle.
    DropRule(Table, String, u64),
}

impl Step {
    /// Writes the message.
    pub(super) fn write(&self, batch: &mut Batch) {
        const NEW: u16 = flags::CREATE | flags::EXCL;
        match self {
            Self::AddTable(table, comment) => {
                batch.message(Kind::NewTable.number(), flags::CREATE, &header(table.family.number(), 0));
                table.write(batch, comment);
            }
            Self::AddSet(set) => {
                batch.message(Kind::NewSet.number(), NEW, &header(set.table.family.number(), 0));
                set.write(batch);
            }
            Self::AddChain(table, name, hook) => {
                batch.message(Kind::NewChain.number(), NEW, &header(table.family.number(), 0));
                batch.text(1, table.name);
                batch.text(3, name);
                if let Some(hook) = hook {
                    hook.write(batch);
                }
            }
            Self::EnsureChain(table, name) => {
                batch.message(Kind::NewChain.number(), flags::CREATE, &header(table.family.number(), 0));
                batch.text(1, table.name);
                batch.text(3, name);
            }
            Self::AddRule(table, chain, rule) | Self::InsertRule(table, chain, rule) => {
                let end = if matches!(self, Self::AddRule(..)) { flags::APPEND } else { 0 };
                let flags = flags::CREATE | end;
                batch.message(Kind::NewRule.number(), flags, &header(table.family.number(), 0));
                batch.text(1, table.name);
                batch.text(2, chain);
                rule.write(batch);
            }
            Self::AddElement(element) => {
                batch.message(Kind::NewElement.number(), NEW, &header(element.set.table.family.number(), 0));
                element.write(batch, true);
            }
            Self::DropElement(element) => {
                batch.message(Kind::DelElement.number(), 0, &header(element.set.table.family.number(), 0));
                element.write(batch, false);
            }
            Self::DropChain(table, name) => {
                batch.message(Kind::DelChain.number(), 0, &header(table.family.number(), 0));
                batch.text(1, table.name);
                batch.text(3, name);
            }
            Self::FlushChain(table, chain) => {
                batch.message(Kind::DelRule.number(), 0, &header(table.family.number(), 0));
                batch.text(1, table.name);
                batch.text(2, chain);
            }
            Self::DropRule(table, chain, handle) => {
                batch.message(Kind::DelRule.number(), 0, &header(table.family.number(), 0));
                batch.text(1, table.name);
                batch.text(2, chain);
                batch.attribute(3, &handle.to_be_bytes());
            }
        }
    }

    /// Verb and object.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::AddTable(table, _) => format!("create {table}"),
            Self::AddSet(set) => format!("create {set}"),
            Self::AddChain(table, name, _) | Self::EnsureChain(table, name) => {
                format!("create chain {name} of {table}")
            }
            Self::AddRule(table, chain, _) | Self::InsertRule(table, chain, _) => {
                format!("add a rule to chain {chain} of {table}")
            }
            Self::AddElement(element) => format!("add element {element} to {}", element.set),
            Self::DropElement(element) => format!("delete element {element} from {}", element.set),
            Self::DropChain(table, name) => format!("delete chain {name} of {table}"),
            Self::FlushChain(table, chain) => format!("empty chain {chain} of {table}"),
            Self::DropRule(table, chain, handle) => format!("delete rule {handle} from chain {chain} of {table}"),
        }
    }
}
