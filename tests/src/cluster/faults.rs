//! What happens to clusters: partitions, pulled cables, bad lines, hosts that die and come back.
//! All of it happens at the router or to a whole host. Of what is in a host only its default routes follow its cables,
//! as where a routing daemon runs.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Cluster;
use super::node::Node;
use super::plan::{Underlay, plain_port};
use crate::eventually;

/// The router's table of the pairs of ports between which nothing passes.
const CUT: &str = "rig";

impl Cluster {
    /// No packet passes any more between one of `these` hosts and one of `those`, in either direction. Partitions add
    /// up until [`Cluster::heal`].
    ///
    /// # Panics
    /// When a host does not exist.
    #[track_caller]
    pub fn partition(&self, these: &[usize], those: &[usize]) {
        self.cut(these, those);
        self.cut(those, these);
    }

    /// No packet passes any more from one of `from` to one of `to`; the other way is as it was.
    ///
    /// # Panics
    /// When a host does not exist.
    #[track_caller]
    pub fn cut(&self, from: &[usize], to: &[usize]) {
        let family = self.cut_family();
        let mut script = format!(
            "table {family} {CUT} {{\n set cut {{ type ifname . ifname; }}\n chain forward {{\n \
             type filter hook forward priority -300;\n iifname . oifname @cut drop;\n }}\n}}\n"
        );
        // The rule is there twice after the second partition; a fresh table keeps it one.
        script.insert_str(0, &format!("table {family} {CUT}\ndelete table {family} {CUT}\n"));
        let mut pairs: Vec<(String, String)> = self.cuts();
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            for (inward, outward) in self.cables(from).flat_map(|one| self.cables(to).map(move |two| (one, two))) {
                pairs.push((self.plan.port(from, inward), self.plan.port(to, outward)));
            }
        }
        pairs.sort();
        pairs.dedup();
        let elements: Vec<String> = pairs.iter().map(|(from, to)| format!("\"{from}\" . \"{to}\"")).collect();
        script += &format!("add element {family} {CUT} cut {{ {} }}\n", elements.join(", "));
        self.router.write_file("/run/cut.nft", script);
        self.router.run("nft -f /run/cut.nft");
    }

    /// Ends all partitions.
    ///
    /// # Panics
    /// When the router's firewall refuses.
    #[track_caller]
    pub fn heal(&self) {
        let family = self.cut_family();
        self.router.write_file("/run/cut.nft", format!("table {family} {CUT}\ndelete table {family} {CUT}\n"));
        self.router.run("nft -f /run/cut.nft");
    }

    /// The pairs of ports that are cut now.
    #[track_caller]
    fn cuts(&self) -> Vec<(String, String)> {
        let output = self.router.attempt(&format!("nft -j list set {} {CUT} cut", self.cut_family()));
        let document: serde_json::Value = serde_json::from_str(&output.text()).unwrap_or_default();
        let sets = document["nftables"].as_array().into_iter().flatten();
        let elements = sets.filter_map(|entry| entry["set"]["elem"].as_array()).flatten();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        elements.map(|element| (text(&element["concat"][0]), text(&element["concat"][1]))).collect()
    }

    fn cut_family(&self) -> &'static str {
        match self.plan.underlay {
            Underlay::Routed => "inet",
            Underlay::Switched => "bridge",
        }
    }

    #[track_caller]
    fn cables(&self, host: usize) -> std::ops::Range<usize> {
        assert!(self.plan.numbers().contains(&host), "the cluster has no host {host}");
        0..self.plan.cables
    }

    /// Pulls a cable (from 0) of a host: it loses its carrier, its addresses stay.
    ///
    /// # Panics
    /// When there is no such cable.
    #[track_caller]
    pub fn unplug(&self, host: usize, cable: usize) {
        self.router.run(&format!("ip link set {} down", plain_port(host, cable)));
        self.rewire(host);
    }

    /// Plugs a cable in again.
    ///
    /// # Panics
    /// When there is no such cable.
    #[track_caller]
    pub fn plug(&self, host: usize, cable: usize) {
        self.router.run(&format!("ip link set {} up", plain_port(host, cable)));
        self.rewire(host);
    }

    /// What a routing daemon does: routes on both sides follow the cables that are plugged. (Without, Linux sends on into
    /// a dead cable over IPv6 whatever has cached its route, and VXLAN devices do.)
    #[track_caller]
    fn rewire(&self, host: usize) {
        let links = self.router.links();
        let is_up = |cable: &usize| links.iter().any(|link| link.name == plain_port(host, *cable) && link.up);
        let plugged: Vec<usize> = self.cables(host).filter(is_up).collect();
        let node = self.host(host);
        self.router.ip_batch(&node.routers_half(&plugged));
        node.ip_batch(&node.default_routes(&plugged));
    }

    /// What a host sends is impaired from now on, in the words of tc-netem(8), e.g. `loss 1% delay 50ms`. Empty: good
    /// again.
    ///
    /// # Panics
    /// When the kernel has no netem.
    #[track_caller]
    pub fn impair(&self, host: usize, netem: &str) {
        for cable in self.cables(host) {
            // Towards the others is what the cable's own end sends, and no test looks at the discipline of an uplink.
            let line = match netem {
                "" => format!("tc qdisc del dev up{cable} root"),
                _ => format!("tc qdisc replace dev up{cable} root netem limit 10000 {netem}"),
            };
            let done = self.host(host).attempt(&line);
            assert!(
                done.status.success(),
                "`{line}`: {}; the kernel needs CONFIG_NET_SCH_NETEM: mend it with `make test-vm`",
                done.complaint()
            );
        }
    }

    /// Power off: the host, its processes, files, links and rules are gone, without a word to anybody. Sandboxes that
    /// the test still holds are empty from then on.
    ///
    /// # Panics
    /// When it is stopped already.
    #[track_caller]
    pub fn stop(&mut self, number: usize) {
        let _ = self.host(number);
        let node = self.nodes[number - 1].take().expect("the host runs");
        eventually(&format!("the processes of h{number} die"), || match node.processes() {
            left if left.is_empty() => Ok(()),
            left => {
                for (pid, _) in &left {
                    // In a namespace that only this test made: it was started by this test.
                    let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
                }
                Err(format!("{left:?}"))
            }
        });
        // The kernel destroys the namespace a moment later; the router sees the carrier go now.
        for cable in self.cables(number) {
            self.router.run(&format!("ip link del {}", plain_port(number, cable)));
        }
        drop(node);
    }

    /// A stopped host is replaced by a new one with the same addresses and empty disks.
    ///
    /// # Panics
    /// When it runs.
    #[track_caller]
    pub fn replace(&mut self, number: usize) {
        let _ = self.cables(number);
        assert!(self.nodes[number - 1].is_none(), "h{number} runs");
        self.nodes[number - 1] = Some(Node::new(&self.plan, number, &self.suite, &self.router));
    }
}
