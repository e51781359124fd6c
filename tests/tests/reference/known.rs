//! Differences that are meant, each with its reason. One that no case shows any more fails the ring.

/// A known difference.
pub(crate) struct Known {
    /// A key that has all of these parts, in this order, separated by `*`; with `$` after the last it ends there.
    pub(crate) key: &'static str,
    /// Why it is meant.
    pub(crate) reason: &'static str,
}

impl Known {
    /// Whether `key` is meant.
    pub(crate) fn covers(&self, key: &str) -> bool {
        let (pattern, to_the_end) = self.key.strip_suffix('$').map_or((self.key, false), |pattern| (pattern, true));
        let mut rest = key;
        let found = pattern.split('*').all(|part| match rest.find(part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                true
            }
            None => false,
        });
        found && (rest.is_empty() || !to_the_end)
    }
}

pub(crate) const fn known(key: &'static str, reason: &'static str) -> Known {
    Known { key, reason }
}

/// All of them.
pub(crate) static DIFFERENCES: &[Known] = &[
    // What marks our objects.
    known(": host link *.ifalias", "links carry their owner's tag, so that DEL and GC find them without a state file"),
    known(": host link *.group$", "the network's link groups mark its bridge and host ends from their first moment"),
    known("link *.txqlen", "the kernel's default length of queues; the reference's library asks for 0"),
    known("file */.*.idx", "host-local's index, a cache outside the folder that the reference walks"),
    // What newer reference plugins do too (Debian has 1.1.1).
    known("file */10.* mode", "0600 as today's reference (1.9); Debian's writes 0644"),
    known("file */fd00* mode", "0600 as today's reference (1.9); Debian's writes 0644"),
    known("file */last_reserved_ip* mode", "0600 as today's reference (1.9); Debian's writes 0644"),
    known("keep_addr_on_down", "set as today's reference (1.9) does, so that addresses survive a link that goes down"),
    known("ipMasq by default, added: host iptables", "nftables is the default backend"),
    known("ipMasq by default, deleted: host iptables", "the reference leaves the empty table"),
    known(
        "added: host iptables: *-A CNI-FORWARD *--ctstate DNAT -j ACCEPT",
        "connections to published ports are accepted, too, which the reference leaves to the host's policy",
    ),
    // What is faster or more robust.
    known(
        "_queues",
        "one queue in each direction, all that a veth uses by default; the kernel makes room for one a processor (so this \
         does not show on a machine with a single one)",
    ),
    known(
        ".nodad",
        "addresses of hardware addresses that we chose need no duplicate detection, and are usable at once",
    ),
    known("ndisc_notify", "the kernel announces IPv6 addresses as it does IPv4 ones by arp_notify"),
    known(
        "deleted: host link *.address",
        "our bridges have an address of their own from birth; the reference's follow their ports",
    ),
    known("unknown ipam, deleted: ", "a missing address plugin is noticed before the bridge is made"),
    known("ipam with a slash, deleted: ", "the same"),
    known("outside address, deleted: file", "a request outside all ranges is refused before anything is reserved"),
    known(
        ", deleted: file /var/lib/cni/networks/",
        "an ADD that is refused makes no folder of addresses; nor does DEL",
    ),
    known(
        ": host sysctl net/ipv6/conf/<host end of *accept_ra",
        "what arrives at a port is the bridge's, which refuses advertisements; the port's own stack never sees one",
    ),
    known("v6, added: s0 sysctl net/ipv4/conf/eth0/arp_notify", "without an IPv4 address there is nothing to announce"),
    // Errors.
    known(": result.cniVersion", "errors carry the version, as the specification says"),
    known(": result.code", "errors have the specification's code, or one of ours above 99, instead of always 999"),
    known(": result.details", "the details say how to mend it"),
    known("unknown ipam, *: result.msg", "the message has the folders that were searched"),
    known("bad subnet, ADD of *: result.msg", "the message has the path of the value"),
    known("host bits, ADD of *: result.msg", "the message has the path of the value"),
    known("no ranges, ADD of *: result.msg", "the message has the path of the value"),
    known("overlapping sets, ADD of *: result.msg", "the message has the path of the value"),
    known("negative vlan, *: result.msg", "the message has the path of the value"),
    known("mtu as text, *: result.msg", "the message has the path of the value, not the name of a Go type"),
    known("bridge is no bridge, ADD of *: result.msg", "the message says what it is instead"),
    known("hairpin and promisc, ADD of *: result.msg", "without the full stop, as today's reference (1.9)"),
    known("firewall unknown policy, ADD of *: result.msg", "the message has the path of the value"),
    // The firewall plugin.
    known("firewall*: host iptables: *CNM-FORWARD", "says whose the addresses are, so that DEL needs no prevResult"),
    known(
        "firewall same-bridge, *: host iptables: *(ingressPolicy: same-bridge",
        "the comment is today's reference's (1.9); with the last endpoint the policy goes, too, which the reference leaves",
    ),
    known("firewall 0.3.1, ", "every version of the specification is served, the reference's firewall begins at 0.4.0"),
    known("firewall unknown policy, deleted: host iptables", "a wrong policy is noticed before any rule is made"),
    known("firewall unknown policy, *DEL of ", "DEL removes what is the endpoint's although the policy is wrong now"),
    // The macvlan plugin.
    known(
        "macvlan *: s* link *.ifalias",
        "its endpoints have no end on the host: their own link carries the owner's tag",
    ),
    known("macvlan *: s* link *.group$", "the same: the network's group is there from the link's first moment"),
    known("macvlan bad mac, ADD of *: result.msg", "the message has the path of the value"),
    known("macvlan unknown mode, ADD of *: result.msg", "the message has the path of the value"),
    known(
        "macvlan no master, ADD of *: result.msg",
        "the name of the master is in it, as today's reference (1.9) has it",
    ),
    known("macvlan no master, *DEL of ", "DEL needs no master, as today's reference (1.9)"),
    known("macvlan too large, *DEL of ", "DEL removes what is the endpoint's although the MTU is wrong now"),
    known("macvlan unknown args, *DEL of ", "DEL has no use for the arguments, as today's reference (1.9)"),
    // The portmap plugin.
    known(
        "portmap *do not come by wire",
        "ports at 127.0.0.1 must not be reached by wire, which the reference forgets",
    ),
    known("portmap *host iptables: iptables-save: *raw", "the table of that rule"),
    known(
        "portmap *, CHECK of ",
        "Debian's reference looks for the rules of IPv4 in IPv6, too, and does not find them",
    ),
    known("portmap masqAll, *: host iptables: ip", "Debian's reference (1.1.1) does not know the key"),
    known("portmap *, ADD of *.version", "the reference leaves out the family, which the version demands"),
    known("portmap *, ADD of *: result.msg", "the message has the path of the value"),
    known("portmap unchained, deleted: host iptables", "the reference's DEL makes the tables where there are none"),
    known("portmap port 0, *DEL of ", "DEL has no use for the ports"),
    known("portmap container port -1, *DEL of ", "DEL has no use for the ports"),
    known("portmap mark bit 32, *DEL of ", "DEL has no use for the mark"),
    known("portmap bit and chain, *DEL of ", "DEL has no use for the mark"),
    // DEL must not fail for what only ADD needs.
    known("bad subnet, *DEL of ", "DEL frees what is the endpoint's although the ranges are wrong now"),
    known("host bits, *DEL of ", "DEL frees what is the endpoint's although the ranges are wrong now"),
    known("no ranges, *DEL of ", "DEL frees what is the endpoint's although the ranges are wrong now"),
    known("overlapping sets, *DEL of ", "DEL frees what is the endpoint's although the ranges are wrong now"),
    // Defects of the reference's loopback.
    known("loopback 0.1.0, ADD of *: result.i", "the reference prints a result of another version's shape"),
    known("loopback 0.2.0, ADD of *: result.i", "the reference prints a result of another version's shape"),
    known("loopback 0.3*, ADD of *.version", "the reference leaves out the family, which the version demands"),
    known("loopback 0.4.0, ADD of *.version", "the reference leaves out the family, which the version demands"),
];
