//! What Linux does: network namespaces, rtnetlink, nf_tables, iptables, sysctl. The only crate that may
//! hold unsafe code; it knows nothing of CNI, configurations or verbs.

mod netlink;
pub mod process;
