//! In-place upgrade and downgrade: either suite checks what the other tuned, and restores it.

use cnm_tests::Suite;

use crate::{FOLDER, stage, tuning};

#[test]
fn either_suite_checks_and_restores_what_the_other_tuned() {
    let (ours, reference) = (Suite::under_test(), Suite::reference());
    for (maker, other) in [(&ours, &reference), (&reference, &ours)] {
        let (host, one, attached) = stage();
        let born = one.link("eth0");
        let conf = tuning()
            .with("mac", "02:00:00:00:00:77")
            .with("mtu", 1400)
            .with("promisc", true)
            .with("allmulti", true)
            .with("sysctl", serde_json::json!({ "net.core.somaxconn": "517" }));
        let result = host.calling("ADD", &conf.clone().after(attached.json()), &one).by(maker).run().attached();
        assert_eq!(host.list_folder(FOLDER), ["one_eth0.json"]);
        let known = conf.after(result.json());
        host.calling("CHECK", &known, &one).by(other).run().succeeds_silently();
        host.calling("DEL", &known, &one).by(other).run().succeeds_silently();
        let link = one.link("eth0");
        assert_eq!((link.mac, link.mtu, link.promiscuous), (born.mac, 1500, false));
        assert_eq!(host.list_folder(FOLDER), Vec::<String>::new());
    }
}

/// An ADD of ours over one of the reference keeps what that one noted.
#[test]
fn a_note_of_the_reference_is_added_to() {
    let (host, one, attached) = stage();
    let born = one.link("eth0");
    let first = tuning().with("mac", "02:00:00:00:00:77").after(attached.json());
    host.calling("ADD", &first, &one).by(&Suite::reference()).run().succeeds();
    host.add(&tuning().with("mac", "02:00:00:00:00:78").with("mtu", 1400).after(attached.json()), &one).succeeds();
    host.del(&tuning(), &one).succeeds_silently();
    assert_eq!((one.link("eth0").mac, one.link("eth0").mtu), (born.mac, 1500));
}
