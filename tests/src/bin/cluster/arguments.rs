//! The command line of `cluster`. Pure.

use cnm_tests::cluster::{MOST_HOSTS, Plan};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
usage: cluster [OPTION…] [HOSTS]

Makes HOSTS hosts (1 to 25, 5 by default) and a router in namespaces of their own, prints the map and gives a shell
where `h1`, `h2`, …, `router` and `world` run a command there, or a shell without one. Nothing is left when the shell ends.

  --two-cables   two cables on each host instead of one
  --loopback     the hosts' tunnel addresses on `lo`
  --switched     a switch between the hosts instead of a router (for multicast)
  --mtu BYTES    MTU of the cables, 1500 by default
  --vlan ID      the underlay in a VLAN of the cables
";

/// What is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// This text.
    Help,
    /// A cluster.
    Build(Plan),
}

/// Reads the words behind the program's name.
pub(crate) fn parse(words: &[String]) -> Result<Arguments, String> {
    let mut hosts = 5;
    let mut options: Vec<(&str, u32)> = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--help" | "-h" => return Ok(Arguments::Help),
            "--two-cables" | "--loopback" | "--switched" => options.push((word, 0)),
            "--mtu" | "--vlan" => {
                let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
                let number = value.parse().map_err(|_| format!("{word} {value}: not a number"))?;
                options.push((word, number));
            }
            _ if word.starts_with('-') => return Err(format!("unknown option {word}")),
            _ => hosts = word.parse().map_err(|_| format!("{word}: not a number of hosts"))?,
        }
    }
    if !(1..=MOST_HOSTS).contains(&hosts) {
        return Err(format!("{hosts} hosts: there is room for 1 to {MOST_HOSTS}"));
    }
    let mut plan = Plan::hosts(hosts);
    let given = |name: &str| options.iter().any(|(option, _)| *option == name);
    if given("--switched") && (given("--loopback") || given("--vlan")) {
        return Err("--loopback and --vlan are for routed cables, not for --switched".into());
    }
    for (option, value) in &options {
        plan = match *option {
            "--two-cables" => plan.two_cables(),
            "--loopback" => plan.loopback(),
            "--switched" => plan.switched(),
            "--mtu" if !(1280..=65535).contains(value) => {
                return Err(format!("--mtu {value}: IPv6 needs 1280 bytes, and 65535 are the most"));
            }
            "--mtu" => plan.mtu(*value),
            _ => match u16::try_from(*value) {
                Ok(id @ 1..=4094) => plan.vlan(id),
                _ => return Err(format!("--vlan {value}: VLAN IDs are 1 to 4094")),
            },
        };
    }
    Ok(Arguments::Build(plan))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, parse};
    use cnm_tests::cluster::Plan;

    fn of(line: &str) -> Result<Arguments, String> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn words_make_a_plan() {
        assert_eq!(of(""), Ok(Arguments::Build(Plan::hosts(5))));
        let wanted = Plan::hosts(3).two_cables().loopback().mtu(9000);
        assert_eq!(of("--loopback 3 --mtu 9000 --two-cables"), Ok(Arguments::Build(wanted)));
        assert_eq!(of("--switched 25"), Ok(Arguments::Build(Plan::hosts(25).switched())));
        assert_eq!(of("2 --vlan 7"), Ok(Arguments::Build(Plan::hosts(2).vlan(7))));
        assert_eq!(of("2 --help"), Ok(Arguments::Help));
    }

    #[test]
    fn nonsense_is_named() {
        for (line, why) in [
            ("0", "0 hosts"),
            ("26", "26 hosts"),
            ("many", "many"),
            ("--mtu", "--mtu needs"),
            ("--mtu 1000", "1280"),
            ("--vlan 4095", "4095"),
            ("--fast", "--fast"),
            ("--switched --loopback", "routed"),
        ] {
            let error = of(line).expect_err(line);
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
