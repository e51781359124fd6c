//! The bridge plugin from outside: configurations in, results, kernel state and real traffic out.

mod traffic;
