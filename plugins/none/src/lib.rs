//! The none network: lo and nothing else.
