//! Errors as text: what we print, and what another plugin that we called printed.

use std::fmt::Display;

use crate::json::{Json, Node};
use crate::quote::quote;
use crate::{Code, Error, Version};

impl Error {
    /// The error object for stdout: indented by four spaces, no newline at the end, empty details omitted.
    /// `cniVersion` stands first when the configuration's version is known (the specification wants it, the
    /// reference omits it).
    #[must_use]
    pub fn print(&self, version: Option<Version>) -> String {
        let mut members = Vec::with_capacity(4);
        if let Some(version) = version {
            members.push(("cniVersion".to_owned(), version.as_str().into()));
        }
        members.push(("code".to_owned(), Json::from(u64::from(self.code.number()))));
        members.push(("msg".to_owned(), self.msg.as_str().into()));
        if !self.details.is_empty() {
            members.push(("details".to_owned(), self.details.as_str().into()));
        }
        Json::Object(members).pretty()
    }

    /// The error of a delegate that failed: code, message and details as it printed them on stdout. `ended`
    /// says how the process ended, e.g. `exit status 1` or `signal: killed`.
    ///
    /// When stdout is empty, no error object or one that says nothing, the message is the one that libcni
    /// makes up, with its code, 0.
    #[must_use]
    pub fn from_delegate(stdout: &[u8], stderr: &[u8], ended: impl Display) -> Self {
        let unknown = |msg: String| Self::new(Code::Other(0), msg);
        if stdout.is_empty() {
            return unknown(if stderr.is_empty() {
                format!("netplugin failed with no error message: {ended}")
            } else {
                format!("netplugin failed: {}: {ended}", quote(&String::from_utf8_lossy(stderr)))
            });
        }
        match Json::parse(stdout).and_then(|json| read(&Node::root(&json))) {
            Ok(error) if error.msg.is_empty() && error.details.is_empty() => unknown(format!(
                "netplugin failed with an error object without message {}: {ended}",
                quote(&String::from_utf8_lossy(stdout))
            )),
            Ok(error) => error,
            Err(error) => unknown(format!(
                "netplugin failed but error parsing its diagnostic message {}: {error}",
                quote(&String::from_utf8_lossy(stdout))
            )),
        }
    }
}

fn read(node: &Node<'_>) -> Result<Error, Error> {
    let code = node.number("code", 0..=u32::MAX)?.unwrap_or_default();
    Ok(Error {
        code: Code::from(code),
        msg: node.string("msg")?.unwrap_or_default().to_owned(),
        details: node.string("details")?.unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(stdout: &str, stderr: &str) -> (u32, String) {
        let error = Error::from_delegate(stdout.as_bytes(), stderr.as_bytes(), "exit status 1");
        (error.code.number(), error.to_string())
    }

    #[test]
    fn printed_as_the_reference_does() {
        let error = Error::config("missing network name");
        assert_eq!(error.print(None), "{\n    \"code\": 7,\n    \"msg\": \"missing network name\"\n}");
        assert_eq!(
            error.with_details("x").print(Some(Version::V1_1_0)),
            "{\n    \"cniVersion\": \"1.1.0\",\n    \"code\": 7,\n    \"msg\": \"missing network name\",\n    \"details\": \"x\"\n}"
        );
    }

    #[test]
    fn a_delegates_words_are_kept() {
        assert_eq!(told(r#"{"code":11,"msg":"later","details":"d"}"#, "log"), (11, "later; d".to_owned()));
        assert_eq!(told(r#"{"Code":101,"Msg":"own"}"#, ""), (101, "own".to_owned()));
        assert_eq!(told(r#"{"msg":"only"}"#, ""), (0, "only".to_owned()));
    }

    #[test]
    fn without_words_libcnis() {
        assert_eq!(told("", ""), (0, "netplugin failed with no error message: exit status 1".to_owned()));
        assert_eq!(told("", "boo\n"), (0, "netplugin failed: \"boo\\n\": exit status 1".to_owned()));
        let (code, msg) = told("log line\n{}", "");
        assert_eq!(code, 0);
        assert!(
            msg.starts_with("netplugin failed but error parsing its diagnostic message \"log line\\n{}\": "),
            "{msg}"
        );
        for odd in [r#"{"code":-1,"msg":"m"}"#, r#"{"code":1.5,"msg":"m"}"#, r#"{"code":"x","msg":"m"}"#, "[]"] {
            assert!(told(odd, "").1.starts_with("netplugin failed but error parsing"), "{odd}");
        }
        assert_eq!(told("{}", "").1, "netplugin failed with an error object without message \"{}\": exit status 1");
    }

    proptest! {
        #[test]
        fn printed_then_read_is_the_same(code in any::<u32>(), msg in ".{1,40}", details in ".{0,40}") {
            let error = Error { code: Code::from(code), msg, details };
            prop_assert_eq!(Error::from_delegate(error.print(None).as_bytes(), b"", "x"), error.clone());
            prop_assert_eq!(Error::from_delegate(error.print(Some(Version::V0_4_0)).as_bytes(), b"", "x"), error);
        }

        #[test]
        fn never_panics(stdout in prop::collection::vec(any::<u8>(), 0..80), stderr in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(!Error::from_delegate(&stdout, &stderr, "x").to_string().is_empty());
        }
    }
}
