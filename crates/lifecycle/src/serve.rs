//! The process around a plugin: arguments, environment, standard input and output, exit status.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use cni::{Code, Error, Plugin, Reply, respond};

/// More than any configuration: 10,000 valid attachments of a GC take two MiB.
const INPUT_LIMIT: u64 = 8 * 1024 * 1024;

/// Serves one call as `plugin` and says how to exit.
#[must_use]
pub fn serve(plugin: &dyn Plugin) -> ExitCode {
    report_panics();
    let mut arguments = std::env::args_os().skip(1);
    if let Some(argument) = arguments.next() {
        return explain(plugin, &argument);
    }
    if variable("CNI_COMMAND").is_none_or(|command| command.is_empty()) && io::stdin().is_terminal() {
        let _ = writeln!(io::stderr(), "{}\n", plugin.help());
    }
    print(&respond(plugin, &variable, &mut read_input))
}

/// Serves one call as the plugin whose name this process was started by (`argv[0]`).
#[must_use]
pub fn serve_by_name(plugins: &[&dyn Plugin], aliases: &[(&str, &str)]) -> ExitCode {
    let started_as = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&started_as).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let kind = aliases.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, kind)| kind);
    if let Some(plugin) = plugins.iter().find(|plugin| plugin.name() == kind) {
        return serve(*plugin);
    }
    let names: Vec<&str> =
        plugins.iter().map(|plugin| plugin.name()).chain(aliases.iter().map(|(alias, _)| *alias)).collect();
    let text = format!("{name:?} is no plugin of this executable; link it to one of these names: {}", names.join(" "));
    print(&Reply { stdout: Error::internal(text).print(None), stderr: String::new(), exit: 1 })
}

/// Answers a person: plugins take no arguments from runtimes.
fn explain(plugin: &dyn Plugin, argument: &OsString) -> ExitCode {
    match argument.to_str() {
        Some("--help" | "-h" | "help") => {
            let text = format!(
                "{}\n\nCNI plugin {}: a runtime calls it with CNI_* variables and a configuration on stdin.\n\
                 By hand: cnm add NETWORK SANDBOX\n",
                plugin.help(),
                plugin.name()
            );
            print(&Reply { stdout: text, stderr: String::new(), exit: 0 })
        }
        Some("--version" | "-V") => {
            let about = respond(plugin, &|_| None, &mut || Ok(Vec::new())).stderr;
            print(&Reply { stdout: about, stderr: String::new(), exit: 0 })
        }
        _ => {
            let text = format!("{}: unknown argument {argument:?}; see --help\n", plugin.name());
            print(&Reply { stdout: String::new(), stderr: text, exit: 1 })
        }
    }
}

/// A variable of the environment. Bytes that are no UTF-8 become replacement characters, which no valid value has.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn read_input() -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    // One byte more than is allowed shows that there is more.
    io::stdin().lock().take(INPUT_LIMIT + 1).read_to_end(&mut input)?;
    Ok(input)
}

/// Prints and chooses the exit status. A reader that has gone away takes nothing from what was done, but it must
/// learn of it.
fn print(reply: &Reply) -> ExitCode {
    let _ = io::stderr().write_all(reply.stderr.as_bytes());
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(reply.stdout.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Ok(()) => ExitCode::from(reply.exit),
        Err(error) => {
            let _ = writeln!(io::stderr(), "cannot write the result: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A defect of ours is an error object too: without it the runtime would see an empty answer.
#[expect(clippy::disallowed_methods, reason = "a hook cannot return to main; the defect has been reported")]
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let error = Error::new(Code::Internal, format!("defect in the plugin: {panic}"))
            .with_details("please report it; DEL or GC removes what is left");
        print(&Reply { stdout: error.print(None), stderr: format!("{panic}\n"), exit: 1 });
        std::process::exit(1);
    }));
}
