//! Typed readers: a member or an element as text, number, address.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::{Json, Node};
use crate::Error;
use crate::address::{parse_cidr, parse_ip};

const ADDRESS: &str = "expected an IP address";
const CIDR: &str = "expected an address with prefix length";
const TEXT: &str = "a string";

/// Members of an object. Each fails with code 6 when this node is no object or the member has another
/// type, and with code 7 when the type is right and the value is not.
impl<'a> Node<'a> {
    /// The member `key` as text; absent and `null` are `None`; `""` is `Some("")`.
    ///
    /// # Errors
    /// Code 6 when it is no string.
    pub fn string(&self, key: &str) -> Result<Option<&'a str>, Error> {
        match self.member(key)? {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            other => Err(self.place(key, other).mistyped(TEXT)),
        }
    }

    /// The member `key` as text that says something: absent, `null` and `""` are `None`.
    ///
    /// # Errors
    /// Code 6 when it is no string.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        Ok(self.string(key)?.filter(|text| !text.is_empty()))
    }

    /// The member `key` as a boolean; absent is `false`.
    ///
    /// # Errors
    /// Code 6 when it is no boolean; the string `"true"` is none.
    pub fn flag(&self, key: &str) -> Result<bool, Error> {
        Ok(self.optional_flag(key)?.unwrap_or(false))
    }

    /// The member `key` as a boolean; absent and `null` are `None`.
    ///
    /// # Errors
    /// Code 6 when it is no boolean.
    pub fn optional_flag(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.member(key)? {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            other => Err(self.place(key, other).mistyped("true or false")),
        }
    }

    /// The member `key` as an integer (`1500.0` is none); absent is `None`.
    ///
    /// # Errors
    /// Code 6 when it is no integer of 64 bits.
    pub fn integer(&self, key: &str) -> Result<Option<i64>, Error> {
        match self.member(key)? {
            None => Ok(None),
            Some(Json::Number(number)) if number.is_i64() => Ok(number.as_i64()),
            other => Err(self.place(key, other).mistyped("a whole number")),
        }
    }

    /// The member `key` as an integer within `range`; absent is `None`.
    ///
    /// # Errors
    /// Code 6 when it is no integer, code 7 when it is out of range: `mtu: expected a whole number from 68
    /// to 65535, got 10`.
    pub fn number<T>(&self, key: &str, range: RangeInclusive<T>) -> Result<Option<T>, Error>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let Some(integer) = self.integer(key)? else { return Ok(None) };
        match T::try_from(integer) {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let what = format!("expected a whole number from {} to {}", range.start(), range.end());
                Err(self.place(key, self.member(key)?).invalid(what))
            }
        }
    }

    /// The member `key` as a list; absent and `null` are empty.
    ///
    /// # Errors
    /// Code 6 when it is no list.
    pub fn list(&self, key: &str) -> Result<Vec<Node<'a>>, Error> {
        match self.get(key)? {
            None => Ok(Vec::new()),
            Some(node) => node.as_list(),
        }
    }

    /// The member `key` as a list of strings; absent and `null` are empty.
    ///
    /// # Errors
    /// Code 6 when it is no list or an element is no string.
    pub fn strings(&self, key: &str) -> Result<Vec<&'a str>, Error> {
        self.list(key)?.iter().map(Node::as_str).collect()
    }

    /// The member `key` as a map of strings by their exact names (a `null` in it is `""`, as in Go); absent
    /// and `null` are empty.
    ///
    /// # Errors
    /// Code 6 when it is no object or a member is no string.
    pub fn string_map(&self, key: &str) -> Result<Vec<(&'a str, &'a str)>, Error> {
        let Some(map) = self.object(key)? else { return Ok(Vec::new()) };
        map.entries()?.into_iter().map(|(name, node)| Ok((name, node.as_str()?))).collect()
    }

    /// The member `key` as an address; absent, `null` and `""` are `None`. An IPv4 address written as IPv6
    /// is that IPv4 address.
    ///
    /// # Errors
    /// Code 6 when it is no string, code 7 when it is no address.
    pub fn ip(&self, key: &str) -> Result<Option<IpAddr>, Error> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match parse_ip(text) {
            Some(ip) => Ok(Some(ip)),
            None => Err(self.place(key, self.member(key)?).invalid(ADDRESS)),
        }
    }

    /// The member `key` as an address with prefix length, host bits kept; absent, `null`, `""` are `None`.
    ///
    /// # Errors
    /// Code 6 when it is no string, code 7 when it is no such address.
    pub fn cidr(&self, key: &str) -> Result<Option<IpNet>, Error> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match parse_cidr(text) {
            Some(net) => Ok(Some(net)),
            None => Err(self.place(key, self.member(key)?).invalid(CIDR)),
        }
    }

    /// The member `key`, which must be there, as an address with prefix length, host bits kept.
    ///
    /// # Errors
    /// As [`cidr`](Self::cidr), and code 7 when it is absent, `null` or `""`.
    pub fn required_cidr(&self, key: &str) -> Result<IpNet, Error> {
        match self.cidr(key)? {
            Some(net) => Ok(net),
            None => Err(self.missing(key, CIDR)),
        }
    }

    /// The member `key`, which must be there and say something, as text.
    ///
    /// # Errors
    /// As [`text`](Self::text), and code 7 when it is absent, `null` or `""`.
    pub fn required_text(&self, key: &str) -> Result<&'a str, Error> {
        match self.text(key)? {
            Some(text) => Ok(text),
            None => Err(self.missing(key, "expected a string")),
        }
    }
}

/// The node itself: elements of lists, members of maps.
impl<'a> Node<'a> {
    /// This node itself as text (an element of a list of strings); `null` is `""`, as in Go.
    ///
    /// # Errors
    /// Code 6 when it is no string.
    pub fn as_str(&self) -> Result<&'a str, Error> {
        match self.value() {
            Json::Null => Ok(""),
            Json::String(text) => Ok(text),
            Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => Err(self.mistyped(TEXT)),
        }
    }

    /// This node itself as an address.
    ///
    /// # Errors
    /// Code 6 when it is no string, code 7 when it is no address.
    pub fn as_ip(&self) -> Result<IpAddr, Error> {
        parse_ip(self.as_str()?).ok_or_else(|| self.invalid(ADDRESS))
    }

    /// This node itself as an address with prefix length, host bits kept.
    ///
    /// # Errors
    /// Code 6 when it is no string, code 7 when it is no such address.
    pub fn as_cidr(&self) -> Result<IpNet, Error> {
        parse_cidr(self.as_str()?).ok_or_else(|| self.invalid(CIDR))
    }
}
