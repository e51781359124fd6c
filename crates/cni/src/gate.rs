//! Which version a verb asks for. CHECK, GC and STATUS read `cniVersion` as a number first, every verb then
//! asks whether the text is one that the plugin speaks; order, codes and texts are those of the reference's
//! dispatcher (libcni `pkg/skel`, `pkg/version`).

use crate::quote::{quote, quote_list};
use crate::{Code, Command, Error, Version};

/// Major, minor, micro. Signed, because the reference reads them with `Atoi`.
type Parts = (i64, i64, i64);

/// The version that a call with `text` as `cniVersion` (empty when absent) is served at.
///
/// # Errors
/// Code 1: the verb does not exist at this version, or the plugin does not speak it. Code 6: CHECK, GC or
/// STATUS with something that is no version.
pub(crate) fn admit(command: Command, text: &str, supported: &[Version]) -> Result<Version, Error> {
    if let Some(since) = gated(command) {
        let config = parts(text)?;
        if config < parts(since.as_str())? {
            return Err(refuse(format!("config version does not allow {command}")));
        }
        let newest = supported.iter().map(|version| parts(version.as_str())).collect::<Result<Vec<_>, _>>()?;
        if newest.iter().all(|version| *version < config) {
            return Err(refuse(format!("plugin version does not allow {command}")));
        }
    }
    let text = if text.is_empty() { Version::V0_1_0.as_str() } else { text };
    match Version::from_text(text) {
        Some(version) if supported.contains(&version) => Ok(version),
        _ => {
            let list = quote_list(supported.iter().map(|version| version.as_str()));
            let details = format!("config is {}, plugin supports {list}", quote(text));
            Err(refuse("incompatible CNI versions".to_owned()).with_details(details))
        }
    }
}

/// The version that brought the verb, where the reference looks at it.
fn gated(command: Command) -> Option<Version> {
    match command {
        Command::Check => Some(Version::V0_4_0),
        Command::Gc | Command::Status => Some(Version::V1_1_0),
        Command::Add | Command::Del | Command::Version => None,
    }
}

fn refuse(msg: String) -> Error {
    Error::new(Code::IncompatibleVersion, msg)
}

/// One to three numbers; absent ones are 0, and no text at all is 0.1.0.
fn parts(text: &str) -> Result<Parts, Error> {
    if text.is_empty() {
        return Ok((0, 1, 0));
    }
    let decoding = |msg: String| Error::new(Code::Decoding, msg);
    let written: Vec<&str> = text.split('.').collect();
    if written.len() > 3 {
        return Err(decoding(format!("invalid version {}: too many parts", quote(text))));
    }
    let mut numbers = [0_i64; 3];
    for ((number, part), name) in numbers.iter_mut().zip(&written).zip(["major", "minor", "micro"]) {
        *number = part.parse().map_err(|error: std::num::ParseIntError| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let why =
                if matches!(error.kind(), PosOverflow | NegOverflow) { "value out of range" } else { "invalid syntax" };
            let part = quote(part);
            decoding(format!("failed to convert {name} version part {part}: strconv.Atoi: parsing {part}: {why}"))
        })?;
    }
    let [major, minor, micro] = numbers;
    Ok((major, minor, micro))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(command: Command, text: &str) -> (u32, String) {
        let error = admit(command, text, Version::ALL).expect_err("refused");
        (error.code.number(), error.to_string())
    }

    #[test]
    fn any_published_version_for_add_and_del() {
        for version in Version::ALL {
            assert_eq!(admit(Command::Add, version.as_str(), Version::ALL), Ok(*version));
            assert_eq!(admit(Command::Del, version.as_str(), Version::ALL), Ok(*version));
        }
        assert_eq!(admit(Command::Add, "", Version::ALL), Ok(Version::V0_1_0));
    }

    #[test]
    fn membership_is_textual() {
        let list = r#"["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#;
        for text in ["9.9.9", "1.0", "abc", "1.0.0.0"] {
            let expected = format!("incompatible CNI versions; config is \"{text}\", plugin supports {list}");
            assert_eq!(refused(Command::Add, text), (1, expected));
        }
        let old = admit(Command::Add, "", &[Version::V0_4_0, Version::V1_0_0]).expect_err("refused");
        assert_eq!(old.details, r#"config is "0.1.0", plugin supports ["0.4.0" "1.0.0"]"#);
    }

    #[test]
    fn verbs_begin_at_their_version() {
        for (command, since) in
            [(Command::Check, Version::V0_4_0), (Command::Gc, Version::V1_1_0), (Command::Status, Version::V1_1_0)]
        {
            for version in Version::ALL {
                let admitted = admit(command, version.as_str(), Version::ALL);
                if *version >= since {
                    assert_eq!(admitted, Ok(*version));
                } else {
                    let error = admitted.expect_err("refused");
                    assert_eq!(
                        (error.code.number(), error.msg),
                        (1, format!("config version does not allow {command}"))
                    );
                }
            }
            assert_eq!(refused(command, ""), (1, format!("config version does not allow {command}")));
            assert_eq!(refused(command, "9.9.9"), (1, format!("plugin version does not allow {command}")));
        }
        let old = admit(Command::Gc, "1.1.0", &[Version::V1_0_0]).expect_err("refused");
        assert_eq!(old.msg, "plugin version does not allow GC");
    }

    /// Texts measured with Debian's host-local 1.1.1.
    #[test]
    fn what_is_no_version() {
        let syntax = |name: &str, part: &str| {
            (
                6,
                format!(
                    r#"failed to convert {name} version part "{part}": strconv.Atoi: parsing "{part}": invalid syntax"#
                ),
            )
        };
        assert_eq!(refused(Command::Check, "abc"), syntax("major", "abc"));
        assert_eq!(refused(Command::Check, "1.x.0"), syntax("minor", "x"));
        assert_eq!(refused(Command::Check, "1.0.0-rc"), syntax("micro", "0-rc"));
        assert_eq!(refused(Command::Check, "1..0"), syntax("minor", ""));
        assert_eq!(
            refused(Command::Check, "1.0.0-rc.1"),
            (6, r#"invalid version "1.0.0-rc.1": too many parts"#.to_owned())
        );
        assert!(refused(Command::Gc, "99999999999999999999").1.ends_with("value out of range"));
        assert_eq!(refused(Command::Check, "1").0, 1, "a version by number, no member by text");
    }
}
