//! Beyond the reference plugin.

mod networks;
