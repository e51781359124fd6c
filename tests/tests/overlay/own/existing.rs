//! Devices that are there already: ours, another network's, somebody's.

use super::{HERE, Site, THERE, bare, blue, vxlan};

/// Makes a VXLAN device by hand, as blue's would be but for `different`.
fn by_hand(site: &Site, name: &str, different: &str) {
    let mut line = format!("ip link add {name} mtu 1450 type vxlan id 42 dstport 4789 local {HERE} dev up0");
    if !different.is_empty() {
        let key = different.split(' ').next().unwrap_or_default();
        let mut words: Vec<&str> = line.split(' ').collect();
        if let Some(at) = words.iter().rposition(|word| *word == key) {
            words.drain(at..at + 2);
        }
        line = format!("{} {different}", words.join(" "));
    }
    site.run(&line);
}

#[test]
fn a_device_with_other_parameters_is_refused_and_the_error_says_what_differs() {
    for (different, words) in [
        ("id 43", "has VNI 43, not 42"),
        ("dstport 8472", "has UDP port 8472, not 4789"),
        ("local 192.0.2.77", "has local address 192.0.2.77, not 192.0.2.1"),
        ("nolearning", "has learning off, not on"),
        ("remote 192.0.2.9", "has group 192.0.2.9, not none"),
    ] {
        let site = Site::new();
        by_hand(&site, "vx42", different);
        site.run("ip link set vx42 up");
        let one = site.sandbox("one");
        let before = site.snapshot();
        site.add(&blue(), &one).fails_with(7, &["vx42", "already exists", words]);
        site.is_again(&before);
    }
    let site = Site::new();
    site.run("ip link add vx42 type bridge");
    let one = site.sandbox("one");
    let before = site.snapshot();
    site.add(&blue(), &one).fails_with(7, &["vx42", "already exists", "is not a vxlan but bridge"]);
    site.is_again(&before);
}

/// The host has another address now: the error says how to go on, and that works.
#[test]
fn a_device_of_ours_that_the_host_has_outgrown() {
    let site = Site::new();
    let (_one, _) = site.attach(&blue(), "one");
    site.run("ip addr add 192.0.2.77/24 dev up0");
    let two = site.sandbox("two");
    let moved = blue().with("local", "192.0.2.77");
    site.add(&moved, &two).fails_with(7, &["has local address 192.0.2.1, not 192.0.2.77", "ip link del vx42"]);
    site.run("ip link del vx42");
    site.add(&moved, &two).succeeds();
    assert_eq!(vxlan(&site, "vx42")["local"], "192.0.2.77");
    assert_eq!(site.link("vx42").master.as_deref(), Some("ov42"));
}

#[test]
fn somebody_s_bridge_and_vxlan_serve_and_stay() {
    let site = Site::new();
    site.run("ip link add ov42 type bridge");
    by_hand(&site, "vx42", "");
    site.run("ip link set vx42 master ov42 up");
    site.warm_up(&blue());
    let names: Vec<String> = site.links().into_iter().map(|link| link.name).collect();
    assert!(names.contains(&"ov42".to_owned()) && names.contains(&"vx42".to_owned()), "{names:?}");
    site.gc(&blue()).succeeds_silently();
    assert!(site.has_link("ov42") && site.has_link("vx42"), "made by somebody else");
}

#[test]
fn two_networks_with_one_vni_are_refused() {
    let site = Site::new();
    let _one = site.attach(&blue(), "one");
    let two = site.sandbox("two");
    let before = site.snapshot();
    // By the device's name; with a bridge of its own it gets one step further.
    site.add(&bare("red", 42), &two).fails_with(7, &["already exists", "belongs to", "blue"]);
    site.add(&bare("red", 42).with("bridge", "br-red"), &two).fails_with(7, &["vx42", "belongs to", "blue"]);
    site.add(&bare("red", 42).with("port", 4790).with("bridge", "br-red"), &two).fails_with(7, &["vx42"]);
    site.add(&bare("red", 43).with("bridge", "ov42"), &two).fails_with(7, &["ov42", "belongs to", "blue"]);
    site.is_again(&before);
}

/// The kernel says only that the VNI is taken; the error says by whom.
#[test]
fn a_vni_that_another_device_has_is_named_with_that_device() {
    let site = Site::new();
    by_hand(&site, "tunnel0", "");
    let one = site.sandbox("one");
    let before = site.snapshot();
    site.add(&blue(), &one).fails_with(7, &["vni", "42", "4789", "tunnel0"]);
    site.is_again(&before);
}

/// A device whose maker was killed before it was complete is completed by the next.
#[test]
fn a_half_made_device_is_completed() {
    let site = Site::new();
    let (one, _) = site.attach(&blue(), "one");
    let group = site.link("vx42").group;
    site.del(&blue(), &one).succeeds_silently();
    site.run("ip link add ov42 type bridge");
    site.run(&format!("ip link set ov42 group {group}"));
    by_hand(&site, "vx42", "");
    site.run(&format!("ip link set vx42 group {group} master ov42"));
    site.add(&blue(), &one).succeeds();
    assert!(site.link("vx42").up && site.link("vx42").alias.contains("blue"));
    assert_eq!(super::forwarding(&site, "vx42"), [format!("00:00:00:00:00:00 dst {THERE}")]);
    assert_eq!(vxlan(&site, "vx42")["id"], 42);
    site.del(&blue(), &one).succeeds_silently();
    assert!(!site.has_link("vx42") && !site.has_link("ov42"));
}
