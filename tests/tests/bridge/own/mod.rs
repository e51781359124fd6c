//! Beyond the reference: spec 1.1.0, newer keys, extensions, and what the reference gets wrong.

mod announce;
mod keys;
