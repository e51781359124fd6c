//! JSON as lenient as Go's decoder: keys in any letter case, `null` as absent, unknown keys ignored,
//! the last of duplicates wins. What fails names its path: `ipam.ranges[0][1].subnet`.
//!
//! [`Json`] is a document, [`Node`] a place in it with typed readers. Neither knows any key of the protocol.
//!
//! Differences from Go, all of them in documents that nobody writes: nesting is bounded at 128 (Go: 10 000),
//! half a surrogate pair is an error, a number beyond the range of a double is an error even in an unknown
//! key, and two objects under one key are not merged.

mod decode;
mod node;
mod typed;
mod write;

pub use node::Node;

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
    /// Makes `value` the only member of an object that answers to `key`, in the place of what was there or
    /// at the end. What is no object stays as it is: only a configuration that was read as one comes here.
    pub fn set(&mut self, key: &str, value: Json) {
        let Self::Object(members) = self else { return };
        match members.iter().rposition(|(name, _)| same_key(name, key)) {
            Some(last) => {
                members[last] = (key.to_owned(), value);
                let mut index = 0;
                members.retain(|(name, _)| {
                    let keep = index == last || !same_key(name, key);
                    index += 1;
                    keep
                });
            }
            None => members.push((key.to_owned(), value)),
        }
    }

    /// Removes every member of an object that answers to `key`.
    pub fn remove(&mut self, key: &str) {
        if let Self::Object(members) = self {
            members.retain(|(name, _)| !same_key(name, key));
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

/// Whether a document's key answers to `key`: equal but for letter case, folded as Go folds, which knows two
/// characters outside ASCII that become a `k` and an `s`.
fn same_key(written: &str, key: &str) -> bool {
    if written.is_ascii() {
        return written.eq_ignore_ascii_case(key);
    }
    let fold = |character: char| match character {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    };
    written.chars().map(fold).eq(key.chars().map(fold))
}

#[cfg(test)]
mod tests;
