//! One call from beginning to end: environment, input, order of checks, verb, output. What the verbs do is
//! the plugin's; whether the sandbox is our own namespace is `lifecycle`'s to find out.

use std::io;

use crate::env::{self, Environment, Lookup, Verb};
use crate::gate;
use crate::json::{Json, Node};
use crate::names::validate_network_name;
use crate::{Code, Command, Error, Plugin, Request, Version};

/// The release of the reference plugins that ours replace; callers compare it (nerdctl parses `firewall`'s).
pub const REFERENCE_VERSION: &str = "1.9.1";

/// Our own version.
pub const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The longest configuration in bytes that is decoded: 8 MiB. Whoever reads stdin need not read more than one
/// byte beyond it.
pub const MAX_INPUT: usize = 8 << 20;

/// What the process must do: print and exit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// For stdout: a result, an error object, or nothing.
    pub stdout: String,
    /// For stderr: the about line.
    pub stderr: String,
    /// Exit status: 0 or 1.
    pub exit: u8,
}

impl Reply {
    /// Success with `stdout`, which may be empty.
    #[must_use]
    pub fn success(stdout: String) -> Self {
        Self { stdout, stderr: String::new(), exit: 0 }
    }

    /// Failure with `error` as the runtime must see it, at the configuration's `version` when it is known.
    #[must_use]
    pub fn failure(error: &Error, version: Option<Version>) -> Self {
        Self { stdout: error.print(version), stderr: String::new(), exit: 1 }
    }
}

/// A failure, and the version at which to report it once that is known.
struct Failure {
    error: Error,
    version: Option<Version>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, version: None }
    }
}

/// Serves one call. `variable` looks up the environment, `stdin` reads the configuration (it is not
/// called for VERSION nor without a verb).
///
/// An ADD whose result cannot be printed at the configuration's version is undone with the plugin's DEL.
pub fn respond(
    plugin: &dyn Plugin,
    variable: &dyn Fn(&str) -> Option<String>,
    stdin: &mut dyn FnMut() -> io::Result<Vec<u8>>,
) -> Reply {
    match variable("CNI_COMMAND") {
        Some(command) if !command.is_empty() => match serve(plugin, &command, variable, stdin) {
            Ok(stdout) => Reply::success(stdout),
            Err(failure) => Reply::failure(&failure.error, failure.version),
        },
        _ => Reply { stdout: String::new(), stderr: about(plugin), exit: 0 },
    }
}

/// Two lines. nerdctl looks for the one that starts with `CNI firewall plugin ` and takes the rest of it for a
/// semantic version, so nothing may follow.
fn about(plugin: &dyn Plugin) -> String {
    let name = plugin.name();
    let versions: Vec<&str> = plugin.versions().iter().map(|version| version.as_str()).collect();
    format!(
        "CNI {name} plugin v{REFERENCE_VERSION}+cnm{OWN_VERSION}\nCNI protocol versions supported: {}\n",
        versions.join(", ")
    )
}

fn serve(
    plugin: &dyn Plugin,
    command: &str,
    variable: Lookup<'_>,
    stdin: &mut dyn FnMut() -> io::Result<Vec<u8>>,
) -> Result<String, Failure> {
    let environment = env::read(command, variable)?;
    if environment.verb == Verb::Known(Command::Version) {
        return Ok(versions(plugin.versions()));
    }
    let request = request(plugin, environment, stdin)?;
    let version = Some(request.version);
    run(plugin, &request).map_err(|error| Failure { error, version })
}

/// The answer to VERSION: one compact line with a newline, always at the newest version of our own. What the
/// caller sent is not read.
fn versions(supported: &[Version]) -> String {
    let newest = supported.last().copied().unwrap_or(Version::NEWEST);
    let list = supported.iter().map(|version| Json::from(version.as_str())).collect();
    let answer = Json::Object(vec![
        ("cniVersion".to_owned(), newest.as_str().into()),
        ("supportedVersions".to_owned(), Json::Array(list)),
    ]);
    format!("{answer}\n")
}

/// Reads and checks the input: decoding, name, verb, version, in this order.
fn request(
    plugin: &dyn Plugin,
    environment: Environment,
    stdin: &mut dyn FnMut() -> io::Result<Vec<u8>>,
) -> Result<Request, Error> {
    let bytes = stdin().map_err(|error| Error::new(Code::Io, format!("error reading from stdin: {error}")))?;
    let conf = decode(&bytes).map_err(|error| error.context("error unmarshall network config"))?;
    let root = Node::root(&conf);
    let network = root.string("name").map_err(|error| error.context("error unmarshall network config"))?;
    let network = network.unwrap_or_default().to_owned();
    validate_network_name(&network)?;
    let command = match environment.verb {
        Verb::Known(command) => command,
        Verb::Unknown(text) => {
            return Err(Error::new(Code::InvalidEnvironment, format!("unknown CNI_COMMAND: {text}")));
        }
    };
    let version = root.string("cniVersion").map_err(|error| error.context("decoding version from network config"))?;
    let version = gate::admit(command, version.unwrap_or_default(), plugin.versions())?;
    Ok(Request {
        command,
        container_id: environment.container_id,
        netns: environment.netns,
        ifname: environment.ifname,
        args: environment.args,
        path: environment.path,
        netns_override: environment.netns_override,
        stdin: bytes,
        conf,
        network,
        version,
    })
}

fn decode(bytes: &[u8]) -> Result<Json, Error> {
    if bytes.len() > MAX_INPUT {
        let msg = format!("the configuration on stdin is longer than {MAX_INPUT} bytes (8 MiB)");
        return Err(Error::new(Code::Decoding, msg));
    }
    Json::parse(bytes)
}

fn run(plugin: &dyn Plugin, request: &Request) -> Result<String, Error> {
    match request.command {
        Command::Add => {
            let result = plugin.add(request)?;
            result.print(request.version).map_err(|error| undo(plugin, request, error))
        }
        Command::Del => plugin.del(request).map(|()| String::new()),
        Command::Check => plugin.check(request).map(|()| String::new()),
        Command::Gc => plugin.gc(request, &request.valid_attachments()?).map(|()| String::new()),
        Command::Status => plugin.status(request).map(|()| String::new()),
        // Answered before any input was read.
        Command::Version => Ok(versions(plugin.versions())),
    }
}

/// Removes what an ADD made whose result has no shape at the configuration's version, e.g. one without
/// addresses below 0.3.0.
fn undo(plugin: &dyn Plugin, request: &Request, error: Error) -> Error {
    match plugin.del(&request.with_command(Command::Del)) {
        Ok(()) => error,
        Err(cleanup) => error.with_details(format!("removing the attachment again failed too: {cleanup}")),
    }
}
