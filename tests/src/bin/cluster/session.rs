//! The process that everything hangs on: it holds the cluster while a person works in it.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cnm_tests::cluster::{Cluster, Overlay, Plan};
use cnm_tests::{Namespace, Suite};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// Where the commands `h1`, `h2`, … are, on every host, at the router and for whoever enters from another terminal.
const COMMANDS: &str = "/run/cluster";

/// What an interactive bash reads: the person's own habits, and a prompt that says where one is.
const RC: &str = "test ! -f ~/.bashrc || . ~/.bashrc\nPS1='[$CLUSTER_PLACE] \\w\\$ '\n";

/// The network that every host has a configuration of.
const NETWORK: &str = "overlay";
const VNI: u32 = 91;
const SUBNET: &str = "10.91.0.0/16";

/// Builds the cluster, prints the map, gives a shell and takes everything down. The shell's exit status.
pub(crate) fn hold(plan: Plan) -> Result<u8, String> {
    let fail = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    set_pdeathsig(Signal::SIGKILL).map_err(fail("be killed when the parent dies"))?;
    // The old /proc still counts in the machine's process ids, the new one in ours.
    let outer = fs::read_link("/proc/self").map_err(|error| format!("read /proc/self: {error}"))?;
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).map_err(fail("new mount namespace"))?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(fail("make mounts private"))?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).map_err(fail("mount /proc"))?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).map_err(fail("mount /run"))?;

    let cluster = Cluster::build(plan);
    let commands = commands(&cluster);
    let everywhere = cluster.hosts().map(|host| host as &Namespace).chain([cluster.router() as &Namespace]);
    for place in everywhere {
        place.enter(|| install(&commands)).map_err(|error| format!("{}: {error}", place.label()))?;
    }
    install(&commands).map_err(|error| error.to_string())?;
    let network = Overlay::new(NETWORK, VNI).subnet(SUBNET).to_the_world();
    for host in cluster.hosts() {
        host.write_file("/etc/cni/net.d/overlay.conf", network.on(&cluster, host).version("1.1.0").bytes());
    }

    let enter = format!("nsenter --target {} --mount --pid {COMMANDS}/h1", outer.display());
    let text = format!(
        "{}\nhere: `h1` is a shell on host 1, `h1 COMMAND` runs one; so do h2, …, router and world. `map` prints this again.\n\
         from another terminal: {enter}\n\
         every host has a configuration of the network \"{NETWORK}\" ({SUBNET}, VNI {VNI}), so for instance:\n  \
         h1 cnm sandbox add web; h1 cnm add {NETWORK} web; h2 cnm sandbox add db; h2 cnm add {NETWORK} db\n\
         leave this shell, and nothing of it is left\n\n",
        cluster.map()
    );
    fs::write(format!("{COMMANDS}/map.txt"), &text).map_err(|error| format!("write the map: {error}"))?;
    for place in cluster.hosts().map(|host| host as &Namespace).chain([cluster.router() as &Namespace]) {
        place.write_file(&format!("{COMMANDS}/map.txt"), &text);
    }
    io::stdout().write_all(text.as_bytes()).map_err(|error| format!("print the map: {error}"))?;
    let status = cluster.router().in_front(&format!("{COMMANDS}/router"), &[]);
    // What the person left running is no leak: the kernel ends it together with this process.
    std::mem::forget(cluster);
    if io::stdin().is_terminal() {
        // What the last command of a person came to is no failure of the session.
        return Ok(0);
    }
    // A shell that was killed has no exit status of its own; 128 and the signal is what shells say.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(128))
}

/// Name and text of each command.
fn commands(cluster: &Cluster) -> Vec<(String, String)> {
    let suite = Suite::under_test();
    let script = |place: &Namespace| {
        let (mount, net, name) = (place.mount_path(), place.net_path(), place.label());
        let folder = suite.folder();
        format!(
            "#!/bin/sh\n# A shell, or a command, at {name}.\n\
             case :$PATH: in *:{COMMANDS}:*) ;; *) PATH={COMMANDS}:{folder}:$PATH:/usr/sbin:/sbin ;; esac\n\
             CLUSTER_PLACE={name} CNI_PATH={folder}\n\
             export PATH CLUSTER_PLACE CNI_PATH\n\
             if test $# = 0; then\n    \
             if command -v bash >/dev/null; then set -- bash --rcfile {COMMANDS}/rc; else set -- /bin/sh; fi\nfi\n\
             # The working directory is kept where it exists there, too.\n\
             exec nsenter --mount={mount} --net={net} -- /bin/sh -c 'cd \"$0\" 2>/dev/null; exec \"$@\"' \"$PWD\" \"$@\"\n"
        )
    };
    let mut commands: Vec<(String, String)> =
        cluster.hosts().map(|host| (host.label().to_owned(), script(host))).collect();
    for place in [cluster.router() as &Namespace, cluster.world() as &Namespace] {
        commands.push((place.label().to_owned(), script(place)));
    }
    commands.push(("map".into(), format!("#!/bin/sh\nexec cat {COMMANDS}/map.txt\n")));
    commands
}

/// Writes the commands as the calling thread sees the files.
fn install(commands: &[(String, String)]) -> io::Result<()> {
    fs::create_dir_all(COMMANDS)?;
    fs::write(format!("{COMMANDS}/rc"), RC)?;
    for (name, text) in commands {
        let path = Path::new(COMMANDS).join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
