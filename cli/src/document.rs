//! JSON documents that pass through: every key is kept, known or not.
//!
//! Keys are found as Go's decoder finds them, in any letter case, the exact one first. What a key means is
//! not known here.

use serde_json::{Map, Value};

/// A JSON object; its keys come out in alphabetical order, as libcni writes them.
pub(crate) type Object = Map<String, Value>;

/// The member `key`; `null` is absent.
pub(crate) fn member<'a>(object: &'a Object, key: &str) -> Option<&'a Value> {
    object
        .get(key)
        .or_else(|| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value))
        .filter(|value| !value.is_null())
}

/// The member `key` as text.
///
/// # Errors
/// `KEY must be a string, not …`.
pub(crate) fn text<'a>(object: &'a Object, key: &str) -> Result<Option<&'a str>, String> {
    match member(object, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(must_be(key, "a string", other)),
    }
}

/// The member `key` as an object.
///
/// # Errors
/// `KEY must be an object, not …`.
pub(crate) fn object<'a>(object: &'a Object, key: &str) -> Result<Option<&'a Object>, String> {
    match member(object, key) {
        None => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(other) => Err(must_be(key, "an object", other)),
    }
}

/// The member `key` as a list.
///
/// # Errors
/// `KEY must be a list, not …`.
pub(crate) fn list<'a>(object: &'a Object, key: &str) -> Result<Option<&'a [Value]>, String> {
    match member(object, key) {
        None => Ok(None),
        Some(Value::Array(elements)) => Ok(Some(elements)),
        Some(other) => Err(must_be(key, "a list", other)),
    }
}

/// The member `key` as a boolean; libcni takes the words "true" and "false" in any letter case, too.
///
/// # Errors
/// `KEY must be true or false, not …`.
pub(crate) fn flag(object: &Object, key: &str) -> Result<bool, String> {
    match member(object, key) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => Err(must_be(key, "true or false", other)),
    }
}

/// The error for a member of the wrong type.
pub(crate) fn must_be(key: &str, wanted: &str, value: &Value) -> String {
    let mut shown = value.to_string();
    if shown.chars().count() > 40 {
        shown = shown.chars().take(40).chain("…".chars()).collect();
    }
    format!("{key} must be {wanted}, not {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Object {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn keys_match_in_any_case_the_exact_one_first() {
        let both = parse(r#"{"NAME":"upper","name":"exact","Type":"bridge","empty":null}"#);
        assert_eq!(text(&both, "name"), Ok(Some("exact")));
        assert_eq!(text(&both, "type"), Ok(Some("bridge")));
        assert_eq!(text(&both, "empty"), Ok(None));
    }

    #[test]
    fn wrong_types_are_named() {
        let wrong = parse(r#"{"name":7,"plugins":{},"ipam":[],"disableGC":"perhaps"}"#);
        assert_eq!(text(&wrong, "name").unwrap_err(), "name must be a string, not 7");
        assert_eq!(list(&wrong, "plugins").unwrap_err(), "plugins must be a list, not {}");
        assert_eq!(object(&wrong, "ipam").unwrap_err(), "ipam must be an object, not []");
        assert_eq!(flag(&wrong, "disableGC").unwrap_err(), "disableGC must be true or false, not \"perhaps\"");
        assert_eq!(flag(&parse(r#"{"x":"TRUE"}"#), "x"), Ok(true));
    }
}
