//! `vxlan-overlay` across hosts: what containers on different hosts see of each other, and what is on the wire between
//! them. All of it is below `own`: the reference plugins have no overlay.

mod own;
