//! A kernel that lacks what limits are made of.

use cnm_tests::{Feature, Host, needs};
use serde_json::json;

use super::NEWEST;
use crate::limits;

/// What a kernel loads by `kernel.modprobe` it lacks while nothing is loaded by it. That is one setting for the whole machine,
/// so all of this is one test.
#[test]
fn status_names_the_modules_that_cannot_be_loaded_and_loads_no_device() {
    needs(&[Feature::Dummy]);
    let host = Host::new();
    let modules = ["ifb", "sch_tbf", "sch_htb", "sch_ingress", "cls_u32", "act_mirred"];
    let loaded =
        || host.run("lsmod").lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect::<Vec<_>>();
    for module in modules {
        host.attempt(&format!("modprobe -r {module}"));
    }
    assert!(modules.iter().all(|module| !loaded().iter().any(|one| one == module)), "{:?}", loaded());
    let conf = limits(8_000_000, 8_000_000).version(NEWEST);
    let by_subnet = conf.clone().with("shapedSubnets", json!(["10.0.0.0/8"]));
    let before = host.snapshot();

    let loader = host.read_file("/proc/sys/kernel/modprobe").expect("the kernel loads modules").trim().to_owned();
    host.write_file("/proc/sys/kernel/modprobe", "/bin/false");
    let refused = [host.status(&conf), host.status(&by_subnet)];
    host.write_file("/proc/sys/kernel/modprobe", &loader);

    for (outcome, root, option) in [(&refused[0], "sch_tbf", "SCH_TBF"), (&refused[1], "sch_htb", "SCH_HTB")] {
        let mend = format!("modprobe -a {root} ifb sch_ingress cls_u32 act_mirred;");
        outcome.fails_with(50, &[&mend, &format!("CONFIG_NET_{option}"), "CONFIG_IFB"]);
    }
    // Where they can be loaded all is well, and no device has come to be: that is ADD's to do.
    for conf in [&conf, &by_subnet] {
        host.status(conf).succeeds_silently();
    }
    assert!(!loaded().iter().any(|one| one == "ifb"), "{:?}", loaded());
    host.is_again(&before);
}
