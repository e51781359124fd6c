//! One run of a command, timed by the clock on its outside: from just before it is started to its exit.
//!
//! The standard library starts it with `posix_spawn` (`vfork`), so the size of this process adds nothing.

use std::io::{Read, Write, pipe};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What to run: environment and standard input included.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The program, as a path.
    pub program: PathBuf,
    /// Arguments.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    /// Standard input, at most 64 KiB: it is in the pipe before the program starts.
    pub input: String,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    /// From before the start to the exit.
    pub elapsed: Duration,
    /// Standard output.
    pub output: String,
}

impl Invocation {
    /// The command, not started, with its standard input filled.
    ///
    /// # Errors
    /// When a pipe cannot be made.
    #[expect(clippy::disallowed_methods, reason = "starting programs is what is measured")]
    pub fn command(&self) -> Result<Command> {
        let (stdin, mut writer) = pipe().context("make a pipe")?;
        writer.write_all(self.input.as_bytes())?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.iter().cloned()).stdin(Stdio::from(stdin));
        Ok(command)
    }

    /// Runs it once under a tool, a program that takes the name of another one behind its own arguments; what both printed.
    ///
    /// # Errors
    /// When the tool cannot be started.
    pub fn under(&self, tool: &str, arguments: &[&str]) -> Result<Output> {
        let mut inside = self.clone();
        inside.program = tool.into();
        inside.arguments = arguments.iter().map(ToString::to_string).collect();
        inside.arguments.push(self.program.display().to_string());
        inside.command()?.stderr(Stdio::piped()).output().with_context(|| format!("start {tool}"))
    }

    /// Runs it.
    ///
    /// # Errors
    /// When it cannot be started or fails: with all that it printed. A failed operation is not a measurement.
    pub fn run(&self) -> Result<Outcome> {
        let mut command = self.command()?;
        let (mut output, write_output) = pipe()?;
        let (mut errors, write_errors) = pipe()?;
        command.stdout(Stdio::from(write_output)).stderr(Stdio::from(write_errors));
        let begin = Instant::now();
        let mut child = command.spawn().with_context(|| format!("start {}", self.program.display()))?;
        let status = child.wait()?;
        let elapsed = begin.elapsed();
        // Our copies of the writing ends go, else reading never ends.
        drop(command);
        let (mut out, mut err) = (String::new(), String::new());
        output.read_to_string(&mut out)?;
        errors.read_to_string(&mut err)?;
        if !status.success() {
            let verb = self.environment.iter().find(|(key, _)| key == "CNI_COMMAND").map_or("", |(_, verb)| verb);
            bail!("{} {verb}: {status}: {} {}", self.program.display(), out.trim(), err.trim());
        }
        Ok(Outcome { elapsed, output: out })
    }
}
