//! What links do with their packets. Limits have no effect here: nothing is sent.

use cnm::{Arriving, Facility, LinkName, Queueing, Root, Traffic};

use crate::device::{Device, NsId};
use crate::memory::World;
use crate::namespace::Refusal;
use crate::{EEXIST, EINVAL, ENODEV, ENOENT};

/// What Linux says about kinds that it does not know.
const UNKNOWN_DISCIPLINE: &str = "Specified qdisc kind is unknown";
const UNKNOWN_CLASSIFIER: &str = "TC classifier not found";
const UNKNOWN_ACTION: &str = "Failed to load TC action module";

impl World {
    pub(crate) fn traffic(&mut self, ns: NsId, name: &LinkName, change: &Traffic) -> Result<(), Refusal> {
        let index = self.spaces.get(&ns).and_then(|space| space.find(name)).ok_or((ENODEV, ""))?;
        let needed: &[(Facility, &'static str)] = match change {
            Traffic::Limit(_) => &[(Facility::Tbf, UNKNOWN_DISCIPLINE)],
            Traffic::Divide(_) => &[(Facility::Htb, UNKNOWN_DISCIPLINE)],
            Traffic::Ingress => &[(Facility::Ingress, UNKNOWN_DISCIPLINE)],
            Traffic::Select(_) => &[(Facility::U32, UNKNOWN_CLASSIFIER)],
            Traffic::Redirect(_) => &[(Facility::U32, UNKNOWN_CLASSIFIER), (Facility::Mirred, UNKNOWN_ACTION)],
            Traffic::Class(_) | Traffic::Queue(..) | Traffic::Unlimit | Traffic::Unite | Traffic::Passive => &[],
        };
        if let Some((_, words)) = needed.iter().find(|(facility, _)| self.missing.contains(facility)) {
            return Err((ENOENT, words));
        }
        if let Traffic::Redirect(to) = change
            && self.device(ns, *to).is_none()
        {
            let ingress = self.device(ns, index).is_some_and(|device| device.queueing.arriving.is_some());
            return Err(if ingress { (ENODEV, "") } else { (EINVAL, "") });
        }
        self.device_mut(ns, index).map_or(Err((ENODEV, "")), |device| device.shape(change))
    }

    /// A link vanished: what was redirected to it goes nowhere.
    pub(crate) fn forget_redirects(&mut self, ns: NsId, to: u32) {
        let devices = self.spaces.get_mut(&ns).into_iter().flat_map(|space| space.devices.values_mut());
        for ingress in devices.filter_map(|device| device.queueing.arriving.as_mut()) {
            if ingress.redirect == Some(to) {
                ingress.redirect = Some(0);
            }
        }
    }
}

impl Device {
    fn shape(&mut self, change: &Traffic) -> Result<(), Refusal> {
        let Queueing { root, arriving: ingress } = &mut self.queueing;
        match change {
            Traffic::Limit(bucket) => set_root(root, Root::Limit(*bucket)),
            Traffic::Divide(default) => {
                set_root(root, Root::Classes { default: *default, classes: Vec::new(), selectors: Vec::new() })
            }
            Traffic::Class(class) => match root {
                Root::Classes { classes, .. } if classes.iter().any(|other| other.minor == class.minor) => {
                    Err((EEXIST, ""))
                }
                Root::Classes { classes, .. } => {
                    classes.push(*class);
                    classes.sort_by_key(|class| class.minor);
                    Ok(())
                }
                Root::Default | Root::Limit(_) | Root::Other(_) => Err((EINVAL, "")),
            },
            Traffic::Queue(minor, _) => match root {
                Root::Classes { classes, .. } if classes.iter().any(|class| class.minor == *minor) => Ok(()),
                Root::Classes { .. } => Err((ENOENT, "")),
                Root::Default | Root::Limit(_) | Root::Other(_) => Err((ENOENT, "")),
            },
            Traffic::Select(selector) => match root {
                Root::Classes { selectors, .. } => {
                    selectors.push(*selector);
                    // Those of IPv6 have the higher priority.
                    selectors.sort_by_key(|selector| matches!(selector.subnet, ipnet::IpNet::V4(_)));
                    Ok(())
                }
                Root::Default | Root::Limit(_) | Root::Other(_) => Err((EINVAL, "")),
            },
            Traffic::Ingress if ingress.is_some() => Err((EEXIST, "")),
            Traffic::Ingress => {
                *ingress = Some(Arriving { kind: "ingress".into(), ..Arriving::default() });
                Ok(())
            }
            Traffic::Redirect(to) => match ingress {
                // u32 takes a rule twice.
                Some(ingress) => {
                    ingress.redirect.get_or_insert(*to);
                    Ok(())
                }
                None => Err((EINVAL, "")),
            },
            Traffic::Unlimit => clear(root, |root| matches!(root, Root::Limit(_))),
            Traffic::Unite => clear(root, |root| matches!(root, Root::Classes { .. })),
            Traffic::Passive => match ingress.take_if(|ingress| ingress.kind == "ingress") {
                Some(_) => Ok(()),
                None if ingress.is_some() => Err((EINVAL, "")),
                None => Err((ENOENT, "")),
            },
        }
    }
}

fn set_root(root: &mut Root, wanted: Root) -> Result<(), Refusal> {
    if *root != Root::Default {
        return Err((EEXIST, ""));
    }
    *root = wanted;
    Ok(())
}

fn clear(root: &mut Root, ours: impl Fn(&Root) -> bool) -> Result<(), Refusal> {
    if *root == Root::Default {
        return Err((ENOENT, ""));
    }
    if !ours(root) {
        return Err((EINVAL, ""));
    }
    *root = Root::Default;
    Ok(())
}
