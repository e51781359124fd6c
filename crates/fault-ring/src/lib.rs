//! What the tests of every driver share: the pure ring ([`golden`]) and the fake ring.
//!
//! The fake ring: every call of every verb fails once, the process dies at every call, two processes meet at
//! every call; and each time the state afterwards is the state before. The kernel is the one in memory; nothing here
//! needs root.
//!
//! A driver's tests say with [`Subject`] what it is about, and with [`rings!`] that all of it must hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where")]

mod case;
mod collecting;
mod dying;
mod failing;
pub mod golden;
mod interleaving;
mod report;
mod tampering;
mod world;

pub use case::{Case, DUAL, L2, Subject, V4, V6};
pub use collecting::{every_call_of_gc_fails_once_or_is_the_last, gc_keeps_the_valid_and_nothing_else};
pub use dying::{the_process_dies_at_every_call_of_add, the_process_dies_at_every_call_of_del};
pub use failing::{every_call_of_add_fails_once, every_call_of_del_fails_once};
pub use interleaving::{Verb, every_interleaving_of};
pub use report::Report;
pub use tampering::{Deed, check_names_every_deed};
pub use world::{How, Outcome, World, owner, worlds};

/// `EBUSY`: an errno that nobody takes for something else.
const ERRNO: i32 = 16;
/// The container that it is about.
pub const ONE: &str = "one";

/// The tests that every driver has, for a [`Subject`].
#[macro_export]
macro_rules! rings {
    ($subject:ty, interleaved: $interleaved:expr) => {
        #[test]
        fn every_call_of_add_fails_once() {
            $crate::every_call_of_add_fails_once::<$subject>();
        }

        #[test]
        fn every_call_of_del_fails_once() {
            $crate::every_call_of_del_fails_once::<$subject>();
        }

        #[test]
        fn the_process_dies_at_every_call_of_add() {
            $crate::the_process_dies_at_every_call_of_add::<$subject>();
        }

        #[test]
        fn the_process_dies_at_every_call_of_del() {
            $crate::the_process_dies_at_every_call_of_del::<$subject>();
        }

        #[test]
        fn gc_keeps_the_valid_and_nothing_else() {
            $crate::gc_keeps_the_valid_and_nothing_else::<$subject>();
        }

        #[test]
        fn every_call_of_gc_fails_once_or_is_the_last() {
            $crate::every_call_of_gc_fails_once_or_is_the_last::<$subject>();
        }

        #[test]
        fn two_attach_at_once() {
            $crate::every_interleaving_of::<$subject>($interleaved, [$crate::Verb::Add, $crate::Verb::Add]);
        }

        #[test]
        fn one_attaches_while_the_last_leaves() {
            $crate::every_interleaving_of::<$subject>($interleaved, [$crate::Verb::Add, $crate::Verb::Del]);
        }

        #[test]
        fn two_leave_at_once() {
            $crate::every_interleaving_of::<$subject>($interleaved, [$crate::Verb::Del, $crate::Verb::Del]);
        }

        #[test]
        fn one_attaches_while_another_fails_to() {
            $crate::every_interleaving_of::<$subject>($interleaved, [$crate::Verb::Add, $crate::Verb::AddInVain]);
        }

        #[test]
        fn the_last_leaves_while_another_fails_to_attach() {
            $crate::every_interleaving_of::<$subject>($interleaved, [$crate::Verb::Del, $crate::Verb::AddInVain]);
        }
    };
}
