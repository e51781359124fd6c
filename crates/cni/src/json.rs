//! JSON as lenient as Go's decoder: keys in any letter case, `null` as absent, unknown keys ignored,
//! the last of duplicates wins. What fails names its path: `ipam.ranges[0][1].subnet`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Error;

/// A decoded document that keeps the order of keys and their duplicates.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number, unconverted.
    Number(serde_json::Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, as written.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Decodes a document.
    ///
    /// # Errors
    /// Code 6, with line and column.
    pub fn parse(_bytes: &[u8]) -> Result<Self, Error> {
        todo!()
    }
}

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

    /// The member `key`; absent and `null` are `None`. Errors when this node is no object (code 6).
    pub fn get(&self, _key: &str) -> Result<Option<Node<'a>>, Error> {
        todo!()
    }

    /// The member `key` as an object; absent and `null` are `None`; `{}` is `Some`.
    pub fn object(&self, _key: &str) -> Result<Option<Node<'a>>, Error> {
        todo!()
    }

    /// The member `key` as text; absent and `null` are `None`; `""` is `Some("")`.
    pub fn string(&self, _key: &str) -> Result<Option<&'a str>, Error> {
        todo!()
    }

    /// The member `key` as text that says something: absent, `null` and `""` are `None`.
    pub fn text(&self, _key: &str) -> Result<Option<&'a str>, Error> {
        todo!()
    }

    /// The member `key` as a boolean; absent is `false`.
    pub fn flag(&self, _key: &str) -> Result<bool, Error> {
        todo!()
    }

    /// The member `key` as an integer (`1500.0` is none); absent is `None`.
    pub fn integer(&self, _key: &str) -> Result<Option<i64>, Error> {
        todo!()
    }

    /// The member `key` as a list; absent and `null` are empty.
    pub fn list(&self, _key: &str) -> Result<Vec<Node<'a>>, Error> {
        todo!()
    }

    /// The member `key` as an address; absent, `null` and `""` are `None`.
    pub fn ip(&self, _key: &str) -> Result<Option<IpAddr>, Error> {
        todo!()
    }

    /// The member `key` as an address with prefix length, host bits kept; absent, `null`, `""` are `None`.
    pub fn cidr(&self, _key: &str) -> Result<Option<IpNet>, Error> {
        todo!()
    }

    /// This node itself as text (an element of a list of strings).
    pub fn as_str(&self) -> Result<&'a str, Error> {
        todo!()
    }

    /// This node itself as a list (an element of a list of lists).
    pub fn as_list(&self) -> Result<Vec<Node<'a>>, Error> {
        todo!()
    }

    /// Code 7 for this place: `<path>: <what>, got <value>`.
    #[must_use]
    pub fn invalid(&self, _what: impl std::fmt::Display) -> Error {
        todo!()
    }
}
