//! Rules as text, exactly as `iptables-save` writes it.

use std::borrow::Cow;
use std::fmt;

use super::{Action, Is, Match, PROTOCOLS, Rule};

/// One line of a script for `iptables-restore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// `:CHAIN - [0:0]`: the chain is there and empty afterwards.
    Declare(String),
    /// `-N CHAIN`: it must be new.
    New(String),
    /// `-F CHAIN`.
    Flush(String),
    /// `-X CHAIN`.
    Remove(String),
    /// `-A CHAIN …`.
    Append(String, Rule),
    /// `-I CHAIN 1 …`.
    Insert(String, Rule),
    /// `-D CHAIN …`: the chain and the text behind `-D `, which is as it was listed.
    Delete(String, String),
}

/// The changes of each table, in order.
pub(crate) type Script = Vec<(String, Vec<Line>)>;

impl Line {
    /// Reads a whole script; `None` when it has a word that is not known here.
    pub(crate) fn script(text: &str) -> Option<Script> {
        let mut script = Script::new();
        for line in text.lines() {
            if let Some(table) = line.strip_prefix('*') {
                script.push((table.to_owned(), Vec::new()));
            } else if line != "COMMIT" {
                script.last_mut()?.1.push(Self::read(line)?);
            }
        }
        Some(script)
    }

    fn read(line: &str) -> Option<Self> {
        let (verb, rest) = line.split_once(' ')?;
        if let Some(chain) = verb.strip_prefix(':') {
            return Some(Self::Declare(chain.to_owned()));
        }
        let (chain, rule) = rest.split_once(' ').unwrap_or((rest, ""));
        let name = chain.to_owned();
        Some(match verb {
            "-N" => Self::New(name),
            "-F" => Self::Flush(name),
            "-X" => Self::Remove(name),
            "-A" => Self::Append(name, Rule::read(rule)?),
            "-I" => Self::Insert(name, Rule::read(rule.strip_prefix("1 ")?)?),
            "-D" => Self::Delete(name, rest.to_owned()),
            _ => return None,
        })
    }
}

impl Rule {
    /// Reads what follows the chain; `None` when it has a word that is not known here.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let words = words(text)?;
        let mut words = words.iter().map(Cow::as_ref);
        let (mut rule, mut not) = (Self::default(), false);
        while let Some(word) = words.next() {
            if word == "!" {
                not = true;
                continue;
            }
            let value = words.next()?;
            match word {
                "-s" => rule.source = Some(Is { not, value: value.parse().ok()? }),
                "-d" => rule.destination = Some(Is { not, value: value.parse().ok()? }),
                "-i" => rule.entry = Some(Is { not, value: device(value)? }),
                "-o" => rule.exit = Some(Is { not, value: device(value)? }),
                "-p" if !not => rule.protocol = Some(PROTOCOLS.iter().find(|(_, name)| *name == value)?.0),
                "-m" if !not => rule.matches.push(Match::read_words(value, words.next()?, words.next()?)?),
                "-j" if !not => rule.action = Action::read_words(value, &mut words)?,
                _ => return None,
            }
            not = false;
        }
        (!not).then_some(rule)
    }
}

impl Match {
    fn read_words(name: &str, option: &str, value: &str) -> Option<Self> {
        Some(match (name, option) {
            ("comment", "--comment") => Self::Comment(value.to_owned()),
            ("tcp" | "udp" | "sctp", "--dport") => Self::Port(value.parse().ok()?),
            ("multiport", "--dports") => Self::Ports(value.split(',').map(str::parse).collect::<Result<_, _>>().ok()?),
            ("mark", "--mark") => {
                let (value, mask) = masked(value)?;
                Self::Mark(value, mask)
            }
            ("addrtype", "--dst-type") if value == "LOCAL" => Self::ToHost,
            ("conntrack", "--ctstate") if value == "RELATED,ESTABLISHED" => Self::Answers,
            ("conntrack", "--ctstate") if value == "DNAT" => Self::Redirected,
            _ => return None,
        })
    }
}

impl Action {
    fn read_words<'a>(name: &str, words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        Some(match name {
            "ACCEPT" => Self::Accept,
            "DROP" => Self::Drop,
            "RETURN" => Self::Return,
            "MASQUERADE" => Self::Masquerade,
            "DNAT" => {
                Self::Redirect(words.next().filter(|word| *word == "--to-destination").and(words.next())?.parse().ok()?)
            }
            "MARK" => {
                let (value, mask) = masked(words.next().filter(|word| *word == "--set-xmark").and(words.next())?)?;
                Self::SetMark(value, mask)
            }
            chain => Self::Jump(chain.to_owned()),
        })
    }
}

