//! The firewall against the real kernel, in namespaces of their own. Needs root, nft, iptables, ip, ping and the
//! reference plugins (`apt-get install nftables iptables iproute2 iputils-ping containernetworking-plugins`).

mod world;

mod apart;
mod company;
mod disorder;
mod forwarding;
mod iptables;
mod networks;
mod nftables;
mod ports;
mod reference;
mod traffic;
