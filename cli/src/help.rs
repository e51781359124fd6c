//! What `--help` says.

/// What help is about: the commands and their groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Main,
    Add,
    Del,
    Check,
    Gc,
    Status,
    Network,
    NetworkList,
    NetworkInspect,
    Sandbox,
    SandboxAdd,
    SandboxRemove,
    SandboxList,
    Help,
}

impl Topic {
    /// The topic that the first words name, and how many of them do.
    pub(crate) fn of(words: &[&str]) -> Option<(Self, usize)> {
        Some(match words {
            ["add", ..] => (Self::Add, 1),
            ["del", ..] => (Self::Del, 1),
            ["check", ..] => (Self::Check, 1),
            ["gc", ..] => (Self::Gc, 1),
            ["status", ..] => (Self::Status, 1),
            ["help", ..] => (Self::Help, 1),
            ["network"] => (Self::Network, 1),
            ["network", "ls", ..] => (Self::NetworkList, 2),
            ["network", "inspect", ..] => (Self::NetworkInspect, 2),
            ["sandbox"] => (Self::Sandbox, 1),
            ["sandbox", "add", ..] => (Self::SandboxAdd, 2),
            ["sandbox", "rm", ..] => (Self::SandboxRemove, 2),
            ["sandbox", "ls", ..] => (Self::SandboxList, 2),
            _ => return None,
        })
    }

    /// The nearest topic for words that name none.
    pub(crate) fn of_group(words: &[&str]) -> Self {
        match words.first() {
            Some(&"network") => Self::Network,
            Some(&"sandbox") => Self::Sandbox,
            _ => Self::Main,
        }
    }

    /// The first line: how to write it.
    pub(crate) const fn usage(self) -> &'static str {
        match self {
            Self::Main | Self::Help => "cnm COMMAND …",
            Self::Add => "cnm add NETWORK SANDBOX [--ifname NAME] [--args K=V;…] [--cap JSON] [--id ID] [--json]",
            Self::Del => "cnm del NETWORK SANDBOX [--ifname NAME] [--args K=V;…] [--cap JSON] [--id ID] [--json]",
            Self::Check => "cnm check NETWORK SANDBOX [--ifname NAME] [--args K=V;…] [--cap JSON] [--id ID] [--json]",
            Self::Gc => "cnm gc NETWORK [--keep ID[:IFNAME]]… [--all] [--dry-run] [--json]",
            Self::Status => "cnm status NETWORK [--json]",
            Self::Network => "cnm network ls|inspect …",
            Self::NetworkList => "cnm network ls [--json]",
            Self::NetworkInspect => "cnm network inspect NAME [--json]",
            Self::Sandbox => "cnm sandbox add|rm|ls …",
            Self::SandboxAdd => "cnm sandbox add NAME [--json]",
            Self::SandboxRemove => "cnm sandbox rm NAME [--force] [--json]",
            Self::SandboxList => "cnm sandbox ls [--json]",
        }
    }

    /// The command as one types it before `--help`.
    pub(crate) const fn command(self) -> &'static str {
        match self {
            Self::Main | Self::Help => "cnm",
            Self::Add => "cnm add",
            Self::Del => "cnm del",
            Self::Check => "cnm check",
            Self::Gc => "cnm gc",
            Self::Status => "cnm status",
            Self::Network => "cnm network",
            Self::NetworkList => "cnm network ls",
            Self::NetworkInspect => "cnm network inspect",
            Self::Sandbox => "cnm sandbox",
            Self::SandboxAdd => "cnm sandbox add",
            Self::SandboxRemove => "cnm sandbox rm",
            Self::SandboxList => "cnm sandbox ls",
        }
    }

    /// The whole text.
    pub(crate) fn text(self) -> String {
        format!("usage: {}\n\n{}", self.usage(), self.body())
    }

    const fn body(self) -> &'static str {
        match self {
            Self::Main | Self::Help => MAIN,
            Self::Add => ADD,
            Self::Del => DEL,
            Self::Check => CHECK,
            Self::Gc => GC,
            Self::Status => STATUS,
            Self::Network => NETWORK,
            Self::NetworkList => NETWORK_LS,
            Self::NetworkInspect => NETWORK_INSPECT,
            Self::Sandbox => SANDBOX,
            Self::SandboxAdd => SANDBOX_ADD,
            Self::SandboxRemove => SANDBOX_RM,
            Self::SandboxList => SANDBOX_LS,
        }
    }
}

const MAIN: &str = "\
Container networks by hand: CNI network configurations, the sandboxes attached to
them, and everything that plugins are asked.

  add NETWORK SANDBOX      attach a sandbox to a network
  del NETWORK SANDBOX      detach it
  check NETWORK SANDBOX    compare an attachment with what ADD made
  gc NETWORK               remove what gone sandboxes have left behind
  status NETWORK           can the next sandbox be attached?
  network ls               the networks and how many endpoints they have
  network inspect NAME     one network: configuration and endpoints
  sandbox add|rm|ls        named network namespaces, as `ip netns` has them
  help COMMAND             or: cnm COMMAND --help

