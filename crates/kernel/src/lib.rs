//! What Linux does.
