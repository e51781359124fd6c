//! Kernel variables below `/proc/sys`, of the calling thread's namespace.

use std::fs::{self, File};
use std::io::{self, Write};

/// Reads a variable without its newline; `None` when this kernel has none of that name.
pub(crate) fn read(key: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(path(key)?) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a variable in one system call, as procfs wants it. Never creates a file.
pub(crate) fn write(key: &str, value: &str) -> io::Result<()> {
    File::options().write(true).open(path(key)?)?.write_all(value.as_bytes())
}

/// The file of a variable; a key that would leave the folder is refused.
fn path(key: &str) -> io::Result<String> {
    if key.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    Ok(format!("/proc/sys/{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        assert_eq!(read("kernel/ostype").unwrap().as_deref(), Some("Linux"));
        assert_eq!(read("net/ipv4/no_such_variable").unwrap(), None);
        for key in ["../etc/passwd", "net//ipv4", "", "net/./ipv4"] {
            assert_eq!(read(key).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{key}");
        }
    }
}
