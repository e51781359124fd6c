//! How a link is born: `RTM_NEWLINK` with `NLM_F_EXCL`, all or nothing, wherever it is born.

use std::os::fd::RawFd;

use cnm::{Claimed, Kernel, KernelError, Link, LinkKind, LinkName, LinkSpec, Macvlan, Place};
use nix::errno::Errno;

use crate::linux::{Linux, no_sandbox, refused};
use crate::netlink::{Message, Refusal};
use crate::netns::Entrance;
use crate::rtnl::{self, Beneath};

impl Linux {
    /// Creates a link; see [`Kernel::create`].
    pub(crate) fn create_link(&mut self, place: Place, spec: &LinkSpec) -> Result<Claimed, KernelError> {
        let what = || format!("create {} {} {}", spec.kind.as_str(), spec.name, spec.born_when_asked_in(place));
        let link = match spec.beneath() {
            Some(name) => self.beneath(place, name, &what)?,
            None => 0,
        };
        let sandbox = self.sandbox.as_ref().map(Entrance::descriptor);
        if sandbox.is_none() && spec.needs_sandbox() {
            return Err(no_sandbox());
        }
        let beneath = Beneath { link, sandbox };
        let made = match &spec.kind {
            LinkKind::Macvlan(kind) if kind.born_in != kind.parent_in => self.bear_inside(spec, kind, beneath, &what),
            LinkKind::Macvlan(kind) if kind.born_in == Place::Sandbox => {
                self.meet(sandbox, &what)?;
                self.bear(place, spec, beneath, &what)
            }
            LinkKind::Bridge { .. }
            | LinkKind::Veth { .. }
            | LinkKind::Macvlan(_)
            | LinkKind::Vlan { .. }
            | LinkKind::Dummy
            | LinkKind::Vxlan(_)
            | LinkKind::Ifb => self.bear(place, spec, beneath, &what),
        };
        let claimed = match made {
            Ok(claimed) => claimed,
            Err(error) => return Err(self.not_created(place, spec, link, error)),
        };
        if place == Place::Host && spec.born_when_asked_in(place) == Place::Host {
            self.seen.push((spec.name.clone(), claimed.index));
        }
        Ok(claimed)
    }

    /// The index of what a new link joins or stands on.
    fn beneath(&mut self, place: Place, name: &str, what: &dyn Fn() -> String) -> Result<u32, KernelError> {
        if let Some((_, index)) = self.seen.iter().find(|(seen, _)| place == Place::Host && seen == name) {
            return Ok(*index);
        }
        let link = self.link(place, &LinkName::Name(name.to_owned()))?;
        let link = link.ok_or_else(|| KernelError::new(what(), Errno::ENODEV as i32, format!("there is no {name}")))?;
        Ok(link.index)
    }

    /// Why a link was not created. What is beneath and has gone since it was seen is refused as `EINVAL`; the caller gets
    /// what it would have got had it not been seen: `ENODEV`.
    fn not_created(&mut self, place: Place, spec: &LinkSpec, beneath: u32, error: KernelError) -> KernelError {
        let Some(name) = spec.beneath() else { return error };
        self.seen.retain(|(seen, _)| seen != name);
        match self.link(place, &LinkName::Name(name.to_owned())) {
            Ok(link) if link.as_ref().is_none_or(|link| link.index != beneath) => {
                KernelError { errno: Errno::ENODEV as i32, words: format!("{name} is gone"), ..error }
            }
            Ok(_) | Err(_) => error,
        }
    }

