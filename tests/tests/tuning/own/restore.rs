//! DEL restores what was there first, and leaves no note, whatever happened in between.

use crate::{FOLDER, stage, tune, tuning};

#[test]
fn values_that_were_changed_twice_are_restored_to_the_first() {
    let (host, one, attached) = stage();
    let born = one.link("eth0");
    let first = tuning().with("mtu", 1400).with("mac", "02:00:00:00:00:01");
    let second = tuning().with("mtu", 1300).with("promisc", true);
    for conf in [&first, &second, &second] {
        tune(&host, conf, &one, &attached).succeeds();
    }
    assert_eq!(one.link("eth0").mtu, 1300);
    host.del(&second, &one).succeeds_silently();
    let link = one.link("eth0");
    assert_eq!((link.mac, link.mtu, link.promiscuous), (born.mac, 1500, false));
    assert_eq!(host.list_folder(FOLDER), Vec::<String>::new());
}

#[test]
fn the_note_goes_with_the_sandbox() {
    let (host, one, attached) = stage();
    let conf = tuning().with("mtu", 1400);
    for how in 0..3 {
        tune(&host, &conf, &one, &attached).succeeds();
        assert_eq!(host.list_folder(FOLDER), ["one_eth0.json"]);
        match how {
            0 => host.calling("DEL", &conf, &one).netns("").run(),
            1 => host.calling("DEL", &conf, &one).netns("/run/netns/gone").run(),
            _ => {
                one.run("ip link del eth0");
                host.del(&conf, &one)
            }
        }
        .succeeds_silently();
        assert_eq!(host.list_folder(FOLDER), Vec::<String>::new(), "{how}");
    }
}

#[test]
fn a_failed_add_leaves_everything_as_it_was() {
    let (host, one, attached) = stage();
    host.enter(|| std::fs::create_dir_all(FOLDER).expect("a folder"));
    let before = host.snapshot();
    // The MTU comes first; an address of the broadcast kind is refused by the kernel only where we do not look.
    let conf = tuning().with("mtu", 1400).with("sysctl", serde_json::json!({ "net.ipv4.no_such_variable": "1" }));
    tune(&host, &conf, &one, &attached).fails().says(&["net/ipv4/no_such_variable"]);
    host.is_again(&before);
    host.write_file("/run/file", "not a folder");
    let before = host.snapshot();
    let conf = tuning().with("mtu", 1400).with("dataDir", "/run/file");
    tune(&host, &conf, &one, &attached).fails_with(5, &["/run/file"]);
    host.is_again(&before);
}

#[test]
fn a_note_that_cannot_be_read_stops_nobody() {
    let (host, one, attached) = stage();
    host.write_file(&format!("{FOLDER}/one_eth0.json"), "{ half a no");
    host.del(&tuning(), &one).succeeds_silently();
    assert_eq!(host.list_folder(FOLDER), Vec::<String>::new());
    host.write_file(&format!("{FOLDER}/one_eth0.json"), "");
    tune(&host, &tuning().with("mtu", 1400), &one, &attached).succeeds();
    host.del(&tuning(), &one).succeeds_silently();
    assert_eq!(one.link("eth0").mtu, 1500);
}
