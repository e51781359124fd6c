//! Results of every version, in and out.

use crate::json::Node;
use crate::{AddResult, Error, Version};

impl AddResult {
    /// Reads a result of any known version: its own `cniVersion`, or `default` when it carries none.
    ///
    /// # Errors
    /// Code 6 or 7 with the path.
    pub fn parse(_node: &Node<'_>, _default: Version) -> Result<Self, Error> {
        todo!()
    }

    /// The text of this result in the shape of `version`: 4-space indent, no trailing newline, as the
    /// reference prints it.
    ///
    /// # Errors
    /// `cannot convert: no valid IP addresses` below 0.3.0.
    pub fn print(&self, _version: Version) -> Result<String, Error> {
        todo!()
    }
}
