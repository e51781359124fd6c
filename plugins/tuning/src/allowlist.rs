//! The list of variables that an administrator allows. Its semantics are the reference's, for it guards hosts: one
//! regular expression a line, matched anywhere in the name as it is written in the configuration. What this engine does
//! not know of RE2 (`\Q…\E`, Unicode classes) is an error: nothing is allowed by mistake.

use std::fs;
use std::io;

use cni::{Code, Error};
use regex_lite::Regex;

/// The file. The reference has no key for another one.
const FILE: &str = "/etc/cni/tuning/allowlist.conf";

/// The file's content; `None` when there is none: then everything below `net.` is allowed.
///
/// # Errors
/// Code 5 when it is there and cannot be read.
pub(crate) fn read() -> Result<Option<String>, Error> {
    match fs::read(FILE) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(Code::Io, format!("read {FILE}: {error}"))),
    }
}

/// Whether every one of `keys` is allowed.
///
/// # Errors
/// Code 7 with the first that is not, or the line that is no regular expression.
pub(crate) fn check<'a>(list: &str, keys: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let lines: Vec<&str> = list.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let compile = |line: &&str| {
        Regex::new(line).map_err(|error| {
            Error::config(format!("{FILE}: {line:?} is not a regular expression: {error}"))
                .with_details("write one a line, in the syntax of RE2, without Unicode classes")
        })
    };
    let allowed: Vec<Regex> = lines.iter().map(compile).collect::<Result<_, _>>()?;
    for key in keys {
        if !allowed.iter().any(|line| line.is_match(key)) {
            return Err(Error::config(format!(
                "Sysctl {key} is not allowed. Only the following sysctls are allowed: [{}]",
                lines.join(" ")
            ))
            .with_details(format!("{FILE} lists what is")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(list: &str, key: &str) -> Result<(), String> {
        check(list, [key].into_iter()).map_err(|error| error.msg)
    }

    #[test]
    fn a_line_matches_anywhere_in_the_written_name() {
        let list = "\n  ^net\\.core\\.\nrp_filter\r\n\n";
        for key in ["net.core.somaxconn", "net.ipv4.conf.IFNAME.rp_filter", "net/ipv4/conf/all/rp_filter_x"] {
            assert_eq!(says(list, key), Ok(()), "{key}");
        }
        assert_eq!(
            says(list, "net/core/somaxconn"),
            Err("Sysctl net/core/somaxconn is not allowed. Only the following sysctls are allowed: [^net\\.core\\. rp_filter]".into())
        );
    }

    #[test]
    fn an_empty_list_allows_nothing_and_a_broken_one_is_an_error() {
        assert!(says("", "net.core.somaxconn").unwrap_err().contains("is not allowed"));
        for broken in ["(", "net\\.\n[", "\\Qnet\\E"] {
            assert!(says(broken, "net.core.somaxconn").unwrap_err().contains("not a regular expression"), "{broken}");
        }
    }
}