NETWORK is the name in a configuration file. SANDBOX is a name in /run/netns or the
path of a network namespace.

Every command takes --json. Errors go to stderr. Exit status: 0 done, 1 failed,
2 wrong usage.

Environment:
  NETCONFPATH   directory of the configurations (/etc/cni/net.d)
  CNI_PATH      directories of the plugins, with : between them
                (the directory of cnm itself, then /opt/cni/bin)
  CNI_IFNAME, CNI_ARGS, CAP_ARGS
                as --ifname, --args, --cap
  NO_COLOR      no colour

Results are kept in /var/lib/cni/results as libcni keeps them: cnitool and container
engines can detach what cnm attached, and the other way round.
";

const ADD: &str = "\
Attaches SANDBOX to NETWORK: every plugin of the network's list in order. If one
fails, or is interrupted, those that ran are undone in reverse, and nothing is left.

  --ifname NAME, -i   interface in the sandbox (eth0)
  --args K=V;K2=V2    CNI_ARGS, e.g. IP=10.0.0.9
  --cap JSON          values for capabilities, e.g. '{\"portMappings\":[…]}'; a plugin
                      gets those that its configuration declares
  --id ID             container id (cnitool's: a hash of the namespace's path)
  --json              print the result as the plugins gave it

examples:
  cnm sandbox add web && cnm add mynet web
  cnm add mynet /proc/4711/ns/net --ifname net1 --args IP=10.0.0.9
";

const DEL: &str = "\
Detaches SANDBOX from NETWORK: every plugin in reverse order, with the configuration,
arguments and result that were kept when it was attached. A plugin that fails does not
stop the others; what failed is told, and the attachment is kept for the next try.

The sandbox need not exist any more, nor need the attachment: then there is nothing to
do, which is success. What a container engine attached is found by SANDBOX, too.

  --ifname NAME, -i   interface in the sandbox (eth0)
  --args, --cap       instead of what was kept
  --id ID             container id
";

const CHECK: &str = "\
Asks every plugin whether the attachment is still as ADD made it. The first difference
is the error. Needs cniVersion 0.4.0 or newer; a network with disableCheck is not asked.

  --ifname NAME, -i   interface in the sandbox (eth0)
  --args, --cap       instead of what was kept
  --id ID             container id
";

const GC: &str = "\
Removes what NETWORK has left behind. First every attachment in /var/lib/cni/results
that is not valid is detached; then (cniVersion 1.1.0) each plugin is asked to remove
whatever belongs to no valid attachment.

Valid are the attachments whose namespace still exists (or is not known: old container
engines do not always keep it), and those that --keep names.
Attachments of an engine that keeps its results elsewhere are not known here: name them
with --keep, or set disableGC in the configuration, which makes gc do nothing.

  --keep ID[:IFNAME]  valid in any case; may be repeated
  --all               nothing is valid but what --keep names, even living sandboxes
  --dry-run, -n       only tell what would be detached
";

const STATUS: &str = "\
Asks every plugin of NETWORK whether it could serve an ADD now; the first that cannot
is the error (code 50: it cannot; 51: and existing sandboxes suffer). Networks older
than cniVersion 1.1.0 have no STATUS: there the plugins must exist and speak the version.
";

const NETWORK: &str = "\
  ls              the networks and how many endpoints they have
  inspect NAME    one network: configuration and endpoints

The names none, host and bridge are reserved for the default networks.
";

const NETWORK_LS: &str = "\
Lists the networks of NETCONFPATH.

  NAME        as in the configuration
  DRIVER      type of its first plugin
  SCOPE       local to this host, or cluster
  SUBNET      what its IPAM configuration says
  ENDPOINTS   attachments in /var/lib/cni/results
";

const NETWORK_INSPECT: &str = "\
Shows a network: where its configuration is, its plugins, and the endpoints with their
sandboxes and addresses. --json has the configuration itself, too.
";

const SANDBOX: &str = "\
  add NAME    make a network namespace /run/netns/NAME
  rm NAME     remove it
  ls          list them
";

const SANDBOX_ADD: &str = "\
Makes an empty network namespace at /run/netns/NAME, exactly as `ip netns add NAME`.
";

const SANDBOX_RM: &str = "\
Removes the name, exactly as `ip netns delete NAME`; the namespace ends when no process
uses it. Refused while it is attached to a network: detach it first.

  --force, -f   remove it nevertheless; `cnm gc NETWORK` then detaches it
";

const SANDBOX_LS: &str = "\
Lists the named network namespaces and the networks that each is attached to.
";
