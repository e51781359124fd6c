//! The configuration: from the wire to a valid value.

use cni::json::{Json, Node};
use cni::{Command, Error, Request};
use cnm::Attributes;
use cnm::configuration::{MacSource, mtu, wanted_mac};

use crate::{allowlist, variable};

/// Where the reference plugin keeps its notes.
const FOLDER: &str = "/run/cni/tuning";
/// Who asks for a hardware address, the strongest last.
const MAC_SOURCES: &[MacSource] =
    &[MacSource::Conf, MacSource::Arguments, MacSource::RuntimeConfig, MacSource::ArgsCni];

/// A valid configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conf {
    /// Path below `/proc/sys`, and value.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) attributes: Attributes,
    pub(crate) folder: String,
}

impl Conf {
    /// `allowlist` gives the list of allowed variables, if there is one; asked only when variables are written.
    pub(crate) fn parse(
        request: &Request,
        allowlist: &dyn Fn() -> Result<Option<String>, Error>,
    ) -> Result<Self, Error> {
        let conf = request.conf();
        let folder = conf.text("dataDir")?.unwrap_or(FOLDER).to_owned();
        match request.command {
            // What is noted is restored, whatever the rest of the configuration says now.
            Command::Del | Command::Gc | Command::Version => return Ok(Self { folder, ..Self::default() }),
            Command::Add | Command::Check | Command::Status => {}
        }
        let args = request.args_cni()?;
        let sources: Vec<&Node<'_>> = std::iter::once(&conf).chain(&args).collect();
        let written = written(&sources)?;
        let writes = !written.is_empty() && request.command != Command::Check;
        if writes && let Some(list) = allowlist()? {
            allowlist::check(&list, written.iter().map(|variable| variable.key))?;
        }
        let variables = variables(&written, &request.ifname)?;
        Ok(Self { variables, attributes: attributes(request, &sources)?, folder })
    }
}

/// A variable as it is written.
struct Written<'a> {
    /// Which of the sources has it.
    source: usize,
    key: &'a str,
    value: Node<'a>,
}

/// The variables of all sources, the strongest last.
fn written<'a>(sources: &[&Node<'a>]) -> Result<Vec<Written<'a>>, Error> {
    let mut all = Vec::new();
    for (source, node) in sources.iter().enumerate() {
        let Some(map) = node.object("sysctl")? else { continue };
        let entries = map.entries()?;
        let Json::Object(members) = map.value() else { continue };
        if let Some((key, _)) = members
            .iter()
            .enumerate()
            .find_map(|(at, (key, value))| members[..at].iter().any(|(other, _)| other == key).then_some((key, value)))
        {
            return Err(map.reject(key, "duplicated sysctl keys are not allowed"));
        }
        all.extend(entries.into_iter().map(|(key, value)| Written { source, key, value }));
    }
    Ok(all)
}

/// Their paths and values. The same variable twice, in two spellings, is an error within one source; the stronger source
/// wins between two.
fn variables(written: &[Written<'_>], ifname: &str) -> Result<Vec<(String, String)>, Error> {
    let mut list: Vec<(usize, String, String)> = Vec::with_capacity(written.len());
    for Written { source, key, value } in written {
        let path = variable::path(key, ifname).ok_or_else(|| {
            Error::config(format!("{}: invalid net sysctl key: {key:?}", value.path()))
                .with_details("only variables below net can be set, e.g. net.ipv4.conf.IFNAME.rp_filter")
        })?;
        let text = value.as_str()?.to_owned();
        match list.iter_mut().find(|(_, known, _)| *known == path) {
            Some((of, ..)) if of == source => {
                let what = format!("{}: duplicated sysctl keys are not allowed", value.path());
                return Err(Error::config(what).with_details(format!("another key also names {path}")));
            }
            Some(known) => *known = (*source, path, text),
            None => list.push((*source, path, text)),
        }
    }
    Ok(list.into_iter().map(|(_, path, value)| (path, value)).collect())
}

fn attributes(request: &Request, sources: &[&Node<'_>]) -> Result<Attributes, Error> {
    let mut found = Attributes { mac: wanted_mac(request, MAC_SOURCES)?, ..Attributes::default() };
    for node in sources {
        if node.get("mtu")?.is_some() {
            found.mtu = mtu(node)?;
        }
        found.promisc = node.optional_flag("promisc")?.or(found.promisc);
        found.allmulti = node.optional_flag("allmulti")?.or(found.allmulti);
        found.queue = node.number("txQLen", 0..=u32::MAX)?.or(found.queue);
    }
    Ok(found)
}
