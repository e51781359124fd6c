//! `cnm`: container networks for people. It is to a terminal what libcni is to a container engine: it reads
//! network configurations, runs their plugins in order and keeps the results.
//!
//! This file turns a command into what is shown and an exit status; what a command does is in the modules.

mod arguments;
mod attachment;
mod cache;
mod collection;
mod configuration;
mod document;
mod help;
mod networks;
mod readiness;
mod runtime;
mod sandbox;
mod sandboxes;
mod style;
mod view;

use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Command, Invocation, Operands};
use attachment::Wanted;
use cni::{Error, Version};
use collection::{Collected, Valid};
use readiness::Asked;
use runtime::Runtime;
use sandbox::{Sandbox, short_name};
use serde_json::{Value, json};
use style::Style;

/// What a command has to say, for people and for programs.
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) json: Value,
}

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1);
    let invocation = match arguments::parse(words, &|name| std::env::var(name).ok()) {
        Ok(invocation) => invocation,
        Err(misuse) => {
            let (usage, command) = (misuse.topic.usage(), misuse.topic.command());
            eprintln!("cnm: {}\nusage: {usage}\n`{command} --help` tells more", misuse.msg);
            return ExitCode::from(2);
        }
    };
    let json = invocation.json;
    match run(invocation).and_then(|shown| print(&shown, json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error, json);
            ExitCode::FAILURE
        }
    }
}

fn run(invocation: Invocation) -> Result<Shown, Error> {
    let style = Style::of(&io::stdout());
    let runtime = Runtime::from_environment();
    if matches!(invocation.command, Command::Add(_) | Command::Del(_) | Command::Gc { .. }) {
        // Half a chain is nobody's wish: an interrupt ends the plugin that runs, and what was done is undone.
        kernel::process::end_in_order().map_err(|error| Error::internal(error.to_string()))?;
    }
    match invocation.command {
        Command::Add(operands) => add(&runtime, operands, style),
        Command::Del(operands) => del(&runtime, operands, style),
        Command::Check(operands) => check(&runtime, operands, style),
        Command::Gc { network, valid } => gc(&runtime, &network, &valid, style),
        Command::Status { network } => status(&runtime, &network, style),
        Command::NetworkList => networks::list(&runtime, style),
        Command::NetworkInspect { name } => networks::inspect(&runtime, &name, style),
        Command::SandboxAdd { name } => sandboxes::add(&name, style),
        Command::SandboxRemove { name, force } => sandboxes::remove(&runtime, &name, force, style),
        Command::SandboxList => sandboxes::list(&runtime, style),
        Command::Help(topic) => Ok(Shown { text: topic.text(), json: json!({"help": topic.text()}) }),
        Command::Version => {
            let versions: Vec<&str> = Version::ALL.iter().map(|version| version.as_str()).collect();
            let own = env!("CARGO_PKG_VERSION");
            let text = format!("cnm {own}\nCNI versions: {}\n", versions.join(", "));
            Ok(Shown { text, json: json!({"version": own, "cniVersions": versions}) })
        }
    }
}

