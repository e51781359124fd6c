//! The command line: words in, a checked command out. Nothing is looked up here but the variables that stand in
//! for options.

use std::ffi::OsString;

use lexopt::{Arg, Parser};

use crate::collection::{Keep, Valid};
use crate::document::Object;
use crate::help::Topic;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invocation {
    /// Machine-readable output.
    pub(crate) json: bool,
    pub(crate) command: Command,
}

/// A command with its operands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Add(Operands),
    Del(Operands),
    Check(Operands),
    Gc { network: String, valid: Valid },
    Status { network: String },
    NetworkList,
    NetworkInspect { name: String },
    SandboxAdd { name: String },
    SandboxRemove { name: String, force: bool },
    SandboxList,
    Help(Topic),
    Version,
}

/// NETWORK, SANDBOX and what goes with an attachment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operands {
    pub(crate) network: String,
    pub(crate) sandbox: String,
    pub(crate) ifname: String,
    pub(crate) args: Option<Vec<(String, String)>>,
    pub(crate) capabilities: Option<Object>,
    pub(crate) id: Option<String>,
}

/// A command line that says nothing sensible, and where to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misuse {
    pub(crate) msg: String,
    pub(crate) topic: Topic,
}

/// The words and options as they come, before it is clear which command they belong to.
#[derive(Debug, Default)]
struct Words {
    positional: Vec<String>,
    json: bool,
    help: bool,
    version: bool,
    /// Options with their values, in order; flags have an empty value.
    options: Vec<(&'static str, String)>,
}

/// Options that take a value, with their short forms.
const VALUED: [(&str, Option<char>); 5] =
    [("ifname", Some('i')), ("args", None), ("cap", None), ("id", None), ("keep", None)];
/// Options that do not.
const FLAGS: [(&str, Option<char>); 3] = [("all", None), ("dry-run", Some('n')), ("force", Some('f'))];

impl Words {
    fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut parser = Parser::from_args(words);
        let mut read = Self::default();
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            match argument {
                Arg::Value(word) => read.positional.push(word.into_string().map_err(|word| not_text(&word))?),
                Arg::Long("json") => read.json = true,
                Arg::Long("help") | Arg::Short('h') => read.help = true,
                Arg::Long("version") | Arg::Short('V') => read.version = true,
                Arg::Long(_) | Arg::Short(_) => {
                    let is = |&&(long, short): &&(&str, Option<char>)| match argument {
                        Arg::Long(name) => name == long,
                        Arg::Short(letter) => short == Some(letter),
                        Arg::Value(_) => false,
                    };
                    if let Some((name, _)) = VALUED.iter().find(is) {
                        let value = parser.value().map_err(|_| format!("--{name} needs a value"))?;
                        read.options.push((name, value.into_string().map_err(|word| not_text(&word))?));
                    } else if let Some((name, _)) = FLAGS.iter().find(is) {
                        read.options.push((name, String::new()));
                    } else {
                        return Err(argument.unexpected().to_string());
                    }
                }
            }
        }
        Ok(read)
    }

    /// Takes the last value of an option out.
    fn take(&mut self, name: &str) -> Option<String> {
        self.take_all(name).pop()
    }

    fn take_all(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.options).into_iter().partition(|(have, _)| *have == name);
        self.options = rest;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// The operands that `names` lists, exactly.
    fn operands<const N: usize>(&self, taken: usize, names: [&str; N]) -> Result<[String; N], String> {
        let given = self.positional.get(taken..).unwrap_or_default();
        if let Some(missing) = names.get(given.len()) {
            return Err(format!("{missing} is missing"));
        }
        given.to_vec().try_into().map_err(|_| format!("{:?} is one word too many", given[N]))
    }
}

fn not_text(word: &OsString) -> String {
    format!("{word:?} is not valid UTF-8")
}