/// A name of a device; one that ends with `+` stands for many.
fn device(name: &str) -> Option<String> {
    (!name.ends_with('+')).then(|| name.to_owned())
}

/// `0x2000/0x2000`.
fn masked(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    Some((number(value)?, number(mask)?))
}

/// The words of a rule, unquoted; `None` when a quotation does not end.
fn words(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let (mut found, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (word, behind) = unquoted(quoted)?;
            found.push(Cow::Owned(word));
            rest = behind;
        } else {
            let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            found.push(Cow::Borrowed(word));
            rest = behind;
            continue;
        }
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Some(found)
}

/// What stands before the quotation mark that ends, and what behind.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut word, mut characters) = (String::new(), text.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((word, &text[at + 1..])),
            '\\' => word.push(characters.next()?.1),
            other => word.push(other),
        }
    }
    None
}

/// As `iptables-save` quotes and `iptables-restore` reads.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\' | '\'') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// The comment of a rule, unquoted.
pub(crate) fn comment_of(rule: &str) -> Option<String> {
    let (_, rest) = rule.split_once("--comment ")?;
    match rest.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).map(|(text, _)| text),
        None => rest.split(' ').next().map(str::to_owned),
    }
}

/// One of the conditions that stand before all matches, with a space before it.
struct Condition<'a, T>(&'a str, &'a Option<Is<T>>);

impl<T: fmt::Display> fmt::Display for Condition<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, Some(Is { not, value })) = self else { return Ok(()) };
        write!(f, "{}{name} {value}", if *not { " ! " } else { " " })
    }
}

impl fmt::Display for Rule {
    /// What follows the chain, with a space before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, entry, exit, protocol, matches, action } = self;
        write!(f, "{}{}", Condition("-s", source), Condition("-d", destination))?;
        write!(f, "{}{}", Condition("-i", entry), Condition("-o", exit))?;
        let name = protocol.map(|number| (number, PROTOCOLS.iter().find(|(known, _)| *known == number)));
        match name {
            None => {}
            Some((_, Some((_, name)))) => write!(f, " -p {name}")?,
            Some((number, None)) => write!(f, " -p {number}")?,
        }
        for one in matches {
            match one {
                Match::Comment(text) if is_plain(text) => write!(f, " -m comment --comment {text}")?,
                Match::Comment(text) => write!(f, " -m comment --comment {}", quote(text))?,
                Match::Port(port) => {
                    let name = name.and_then(|(_, known)| known).map_or("?", |(_, name)| name);
                    write!(f, " -m {name} --dport {port}")?;
                }
                Match::Ports(ports) => {
                    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                    write!(f, " -m multiport --dports {}", ports.join(","))?;
                }
                Match::Mark(value, u32::MAX) => write!(f, " -m mark --mark {value:#x}")?,
                Match::Mark(value, mask) => write!(f, " -m mark --mark {value:#x}/{mask:#x}")?,
                Match::ToHost => f.write_str(" -m addrtype --dst-type LOCAL")?,
                Match::Answers => f.write_str(" -m conntrack --ctstate RELATED,ESTABLISHED")?,
                Match::Redirected => f.write_str(" -m conntrack --ctstate DNAT")?,
                Match::Unknown => f.write_str(" -m ?")?,
            }
        }
        match action {
            Action::Nothing => Ok(()),
            Action::Accept => f.write_str(" -j ACCEPT"),
            Action::Drop => f.write_str(" -j DROP"),
            Action::Return => f.write_str(" -j RETURN"),
            Action::Jump(chain) => write!(f, " -j {chain}"),
            Action::Goto(chain) => write!(f, " -g {chain}"),
            Action::Masquerade => f.write_str(" -j MASQUERADE"),
            Action::Redirect(to) => write!(f, " -j DNAT --to-destination {to}"),
            Action::SetMark(value, mask) => write!(f, " -j MARK --set-xmark {value:#x}/{mask:#x}"),
            Action::Unknown => f.write_str(" -j ?"),
        }
    }
}

/// Whether iptables writes a text without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
