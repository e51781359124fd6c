//! What libcni does with a network's list of plugins, for the runtimes that are not here to do it themselves: which
//! keys it injects, in which order it calls, what it caches. It must not know the plugins' results.

use cnm_tests::{Host, Outcome};
use serde_json::{Map, Value};

/// A `.conflist` document.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain(Value);

/// What a runtime says of one attachment.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// `CNI_CONTAINERID`.
    pub container: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// `CNI_NETNS`.
    pub netns: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// Values of capabilities, by name; each plugin gets those that it declares.
    pub capabilities: Value,
}

impl Attachment {
    /// The same after the container's end, as nearly every runtime detaches it.
    #[must_use]
    pub fn without_namespace(&self) -> Self {
        Self { netns: String::new(), ..self.clone() }
    }
}

impl Chain {
    /// From the document.
    #[must_use]
    pub fn new(list: Value) -> Self {
        Self(list)
    }

    /// The types of its plugins, in order.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        self.plugins().iter().map(kind).collect()
    }

    fn plugins(&self) -> Vec<Value> {
        self.0["plugins"].as_array().cloned().unwrap_or_default()
    }

    /// The bytes for one plugin.
    fn input(&self, plugin: &Value, extra: &[(&str, Value)]) -> Vec<u8> {
        let mut conf = plugin.clone();
        conf["name"] = self.0["name"].clone();
        conf["cniVersion"] = self.0["cniVersion"].clone();
        for (key, value) in extra {
            conf[*key] = value.clone();
        }
        conf.to_string().into_bytes()
    }

    /// One plugin's call for an attachment.
    #[track_caller]
    fn call(&self, host: &Host, verb: &str, plugin: &Value, at: &Attachment, previous: Option<&Value>) -> Outcome {
        let declared = plugin["capabilities"].as_object().into_iter().flatten();
        let wanted = declared.filter(|(_, wanted)| **wanted == Value::Bool(true)).map(|(name, _)| name);
        let given: Map<String, Value> =
            wanted.filter_map(|name| Some((name.clone(), at.capabilities.get(name)?.clone()))).collect();
        let mut extra = Vec::new();
        if !given.is_empty() {
            extra.push(("runtimeConfig", Value::Object(given)));
        }
        extra.extend(previous.map(|result| ("prevResult", result.clone())));
        let call = host.call(&kind(plugin), verb).container(&at.container).ifname(&at.ifname);
        call.netns(&at.netns).args(&at.args).stdin(self.input(plugin, &extra)).run()
    }

    /// ADD of each plugin, every one with the result of the one before; the last result is what a runtime caches.
    ///
    /// # Errors
    /// The answer of the plugin that failed. A runtime then calls [`Chain::del`] without a result.
    #[track_caller]
    pub fn add(&self, host: &Host, at: &Attachment) -> Result<Value, Outcome> {
        let mut result = None;
        for plugin in self.plugins() {
            let outcome = self.call(host, "ADD", &plugin, at, result.as_ref());
            if !outcome.status.success() {
                return Err(outcome);
            }
            result = Some(outcome.attached().0);
        }
        Ok(result.expect("a chain has a plugin"))
    }

    /// CHECK of each plugin with the final result; stops at the first failure.
    ///
    /// # Errors
    /// The answer of the plugin that failed.
    #[track_caller]
    pub fn check(&self, host: &Host, at: &Attachment, result: &Value) -> Result<(), Outcome> {
        self.plugins().iter().try_for_each(|plugin| silent(self.call(host, "CHECK", plugin, at, Some(result))))
    }

    /// DEL in reverse order; stops at the first failure, as libcni does. Without a result after a failed or no ADD.
    ///
    /// # Errors
    /// The answer of the plugin that failed.
    #[track_caller]
    pub fn del(&self, host: &Host, at: &Attachment, result: Option<&Value>) -> Result<(), Outcome> {
        self.plugins().iter().rev().try_for_each(|plugin| silent(self.call(host, "DEL", plugin, at, result)))
    }

    /// STATUS of each plugin.
    ///
    /// # Errors
    /// The answer of the plugin that failed.
    #[track_caller]
    pub fn status(&self, host: &Host) -> Result<(), Outcome> {
        let ask = |plugin: &Value| host.call(&kind(plugin), "STATUS").stdin(self.input(plugin, &[])).run();
        self.plugins().iter().try_for_each(|plugin| silent(ask(plugin)))
    }

    /// GC of each plugin; `valid` goes under both names, as libcni 1.2.3 and later send it.
    ///
    /// # Errors
    /// The answer of the plugin that failed.
    #[track_caller]
    pub fn gc(&self, host: &Host, valid: &Value) -> Result<(), Outcome> {
        let extra = ["cni.dev/valid-attachments", "cni.dev/attachments"].map(|key| (key, valid.clone()));
        let ask = |plugin: &Value| host.call(&kind(plugin), "GC").stdin(self.input(plugin, &extra)).run();
        self.plugins().iter().try_for_each(|plugin| silent(ask(plugin)))
    }

    /// VERSION of each plugin, as podman and CRI-O ask when they load a file: the list must have the file's version.
    ///
    /// # Panics
    /// When one has not; both would leave the network out with a mere warning.
    #[track_caller]
    pub fn is_supported(&self, host: &Host) {
        for kind in self.kinds() {
            let call = host.call(&kind, "VERSION").netns("dummy").ifname("dummy").env("CNI_PATH", "dummy");
            let answer = call.stdin(format!(r#"{{"cniVersion":{}}}"#, self.0["cniVersion"])).run().succeeds();
            let supported = answer["supportedVersions"].as_array().cloned().unwrap_or_default();
            assert!(supported.contains(&self.0["cniVersion"]), "{kind}: {answer}");
        }
    }
}

fn kind(plugin: &Value) -> String {
    plugin["type"].as_str().unwrap_or_default().to_owned()
}

/// A verb without a result: any word on standard output is one too many.
#[track_caller]
fn silent(outcome: Outcome) -> Result<(), Outcome> {
    if !outcome.status.success() {
        return Err(outcome);
    }
    outcome.succeeds_silently();
    Ok(())
}
