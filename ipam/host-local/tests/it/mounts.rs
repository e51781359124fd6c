//! Where the directories are not all on one writable file system. In a mount namespace of its own.

use std::process::Command;

use crate::support::OURS;

/// Runs a script in a private mount namespace; `$P` is our program, `call VERB ID [VERSION]` one call of network `net`.
fn scripted(script: &str) {
    let data = tempfile::tempdir().expect("a directory");
    let prologue = r#"
        set -eu
        mount --make-rprivate /
        call() {
            printf '{"cniVersion":"1.1.0","name":"net","ipam":{"type":"host-local","dataDir":"%s","subnet":"10.7.0.0/24"}}' "$D" |
                CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=/nowhere CNI_IFNAME=eth0 CNI_PATH=/nowhere $P
        }
    "#;
    #[expect(clippy::disallowed_methods, reason = "tests start programs")]
    let output = Command::new("/usr/bin/unshare")
        .args(["-m", "/bin/sh", "-c", &format!("{prologue}{script}")])
        .env("P", OURS)
        .env("D", data.path())
        .output()
        .expect("util-linux");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "needs root and unshare(1):\n{text}");
}

#[test]
fn the_networks_directory_may_be_a_mount_of_its_own() {
    scripted(
        r#"
        mkdir $D/net; mount -t tmpfs none $D/net
        call ADD a | grep 10.7.0.2/24
        call ADD b | grep 10.7.0.3/24
        call DEL a
        call ADD c | grep 10.7.0.4/24
        test "$(cd $D/net; echo .new*)" = '.new*'
        test "$(cat $D/net/last_reserved_ip.0)" = 10.7.0.4
        test ! -e $D/.net.new
        "#,
    );
}

#[test]
fn the_data_directory_may_be_read_only_when_the_networks_is_not() {
    scripted(
        r#"
        mkdir $D/net; mount --bind $D $D; mount -t tmpfs none $D/net; mount -o remount,bind,ro $D
        call STATUS ""
        call ADD a | grep 10.7.0.2/24
        call ADD b | grep 10.7.0.3/24
        call CHECK a; call DEL a; ! call CHECK a
        call ADD c | grep 10.7.0.4/24
        test "$(cd $D/net; echo * .new*)" = '10.7.0.3 10.7.0.4 last_reserved_ip.0 lock .new*'
        "#,
    );
}

#[test]
fn a_read_only_store_fails_with_its_name() {
    scripted(
        r#"
        call ADD a | grep 10.7.0.2/24
        mount --bind $D $D; mount -o remount,bind,ro $D
        call STATUS "" | tee /dev/stderr | grep '"code": 50'
        call STATUS "" | grep 'Read-only file system'
        call ADD b | tee /dev/stderr | grep '"code": 5,'
        call CHECK a
        call DEL a | grep 'Read-only file system'
        "#,
    );
}

#[test]
fn an_overlay_is_a_file_system_like_any_other() {
    scripted(
        r#"
        mkdir $D/base $D/lower $D/merged; mount -t tmpfs none $D/base; mkdir $D/base/upper $D/base/work
        mount -t overlay none -o lowerdir=$D/lower,upperdir=$D/base/upper,workdir=$D/base/work $D/merged
        D=$D/merged
        call ADD a | grep 10.7.0.2/24
        call ADD b | grep 10.7.0.3/24
        P="strace -o $D/log $P"
        call ADD c | grep 10.7.0.4/24
        ! grep getdents $D/log
        call DEL a
        ! grep getdents $D/log
        "#,
    );
}
