//! Text in quotation marks as Go's `%q` writes it, because callers search our messages for what the
//! reference plugins print. It must not know what it quotes.

use std::fmt::Write as _;

/// `text` in double quotes, with Go's escapes.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if u32::from(other) < 0x20 || other == '\u{7f}' => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(other));
            }
            other if other.is_control() || (other.is_whitespace() && other != ' ') => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A list as Go's `%q` prints a slice of strings: `["a" "b"]`.
pub(crate) fn quote_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.into_iter().map(quote).collect();
    format!("[{}]", quoted.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go() {
        assert_eq!(quote("a\"b\\c\n\t\u{1}\u{7f}\u{a0}é"), r#""a\"b\\c\n\t\x01\x7f\u00a0é""#);
        assert_eq!(quote_list(["0.1.0", "1.1.0"]), r#"["0.1.0" "1.1.0"]"#);
        assert_eq!(quote_list([]), "[]");
    }
}
