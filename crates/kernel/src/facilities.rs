//! Whether the kernel has what not every kernel has, without making any of it.
//!
//! Disciplines and actions are asked for in a request that lacks what they need (their options), so that the kernel refuses
//! it: because of that, or because it does not know the kind. It loads the module in order to know; such a module makes
//! nothing by itself. `ifb` does: two devices, wherever the host's first processes live. So its kind is asked for in a
//! filter of a dump, for which nothing is loaded, and then whether the kernel's own loader would find the module. A
//! classifier can be asked for only where a discipline stands; it and the ingress discipline are looked up as modules,
//! too, and where the system knows no modules of the running kernel nobody can tell: then they are taken for there.

use std::path::Path;
use std::time::Duration;

use cnm::{Facility, KernelError, Place};
use nix::errno::Errno;

use crate::linux::{Linux, refused};
use crate::process::{self, Call, Limits};
use crate::rtnl::{self, tc};

/// What the kernel runs when it needs a module; empty when it does not.
const LOADER: &str = "/proc/sys/kernel/modprobe";
/// How long it may think.
const PATIENCE: Duration = Duration::from_secs(10);

impl Linux {
    pub(crate) fn has_facility(&mut self, facility: Facility) -> Result<bool, KernelError> {
        match facility {
            Facility::Tbf => self.knows("discipline", "tbf", tc::ask_discipline),
            Facility::Htb => self.knows("discipline", "htb", tc::ask_discipline),
            Facility::Mirred => self.knows("action", "mirred", tc::ask_action),
            // It is known by that name, whatever the module is called.
            Facility::Ifb => Ok(self.knows_kind("ifb")? || loadable("rtnl-link-ifb")),
            Facility::Ingress | Facility::U32 => {
                let module = facility.module();
                let loaded = Path::new("/sys/module").join(module).exists();
                Ok(loaded || loadable(module) || !modules_are_known())
            }
        }
    }

    /// Whether the kernel refuses a request about a kind because something is missing in it, not because there is no such kind.
    fn knows(
        &mut self,
        what: &str,
        kind: &str,
        ask: impl FnOnce(&mut crate::netlink::Batch, &str),
    ) -> Result<bool, KernelError> {
        let name = || format!("ask for the {what} {kind}");
        let socket = self.socket(Place::Host)?;
        let mut batch = socket.batch();
        ask(&mut batch, kind);
        let answers = socket.exchange(&batch, |_| {}).map_err(|error| KernelError::io(name(), &error))?;
        match answers.into_iter().next() {
            Some(Err(refusal)) if refusal.errno == Errno::EINVAL as i32 => Ok(true),
            Some(Err(refusal)) if refusal.errno == Errno::ENOENT as i32 => Ok(false),
            Some(Err(refusal)) => Err(refused(name(), refusal)),
            Some(Ok(())) | None => Err(KernelError::other(name(), "the kernel did not refuse what makes no sense")),
        }
    }

    /// Whether the kernel can make links of a kind without loading anything. A dump is not filtered by a kind that it does
    /// not know, and then shows the loopback device.
    fn knows_kind(&mut self, kind: &str) -> Result<bool, KernelError> {
        let all = self.dump(
            Place::Host,
            "list links by kind",
            |batch| rtnl::kind_dump(batch, kind),
            |message| rtnl::parse_link(message).into_iter().collect(),
        )?;
        Ok(all.iter().all(|link| link.kind == kind))
    }
}

/// Whether the kernel would load a module, by the rules of its loader (`modprobe.d(5)`): it is asked, and loads nothing.
fn loadable(module: &str) -> bool {
    let Ok(loader) = std::fs::read_to_string(LOADER) else { return false };
    let loader = Path::new(loader.trim());
    let mut call = Call::new(loader);
    let arguments = ["--dry-run", "--quiet", "--", module];
    call.arguments = &arguments;
    call.limits = Limits { time: Some(PATIENCE), ..Limits::default() };
    loader.is_absolute() && process::run(&call).is_ok_and(|output| output.status.success())
}

/// Whether the system has a list of the running kernel's modules, also of those that are built in.
fn modules_are_known() -> bool {
    let Ok(system) = nix::sys::utsname::uname() else { return false };
    Path::new("/lib/modules").join(system.release()).join("modules.dep").exists()
}

#[cfg(test)]
mod tests {
    use cnm::{Kernel, Queueing};

    use super::*;

    /// In a namespace of the test's own thread: the loopback device that is asked about is not the machine's.
    #[test]
    fn every_kernel_has_some_and_none_has_others_and_nothing_is_made() {
        let asked = std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root is needed: run with sudo");
            let mut linux = Linux::open(None).unwrap();
            assert!(linux.knows_kind("veth").unwrap(), "this project's tests need veth");
            assert!(!linux.knows_kind("nosuchkind").unwrap());
            assert!(linux.knows("discipline", "tbf", tc::ask_discipline).unwrap(), "and limits");
            assert!(linux.knows("action", "mirred", tc::ask_action).unwrap());
            assert!(!linux.knows("discipline", "nosuchkind", tc::ask_discipline).unwrap());
            assert!(!linux.knows("action", "nosuchkind", tc::ask_action).unwrap());
            assert!(!loadable("nosuchmodule"));
            // A discipline that needs no options would be made, so that it must not be asked for like this.
            assert_eq!(linux.queueing(1).unwrap(), Queueing::default());
        });
        asked.join().unwrap();
    }
}
