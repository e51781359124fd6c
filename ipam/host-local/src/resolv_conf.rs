//! `resolvConf`: the four keywords of resolv.conf(5) that a result can carry. Knows nothing of addresses.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use cni::Dns;

use crate::error::Error;

/// No resolver reads more; a larger file is not a resolver's configuration.
const MOST: u64 = 1 << 20;

/// Reads a file as the reference does: unknown keywords and comments are skipped, a later `domain` wins, the rest adds
/// up.
pub(crate) fn read(path: &Path) -> Result<Dns, Error> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST + 1).read_to_end(&mut text))
        .map_err(|source| Error::io("read resolvConf", path, source))?;
    if text.len() as u64 > MOST {
        return Err(Error::Broken { path: path.display().to_string(), why: "resolvConf is larger than 1 MiB" });
    }
    Ok(parse(&String::from_utf8_lossy(&text)))
}

fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace();
        let (Some(keyword), Some(first)) = (words.next(), words.next()) else { continue };
        let all = std::iter::once(first).chain(words).map(String::from);
        match keyword {
            "nameserver" => dns.nameservers.push(first.into()),
            "domain" => dns.domain = first.into(),
            "search" => dns.search.extend(all),
            "options" => dns.options.extend(all),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_add_up_and_the_rest_is_skipped() {
        let dns = parse(
            "# comment\n; comment\nnameserver 192.0.2.1\n nameserver 2001:db8::1 trailing\ndomain a.example\n\
             domain b.example\nsearch one two\nsearch three\noptions ndots:2 rotate\nsortlist 1.2.3.4\nnameserver\n\n",
        );
        assert_eq!(dns.nameservers, ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(dns.domain, "b.example");
        assert_eq!(dns.search, ["one", "two", "three"]);
        assert_eq!(dns.options, ["ndots:2", "rotate"]);
    }

    #[test]
    fn a_device_that_never_ends_is_refused() {
        assert!(read(Path::new("/dev/zero")).expect_err("refused").to_string().contains("larger than 1 MiB"));
        assert_eq!(read(Path::new("/nonexistent")).expect_err("refused").code(), cni::Code::Io);
    }
}
