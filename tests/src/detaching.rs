//! What DEL of every plugin that attaches must bear: each function is a test of one configuration on a fresh host that has
//! what this needs. They know nothing of the plugin.

use crate::{Conf, Host};

/// DEL with what the runtime kept undoes ADD.
///
/// # Panics
/// With what is left.
#[track_caller]
pub fn undoes_add(host: &Host, conf: &Conf) {
    host.warm_up(conf);
    let one = host.sandbox("one");
    let before = host.snapshot();
    let result = host.add(conf, &one).succeeds();
    host.del(&conf.clone().after(&result), &one).succeeds_silently();
    host.is_again(&before);
}

/// DEL succeeds where nothing ever was, undoes ADD without its result, and comes again.
///
/// # Panics
/// With what is left.
#[track_caller]
pub fn comes_twice_and_to_what_never_was(host: &Host, conf: &Conf) {
    host.warm_up(conf);
    let one = host.sandbox("one");
    let before = host.snapshot();
    host.del(conf, &one).succeeds_silently();
    host.is_again(&before);
    host.add(conf, &one).succeeds();
    for _ in 0..2 {
        host.del(conf, &one).succeeds_silently();
        host.is_again(&before);
    }
}

/// DEL with the path of a namespace that has gone.
///
/// # Panics
/// With what is left.
#[track_caller]
pub fn finds_a_vanished_namespace(host: &Host, conf: &Conf) {
    host.warm_up(conf);
    let before = host.snapshot();
    let (one, _) = host.attach(conf, "one");
    let call = host.calling("DEL", conf, &one);
    one.vanish();
    call.run().succeeds_silently();
    host.is_again(&before);
}

/// DEL that is told no namespace frees the address.
///
/// # Panics
/// When it is taken afterwards.
#[track_caller]
pub fn frees_the_address_without_namespace(host: &Host, conf: &Conf) {
    let (one, result) = host.attach(conf, "one");
    let folder = format!("/var/lib/cni/networks/{}", conf.name());
    let is_taken = || host.list_folder(&folder).contains(&result.ip().to_string());
    assert!(is_taken());
    host.calling("DEL", conf, &one).netns("").run().succeeds_silently();
    assert!(!is_taken());
}
