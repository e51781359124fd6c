//! What a person sees of an attachment.

use cni::AddResult;

use crate::style::Style;

/// A result in a few lines: where, and then what the sandbox was given.
pub(crate) fn attached(style: Style, heading: &str, sandbox: &str, result: &AddResult) -> String {
    let mut lines = Lines { style, text: format!("{}\n", style.good(heading)) };
    for interface in &result.interfaces {
        let place = match interface.sandbox.as_str() {
            "" => "on the host",
            path if path == sandbox => "in the sandbox",
            path => path,
        };
        let mac = if interface.mac.is_empty() { String::new() } else { format!(" {}", interface.mac) };
        let mtu = if interface.mtu == 0 { String::new() } else { format!(" mtu {}", interface.mtu) };
        lines.add("interface", &format!("{}{mac}{mtu}", interface.name), place);
    }
    for ip in &result.ips {
        let of = ip
            .interface
            .and_then(|at| result.interfaces.get(at))
            .map_or_else(String::new, |interface| format!("on {}", interface.name));
        lines.add("address", &ip.address.to_string(), &of);
        if let Some(gateway) = ip.gateway {
            lines.add("gateway", &gateway.to_string(), "");
        }
    }
    for route in &result.routes {
        // A route without a next hop leaves by the first gateway of its family.
        let default =
            result.ips.iter().filter_map(|ip| ip.gateway).find(|to| to.is_ipv4() == route.dst.addr().is_ipv4());
        let via = route.gw.or(default).map_or_else(String::new, |gateway| format!("via {gateway}"));
        lines.add("route", &route.dst.to_string(), &via);
    }
    if !result.dns.nameservers.is_empty() {
        lines.add("name server", &result.dns.nameservers.join(", "), "");
    }
    if !result.dns.search.is_empty() {
        lines.add("search", &result.dns.search.join(" "), "");
    }
    lines.text
}

/// Indented lines of a label and its value.
pub(crate) struct Lines {
    style: Style,
    pub(crate) text: String,
}

impl Lines {
    /// An empty block.
    pub(crate) fn new(style: Style) -> Self {
        Self { style, text: String::new() }
    }

    /// `  label        value   remark`
    pub(crate) fn add(&mut self, label: &str, value: &str, remark: &str) {
        let remark = if remark.is_empty() { String::new() } else { format!("  {}", self.style.faint(remark)) };
        let label = self.style.faint(&format!("{label:<13}"));
        self.text.push_str(&format!("  {label}{value}{remark}\n"));
    }
}

#[cfg(test)]
mod tests {
    use cni::{Interface, Ip, Route};

    use super::*;

    #[test]
    fn a_result_reads_from_the_outside_in() {
        let interface = |name: &str, sandbox: &str| Interface {
            name: name.into(),
            mac: "02:00:00:00:00:01".into(),
            sandbox: sandbox.into(),
            ..Interface::default()
        };
        let result = AddResult {
            interfaces: vec![interface("cni0", ""), interface("eth0", "/run/netns/web")],
            ips: vec![Ip {
                address: "10.0.0.2/24".parse().unwrap(),
                gateway: Some("10.0.0.1".parse().unwrap()),
                interface: Some(1),
            }],
            routes: vec![Route::new("0.0.0.0/0".parse().unwrap(), None)],
            ..AddResult::default()
        };
        let text = attached(Style::PLAIN, "eth0 of web is attached to net1", "/run/netns/web", &result);
        let wanted = "\
eth0 of web is attached to net1
  interface    cni0 02:00:00:00:00:01  on the host
  interface    eth0 02:00:00:00:00:01  in the sandbox
  address      10.0.0.2/24  on eth0
  gateway      10.0.0.1
  route        0.0.0.0/0  via 10.0.0.1
";
        assert_eq!(text, wanted);
    }
}
