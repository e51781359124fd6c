//! Whose reservation it is: the content of a reservation's file. The format is the reference's, byte for byte.

/// What the reference puts between container id and interface name.
const SEPARATOR: &str = "\r\n";

/// One attachment, as it stands in a file: the trimmed container id, `\r\n`, the interface name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    content: String,
    id: usize,
}

impl Owner {
    /// The owner for a container's interface.
    pub(crate) fn new(container: &str, ifname: &str) -> Self {
        let container = container.trim();
        Self { content: format!("{container}{SEPARATOR}{ifname}"), id: container.len() }
    }

    /// The content of the file.
    pub(crate) fn content(&self) -> &str {
        &self.content
    }

    /// The container id alone: all that the reference wrote until 0.7.
    pub(crate) fn container(&self) -> &str {
        &self.content[..self.id]
    }
}

/// The content without surrounding white space, which the reference does not count either.
pub(crate) fn trimmed(content: &[u8]) -> &[u8] {
    match std::str::from_utf8(content) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => content.trim_ascii(),
    }
}

/// Whether the content names nobody, because its writer died between creating and filling the file or the power
/// failed before the blocks arrived: empty, or with NUL bytes, which no owner's name can hold. Anything else keeps its
/// address, be it an operator's note.
pub(crate) fn is_void(content: &[u8]) -> bool {
    trimmed(content).is_empty() || content.contains(&0)
}

/// Whether trimmed content is a container id alone.
pub(crate) fn is_legacy(content: &[u8]) -> bool {
    let mut bytes = content.iter();
    bytes.next().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
}

/// Container id and interface name of trimmed content; an empty interface name for legacy content; `None` when this is
/// not a container's reservation at all.
pub(crate) fn parts(content: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(content).ok()?;
    if let Some((container, ifname)) = text.split_once(SEPARATOR) {
        return is_legacy(container.as_bytes()).then_some((container, ifname));
    }
    is_legacy(content).then_some((text, ""))
}

/// Whether trimmed content is neither a container's nor nobody's: an operator keeps the address for himself, for ever.
pub(crate) fn is_note(content: &[u8]) -> bool {
    !is_void(content) && parts(content).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_that_of_the_reference() {
        let owner = Owner::new(" c0ffee ", "eth0");
        assert_eq!(owner.content(), "c0ffee\r\neth0");
        assert_eq!(owner.container(), "c0ffee");
        assert_eq!(trimmed(b"c0ffee\r\neth0\n"), owner.content().as_bytes());
    }

    #[test]
    fn torn_files_name_nobody_and_notes_somebody() {
        for void in [&b""[..], b"\r\n", b" \t", b"\0\0\0", b"c0ffee\r\n\0\0\0\0"] {
            assert!(is_void(void), "{void:?}");
        }
        for taken in [&b"c0ffee"[..], b"router of the lab", b"\xff\xfe"] {
            assert!(!is_void(taken), "{taken:?}");
        }
    }

    #[test]
    fn containers_are_told_from_notes() {
        assert_eq!(parts(b"c0ffee\r\neth0"), Some(("c0ffee", "eth0")));
        assert_eq!(parts(b"c0ffee"), Some(("c0ffee", "")));
        assert_eq!(parts(b"router of the lab"), None);
        assert_eq!(parts(b"-x\r\neth0"), None);
        assert_eq!(parts(b"\xff"), None);
        assert!(is_note(b"router of the lab") && !is_note(b"c0ffee") && !is_note(b"") && !is_note(b"a\r\neth0"));
    }
}
