//! Links with a hardware address of their own on the wire of another link, their parent.

use std::str::FromStr;

use crate::{Link, Place};

/// A macvlan that we want to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Macvlan {
    /// Name of the link whose wire it uses.
    pub parent: String,
    /// Where the parent is.
    pub parent_in: Place,
    /// Where it is born, with its final name: not necessarily beside its parent.
    pub born_in: Place,
    /// How it gets on with others on the same parent.
    pub mode: MacvlanMode,
    /// `IFLA_MACVLAN_BC_QUEUE_LEN`: broadcasts that may wait for delivery; `None` is the kernel's 1000.
    pub queue: Option<u32>,
    /// Kernels before 6.15 refuse a name that a link beside the *parent* has. There it is born under this name, and gets its
    /// own in a second message.
    pub stage: Option<String>,
}

/// `IFLA_MACVLAN_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvlanMode {
    /// No traffic with others on the same parent.
    Private,
    /// All traffic goes out by the parent; with others only where the switch sends it back.
    Vepa,
    /// Others on the same parent are reached directly.
    Bridge,
    /// The parent for itself alone, hardware address included.
    Passthru,
}

impl MacvlanMode {
    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Private => 1,
            Self::Vepa => 2,
            Self::Bridge => 4,
            Self::Passthru => 8,
        }
    }

    /// The mode of the kernel's number. `source`, which nobody wishes for here, is `None`.
    #[must_use]
    pub const fn of_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Private),
            2 => Some(Self::Vepa),
            4 => Some(Self::Bridge),
            8 => Some(Self::Passthru),
            _ => None,
        }
    }

    /// Its name, as configurations and `ip link` have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Bridge => "bridge",
            Self::Passthru => "passthru",
        }
    }
}

/// The text names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not one of bridge, private, vepa, passthru")]
pub struct NotAMode;

impl FromStr for MacvlanMode {
    type Err = NotAMode;

    fn from_str(text: &str) -> Result<Self, NotAMode> {
        [Self::Private, Self::Vepa, Self::Bridge, Self::Passthru]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or(NotAMode)
    }
}

/// A link in a namespace that is neither the host's nor the sandbox in sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The id under which the host knows the namespace (`RTM_GETNSID`).
    pub space: i32,
    /// The link; its [`Link::parent_netns`] is seen from the host: `None` when it stands on a link of the host.
    pub link: Link,
}
