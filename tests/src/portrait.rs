//! Two suites' state, comparable although names and hardware addresses are drawn at random.

/// To come.
#[derive(Debug)]
pub struct Portrait;
