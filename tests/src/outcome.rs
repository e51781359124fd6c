//! What a plugin answered: exit status, standard output, standard error, and what a runtime reads out of them.

use std::net::IpAddr;
use std::process::ExitStatus;

use ipnet::IpNet;
use serde_json::Value;

/// The answer of one call.
#[derive(Debug, Clone)]
#[must_use = "say whether it `succeeds` or `fails`"]
pub struct Outcome {
    /// The call, for messages.
    pub title: String,
    /// Exit status or signal.
    pub status: ExitStatus,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Outcome {
    pub(crate) fn new(title: String, status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { title, status, stdout: text(stdout), stderr: text(stderr) }
    }

    /// It must have succeeded; its result, `null` when it printed nothing (DEL, CHECK, GC, STATUS).
    ///
    /// # Panics
    /// When it failed, or printed something that is not exactly one JSON document.
    #[track_caller]
    pub fn succeeds(&self) -> Value {
        assert!(self.status.success(), "{} failed ({}): {}{}", self.title, self.status, self.stdout, self.stderr);
        if self.stdout.trim().is_empty() {
            return Value::Null;
        }
        self.document()
    }

    /// It must have succeeded without a word on standard output.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn succeeds_silently(&self) {
        assert_eq!(self.succeeds(), Value::Null, "{} prints a result", self.title);
    }

    /// An ADD that must have succeeded; its result.
    ///
    /// # Panics
    /// When it failed or printed no result.
    #[must_use]
    #[track_caller]
    pub fn attached(&self) -> Attached {
        let result = self.succeeds();
        assert!(result.is_object(), "{} prints no result: {:?}", self.title, self.stdout);
        Attached(result)
    }

    /// It must have failed in the way that a runtime understands: exit status not 0, one JSON object with a numeric
    /// code and a message on standard output, nothing else there.
    ///
    /// # Panics
    /// When it succeeded, crashed or printed something else.
    #[must_use]
    #[track_caller]
    pub fn fails(&self) -> Failure {
        let code = self.status.code();
        assert!(code.is_some(), "{} was killed: {}; {}", self.title, self.status, self.stderr);
        assert_ne!(code, Some(0), "{} succeeded and should fail: {}", self.title, self.stdout);
        let document = self.document();
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        let failure = Failure { code: document["code"].as_u64(), msg: text("msg"), details: text("details") };
        assert!(failure.code.is_some() && !failure.msg.is_empty(), "{}: no error object: {document}", self.title);
        failure
    }

    /// It must have failed with this code, and message or details must contain every one of `words`.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn fails_with(&self, code: u64, words: &[&str]) -> Failure {
        let failure = self.fails();
        assert_eq!(failure.code, Some(code), "{}: {failure:?}", self.title);
        failure.says(words);
        failure
    }

    #[track_caller]
    fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "{}: standard output is not one JSON document ({error}): {:?}; {}",
                self.title, self.stdout, self.stderr
            )
        })
    }
}

/// An error object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `code`.
    pub code: Option<u64>,
    /// `msg`.
    pub msg: String,
    /// `details`, empty when absent.
    pub details: String,
}

impl Failure {
    /// Message or details must contain every one of `words`.
    ///
    /// # Panics
    /// When one is missing.
    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        let text = format!("{}; {}", self.msg, self.details);
        for word in words {
            assert!(text.contains(word), "the error does not say {word:?}: {text:?}");
        }
    }
}

/// The result of an ADD, of whatever version.
#[derive(Debug, Clone, PartialEq)]
pub struct Attached(pub Value);

impl Attached {
    /// The document.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// All addresses with their prefix lengths, in order.
    ///
    /// # Panics
    /// When one is no address.
    #[must_use]
    #[track_caller]
    pub fn addresses(&self) -> Vec<IpNet> {
        let parse = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            text.parse().unwrap_or_else(|error| panic!("the result's address {text:?}: {error}"))
        };
        let old = ["ip4", "ip6"].into_iter().map(|key| &self.0[key]["ip"]).filter(|value| !value.is_null());
        let new = self.0["ips"].as_array().into_iter().flatten().map(|ip| &ip["address"]);
        old.chain(new).map(parse).collect()
    }

    /// The first address.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn ip(&self) -> IpAddr {
        self.addresses().first().expect("the result has an address").addr()
    }

    /// The gateway of the n-th address.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn gateway(&self, n: usize) -> IpAddr {
        let text = self.0["ips"][n]["gateway"].as_str().unwrap_or_default();
        text.parse().unwrap_or_else(|error| panic!("gateway {n} of {}: {text:?}: {error}", self.0))
    }

    /// Names of the interfaces, in order.
    #[must_use]
    pub fn interfaces(&self) -> Vec<String> {
        let list = self.0["interfaces"].as_array().into_iter().flatten();
        list.map(|interface| interface["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The name of the host's end of the veth: the second interface.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn host_link(&self) -> String {
        self.interfaces().get(1).expect("the result has a host interface").clone()
    }

    /// The hardware address that the result gives an interface.
    #[must_use]
    pub fn mac(&self, name: &str) -> Option<String> {
        let list = self.0["interfaces"].as_array()?;
        list.iter().find(|interface| interface["name"] == name)?["mac"].as_str().map(String::from)
    }
}
