//! Other plugins: finding them on `CNI_PATH` and asking them, mostly IPAM.
//!
//! A delegate that is this very executable is called in process; whatever else an operator puts into the
//! directory is executed, with the same environment and byte for byte the same input. This module does not know
//! what a delegate's answer is good for.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cni::json::{Json, Node};
use cni::{AddResult, Attachment, Command, Error, Plugin, Request};
use kernel::process::{Call, own_path, run};

/// Finds the program of a plugin: the first directory of `path` (`:`-separated, as `CNI_PATH`) where `kind` is a
/// regular file or leads to one. Whether it may be executed is not looked at, as in the reference.
///
/// # Errors
/// Code 999 with the reference's texts: no name, a name with a slash, found nowhere.
pub fn find(path: &str, kind: &str) -> Result<PathBuf, Error> {
    locate(path, kind).map(|(program, _)| program)
}

/// The same, with what the look has told of the file.
fn locate(path: &str, kind: &str) -> Result<(PathBuf, Metadata), Error> {
    if kind.is_empty() {
        return Err(Error::internal("no plugin name provided"));
    }
    if kind.contains('/') {
        return Err(Error::internal(format!("invalid plugin name: {kind}")));
    }
    // An empty entry would make the shell's PATH decide.
    let directories: Vec<&str> = path.split(':').filter(|directory| !directory.is_empty()).collect();
    if directories.is_empty() {
        return Err(Error::internal("no paths provided"));
    }
    directories
        .iter()
        .map(|directory| Path::new(directory).join(kind))
        .find_map(|program| {
            let found = fs::metadata(&program).ok().filter(Metadata::is_file)?;
            Some((program, found))
        })
        .ok_or_else(|| {
            Error::internal(format!("failed to find plugin {kind:?} in path [{}]", directories.join(" ")))
                .with_details(format!("install {kind} into one of these directories, or add its directory to CNI_PATH"))
        })
}

/// Executes a plugin: `variables` (`CNI_COMMAND` and the like) go over the inherited environment, `stdin` is the
/// configuration. Returns its stdout; what it writes to stderr comes out of ours.
///
/// # Errors
/// The plugin's own error, code, message and details unchanged; libcni's words when it fails without an error
/// object; code 999 when it cannot be started.
pub fn execute(program: &Path, variables: &[(&str, &str)], stdin: &[u8]) -> Result<Vec<u8>, Error> {
    let call = Call { variables, stdin, ..Call::new(program) };
    let output =
        run(&call).map_err(|error| Error::internal(format!("cannot execute plugin {}: {error}", program.display())))?;
    // Its stderr is for people. When it is the only explanation, it becomes the message instead.
    let mute = !output.status.success() && output.stdout.is_empty();
    if !mute && !output.stderr.is_empty() {
        // A closed stderr must not fail the call.
        let _ = io::stderr().write_all(&output.stderr);
    }
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::from_delegate(&output.stdout, &output.stderr, output.ending()))
    }
}

/// A plugin that serves our request in our place.
pub struct Delegate<'a> {
    program: PathBuf,
    built_in: Option<&'a dyn Plugin>,
}

impl<'a> Delegate<'a> {
    /// Finds the plugin of type `kind` on `path`. If the file found is our own executable (the same inode) and
    /// `registry` has a plugin for it, the calls happen in process.
    ///
    /// # Errors
    /// As [`find`].
    pub fn find(path: &str, kind: &str, registry: &[&'a dyn Plugin]) -> Result<Self, Error> {
        let (program, found) = locate(path, kind)?;
        let built_in = registry
            .iter()
            .copied()
            .find(|plugin| plugin.name() == kind.strip_suffix("-ipam").unwrap_or(kind))
            .filter(|_| is_ourselves(&found));
        Ok(Self { program, built_in })
    }

    /// The file that was found.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Whether calls happen in process.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.built_in.is_some()
    }

