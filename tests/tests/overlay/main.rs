//! The overlay plugin on one host: configurations in, results, kernel state and traffic out. What takes several hosts is
//! in `cluster`.
//!
//! Everything is below `own`, because the reference plugins have no overlay.

mod own;
