//! Names of variables: from what people write to a path below `/proc/sys`.

/// Folders that have one for each interface.
const OF_INTERFACES: [&str; 2] = ["conf", "neigh"];
/// Stands for the interface in the sandbox, once.
const PLACEHOLDER: &str = "IFNAME";

/// The path of the variable that `key` names, for the interface `ifname`; `None` when it is not one below `net/`.
///
/// Dots and slashes separate alike, as with the reference plugin. Where a folder has one for each interface, all that
/// stands between it and the variable is the interface's name: names with dots need no other spelling.
pub(crate) fn path(key: &str, ifname: &str) -> Option<String> {
    let slashes = key.replace('.', "/");
    let parts: Vec<&str> = slashes.split('/').collect();
    let odd = |part: &&str| part.is_empty() || part.contains(char::is_control);
    if parts.len() < 2 || parts[0] != "net" || parts.iter().any(odd) {
        return None;
    }
    let path = match parts.as_slice() {
        [net, family, folder, name @ .., variable] if OF_INTERFACES.contains(folder) && !name.is_empty() => {
            format!("{net}/{family}/{folder}/{}/{variable}", name.join("."))
        }
        parts => parts.join("/"),
    };
    Some(path.replacen(PLACEHOLDER, ifname, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_slashes_separate_and_interfaces_may_have_dots() {
        for (key, expected) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net/core/somaxconn", "net/core/somaxconn"),
            ("net.ipv4.conf.IFNAME.rp_filter", "net/ipv4/conf/vlan.7/rp_filter"),
            ("net/ipv4/conf/IFNAME/rp_filter", "net/ipv4/conf/vlan.7/rp_filter"),
            ("net.ipv4.conf.eth0.100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
            ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
            ("net.ipv6.neigh.a.b.c.gc_stale_time", "net/ipv6/neigh/a.b.c/gc_stale_time"),
            ("net.ipv4.neigh.default.gc_thresh1", "net/ipv4/neigh/default/gc_thresh1"),
            ("net.IFNAME.IFNAME", "net/vlan.7/IFNAME"),
        ] {
            assert_eq!(path(key, "vlan.7").as_deref(), Some(expected), "{key}");
        }
    }

    #[test]
    fn nothing_leads_out_of_net() {
        for key in [
            "",
            "net",
            "kernel.hostname",
            "/net/ipv4/ip_forward",
            "../kernel/hostname",
            "net/../kernel/hostname",
            "net/./x",
            "net..ipv4",
            "net.",
            ".net.ipv4",
            "network.ipv4",
            "net/ipv4/\0",
            "net/ipv4/a\nb",
            "NET.ipv4.x",
        ] {
            assert_eq!(path(key, "eth0"), None, "{key:?}");
        }
    }
}
