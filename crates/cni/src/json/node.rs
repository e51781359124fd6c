//! A place in a document: finding members, and errors that say where.

use std::collections::HashSet;
use std::fmt::Display;

use super::{Json, same_key};
use crate::{Code, Error};

/// The longest value, in characters, that a message repeats.
const SHOWN: usize = 120;

/// What stands for a member that is not there.
static NULL: Json = Json::Null;

/// A place in a document: the value and the path that leads to it.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    path: String,
    value: &'a Json,
}

impl<'a> Node<'a> {
    /// The document itself; its path is empty.
    #[must_use]
    pub fn root(value: &'a Json) -> Self {
        Self { path: String::new(), value }
    }

    /// A document whose messages begin with a name of its own, e.g. `result of host-local`.
    #[must_use]
    pub fn named(path: impl Into<String>, value: &'a Json) -> Self {
        Self { path: path.into(), value }
    }

    /// The path, e.g. `ipam.ranges[0][1].subnet`; empty for the document.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value itself.
    #[must_use]
    pub fn value(&self) -> &'a Json {
        self.value
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.value, Json::Null)
    }

    /// The member `key`; absent and `null` are `None`. A `null` has no members. Of several members that
    /// answer to `key` the last one that is not `null` counts.
    ///
    /// # Errors
    /// Code 6 when this node is no object.
    pub fn get(&self, key: &str) -> Result<Option<Node<'a>>, Error> {
        Ok(self.member(key)?.map(|value| self.child(key, value)))
    }

    /// The member `key` as an object; absent and `null` are `None`; `{}` is `Some`.
    ///
    /// # Errors
    /// Code 6 when it is something else.
    pub fn object(&self, key: &str) -> Result<Option<Node<'a>>, Error> {
        match self.get(key)? {
            None => Ok(None),
            Some(node) if matches!(node.value, Json::Object(_)) => Ok(Some(node)),
            Some(node) => Err(node.mistyped("an object")),
        }
    }

    /// The members of this object by their exact names, each name once: of duplicates the last. For what Go
    /// reads into a map, where letter case matters; `null` members stay.
    ///
    /// # Errors
    /// Code 6 when this node is no object.
    pub fn entries(&self) -> Result<Vec<(&'a str, Node<'a>)>, Error> {
        let members = self.members()?;
        let mut seen = HashSet::new();
        let mut entries: Vec<_> = members
            .iter()
            .rev()
            .filter(|(key, _)| seen.insert(key.as_str()))
            .map(|(key, value)| (key.as_str(), self.child(key, value)))
            .collect();
        entries.reverse();
        Ok(entries)
    }

    /// This node itself as a list (an element of a list of lists); `null` is the empty one.
    ///
    /// # Errors
    /// Code 6 when it is no list.
    pub fn as_list(&self) -> Result<Vec<Node<'a>>, Error> {
        match self.value {
            Json::Null => Ok(Vec::new()),
            Json::Array(elements) => Ok(elements
                .iter()
                .enumerate()
                .map(|(index, value)| Node { path: format!("{}[{index}]", self.path), value })
                .collect()),
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => Err(self.mistyped("a list")),
        }
    }

    /// Code 7 for this place: `<path>: <what>, got <value>`.
    #[must_use]
    pub fn invalid(&self, what: impl Display) -> Error {
        self.complaint(Code::InvalidConfig, what)
    }

    /// Code 7 for a member that must be there: `<path>.<key>: <what>, got nothing`.
    #[must_use]
    pub fn missing(&self, key: &str, what: impl Display) -> Error {
        Error::config(format!("{}: {what}, got nothing", self.path_of(key)))
    }

    /// Code 7 for a relation that the member `key` does not fulfil, or when `what` names the value: `<path>.<key>: <what>`.
    #[must_use]
    pub fn reject(&self, key: &str, what: impl Display) -> Error {
        Error::config(format!("{}: {what}", self.path_of(key)))
    }

    /// Code 7 for the value of the member `key`: `<path>.<key>: <what>, got <value>`.
    #[must_use]
    pub fn refuse(&self, key: &str, what: impl Display) -> Error {
        match self.get(key) {
            Ok(Some(member)) => member.invalid(what),
            Ok(None) | Err(_) => self.missing(key, what),
        }
    }

    /// Code 6 for this place: `<path>: expected <kind>, got <value>`.
    pub(super) fn mistyped(&self, kind: &str) -> Error {
        self.complaint(Code::Decoding, format_args!("expected {kind}"))
    }

    /// The value of the member `key` without the cost of its path.
    pub(super) fn member(&self, key: &str) -> Result<Option<&'a Json>, Error> {
        let answering = |(name, value): &&(String, Json)| !matches!(value, Json::Null) && same_key(name, key);
        Ok(self.members()?.iter().rev().find(answering).map(|(_, value)| value))
    }

    /// The place of the member `key`, there or not.
    pub(super) fn place(&self, key: &str, value: Option<&'a Json>) -> Node<'a> {
        self.child(key, value.unwrap_or(&NULL))
    }

    fn members(&self) -> Result<&'a [(String, Json)], Error> {
        match self.value {
            Json::Object(members) => Ok(members),
            Json::Null => Ok(&[]),
            Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Err(self.mistyped("an object")),
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn child(&self, key: &str, value: &'a Json) -> Node<'a> {
        Node { path: self.path_of(key), value }
    }

    fn complaint(&self, code: Code, what: impl Display) -> Error {
        let separator = if self.path.is_empty() { "" } else { ": " };
        Error::new(code, format!("{}{separator}{what}, got {}", self.path, shown(self.value)))
    }
}

/// A value for a message: compact, and cut when it is long.
fn shown(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
