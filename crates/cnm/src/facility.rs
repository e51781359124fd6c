//! Parts that not every kernel has: built in, a module that the kernel loads when it is asked for it, or nowhere.

use std::fmt;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facility {
    /// Devices that what enters a link is led through, so that it can be limited.
    Ifb,
    /// The token bucket.
    Tbf,
    /// The hierarchy of token buckets.
    Htb,
    /// The discipline of what enters a link.
    Ingress,
    /// The classifier that compares bytes.
    U32,
    /// The action that leads packets to another link.
    Mirred,
}

impl Facility {
    /// The name of its module, for `modprobe`.
    #[must_use]
    pub const fn module(self) -> &'static str {
        match self {
            Self::Ifb => "ifb",
            Self::Tbf => "sch_tbf",
            Self::Htb => "sch_htb",
            Self::Ingress => "sch_ingress",
            Self::U32 => "cls_u32",
            Self::Mirred => "act_mirred",
        }
    }

    /// What it is called in the kernel's configuration.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Ifb => "CONFIG_IFB",
            Self::Tbf => "CONFIG_NET_SCH_TBF",
            Self::Htb => "CONFIG_NET_SCH_HTB",
            Self::Ingress => "CONFIG_NET_SCH_INGRESS",
            Self::U32 => "CONFIG_NET_CLS_U32",
            Self::Mirred => "CONFIG_NET_ACT_MIRRED",
        }
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.module(), self.option())
    }
}
