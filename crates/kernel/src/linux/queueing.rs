//! What a link does with its packets, asked piece by piece. The root and the ingress discipline are asked for by name;
//! only classes and filters, of the one link, are listed.

use cnm::{Arriving, KernelError, Place, Queueing, Root};
use nix::errno::Errno;

use super::Linux;
use crate::rtnl::tc::{self, Filter, Qdisc};

impl Linux {
    pub(super) fn read_queueing(&mut self, link: u32) -> Result<Queueing, KernelError> {
        let root = match self.discipline(link, tc::ROOT)? {
            None => Root::Default,
            // What the kernel has put there by itself has no handle.
            Some(qdisc) if qdisc.handle == 0 => Root::Default,
            Some(qdisc) => self.root(link, qdisc)?,
        };
        let arriving = match self.discipline(link, tc::INGRESS)? {
            None => None,
            Some(qdisc) => {
                let filters = self.filters(link, tc::INGRESS_HANDLE)?;
                let redirects = |filter: &Filter| if let Filter::Redirect(to) = filter { Some(*to) } else { None };
                let redirect = filters.iter().find_map(redirects);
                let others = filters.iter().filter(|filter| redirects(filter).is_none()).count();
                Some(Arriving { kind: qdisc.kind, redirect, others })
            }
        };
        Ok(Queueing { root, arriving })
    }

    fn root(&mut self, link: u32, qdisc: Qdisc) -> Result<Root, KernelError> {
        match qdisc {
            Qdisc { bucket: Some(bucket), handle: tc::ROOT_HANDLE, .. } => Ok(Root::Limit(bucket)),
            Qdisc { default: Some(default), handle: tc::ROOT_HANDLE, .. } => {
                let mut classes = self.dump(
                    Place::Host,
                    "list classes of traffic",
                    |batch| tc::class_dump(batch, link),
                    |message| tc::parse_class(message).into_iter().collect(),
                )?;
                classes.sort_by_key(|class| class.minor);
                let filters = self.filters(link, tc::ROOT_HANDLE)?;
                let selects = |filter| if let Filter::Select(selector) = filter { Some(selector) } else { None };
                let selectors = filters.into_iter().filter_map(selects).collect();
                Ok(Root::Classes { default, classes, selectors })
            }
            Qdisc { kind, handle, .. } => Ok(Root::Other(format!("{kind} {:x}:", handle >> 16))),
        }
    }

    fn discipline(&mut self, link: u32, parent: u32) -> Result<Option<Qdisc>, KernelError> {
        // The built-in ones, which do nothing, are not shown: an acknowledgement alone, or EINVAL.
        let absent = [Errno::ENOENT, Errno::EINVAL];
        let what = || format!("look up the queueing discipline of link {link}");
        self.one(Place::Host, &what, &absent, |batch| tc::get_qdisc(batch, link, parent), tc::parse_qdisc)
    }

    fn filters(&mut self, link: u32, parent: u32) -> Result<Vec<Filter>, KernelError> {
        self.dump(
            Place::Host,
            "list filters of traffic",
            |batch| tc::filter_dump(batch, link, parent),
            |message| tc::parse_filter(message).into_iter().collect(),
        )
    }
}
