//! The bridge network: endpoints on a Linux bridge.
