//! From the newest shape to that of any version. Key order as the reference prints: struct order up to
//! 0.4.0, alphabetical from 1.0.0 on.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::json::Json;
use crate::{AddResult, Dns, Error, Interface, Ip, Route, Version};

impl AddResult {
    /// The text of this result in the shape of `version`: 4-space indent, no trailing newline, as the
    /// reference prints it.
    ///
    /// # Errors
    /// `cannot convert: no valid IP addresses` below 0.3.0 (code 999, as in the reference).
    pub fn print(&self, version: Version) -> Result<String, Error> {
        self.to_json(version).map(|json| json.pretty())
    }

    /// The document of this result in the shape of `version`, e.g. to be passed on as `prevResult`.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub fn to_json(&self, version: Version) -> Result<Json, Error> {
        let mut object = Members::new();
        object.text("cniVersion", version.as_str());
        match version {
            Version::V0_1_0 | Version::V0_2_0 => self.families(&mut object)?,
            Version::V0_3_0 | Version::V0_3_1 | Version::V0_4_0 => {
                self.lists(&mut object, version);
                object.push("dns", dns(&self.dns, version));
            }
            Version::V1_0_0 | Version::V1_1_0 => {
                if !self.dns.is_empty() {
                    object.push("dns", dns(&self.dns, version));
                }
                self.lists(&mut object, version);
            }
        }
        Ok(object.finish())
    }

    /// 0.1.0 and 0.2.0: the first address of each family with all routes of that family; routes of a family
    /// without address have no place.
    fn families(&self, object: &mut Members) -> Result<(), Error> {
        let of_family = |v4: bool| move |net: &IpNet| matches!(net, IpNet::V4(_)) == v4;
        for (key, is_member) in [("ip4", of_family(true)), ("ip6", of_family(false))] {
            let Some(ip) = self.ips.iter().find(|ip| is_member(&ip.address)) else { continue };
            let mut family = Members::new();
            family.text("ip", &ip.address.to_string());
            family.address("gateway", ip.gateway);
            let routes = self.routes.iter().filter(|route| is_member(&route.dst));
            family.list("routes", routes.map(|one| route(one, Version::V0_2_0)).collect());
            object.push(key, family.finish());
        }
        if object.0.len() == 1 {
            return Err(Error::internal("cannot convert: no valid IP addresses"));
        }
        object.push("dns", dns(&self.dns, Version::V0_2_0));
        Ok(())
    }

    /// 0.3.0 and newer.
    fn lists(&self, object: &mut Members, version: Version) {
        object.list("interfaces", self.interfaces.iter().map(|one| interface(one, version)).collect());
        object.list("ips", self.ips.iter().map(|one| ip(one, version)).collect());
        object.list("routes", self.routes.iter().map(|one| route(one, version)).collect());
    }
}

fn interface(interface: &Interface, version: Version) -> Json {
    let mut object = Members::new();
    let newest = version >= Version::V1_1_0;
    if version < Version::V1_0_0 {
        object.text("name", &interface.name);
        object.nonempty("mac", &interface.mac);
    } else {
        object.nonempty("mac", &interface.mac);
        object.nonzero("mtu", if newest { interface.mtu } else { 0 });
        object.text("name", &interface.name);
    }
    if newest {
        object.nonempty("pciID", &interface.pci_id);
    }
    object.nonempty("sandbox", &interface.sandbox);
    if newest {
        object.nonempty("socketPath", &interface.socket_path);
    }
    object.finish()
}

fn ip(ip: &Ip, version: Version) -> Json {
    let mut object = Members::new();
    let index = ip.interface.and_then(|index| u64::try_from(index).ok());
    if version < Version::V1_0_0 {
        object.text("version", if matches!(ip.address, IpNet::V4(_)) { "4" } else { "6" });
        object.number("interface", index);
    }
    object.text("address", &ip.address.to_string());
    object.address("gateway", ip.gateway);
    if version >= Version::V1_0_0 {
        object.number("interface", index);
    }
    object.finish()
}

/// Alphabetical order is also the order before 1.0.0, where there is nothing but `dst` and `gw`.
fn route(route: &Route, version: Version) -> Json {
    let mut object = Members::new();
    let newest = version >= Version::V1_1_0;
    object.nonzero("advmss", if newest { route.advmss } else { 0 });
    object.text("dst", &route.dst.to_string());
    object.address("gw", route.gw);
    if newest {
        object.nonzero("mtu", route.mtu);
        object.nonzero("priority", route.priority);
        object.number("scope", route.scope.map(u64::from));
        object.number("table", route.table.map(u64::from));
    }
    object.finish()
}

fn dns(dns: &Dns, version: Version) -> Json {
    let mut object = Members::new();
    let list = |texts: &[String]| texts.iter().map(|text| Json::from(text.as_str())).collect();
    if version < Version::V1_0_0 {
        object.list("nameservers", list(&dns.nameservers));
        object.nonempty("domain", &dns.domain);
        object.list("search", list(&dns.search));
        object.list("options", list(&dns.options));
    } else {
        object.nonempty("domain", &dns.domain);
        object.list("nameservers", list(&dns.nameservers));
        object.list("options", list(&dns.options));
        object.list("search", list(&dns.search));
    }
    object.finish()
}

/// The members of an object under construction; what says nothing is left out.
struct Members(Vec<(String, Json)>);

impl Members {
    fn new() -> Self {
        Self(Vec::with_capacity(4))
    }

    fn push(&mut self, key: &str, value: Json) {
        self.0.push((key.to_owned(), value));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.push(key, text.into());
    }

    fn nonempty(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    fn address(&mut self, key: &str, value: Option<IpAddr>) {
        if let Some(value) = value {
            self.text(key, &value.to_string());
        }
    }

    fn nonzero(&mut self, key: &str, number: u32) {
        self.number(key, Some(u64::from(number)).filter(|number| *number != 0));
    }

    fn number(&mut self, key: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.push(key, number.into());
        }
    }

    fn list(&mut self, key: &str, elements: Vec<Json>) {
        if !elements.is_empty() {
            self.push(key, Json::Array(elements));
        }
    }

    fn finish(self) -> Json {
        Json::Object(self.0)
    }
}