    /// ADD. A result without its own `cniVersion` is read by the request's.
    ///
    /// # Errors
    /// The delegate's own, or code 6 or 7 when its answer is no result.
    pub fn add(&self, request: &Request) -> Result<AddResult, Error> {
        if let Some(plugin) = self.built_in {
            return plugin.add(&as_command(request, Command::Add));
        }
        let stdout = self.call(request, Command::Add)?;
        let document = Json::parse(&stdout).map_err(|error| self.blame("failed to unmarshal raw result", &error))?;
        if document == Json::Null {
            return Ok(AddResult::default());
        }
        AddResult::parse(&Node::root(&document), request.version)
            .map_err(|error| self.blame("unusable result of plugin", &error))
    }

    /// DEL, also for undoing an ADD: `request` may be the one of the ADD.
    ///
    /// # Errors
    /// The delegate's own.
    pub fn del(&self, request: &Request) -> Result<(), Error> {
        match self.built_in {
            Some(plugin) => plugin.del(&as_command(request, Command::Del)),
            None => self.call(request, Command::Del).map(drop),
        }
    }

    /// CHECK.
    ///
    /// # Errors
    /// The delegate's own.
    pub fn check(&self, request: &Request) -> Result<(), Error> {
        match self.built_in {
            Some(plugin) => plugin.check(&as_command(request, Command::Check)),
            None => self.call(request, Command::Check).map(drop),
        }
    }

    /// GC. A program of its own finds `valid` in the configuration, which it gets as it is.
    ///
    /// # Errors
    /// The delegate's own.
    pub fn gc(&self, request: &Request, valid: &[Attachment]) -> Result<(), Error> {
        match self.built_in {
            Some(plugin) => plugin.gc(&as_command(request, Command::Gc), valid),
            None => self.call(request, Command::Gc).map(drop),
        }
    }

    /// STATUS.
    ///
    /// # Errors
    /// The delegate's own.
    pub fn status(&self, request: &Request) -> Result<(), Error> {
        match self.built_in {
            Some(plugin) => plugin.status(&as_command(request, Command::Status)),
            None => self.call(request, Command::Status).map(drop),
        }
    }

    fn call(&self, request: &Request, command: Command) -> Result<Vec<u8>, Error> {
        // All but the verb say what our own environment says.
        let variables = [
            ("CNI_COMMAND", verb(command)),
            ("CNI_CONTAINERID", &request.container_id),
            ("CNI_NETNS", request.netns.as_deref().unwrap_or_default()),
            ("CNI_IFNAME", &request.ifname),
            ("CNI_ARGS", &request.args),
            ("CNI_PATH", &request.path),
        ];
        execute(&self.program, &variables, &request.stdin)
    }

    fn blame(&self, what: &str, error: &Error) -> Error {
        let name = self.program.file_name().unwrap_or(OsStr::new("?")).to_string_lossy();
        error.clone().context(format!("{name}: {what}"))
    }
}

/// The request under another verb; the same one when it is the verb already.
fn as_command(request: &Request, command: Command) -> std::borrow::Cow<'_, Request> {
    if request.command == command {
        std::borrow::Cow::Borrowed(request)
    } else {
        std::borrow::Cow::Owned(Request { command, ..request.clone() })
    }
}

/// `CNI_COMMAND`.
const fn verb(command: Command) -> &'static str {
    match command {
        Command::Add => "ADD",
        Command::Del => "DEL",
        Command::Check => "CHECK",
        Command::Gc => "GC",
        Command::Status => "STATUS",
        Command::Version => "VERSION",
    }
}

/// Whether `program` is the file that runs at this moment, under whatever name. When in doubt it is not: executing is
/// always right.
fn is_ourselves(program: &Metadata) -> bool {
    let identity = |file: &Metadata| (file.dev(), file.ino());
    own_path().and_then(|own| fs::metadata(own).ok()).is_some_and(|own| identity(&own) == identity(program))
}

#[cfg(test)]
mod tests;