    /// The usual birth: beside where it is asked for.
    fn bear(
        &mut self,
        place: Place,
        spec: &LinkSpec,
        beneath: Beneath,
        what: &dyn Fn() -> String,
    ) -> Result<Claimed, KernelError> {
        let socket = self.socket(place)?;
        let mut batch = socket.batch();
        rtnl::create_link(&mut batch, spec, &spec.name, beneath);
        let mut claimed = None;
        let echo = |message: Message<'_>| {
            if let Some(link) = rtnl::parse_link(&message).filter(|link| link.name == spec.name) {
                claimed = Some(told(&link));
            }
        };
        let answers = socket.exchange(&batch, echo).map_err(|error| KernelError::io(what(), &error))?;
        if let Some(Err(refusal)) = answers.into_iter().next() {
            return Err(refused(what(), refusal));
        }
        match claimed {
            Some(claimed) => Ok(claimed),
            // No echo (seen on no kernel so far): ask for it.
            None => self.look_at_new(place, &spec.name, what),
        }
    }

    /// A macvlan whose parent is on the host is born in the sandbox, in one message. With it the host gets an id for the
    /// sandbox, so that who looks for the network's endpoints later finds this one.
    fn bear_inside(
        &mut self,
        spec: &LinkSpec,
        kind: &Macvlan,
        beneath: Beneath,
        what: &dyn Fn() -> String,
    ) -> Result<Claimed, KernelError> {
        match self.ask_for_inside(spec, &spec.name, beneath, what)? {
            Ok(()) => self.look_at_new(Place::Sandbox, &spec.name, what),
            Err(refusal) if refusal.errno == Errno::EEXIST as i32 => match &kind.stage {
                // Before 6.15 the kernel looks for the name beside the parent, too, where it does not matter.
                Some(stage) if self.link(Place::Host, &LinkName::Name(spec.name.clone()))?.is_some() => {
                    self.bear_in_two_steps(spec, stage, beneath, what)
                }
                Some(_) | None => Err(refused(what(), refusal)),
            },
            Err(refusal) => Err(refused(what(), refusal)),
        }
    }

    /// Gives the sandbox an id on the host.
    fn meet(&mut self, sandbox: Option<RawFd>, what: &dyn Fn() -> String) -> Result<(), KernelError> {
        let Some(descriptor) = sandbox else { return Ok(()) };
        let socket = self.socket(Place::Host)?;
        let mut batch = socket.batch();
        rtnl::new_id(&mut batch, descriptor);
        socket.exchange(&batch, |_| {}).map(drop).map_err(|error| KernelError::io(what(), &error))
    }

    fn ask_for_inside(
        &mut self,
        spec: &LinkSpec,
        name: &str,
        beneath: Beneath,
        what: &dyn Fn() -> String,
    ) -> Result<Result<(), Refusal>, KernelError> {
        let socket = self.socket(Place::Host)?;
        let mut batch = socket.batch();
        if let Some(descriptor) = beneath.sandbox {
            // Usually refused: it has one already. Without one the link would only be harder to find.
            rtnl::new_id(&mut batch, descriptor);
        }
        rtnl::create_link(&mut batch, spec, name, beneath);
        let answers = socket.exchange(&batch, |_| {}).map_err(|error| KernelError::io(what(), &error))?;
        Ok(answers.into_iter().next_back().unwrap_or(Ok(())))
    }

    /// Under a name that nobody has, then renamed. The new name is refused when the sandbox has it, and then nothing stays.
    fn bear_in_two_steps(
        &mut self,
        spec: &LinkSpec,
        stage: &str,
        beneath: Beneath,
        what: &dyn Fn() -> String,
    ) -> Result<Claimed, KernelError> {
        self.ask_for_inside(spec, stage, beneath, what)?.map_err(|refusal| refused(what(), refusal))?;
        let claimed = self.look_at_new(Place::Sandbox, stage, what)?;
        let socket = self.socket(Place::Sandbox)?;
        let mut batch = socket.batch();
        rtnl::rename_link(&mut batch, claimed.index, &spec.name);
        let answers = socket.exchange(&batch, |_| {}).map_err(|error| KernelError::io(what(), &error))?;
        let Some(Err(refusal)) = answers.into_iter().next() else { return Ok(claimed) };
        let mut batch = socket.batch();
        rtnl::delete_link(&mut batch, &LinkName::Index(claimed.index));
        let _ = socket.exchange(&batch, |_| {}).map_err(|error| KernelError::io(what(), &error))?;
        Err(refused(what(), refusal))
    }

    fn look_at_new(&mut self, place: Place, name: &str, what: &dyn Fn() -> String) -> Result<Claimed, KernelError> {
        let link = self.link(place, &LinkName::Name(name.to_owned()))?;
        let link = link.ok_or_else(|| KernelError::new(what(), Errno::ENODEV as i32, "it vanished at once"))?;
        Ok(told(&link))
    }
}

fn told(link: &Link) -> Claimed {
    Claimed { index: link.index, peer_index: link.parent, mac: link.mac, mtu: link.mtu }
}
