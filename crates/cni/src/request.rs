//! What plugins read from a request. Only the keys of the protocol itself are known here.

use crate::json::Node;
use crate::{AddResult, Attachment, CniArgs, Command, Dns, Error, Request};

impl Request {
    /// The root of the configuration, for reading it field by field.
    #[must_use]
    pub fn conf(&self) -> Node<'_> {
        Node::root(&self.conf)
    }

    /// The same call with another verb: a failed ADD is undone by DEL.
    #[must_use]
    pub fn with_command(&self, command: Command) -> Self {
        Self { command, ..self.clone() }
    }

    /// `CNI_ARGS` for a plugin that understands the keys `known`.
    ///
    /// # Errors
    /// Code 4 when the text is malformed or has unknown keys without `IgnoreUnknown`.
    pub fn cni_args(&self, known: &[&str]) -> Result<CniArgs, Error> {
        CniArgs::parse(&self.args, known)
    }

    /// `prevResult`, by whatever known version it carries.
    ///
    /// # Errors
    /// Code 6 or 7 when it is there but not a result.
    pub fn prev_result(&self) -> Result<Option<AddResult>, Error> {
        self.conf().object("prevResult")?.map(|node| AddResult::parse(&node, self.version)).transpose()
    }

    /// `prevResult` where there is nothing to do without it: CHECK, and ADD of a purely chained plugin.
    ///
    /// # Errors
    /// Code 7 when it is absent; else as [`prev_result`](Self::prev_result).
    pub fn required_prev_result(&self) -> Result<AddResult, Error> {
        self.prev_result()?.ok_or_else(|| Error::config("Required prevResult missing"))
    }

    /// `runtimeConfig`, when present.
    ///
    /// # Errors
    /// Code 6 when it is not an object.
    pub fn runtime_config(&self) -> Result<Option<Node<'_>>, Error> {
        self.conf().object("runtimeConfig")
    }

    /// `args.cni`, when present.
    ///
    /// # Errors
    /// Code 6 when one of the two is not an object.
    pub fn args_cni(&self) -> Result<Option<Node<'_>>, Error> {
        match self.conf().object("args")? {
            Some(args) => args.object("cni"),
            None => Ok(None),
        }
    }

    /// `ipam`, when present; `{}` is present.
    ///
    /// # Errors
    /// Code 6 when it is not an object.
    pub fn ipam(&self) -> Result<Option<Node<'_>>, Error> {
        self.conf().object("ipam")
    }

    /// `ipam.type`: the IPAM plugin to call. `None` is a layer 2 network: no `ipam`, `{}`, or `""` as type.
    ///
    /// # Errors
    /// Code 6 when `ipam` is not an object or `type` no string.
    pub fn ipam_type(&self) -> Result<Option<&str>, Error> {
        match self.ipam()? {
            Some(ipam) => ipam.text("type"),
            None => Ok(None),
        }
    }

    /// The configuration's own `dns`; empty when absent.
    ///
    /// # Errors
    /// Code 6 when it has another shape.
    pub fn dns(&self) -> Result<Dns, Error> {
        match self.conf().object("dns")? {
            Some(node) => Dns::parse(&node),
            None => Ok(Dns::default()),
        }
    }

    /// What GC must leave alone: `cni.dev/valid-attachments`, or `cni.dev/attachments`, the name in the tagged
    /// specification 1.1.0, when the former is absent or `null`. Absent altogether it is empty: nothing of the
    /// network is in use.
    ///
    /// # Errors
    /// Code 6 or 7 when it is malformed or an entry lacks one of its halves: what cannot be read must not make
    /// anything look unused.
    pub fn valid_attachments(&self) -> Result<Vec<Attachment>, Error> {
        let root = self.conf();
        let list = match root.get("cni.dev/valid-attachments")? {
            Some(list) => Some(list),
            None => root.get("cni.dev/attachments")?,
        };
        let Some(list) = list else { return Ok(Vec::new()) };
        let entries = list.as_list()?;
        entries
            .iter()
            .map(|entry| {
                Ok(Attachment {
                    container_id: entry.required_text("containerID")?.to_owned(),
                    ifname: entry.required_text("ifname")?.to_owned(),
                })
            })
            .collect()
    }
}
