//! Which plugin binaries a test runs. It must not know what they do.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where Debian's package containernetworking-plugins puts the reference.
const REFERENCE: &str = "/usr/lib/cni";

/// The names under which the multi-call executable serves.
const NAMES: &[&str] = &[
    "bridge",
    "macvlan",
    "vxlan-overlay",
    "host",
    "none",
    "loopback",
    "firewall",
    "portmap",
    "tuning",
    "bandwidth",
    "host-local-ipam",
    "host-local",
];

/// A folder of plugin binaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// The binaries under test: the folder that `CNM_TEST_BIN` names, else ours, built once per test run.
    #[must_use]
    #[track_caller]
    pub fn under_test() -> Self {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        let folder = FOLDER.get_or_init(|| match env::var_os("CNM_TEST_BIN") {
            Some(folder) if !folder.is_empty() => {
                let folder = PathBuf::from(folder);
                // Children run with another working directory.
                folder.canonicalize().unwrap_or_else(|error| {
                    panic!("CNM_TEST_BIN={}: {error}; build the binaries with: make", folder.display())
                })
            }
            _ => build(),
        });
        Self { folder: folder.clone() }
    }

    /// The reference plugins of the distribution.
    ///
    /// # Panics
    /// When they are not installed.
    #[must_use]
    #[track_caller]
    pub fn reference() -> Self {
        assert!(
            Path::new(REFERENCE).join("bridge").exists(),
            "the reference plugins are missing in {REFERENCE}; mend it with: apt-get install containernetworking-plugins"
        );
        Self { folder: REFERENCE.into() }
    }

    /// Whether this is the reference itself.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        self.folder == Path::new(REFERENCE)
    }

    /// What `CNI_PATH` says.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.folder.to_str().expect("a folder of binaries has a printable name")
    }

    /// The binary of a plugin type.
    ///
    /// # Panics
    /// When it is missing.
    #[must_use]
    #[track_caller]
    pub fn program(&self, kind: &str) -> PathBuf {
        let path = self.folder.join(kind);
        assert!(path.is_file(), "{} is missing; build it with: make", path.display());
        path
    }
}

/// Builds our multi-call executable and links it under its names. Under nextest, where every test is a process, only
/// the first of a run does it: the others wait at the lock and find the run's mark.
#[track_caller]
fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in a workspace");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let folder = target.join("cnm-tests");
    let must = |what: &str, done: std::io::Result<()>| {
        done.unwrap_or_else(|error| panic!("{what} {}: {error}", folder.display()));
    };
    must("create", fs::create_dir_all(&folder));
    let lock = File::create(folder.join(".lock")).unwrap_or_else(|error| panic!("lock {}: {error}", folder.display()));
    must("lock", lock.lock());
    let run = env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("process {}", std::process::id()));
    let mark = folder.join(".built-by");
    if fs::read_to_string(&mark).is_ok_and(|text| text == run) {
        return folder;
    }
    #[expect(clippy::disallowed_methods, reason = "cargo is no plugin")]
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace).args(["build", "--quiet", "--package", "multicall"]);
    let output = cargo.output().unwrap_or_else(|error| panic!("cannot start cargo: {error}; or build with: make"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo build --package multicall failed; try: make\n{complaint}");
    let built = target.join("debug/cnm-plugins");
    for name in NAMES {
        // A running copy keeps its inode: link beside it, then rename.
        let fresh = folder.join(format!(".new-{name}"));
        let _ = fs::remove_file(&fresh);
        must("link into", fs::hard_link(&built, &fresh).and_then(|()| fs::rename(&fresh, folder.join(name))));
    }
    must("mark", fs::write(&mark, run));
    folder
}
