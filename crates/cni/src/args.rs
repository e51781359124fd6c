//! `CNI_ARGS`: `K=V;K2=V2`. Texts as the reference's `types.LoadArgs`; what a key means is the plugin's.

use crate::quote::{quote, quote_list};
use crate::{Code, Error};

/// The key that every plugin understands: whether unknown keys are ignored.
const IGNORE_UNKNOWN: &str = "IgnoreUnknown";

/// The pairs of `CNI_ARGS`, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniArgs {
    pairs: Vec<(String, String)>,
}

impl CniArgs {
    /// Reads the text for a plugin that understands the keys `known`, and `IgnoreUnknown`, which may stand
    /// anywhere. Keys are case-sensitive. The `K8S_*` keys that containerd and CRI-O send are unknown ones
    /// unless listed; they come with `IgnoreUnknown=1`. Pairs of no characters (a trailing `;`) are skipped,
    /// which the reference does not do.
    ///
    /// # Errors
    /// Code 4 (the reference: 999 with the same text): a pair without exactly one `=`, a value of
    /// `IgnoreUnknown` that is no boolean, and all unknown keys in one message.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, Error> {
        let mut args = Self::default();
        let mut ignore_unknown = false;
        for pair in text.split(';').filter(|pair| !pair.is_empty()) {
            let (key, value) = match pair.split_once('=') {
                Some((key, value)) if !value.contains('=') => (key, value),
                _ => return Err(refuse(format!("invalid pair {}", quote(pair)))),
            };
            if key == IGNORE_UNKNOWN {
                ignore_unknown = boolean(pair, value)?;
            }
            args.pairs.push((key.to_owned(), value.to_owned()));
        }
        if ignore_unknown {
            return Ok(args);
        }
        let is_unknown = |key: &str| key != IGNORE_UNKNOWN && !known.contains(&key);
        let unknown: Vec<String> =
            args.pairs.iter().filter(|(key, _)| is_unknown(key)).map(|(key, value)| format!("{key}={value}")).collect();
        if unknown.is_empty() {
            return Ok(args);
        }
        Err(refuse(format!("unknown args {}", quote_list(unknown.iter().map(String::as_str)))))
    }

    /// The last value of `key` (case-sensitive).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Every pair, in the order given.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn boolean(pair: &str, value: &str) -> Result<bool, Error> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(refuse(format!(
            "error parsing value of pair {}: boolean unmarshal error: invalid input {value}",
            quote(pair)
        ))),
    }
}

fn refuse(what: String) -> Error {
    Error::new(Code::InvalidEnvironment, format!("ARGS: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> String {
        let error = CniArgs::parse(text, &["IP"]).expect_err("refused");
        assert_eq!(error.code, Code::InvalidEnvironment);
        error.msg
    }

    #[test]
    fn accepted() {
        for (text, ip) in [
            ("", None),
            (";", None),
            ("IP=10.9.0.7", Some("10.9.0.7")),
            ("IP=10.9.0.7;", Some("10.9.0.7")),
            ("IP=a;IP=b", Some("b")),
            ("IP=", Some("")),
            ("A=B;IgnoreUnknown=tRuE;IP=x", Some("x")),
            ("IgnoreUnknown=1;K8S_POD_NAME=p", None),
            ("IP=x;IgnoreUnknown=0", Some("x")),
        ] {
            assert_eq!(CniArgs::parse(text, &["IP"]).expect("accepted").get("IP"), ip, "{text}");
        }
        let args = CniArgs::parse("A=1;;B=2;IgnoreUnknown=1", &[]).expect("accepted");
        assert_eq!(args.pairs().collect::<Vec<_>>(), [("A", "1"), ("B", "2"), ("IgnoreUnknown", "1")]);
    }

    /// The texts are those of Debian's host-local 1.1.1.
    #[test]
    fn refused() {
        for (text, expected) in [
            ("A", r#"ARGS: invalid pair "A""#),
            ("A=B=C", r#"ARGS: invalid pair "A=B=C""#),
            ("A=B", r#"ARGS: unknown args ["A=B"]"#),
            ("A=B;C=D", r#"ARGS: unknown args ["A=B" "C=D"]"#),
            ("=", r#"ARGS: unknown args ["="]"#),
            ("A=", r#"ARGS: unknown args ["A="]"#),
            ("ip=10.9.0.7", r#"ARGS: unknown args ["ip=10.9.0.7"]"#),
            ("ignoreunknown=1", r#"ARGS: unknown args ["ignoreunknown=1"]"#),
            ("IgnoreUnknown=0;A=B", r#"ARGS: unknown args ["A=B"]"#),
            ("IgnoreUnknown=1;IgnoreUnknown=0;A=B", r#"ARGS: unknown args ["A=B"]"#),
            ("K8S_POD_NAME=x", r#"ARGS: unknown args ["K8S_POD_NAME=x"]"#),
            (
                "IgnoreUnknown=x",
                r#"ARGS: error parsing value of pair "IgnoreUnknown=x": boolean unmarshal error: invalid input x"#,
            ),
            (
                "IgnoreUnknown=",
                r#"ARGS: error parsing value of pair "IgnoreUnknown=": boolean unmarshal error: invalid input "#,
            ),
        ] {
            assert_eq!(message(text), expected);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[A-Za-z=;\u{e9} ]{0,60}") {
            if let Ok(args) = CniArgs::parse(&format!("{text};IgnoreUnknown=1"), &[]) {
                prop_assert_eq!(args.get("IgnoreUnknown"), Some("1"));
            }
        }
    }
}
