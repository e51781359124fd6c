//! Links in namespaces that are neither the host's nor the sandbox in sight, as far as the host has an id for them
//! (`IFLA_TARGET_NETNSID`).

use std::os::fd::AsRawFd;

use cnm::{Elsewhere, KernelError, Link, Place};
use nix::errno::Errno;

use crate::linux::{Linux, refused};
use crate::rtnl;

impl Linux {
    /// Looks through them; see [`cnm::Kernel::find_elsewhere`].
    pub(crate) fn look_elsewhere(
        &mut self,
        kind: Option<&str>,
        wanted: &mut dyn FnMut(&Elsewhere) -> bool,
    ) -> Result<Option<Elsewhere>, KernelError> {
        let spaces = self.dump(Place::Host, "list the ids of namespaces", rtnl::id_dump, |message| {
            rtnl::parse_id(message).into_iter().collect()
        })?;
        let mut own = self.own_id()?;
        for space in spaces {
            if Some(space) == own {
                continue;
            }
            let links = self.links_of(space, kind)?;
            if own.is_none() && links.iter().any(|link| link.parent_netns.is_some()) {
                // Being shown such a link is what gives the host an id for itself.
                own = self.own_id()?;
            }
            for link in links {
                let parent_netns = match link.parent_netns {
                    None => Some(space),
                    some if some == own => None,
                    some => some,
                };
                let found = Elsewhere { space, link: Link { parent_netns, ..link } };
                if wanted(&found) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The id that the host has for itself: it gets one when a link elsewhere stands on one of its own.
    fn own_id(&mut self) -> Result<Option<i32>, KernelError> {
        let own = self.own_namespace()?;
        let what = || "look up the id of the host's namespace".to_owned();
        self.one(Place::Host, &what, &[], |batch| rtnl::get_id(batch, own.as_raw_fd()), rtnl::parse_id)
    }

    fn links_of(&mut self, space: i32, kind: Option<&str>) -> Result<Vec<Link>, KernelError> {
        // A kernel that does not filter gives all of them.
        let of_kind = |link: &Link| kind.is_none_or(|kind| link.kind == kind);
        let socket = self.socket(Place::Host)?;
        let links = socket.dump(
            |batch| rtnl::elsewhere_dump(batch, space, kind),
            |found: &mut Vec<Link>, message| found.extend(rtnl::parse_link(&message).filter(of_kind)),
        );
        match links {
            // It has ended since its id was listed.
            Err(refusal) if refusal.errno == Errno::EINVAL as i32 => Ok(Vec::new()),
            other => other.map_err(|refusal| refused(format!("list the links of namespace {space}"), refusal)),
        }
    }
}
