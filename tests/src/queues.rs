//! Queueing disciplines and filters of links, as `tc` sees them, and how fast traffic is. It must not know who limits it.

use std::net::IpAddr;

use serde_json::Value;

use crate::{Namespace, eventually};

impl Namespace {
    /// The disciplines of a link that somebody has put there.
    #[must_use]
    #[track_caller]
    pub fn disciplines(&self, link: &str) -> Vec<Value> {
        let list = self.json(&format!("tc -j qdisc show dev {link}"));
        list.as_array().into_iter().flatten().filter(|found| found["handle"] != "0:").cloned().collect()
    }

    /// The filters at a discipline of a link, without the heads of their tables.
    #[must_use]
    #[track_caller]
    pub fn filters(&self, link: &str, parent: &str) -> Vec<Value> {
        let list = self.json(&format!("tc -j filter show dev {link} parent {parent}"));
        list.as_array().into_iter().flatten().filter(|found| found["options"]["match"].is_object()).cloned().collect()
    }

    /// All disciplines that somebody has put anywhere: link and kind to what `tc` says of them.
    #[track_caller]
    pub(crate) fn all_disciplines(&self) -> Vec<(String, String)> {
        let list = self.json("tc -j qdisc show");
        let placed = list.as_array().into_iter().flatten().filter(|found| found["handle"] != "0:");
        let text = |value: &Value| value.to_string().replace('"', "");
        placed.map(|found| (format!("{} {}", text(&found["dev"]), text(&found["kind"])), found.to_string())).collect()
    }

    /// How fast this namespace sends to `server` at `address` by TCP, or receives with `reverse`, in bits per second of
    /// payload, measured by iperf3 for some seconds after the first.
    ///
    /// # Panics
    /// When iperf3 is missing or cannot measure.
    #[must_use]
    #[track_caller]
    pub fn throughput(&self, server: &Namespace, address: IpAddr, reverse: bool) -> f64 {
        // iperf3 waits for ever for a connection whose first packet met an address that was not proved to be unique yet.
        self.reaches(address);
        // Another port would do as well: the server's namespace is its own.
        let listener = server.launches("iperf3", &["-s", "-1", "-p", "5201"]);
        let direction = if reverse { "-R" } else { "" };
        let line = format!("iperf3 -J -t 5 -O 1 --connect-timeout 3000 -p 5201 -c {address} {direction}");
        let measured = eventually("iperf3 measures", || {
            let text = self.attempt(&line).text();
            let report: Value = serde_json::from_str(&text).unwrap_or_default();
            // What it could not do iperf3 says in its report.
            report["end"]["sum_received"]["bits_per_second"].as_f64().ok_or(text)
        });
        // It ends by itself after one measurement, but not after a client that came too early.
        drop(listener);
        measured
    }
}
