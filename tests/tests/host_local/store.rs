//! The files, byte for byte: an upgrade and a downgrade must find what the other suite wrote.

use cnm_tests::{Conf, Host};

use crate::{STORE, call, lease, pool, reserved};

#[test]
fn a_reservation_is_a_file_of_two_lines() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24").subnet("fd00:1:2::/64");
    let _ = lease(&host, &conf, "c0ffee");
    for (name, content) in [
        ("10.1.2.2", "c0ffee\r\neth0"),
        ("fd00:1:2::2", "c0ffee\r\neth0"),
        ("last_reserved_ip.0", "10.1.2.2"),
        ("last_reserved_ip.1", "fd00:1:2::2"),
        ("lock", ""),
    ] {
        assert_eq!(host.read_file(&format!("{STORE}/{name}")).as_deref(), Some(content), "{name}");
    }
    let names = host.list_folder(STORE);
    assert_eq!(names, ["10.1.2.2", "fd00:1:2::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock"]);
}

#[test]
fn data_dir_is_where_the_files_go() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24").ipam("dataDir", "/run/leases");
    let _ = lease(&host, &conf, "a");
    assert!(host.list_folder("/run/leases/pool").contains(&"10.1.2.2".to_owned()));
    assert_eq!(host.list_folder("/var/lib/cni/networks"), Vec::<String>::new());
}

#[test]
fn del_frees_what_is_in_no_range_any_more() {
    let host = Host::new();
    let _ = lease(&host, &pool().subnet("10.1.2.0/24"), "a");
    call(&host, "DEL", &pool().subnet("10.9.0.0/24"), "a").succeeds_silently();
    assert_eq!(reserved(&host), Vec::<String>::new());
}

#[test]
fn reservations_of_the_first_releases_name_the_container_alone() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24");
    host.write_file(&format!("{STORE}/10.1.2.2"), "old");
    host.write_file(&format!("{STORE}/10.1.2.3"), "other");
    assert_eq!(lease(&host, &conf, "new").ip().to_string(), "10.1.2.4");
    call(&host, "ADD", &conf, "old").fails().says(&["duplicate allocation"]);
    call(&host, "DEL", &conf, "old").succeeds_silently();
    assert_eq!(reserved(&host), ["10.1.2.3", "10.1.2.4"]);
}

#[test]
fn a_garbled_position_starts_from_the_beginning() {
    let host = Host::new();
    let conf = pool().subnet("10.1.2.0/24");
    host.write_file(&format!("{STORE}/last_reserved_ip.0"), "rubbish");
    assert_eq!(lease(&host, &conf, "a").ip().to_string(), "10.1.2.2");
}

#[test]
fn del_of_what_never_was() {
    let host = Host::new();
    let conf: Conf = pool().subnet("10.1.2.0/24");
    call(&host, "DEL", &conf, "nobody").succeeds_silently();
    let _ = lease(&host, &conf, "a");
    call(&host, "DEL", &conf, "nobody").succeeds_silently();
    call(&host, "DEL", &conf, "a").succeeds_silently();
    call(&host, "DEL", &conf, "a").succeeds_silently();
}
