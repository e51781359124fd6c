//! The program from outside: beside the reference, killed, counted, on odd mounts. Needs root, strace and Debian's
//! containernetworking-plugins; what is missing is a failure that says how to mend it.

mod cost;
mod crash;
mod mounts;
mod reference;
mod support;
