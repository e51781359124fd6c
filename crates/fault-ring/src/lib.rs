//! What the tests of every driver and every chained plugin share: the pure ring ([`golden`]) and the fake ring.
//!
//! The fake ring: every call of every verb fails once, the process dies at every call, two processes meet at
//! every call, verbs come again; and each time the state afterwards is the state before. The kernel is the one in memory;
//! nothing here needs root.
//!
//! A plugin's tests say with [`Subject`] what it is about, with [`rings!`] or [`chained_rings!`] that all of it must hold,
//! and with [`Deed`]s what CHECK must see.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod case;
mod collecting;
mod dying;
mod failing;
pub mod golden;
mod interleaving;
mod leases;
mod repeating;
mod report;
mod request;
mod tampering;
mod verbs;
mod world;

pub use case::{BEHIND_ANOTHER, Case, DUAL, L2, Subject, V4, V6};
pub use collecting::{every_call_of_gc_fails_once_or_is_the_last, gc_keeps_the_valid_and_nothing_else};
pub use dying::{
    every_answer_to_add_is_lost_once, the_process_dies_at_every_call_of_add, the_process_dies_at_every_call_of_del,
};
pub use failing::{every_call_of_add_fails_once, every_call_of_del_fails_once};
pub use interleaving::{Verb, every_interleaving_of};
pub use repeating::{add_comes_again, add_comes_again_with_another_configuration, del_of_nothing_succeeds};
pub use report::Report;
pub use tampering::{Deed, check_names_every_deed};
pub use verbs::{Adjusts, Attaches, Call, Verbs};
pub use world::{How, Outcome, World, owner, worlds};

/// `EBUSY`: an errno that nobody takes for something else.
const ERRNO: i32 = 16;
/// The container that it is about.
pub const ONE: &str = "one";

/// One test for each of these rings, of the same name.
#[doc(hidden)]
#[macro_export]
macro_rules! ring {
    ($subject:ty: $($name:ident),+) => {
        $(
            #[test]
            fn $name() {
                $crate::$name::<$subject>();
            }
        )+
    };
}

/// One test for each pair of verbs that meet.
#[doc(hidden)]
#[macro_export]
macro_rules! meetings {
    ($subject:ty, $cases:expr; $($name:ident: $first:ident, $second:ident);+) => {
        $(
            #[test]
            fn $name() {
                $crate::every_interleaving_of::<$subject>($cases, [$crate::Verb::$first, $crate::Verb::$second]);
            }
        )+
    };
}

/// The tests that every plugin has.
#[doc(hidden)]
#[macro_export]
macro_rules! shared_rings {
    ($subject:ty, $interleaved:expr) => {
        $crate::ring!($subject: every_call_of_add_fails_once, every_call_of_del_fails_once,
            every_answer_to_add_is_lost_once,
            the_process_dies_at_every_call_of_add, the_process_dies_at_every_call_of_del,
            gc_keeps_the_valid_and_nothing_else, every_call_of_gc_fails_once_or_is_the_last, del_of_nothing_succeeds);
        $crate::meetings!($subject, $interleaved; two_attach_at_once: Add, Add; one_attaches_while_the_last_leaves: Add, Del;
            two_leave_at_once: Del, Del);
    };
}

/// The tests that every driver has, for a [`Subject`].
#[macro_export]
macro_rules! rings {
    ($subject:ty, interleaved: $interleaved:expr) => {
        $crate::shared_rings!($subject, $interleaved);
        $crate::meetings!($subject, $interleaved; one_attaches_while_another_fails_to: Add, AddInVain;
            the_last_leaves_while_another_fails_to_attach: Del, AddInVain);
    };
}

/// The tests that every chained plugin has, for a [`Subject`].
#[macro_export]
macro_rules! chained_rings {
    ($subject:ty, interleaved: $interleaved:expr) => {
        $crate::shared_rings!($subject, $interleaved);
        $crate::ring!($subject: add_comes_again, add_comes_again_with_another_configuration);
    };
}
