//! An IPAM plugin that counts its leases.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cni::{AddResult, Attachment, Error, Ip, Route};
use cnm::KernelError;
use kernel_memory::Faults;
use lifecycle::Ipam;

use crate::Case;

/// Container and its number, the last part of its addresses.
pub(crate) type Leases = RefCell<BTreeMap<String, u8>>;

/// The IPAM plugin of one call. It fails and dies with the kernel.
pub(crate) struct Lessor<'a> {
    pub(crate) case: &'static Case,
    pub(crate) leases: &'a Leases,
    pub(crate) container: &'a str,
    pub(crate) faults: Faults,
}

impl Lessor<'_> {
    fn asked<T>(&self, what: &str, act: impl FnOnce() -> T) -> Result<T, Error> {
        let refuse = |error: KernelError| Error::internal(error.to_string());
        self.faults.pass(format!("IPAM {what}"), || Ok(act())).map_err(refuse)
    }
}

/// What an IPAM plugin gives to the container with this number.
pub(crate) fn lease(case: &Case, number: u8) -> AddResult {
    let ip = |address: String, gateway: &str| Ip {
        address: address.parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
        interface: None,
    };
    let mut result = AddResult::default();
    if case.v4 {
        result.ips.push(ip(format!("10.1.0.{number}/24"), "10.1.0.1"));
        result.routes.push(Route::new("10.2.0.0/16".parse().unwrap(), None));
    }
    if case.v6 {
        result.ips.push(ip(format!("fd00:1::{number}/64"), "fd00:1::1"));
    }
    result
}

impl Ipam for Lessor<'_> {
    fn add(&self) -> Result<AddResult, Error> {
        self.asked("ADD", || {
            let mut leases = self.leases.borrow_mut();
            let free = (2..=254).find(|number| !leases.values().any(|taken| taken == number)).unwrap();
            lease(self.case, *leases.entry(self.container.to_owned()).or_insert(free))
        })
    }

    fn del(&self) -> Result<(), Error> {
        self.asked("DEL", || {
            self.leases.borrow_mut().remove(self.container);
        })
    }

    fn check(&self) -> Result<(), Error> {
        if self.asked("CHECK", || self.leases.borrow().contains_key(self.container))? {
            return Ok(());
        }
        Err(Error::internal(format!("no lease for {}", self.container)))
    }

    fn gc(&self, valid: &[Attachment]) -> Result<(), Error> {
        let is_valid = |container: &String| valid.iter().any(|one| one.container_id == *container);
        self.asked("GC", || self.leases.borrow_mut().retain(|container, _| is_valid(container)))
    }

    fn status(&self) -> Result<(), Error> {
        Ok(())
    }
}
