//! Firewall intent. Drivers say what should happen to packets; each backend of `kernel` lowers it to rules.

use ipnet::IpNet;

use crate::{Forwarding, Gatekeeper, KernelError, Mac, Owner, OwnerTag, Publication, Share};

/// One thing that the firewall does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// Packets that come from `device` with the source `address` and leave its subnet get the host's address.
    /// nftables: shared by the endpoints of a network, for the whole subnet. iptables: the address alone, owned by one
    /// endpoint, as the reference has it. Multicast is left alone.
    Masquerade {
        /// Interface by which the packets enter the host: the bridge.
        device: String,
        /// The endpoint's address with its subnet's prefix length.
        address: IpNet,
        /// Which backend carries it.
        backend: Backend,
    },
    /// Frames that enter by the bridge port `port` must carry `mac` as source. Owned by one endpoint, always
    /// nftables (bridge family).
    SpoofCheck {
        /// Host end of the veth.
        port: String,
        /// The only source address allowed.
        mac: Mac,
    },
    /// What may be forwarded from and to `device`. Shared by the endpoints of a network; it exists from the first
    /// to the last of them. Always nftables.
    Guard {
        /// The bridge.
        device: String,
        /// Nothing is forwarded between the network and anything else.
        internal: bool,
        /// Nothing is forwarded between two endpoints of the network.
        isolated: bool,
    },
    /// Nothing is forwarded between `device` and any other device that is kept apart: networks that must not reach each
    /// other through this host. Shared by the endpoints of a network. Always nftables.
    Apart {
        /// The bridge.
        device: String,
    },
    /// What is forwarded for the attachment although the host's own policy drops it, and what is not. Shared by the
    /// endpoints of a network or owned by one, as it says.
    Forward(Forwarding),
    /// Packets to ports of the host go on to the endpoint. Owned by one endpoint. Ports that a different container has
    /// published are refused.
    Publish(Publication),
}

/// What carries masquerading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// nf_tables over netlink, in process.
    Nftables,
    /// `iptables-restore` and `ip6tables-restore`.
    Iptables,
}

/// The firewall of the host's namespace.
pub trait Firewall {
    /// The backend for a configuration that names none: nftables where the kernel has it, else iptables.
    fn preferred(&mut self) -> Backend;

    /// Whether `backend` can be used; the error says what is missing and how to mend it.
    ///
    /// # Errors
    /// What is missing.
    fn usable(&mut self, backend: Backend) -> Result<(), KernelError>;

    /// Whether `gatekeeper` can carry what is forwarded; the error says what is missing and how to mend it.
    ///
    /// # Errors
    /// What is missing.
    fn forwards(&mut self, gatekeeper: Gatekeeper) -> Result<(), KernelError> {
        match (gatekeeper, self.preferred()) {
            (Gatekeeper::Nftables, _) | (Gatekeeper::Auto, Backend::Nftables) => self.usable(Backend::Nftables),
            (Gatekeeper::Iptables, _) | (Gatekeeper::Auto, Backend::Iptables) => self.usable(Backend::Iptables),
            (Gatekeeper::Firewalld, _) => Err(KernelError::other("use firewalld", "it does not run here")),
        }
    }

    /// Whether making `intents` true takes programs of which one looks and another changes, so that nobody else may
    /// change the firewall meanwhile.
    fn wants_alone(&mut self, _intents: &[Intent]) -> bool {
        false
    }

    /// Makes every intent true for `owner` and its network. Idempotent. What is shared is looked at, not rewritten. The
    /// caller holds the host's lock, shared ([`Firewall::release`] says why) or, after [`Firewall::wants_alone`],
    /// exclusive.
    ///
    /// # Errors
    /// The first that failed; [`Firewall::remove`] cleans up what came before.
    fn install(&mut self, owner: &Owner, intents: &[Intent]) -> Result<(), KernelError>;

    /// Removes what `owner` alone has, in every backend, the reference plugins' leftovers of the same attachment
    /// included. `known` are intents that the caller knows of, which saves
    /// looking for them; with `None` everything is searched. Never removes what carries another owner's tag. Absent is
    /// success.
    ///
    /// # Errors
    /// What could not be removed, after everything was tried.
    fn remove(&mut self, owner: &Owner, known: Option<&[Intent]>) -> Result<(), KernelError>;

    /// Removes what `owner` has for one plugin of its chain, in every backend, the reference plugin's leftovers of the same
    /// attachment included. The others' share stays. Never removes what carries another owner's tag. `known` is what
    /// prevResult tells, if it came: rules of the reference name addresses only. The caller does not hold the host's
    /// lock. Absent is success.
    ///
    /// # Errors
    /// What could not be removed, after everything was tried.
    fn withdraw(&mut self, _owner: &Owner, _share: Share, _known: &[Intent]) -> Result<(), KernelError> {
        Ok(())
    }

    /// The same for the attachments of `network` whose tag `keep` refuses, and for what only the container's id names
    /// when `keep_container` refuses that.
    ///
    /// # Errors
    /// What could not be removed, after everything was tried.
    fn collect_share(
        &mut self,
        _network: &str,
        _share: Share,
        _keep: &dyn Fn(&OwnerTag) -> bool,
        _keep_container: &dyn Fn(&str) -> bool,
    ) -> Result<(), KernelError> {
        Ok(())
    }

    /// Removes what the endpoints of `network` share. Only for the last of them: the caller holds the host's lock,
    /// exclusive, and has seen under it that no endpoint is left, so that one who attaches at the same time either was
    /// seen or finds its things missing and makes them.
    ///
    /// # Errors
    /// What could not be removed, after everything was tried.
    fn release(&mut self, _network: &str) -> Result<(), KernelError> {
        Ok(())
    }

    /// What of `intents` is missing or different: one sentence each, naming the object.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    fn drift(&mut self, owner: &Owner, intents: &[Intent]) -> Result<Vec<String>, KernelError>;

    /// Removes what endpoints of `network` own whose tag `keep` refuses.
    ///
    /// # Errors
    /// What could not be removed, after everything was tried.
    fn collect(&mut self, network: &str, keep: &dyn Fn(&OwnerTag) -> bool) -> Result<(), KernelError>;

    /// The same for what names only the container id of its owner: the masquerading of iptables, whose text is the
    /// reference plugins'. GC calls both. Firewalls that know nothing of the kind have nothing to do.
    ///
    /// # Errors
    /// What could not be removed, after everything was tried.
    fn collect_containers(&mut self, _network: &str, _keep: &dyn Fn(&str) -> bool) -> Result<(), KernelError> {
        Ok(())
    }
}
