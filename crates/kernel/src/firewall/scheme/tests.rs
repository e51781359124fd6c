use super::*;

fn guard(device: &str, internal: bool, isolated: bool) -> Chain {
    Chain::Guard { device: device.into(), internal, isolated }
}

fn accept(device: Option<&str>, subnet: &str) -> Chain {
    Chain::Accept { device: device.map(Into::into), subnet: subnet.parse().unwrap() }
}

fn outside(device: &str, subnet: &str) -> Chain {
    Chain::Outside { device: device.into(), subnet: subnet.parse().unwrap() }
}

#[test]
fn a_member_is_shown_with_the_digits_of_its_network() {
    let member = outside("cni0", "10.1.2.0/24").member("web");
    assert!(member.to_string().starts_with("0xcbead8fe . 0x640f4d4a . "), "{member}");
    assert_eq!(member.comment, "cbead8fe640f4d4a-0000000000000000, net: web");
    assert_ne!(member.key, outside("cni1", "10.1.2.0/24").member("web").key);
}

#[test]
fn names_are_read_back_and_fit_nft() {
    let chains = [
        (outside("cni0", "10.1.2.0/24"), "outside-cni0-10.1.2.0/24"),
        (outside("a-b@", "fd00:1::/64"), "outside-a-b/40-fd00_1__/64"),
        (outside("cni0", "::/0"), "outside-cni0-__/0"),
        (guard("cni0", true, false), "internal-cni0"),
        (guard("a-b.1_c", false, true), "isolated-a-b.1_c"),
        (guard("br@%é", true, true), "closed-br/40/25/c3/a9"),
        (Chain::Ingress { device: "a-b".into(), isolated: false }, "ingress-same-bridge-a-b"),
        (Chain::Ingress { device: "cni0".into(), isolated: true }, "ingress-isolated-cni0"),
        (accept(Some("br-a"), "10.1.2.0/24"), "accept-br-a-10.1.2.0/24"),
        (accept(None, "fd00::3/128"), "accept--fd00__3/128"),
    ];
    for (chain, name) in chains {
        assert_eq!(chain.name(), name);
        assert_eq!(Chain::parse(name), Some(chain), "{name}");
    }
    assert_eq!(outside("cni0", "10.1.2.3/24").name(), "outside-cni0-10.1.2.0/24");
}

#[test]
fn other_names_are_not_ours() {
    for name in [
        "",
        "postrouting",
        "outside-",
        "outside-x",
        "outside-cni0",
        "outside-cni0-x",
        "outside--10.1.2.0/24",
        "open-cni0",
        "internal-",
        "ingress-cni0",
        "ingress-isolated-",
        "accept-cni0",
        "accept-cni0-",
        "internal-a/zz",
        "internal-a/4",
    ] {
        assert_eq!(Chain::parse(name), None, "{name}");
    }
}
