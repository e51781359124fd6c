//! `CNI_ARGS`: `K=V;K2=V2`.

use crate::Error;

/// The pairs of `CNI_ARGS`, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniArgs {
    pairs: Vec<(String, String)>,
}

impl CniArgs {
    /// Reads the text for a plugin that understands `known` (`IgnoreUnknown` and the `K8S_*` keys aside).
    ///
    /// # Errors
    /// Code 4.
    pub fn parse(_text: &str, _known: &[&str]) -> Result<Self, Error> {
        todo!()
    }

    /// The last value of `key` (case-sensitive).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}
