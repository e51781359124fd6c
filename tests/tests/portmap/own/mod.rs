//! Beyond the reference plugin.

mod backends;
mod networks;
