//! `cnm sandbox`: named network namespaces, and what the results say is attached to them.

use std::io;

use cni::{Code, Error};
use kernel::named;
use serde_json::json;

use crate::Shown;
use crate::cache::Entry;
use crate::networks::endpoint;
use crate::runtime::Runtime;
use crate::sandbox::Sandbox;
use crate::style::{Style, table};

/// `cnm sandbox add NAME`.
///
/// # Errors
/// When the name is taken or not allowed, or the kernel refuses.
pub(crate) fn add(name: &str, style: Style) -> Result<Shown, Error> {
    let path = named::create(name).map_err(|error| {
        let failed = failure(&format!("cannot make sandbox {name}"), &error);
        match error.kind() {
            io::ErrorKind::AlreadyExists => failed.with_details(format!("remove it with `cnm sandbox rm {name}`")),
            _ => failed,
        }
    })?;
    let path = path.to_string_lossy();
    Ok(Shown {
        text: format!("{} {}\n", style.good(&format!("sandbox {name} is made:")), path),
        json: json!({"name": name, "path": path}),
    })
}

/// `cnm sandbox rm NAME`.
///
/// # Errors
/// When it is attached and `force` is not given, or there is none.
pub(crate) fn remove(runtime: &Runtime, name: &str, force: bool, style: Style) -> Result<Shown, Error> {
    if !named::path(name).exists() {
        return Err(missing(name));
    }
    let attached = attached(runtime, name)?;
    if !force && let Some(first) = attached.first() {
        let list: Vec<String> = attached.iter().map(|entry| format!("{} to {}", entry.ifname, entry.network)).collect();
        return Err(Error::new(Code::InvalidNetns, format!("sandbox {name} is attached: {}", list.join(", ")))
            .with_details(format!(
                "detach it with `cnm del {} {name} --ifname {}`, or use --force and then `cnm gc {}`",
                first.network, first.ifname, first.network
            )));
    }
    named::remove(name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(name),
        _ => failure(&format!("cannot remove sandbox {name}"), &error),
    })?;
    Ok(Shown {
        text: format!("{}\n", style.good(&format!("sandbox {name} is removed"))),
        json: json!({"name": name, "stale": attached.iter().map(endpoint).collect::<Vec<_>>()}),
    })
}

/// `cnm sandbox ls`.
///
/// # Errors
/// When namespaces or results cannot be read.
pub(crate) fn list(runtime: &Runtime, style: Style) -> Result<Shown, Error> {
    let names = named::list().map_err(|error| failure(&format!("cannot read {}", named::DIRECTORY), &error))?;
    let entries = runtime.entries()?.entries;
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for (name, alive) in names {
        let sandbox = Sandbox::from_argument(&name)?;
        let here: Vec<&Entry> = entries.iter().filter(|entry| sandbox.is_at(&entry.netns)).collect();
        let networks: Vec<String> = here.iter().map(|entry| format!("{} ({})", entry.network, entry.ifname)).collect();
        json.push(json!({
            "name": name,
            "path": sandbox.path,
            "alive": alive,
            "endpoints": here.iter().map(|entry| endpoint(entry)).collect::<Vec<_>>(),
        }));
        let state = if alive { "alive" } else { "a file only" };
        rows.push([name, state.to_owned(), networks.join(", ")]);
    }
    Ok(Shown { text: table(style, ["NAME", "STATE", "NETWORKS"], &rows), json: json.into() })
}

/// What is attached to a named sandbox.
fn attached(runtime: &Runtime, name: &str) -> Result<Vec<Entry>, Error> {
    let sandbox = Sandbox::from_argument(name)?;
    let mut entries = runtime.entries()?.entries;
    entries.retain(|entry| sandbox.is_at(&entry.netns));
    Ok(entries)
}

fn missing(name: &str) -> Error {
    Error::new(Code::InvalidNetns, format!("there is no sandbox {name}")).with_details("see `cnm sandbox ls`")
}

fn failure(what: &str, error: &io::Error) -> Error {
    let plain = Error::new(Code::InvalidNetns, format!("{what}: {error}"));
    if error.kind() == io::ErrorKind::PermissionDenied { plain.with_details("run cnm as root") } else { plain }
}
