//! Beyond the reference plugin.

mod backends;
mod connections;
mod networks;
