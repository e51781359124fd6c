//! Addresses from ranges, kept in files on this host.
