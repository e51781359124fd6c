//! What may be the name of a container, of a network and of an interface. These names become parts of
//! file, link and chain names, so nothing is used before it passed here.

use crate::{Code, Error};

/// The longest interface name in bytes: the kernel's IFNAMSIZ without its terminating zero.
const IFNAME_MAX: usize = 15;

/// `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`: excludes the empty name, `.`, `..` and everything with `/`.
fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

/// Whether `id` may be a container's id; its length is not limited.
///
/// # Errors
/// Code 4, with the id in the details.
pub fn validate_container_id(id: &str) -> Result<(), Error> {
    if is_identifier(id) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidEnvironment, "invalid characters in containerID").with_details(id))
}

/// Whether `name` may be a network's name.
///
/// # Errors
/// Code 7; with the name in the details when it has characters that it must not have.
pub fn validate_network_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::config("missing network name"));
    }
    if is_identifier(name) {
        return Ok(());
    }
    Err(Error::config("invalid characters found in network name").with_details(name))
}

/// Whether `name` may be an interface's name: 1 to 15 bytes, as the kernel's `dev_valid_name`, and no `%`: the kernel would
/// make a name of its own choice of `eth%d`, by which nobody finds the interface again.
///
/// # Errors
/// Code 4.
pub fn validate_ifname(name: &str) -> Result<(), Error> {
    let refuse = |msg: &str| Err(Error::new(Code::InvalidEnvironment, msg));
    if name.is_empty() {
        return refuse("interface name is empty");
    }
    if name.len() > IFNAME_MAX {
        return refuse("interface name is too long").map_err(|error| {
            error.with_details(format!("interface name should be less than {} characters", IFNAME_MAX + 1))
        });
    }
    if name == "." || name == ".." {
        return refuse("interface name is . or ..");
    }
    if name.chars().any(|character| matches!(character, '/' | ':') || character.is_whitespace()) {
        return refuse("interface name contains / or : or whitespace characters");
    }
    if name.contains('%') {
        return refuse("interface name contains %")
            .map_err(|error| error.with_details("the kernel would choose the name itself: say which, e.g. eth0"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        let long = "a".repeat(4096);
        for good in ["a", "0", "a.b_c-d", "A..", "a-", long.as_str()] {
            assert_eq!(validate_container_id(good), Ok(()), "{good}");
            assert_eq!(validate_network_name(good), Ok(()), "{good}");
        }
        for bad in ["_a", ".", "..", "../x", "a/b", "-a", "a b", "a\n", "é", "a\0"] {
            let error = validate_container_id(bad).expect_err("refused");
            assert_eq!(
                (error.code, error.msg.as_str()),
                (Code::InvalidEnvironment, "invalid characters in containerID")
            );
            assert_eq!(error.details, bad);
            let error = validate_network_name(bad).expect_err("refused");
            assert_eq!((error.code.number(), error.msg.as_str()), (7, "invalid characters found in network name"));
            assert_eq!(error.details, bad);
        }
        assert_eq!(validate_network_name("").expect_err("refused").msg, "missing network name");
    }

    #[test]
    fn interface_names() {
        for good in ["eth0", "0123456789abcde", "a@b", "...", "\u{e9}th0"] {
            assert_eq!(validate_ifname(good), Ok(()), "{good}");
        }
        let long = validate_ifname("0123456789abcdef").expect_err("refused");
        assert_eq!(long.to_string(), "interface name is too long; interface name should be less than 16 characters");
        // Eight characters, sixteen bytes: the kernel counts bytes.
        assert_eq!(validate_ifname(&"é".repeat(8)).expect_err("refused").msg, "interface name is too long");
        for bad in [".", ".."] {
            assert_eq!(validate_ifname(bad).expect_err("refused").msg, "interface name is . or ..");
        }
        for bad in ["a/b", "a:b", "a b", "a\tb", "a\u{a0}b", "a\u{2003}b", "a\u{85}b"] {
            let error = validate_ifname(bad).expect_err("refused");
            assert_eq!(error.msg, "interface name contains / or : or whitespace characters", "{bad:?}");
            assert_eq!(error.code, Code::InvalidEnvironment);
        }
        for bad in ["eth%d", "%", "100%"] {
            let error = validate_ifname(bad).expect_err("refused");
            assert_eq!(
                (error.code, error.msg.as_str()),
                (Code::InvalidEnvironment, "interface name contains %"),
                "{bad}"
            );
        }
    }
}
