//! A container image of one static program, made here: nothing is pulled from anywhere.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::Machine;

/// What the image's one program is called by.
const APPLETS: &[&str] = &["sh", "sleep", "ip", "cat"];

/// The root folder of a container, as a tar archive on the machine: busybox under several names.
///
/// # Panics
/// When there is no static busybox.
#[track_caller]
pub(crate) fn root_archive(machine: &Machine) -> PathBuf {
    machine.requires("busybox");
    let root = machine.path("image");
    let must = |done: std::io::Result<()>| done.unwrap_or_else(|error| panic!("make an image's root: {error}"));
    for folder in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
        must(fs::create_dir_all(root.join(folder)));
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
    let program = root.join("bin/busybox");
    must(fs::copy(busybox.expect("busybox is installed"), &program).map(|_| ()));
    let dynamic = machine.attempt(&format!("ldd {}", program.display())).status.success();
    assert!(!dynamic, "busybox needs libraries; mend it with: apt-get install --no-install-recommends busybox-static");
    for name in APPLETS {
        must(symlink("busybox", root.join("bin").join(name)));
    }
    let archive = machine.path("root.tar");
    machine.run(&format!("tar -C {} --owner=0 --group=0 -cf {} .", root.display(), archive.display()));
    archive
}

/// An image archive as `docker save` writes it, named `name`; its containers sleep.
#[track_caller]
pub(crate) fn docker_archive(machine: &Machine, name: &str) -> PathBuf {
    let layer = root_archive(machine);
    let bytes = fs::read(&layer).expect("the archive that was just written");
    let config = json!({
        "architecture": machine.run("dpkg --print-architecture").trim(),
        "os": "linux",
        "config": { "Cmd": ["/bin/sleep", "100000"], "WorkingDir": "/" },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hexadecimal(&Sha256::digest(&bytes)))] },
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["root.tar"] }]);
    for (file, content) in [("config.json", config), ("manifest.json", manifest)] {
        fs::write(machine.path(file), content.to_string()).expect("write a part of the image");
    }
    let archive = machine.path("image.tar");
    let folder = machine.file("");
    machine.run(&format!("tar -C {folder} -cf {} manifest.json config.json root.tar", archive.display()));
    archive
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
