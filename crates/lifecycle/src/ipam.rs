//! The IPAM driver as the verbs see it: one that is asked, wherever it runs.

use cni::{AddResult, Attachment, Error, Request};

use crate::delegate::Delegate;

/// What gives and takes addresses.
pub trait Ipam {
    /// Gives addresses to the attachment.
    ///
    /// # Errors
    /// The IPAM plugin's own.
    fn add(&self) -> Result<AddResult, Error>;
    /// Takes them back; absent is success.
    ///
    /// # Errors
    /// The IPAM plugin's own.
    fn del(&self) -> Result<(), Error>;
    /// Whether the attachment still has them.
    ///
    /// # Errors
    /// The IPAM plugin's own.
    fn check(&self) -> Result<(), Error>;
    /// Takes back what no valid attachment has.
    ///
    /// # Errors
    /// The IPAM plugin's own.
    fn gc(&self, valid: &[Attachment]) -> Result<(), Error>;
    /// Whether there is an address left.
    ///
    /// # Errors
    /// The IPAM plugin's own.
    fn status(&self) -> Result<(), Error>;
}

/// A request and the delegate that serves it.
pub(crate) struct Delegated<'a> {
    pub(crate) delegate: Delegate<'a>,
    pub(crate) request: &'a Request,
}

impl Ipam for Delegated<'_> {
    fn add(&self) -> Result<AddResult, Error> {
        self.delegate.add(self.request)
    }

    fn del(&self) -> Result<(), Error> {
        self.delegate.del(self.request)
    }

    fn check(&self) -> Result<(), Error> {
        self.delegate.check(self.request)
    }

    fn gc(&self, valid: &[Attachment]) -> Result<(), Error> {
        self.delegate.gc(self.request, valid)
    }

    fn status(&self) -> Result<(), Error> {
        self.delegate.status(self.request)
    }
}
