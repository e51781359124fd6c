//! The variables of a call: which verb needs which, and what is valid. It knows no configuration and
//! looks nothing up by itself.

use crate::names::{validate_container_id, validate_ifname};
use crate::{Code, Command, Error};

/// Looks up an environment variable; absent and empty mean the same.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The verb as it was asked for. What an unknown one needs is decided later: the reference reads and
/// checks the input first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    /// One of the specification's.
    Known(Command),
    /// Anything else, as given.
    Unknown(String),
}

/// The variables of one call, valid for its verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) verb: Verb,
    pub(crate) container_id: String,
    pub(crate) netns: Option<String>,
    pub(crate) ifname: String,
    pub(crate) args: String,
    pub(crate) path: String,
    pub(crate) netns_override: bool,
}

/// One line of the table of variables.
struct Row {
    name: &'static str,
    /// Whether a call with this verb cannot do without it.
    required: fn(Command) -> bool,
    /// What the value must satisfy; asked only where the variable is required.
    validate: fn(&str) -> Result<(), Error>,
}

fn per_endpoint(command: Command) -> bool {
    matches!(command, Command::Add | Command::Check | Command::Del)
}

fn needs_sandbox(command: Command) -> bool {
    matches!(command, Command::Add | Command::Check)
}

fn reads_input(command: Command) -> bool {
    command != Command::Version
}

fn anything(_: &str) -> Result<(), Error> {
    Ok(())
}

/// The required variables besides `CNI_COMMAND`, in the order in which a message lists them.
const TABLE: [Row; 4] = [
    Row { name: "CNI_CONTAINERID", required: per_endpoint, validate: validate_container_id },
    Row { name: "CNI_NETNS", required: needs_sandbox, validate: anything },
    Row { name: "CNI_IFNAME", required: per_endpoint, validate: validate_ifname },
    Row { name: "CNI_PATH", required: reads_input, validate: anything },
];

/// Reads the environment of a call with the verb `command` (not empty).
///
/// # Errors
/// Code 4: the first invalid required variable, at once; else everything that is missing, in one message.
pub(crate) fn read(command: &str, variable: Lookup<'_>) -> Result<Environment, Error> {
    let text = |name: &str| variable(name).unwrap_or_default();
    let verb = match Command::from_text(command) {
        Some(known) => Verb::Known(known),
        None => Verb::Unknown(command.to_owned()),
    };
    let mut missing = Vec::new();
    for row in &TABLE {
        let Verb::Known(command) = verb else { break };
        if !(row.required)(command) {
            continue;
        }
        match text(row.name) {
            value if value.is_empty() => missing.push(row.name),
            value => (row.validate)(&value)?,
        }
    }
    if !missing.is_empty() {
        let msg = format!("required env variables [{}] missing", missing.join(","));
        return Err(Error::new(Code::InvalidEnvironment, msg));
    }
    // GC and STATUS concern no container; whatever stands in these variables was not checked.
    let endpoint = matches!(verb, Verb::Known(command) if per_endpoint(command));
    let of_endpoint = |name: &str| if endpoint { text(name) } else { String::new() };
    let netns_override = text("CNI_NETNS_OVERRIDE");
    Ok(Environment {
        container_id: of_endpoint("CNI_CONTAINERID"),
        netns: Some(of_endpoint("CNI_NETNS")).filter(|netns| !netns.is_empty()),
        ifname: of_endpoint("CNI_IFNAME"),
        args: of_endpoint("CNI_ARGS"),
        path: text("CNI_PATH"),
        netns_override: netns_override == "1" || netns_override.eq_ignore_ascii_case("TRUE"),
        verb,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(command: &str, variables: &[(&str, &str)]) -> Result<Environment, Error> {
        read(command, &|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    const ALL: [(&str, &str); 5] = [
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/run/netns/a"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/opt/cni/bin"),
        ("CNI_ARGS", "A=B"),
    ];

    #[test]
    fn each_verb_needs_its_own() {
        let missing = |command| call(command, &[]).map(|_| String::new()).unwrap_or_else(|error| error.msg);
        let all = "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing";
        assert_eq!(missing("ADD"), all);
        assert_eq!(missing("CHECK"), all);
        assert_eq!(missing("DEL"), "required env variables [CNI_CONTAINERID,CNI_IFNAME,CNI_PATH] missing");
        assert_eq!(missing("GC"), "required env variables [CNI_PATH] missing");
        assert_eq!(missing("STATUS"), "required env variables [CNI_PATH] missing");
        assert_eq!(missing("VERSION"), "");
        assert_eq!(missing("add"), "", "an unknown verb is found out later");
    }

    #[test]
    fn empty_is_absent() {
        let error =
            call("ADD", &[("CNI_CONTAINERID", "c"), ("CNI_NETNS", ""), ("CNI_IFNAME", "e"), ("CNI_PATH", "/x")]);
        assert_eq!(error.expect_err("refused").msg, "required env variables [CNI_NETNS] missing");
    }

    #[test]
    fn invalid_comes_before_missing() {
        let error = call("ADD", &[("CNI_CONTAINERID", "a/b")]).expect_err("refused");
        assert_eq!((error.msg.as_str(), error.details.as_str()), ("invalid characters in containerID", "a/b"));
        let error = call("DEL", &[("CNI_IFNAME", "a b")]).expect_err("refused");
        assert_eq!(error.msg, "interface name contains / or : or whitespace characters");
    }

    #[test]
    fn only_required_variables_are_checked() {
        let dummy = [("CNI_CONTAINERID", "/"), ("CNI_IFNAME", "a b"), ("CNI_PATH", "dummy")];
        for command in ["VERSION", "GC", "STATUS"] {
            let environment = call(command, &dummy).expect("accepted");
            assert_eq!((environment.container_id.as_str(), environment.ifname.as_str()), ("", ""), "{command}");
        }
    }

    #[test]
    fn everything_arrives() {
        let environment = call("ADD", &ALL).expect("accepted");
        assert_eq!(environment.verb, Verb::Known(Command::Add));
        assert_eq!(environment.netns.as_deref(), Some("/run/netns/a"));
        assert_eq!((environment.args.as_str(), environment.path.as_str()), ("A=B", "/opt/cni/bin"));
        assert!(!environment.netns_override);
        for (value, accepted) in
            [("1", true), ("TRUE", true), ("tRue", true), ("true ", false), ("yes", false), ("0", false)]
        {
            let mut variables = ALL.to_vec();
            variables.push(("CNI_NETNS_OVERRIDE", value));
            assert_eq!(call("ADD", &variables).expect("accepted").netns_override, accepted, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_safe(id in ".{0,40}", ifname in ".{0,20}", command in "ADD|DEL|CHECK|GC|STATUS|VERSION|x") {
            let variables = [("CNI_CONTAINERID", id.as_str()), ("CNI_NETNS", "/n"), ("CNI_IFNAME", &ifname), ("CNI_PATH", "/p")];
            match call(&command, &variables) {
                Ok(environment) => {
                    prop_assert!(!environment.container_id.contains('/') && !environment.container_id.starts_with('.'));
                    prop_assert!(environment.ifname.len() <= 15 && !environment.ifname.contains('/'));
                }
                Err(error) => prop_assert_eq!(error.code, Code::InvalidEnvironment),
            }
        }
    }
}