/// Reads a command line, without the program's own name. `variable` looks up the environment.
///
/// # Errors
/// What is wrong with it; exit status 2.
pub(crate) fn parse(
    words: impl IntoIterator<Item = OsString>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Invocation, Misuse> {
    let mut words = Words::read(words).map_err(|msg| Misuse { msg, topic: Topic::Main })?;
    let json = words.json;
    let first: Vec<&str> = words.positional.iter().take(2).map(String::as_str).collect();
    let (topic, depth) = match Topic::of(&first) {
        Some(found) => found,
        None if first.is_empty() => (Topic::Main, 0),
        None => {
            return Err(Misuse {
                msg: format!("there is no command {}", first.join(" ")),
                topic: Topic::of_group(&first),
            });
        }
    };
    if words.version {
        return Ok(Invocation { json, command: Command::Version });
    }
    if words.help || topic == Topic::Help {
        let about: Vec<&str> =
            words.positional.iter().skip(usize::from(topic == Topic::Help)).map(String::as_str).collect();
        let about = Topic::of(&about).map_or_else(|| Topic::of_group(&about), |(about, _)| about);
        return Ok(Invocation { json, command: Command::Help(about) });
    }
    let command = command(topic, depth, &mut words, variable).map_err(|msg| Misuse { msg, topic })?;
    if let Some((name, _)) = words.options.first() {
        return Err(Misuse { msg: format!("--{name} does not belong to this command"), topic });
    }
    Ok(Invocation { json, command })
}

fn command(
    topic: Topic,
    depth: usize,
    words: &mut Words,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Command, String> {
    Ok(match topic {
        Topic::Main => return Err("a command is missing".into()),
        Topic::Network | Topic::Sandbox => return Err("a word is missing: what about it?".into()),
        Topic::Help => Command::Help(Topic::Main),
        Topic::Add => Command::Add(attachment(depth, words, variable)?),
        Topic::Del => Command::Del(attachment(depth, words, variable)?),
        Topic::Check => Command::Check(attachment(depth, words, variable)?),
        Topic::Gc => {
            let [network] = words.operands(depth, ["NETWORK"])?;
            let keep = words.take_all("keep").iter().map(|text| keep(text)).collect::<Result<_, _>>()?;
            let valid = Valid { all: words.take("all").is_some(), keep, dry_run: words.take("dry-run").is_some() };
            Command::Gc { network, valid }
        }
        Topic::Status => {
            let [network] = words.operands(depth, ["NETWORK"])?;
            Command::Status { network }
        }
        Topic::NetworkList => words.operands(depth, []).map(|[]| Command::NetworkList)?,
        Topic::NetworkInspect => {
            let [name] = words.operands(depth, ["NAME"])?;
            Command::NetworkInspect { name }
        }
        Topic::SandboxAdd => {
            let [name] = words.operands(depth, ["NAME"])?;
            Command::SandboxAdd { name }
        }
        Topic::SandboxRemove => {
            let [name] = words.operands(depth, ["NAME"])?;
            Command::SandboxRemove { name, force: words.take("force").is_some() }
        }
        Topic::SandboxList => words.operands(depth, []).map(|[]| Command::SandboxList)?,
    })
}

/// NETWORK SANDBOX and the options of add, del and check, for which variables may stand.
fn attachment(depth: usize, words: &mut Words, variable: &dyn Fn(&str) -> Option<String>) -> Result<Operands, String> {
    let [network, sandbox] = words.operands(depth, ["NETWORK", "SANDBOX"])?;
    let mut given = |option: &str, name: &str| {
        let option_value = words.take(option);
        option_value.or_else(|| variable(name).filter(|value| !value.is_empty()))
    };
    let ifname = given("ifname", "CNI_IFNAME").unwrap_or_else(|| "eth0".into());
    let args = given("args", "CNI_ARGS").map(|text| pairs(&text)).transpose()?;
    let capabilities = given("cap", "CAP_ARGS").map(|text| capabilities(&text)).transpose()?;
    Ok(Operands { network, sandbox, ifname, args, capabilities, id: words.take("id") })
}

/// `K=V;K2=V2`, as cnitool reads it, but for a semicolon at the end, which does no harm.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() && !value.contains('=') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(format!("{pair:?} is no pair KEY=VALUE (--args, CNI_ARGS: pairs with ; between them)")),
    };
    text.split(';').filter(|part| !part.is_empty()).map(pair).collect()
}

/// The JSON object of `--cap`.
fn capabilities(text: &str) -> Result<Object, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("--cap, CAP_ARGS must be a JSON object like {{\"mac\":\"02:00:00:00:00:07\"}}: {error}")
    })
}