/// Writes the answer. A reader that has gone away (`cnm … | head`) has read enough.
fn print(shown: &Shown, json: bool) -> Result<(), Error> {
    let text = if json { format!("{:#}\n", shown.json) } else { shown.text.clone() };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(cni::Code::Io, format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says on stderr what is wrong and how to mend it.
fn complain(error: &Error, json: bool) {
    let mut stderr = io::stderr().lock();
    // There is nobody left to tell when stderr is closed.
    let _ = if json {
        writeln!(stderr, "{}", error.print(None))
    } else {
        let style = Style::of(&stderr);
        let hint = if error.details.is_empty() { String::new() } else { format!("\n  {}", error.details) };
        writeln!(stderr, "{} {}{hint}", style.bad("error:"), error.msg)
    };
}

fn wanted(operands: Operands) -> Result<Wanted, Error> {
    let Operands { network, sandbox, ifname, args, capabilities, id } = operands;
    Ok(Wanted { network, sandbox: Sandbox::from_argument(&sandbox)?, ifname, args, capabilities, id })
}

fn add(runtime: &Runtime, operands: Operands, style: Style) -> Result<Shown, Error> {
    let wanted = wanted(operands)?;
    let (network, result) = attachment::add(runtime, &wanted)?;
    let parsed = attachment::parse(&result, network.known_version()?)?;
    let kind = networks::driver(&network);
    let heading = format!("{} of {} is attached to {} ({kind})", wanted.ifname, wanted.sandbox.name, network.name);
    Ok(Shown { text: view::attached(style, &heading, &wanted.sandbox.path, &parsed), json: Value::Object(result) })
}

fn del(runtime: &Runtime, operands: Operands, style: Style) -> Result<Shown, Error> {
    let wanted = wanted(operands)?;
    let detached = attachment::del(runtime, &wanted)?;
    let (ifname, sandbox, network) = (&wanted.ifname, &wanted.sandbox.name, &wanted.network);
    let text = if detached.known {
        style.good(&format!("{ifname} of {sandbox} is detached from {network}"))
    } else {
        format!("{ifname} of {sandbox} was not known to be attached to {network}; the plugins were asked nevertheless")
    };
    let mut json = networks::endpoint(&detached.entry);
    json["known"] = detached.known.into();
    Ok(Shown { text: format!("{text}\n"), json })
}

fn check(runtime: &Runtime, operands: Operands, style: Style) -> Result<Shown, Error> {
    let wanted = wanted(operands)?;
    let asked = attachment::check(runtime, &wanted)?;
    let (ifname, sandbox, network) = (&wanted.ifname, &wanted.sandbox.name, &wanted.network);
    let text = if asked {
        style.good(&format!("{ifname} of {sandbox} is on {network} as it was attached"))
    } else {
        format!("network {network} has disableCheck: nothing was checked")
    };
    let json = json!({"network": network, "ifname": ifname, "sandbox": wanted.sandbox.path, "checked": asked});
    Ok(Shown { text: format!("{text}\n"), json })
}

fn gc(runtime: &Runtime, network: &str, valid: &Valid, style: Style) -> Result<Shown, Error> {
    let Collected { removed, kept, asked, note } = collection::gc(runtime, network, valid)?;
    let done = if valid.dry_run { "would be detached" } else { "detached" };
    let mut text = format!("{network}: {} {done}, {} kept\n", removed.len(), kept.len());
    for entry in &removed {
        let place = short_name(&entry.netns);
        text.push_str(&format!("  {} {} of {place} ({})\n", style.bold("-"), entry.ifname, entry.container_id));
    }
    if !asked.is_empty() {
        text.push_str(&format!("  asked to clean up: {}\n", asked.join(", ")));
    }
    if let Some(note) = &note {
        text.push_str(&format!("  {note}\n"));
    }
    let endpoints = |entries: &[cache::Entry]| entries.iter().map(networks::endpoint).collect::<Vec<_>>();
    let json = json!({
        "network": network,
        "dryRun": valid.dry_run,
        "removed": endpoints(&removed),
        "kept": endpoints(&kept),
        "asked": asked,
        "note": note,
    });
    Ok(Shown { text, json })
}

fn status(runtime: &Runtime, name: &str, style: Style) -> Result<Shown, Error> {
    let (network, asked) = readiness::status(runtime, name)?;
    let by = match asked {
        Asked::Status => String::new(),
        Asked::Versions => {
            format!(" (cniVersion {} has no STATUS; all plugins are there and speak it)", network.known_version()?)
        }
    };
    let json = json!({"network": name, "ready": true, "asked": asked == Asked::Status});
    Ok(Shown { text: format!("{}{by}\n", style.good(&format!("{name} is ready"))), json })
}