/// `CONTAINERID` or `CONTAINERID:IFNAME`; an id has no colon.
fn keep(text: &str) -> Result<Keep, String> {
    let (id, ifname) = match text.split_once(':') {
        Some((id, ifname)) => (id, Some(ifname)),
        None => (text, None),
    };
    let wrong = |error: cni::Error| format!("--keep {text:?}: {error}");
    cni::validate_container_id(id).map_err(wrong)?;
    ifname.map_or(Ok(()), cni::validate_ifname).map_err(wrong)?;
    Ok(Keep { container_id: id.to_owned(), ifname: ifname.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Invocation, Misuse> {
        parse(line.split_whitespace().map(OsString::from), &|_| None)
    }

    fn refused(line: &str) -> String {
        read(line).map(|invocation| invocation.command).unwrap_err().msg
    }

    #[test]
    fn attachments() {
        let line = r#"add net1 web -i eth1 --args IP=10.0.0.9;MAC=2 --json --cap {"mac":"x"} --id abc"#;
        let invocation = read(line).unwrap();
        assert!(invocation.json);
        let Command::Add(operands) = invocation.command else { panic!("{invocation:?}") };
        assert_eq!((operands.network.as_str(), operands.sandbox.as_str()), ("net1", "web"));
        assert_eq!((operands.ifname.as_str(), operands.id.as_deref()), ("eth1", Some("abc")));
        assert_eq!(operands.args.unwrap(), [("IP".into(), "10.0.0.9".into()), ("MAC".into(), "2".into())]);
        assert_eq!(operands.capabilities.unwrap()["mac"], "x");
    }

    #[test]
    fn variables_stand_in_for_options() {
        let variable = |name: &str| match name {
            "CNI_IFNAME" => Some("net0".to_owned()),
            "CNI_ARGS" => Some("A=1;".to_owned()),
            "CAP_ARGS" => Some("{}".to_owned()),
            _ => None,
        };
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let Ok(Invocation { command: Command::Del(operands), .. }) = parse(words("del n s"), &variable) else {
            panic!()
        };
        assert_eq!((operands.ifname.as_str(), operands.args), ("net0", Some(vec![("A".into(), "1".into())])));
        let Ok(Invocation { command: Command::Check(operands), .. }) = parse(words("check n s -i x"), &variable) else {
            panic!()
        };
        assert_eq!((operands.ifname.as_str(), operands.capabilities), ("x", Some(Object::new())));
    }

    #[test]
    fn collection() {
        let Command::Gc { network, valid } = read("gc net1 --keep a:eth1 --keep b -n").unwrap().command else {
            panic!()
        };
        assert_eq!(network, "net1");
        let keep = |id: &str, ifname: Option<&str>| Keep { container_id: id.into(), ifname: ifname.map(Into::into) };
        assert_eq!(valid, Valid { all: false, keep: vec![keep("a", Some("eth1")), keep("b", None)], dry_run: true });
    }

    #[test]
    fn groups_and_help() {
        assert_eq!(read("network ls").unwrap().command, Command::NetworkList);
        assert_eq!(read("network inspect x").unwrap().command, Command::NetworkInspect { name: "x".into() });
        assert_eq!(read("sandbox rm x -f").unwrap().command, Command::SandboxRemove { name: "x".into(), force: true });
        for (line, topic) in [
            ("--help", Topic::Main),
            ("help", Topic::Main),
            ("help add", Topic::Add),
            ("add --help", Topic::Add),
            ("network -h", Topic::Network),
            ("network inspect x --help", Topic::NetworkInspect),
            ("help sandbox rm", Topic::SandboxRemove),
        ] {
            assert_eq!(read(line).map(|invocation| invocation.command), Ok(Command::Help(topic)), "{line}");
        }
        assert_eq!(read("--version").unwrap().command, Command::Version);
    }

    #[test]
    fn misuse_says_what_is_wrong() {
        for (line, msg) in [
            ("", "a command is missing"),
            ("attach x", "there is no command attach x"),
            ("add", "NETWORK is missing"),
            ("add net1", "SANDBOX is missing"),
            ("add net1 web more", "\"more\" is one word too many"),
            ("add net1 web --ifname", "--ifname needs a value"),
            ("add net1 web --frobnicate", "invalid option '--frobnicate'"),
            ("status net1 --all", "--all does not belong to this command"),
            ("network", "a word is missing: what about it?"),
            ("network create x", "there is no command network create"),
        ] {
            assert_eq!(refused(line), msg, "{line}");
        }
        assert!(refused("add n s --args IP").contains("\"IP\" is no pair"));
        assert!(refused("add n s --cap [1]").contains("must be a JSON object"));
        assert!(refused("gc n --keep ../x").contains("invalid characters in containerID"));
    }
}
