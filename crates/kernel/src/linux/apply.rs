//! Independent changes, many in one send, and one answer for each.

use cnm::{Change, Kernel, KernelError, LinkName, Place};
use nix::errno::Errno;

use super::{Linux, refused};
use crate::change::{encode, index_needed};
use crate::netlink::Refusal;

impl Linux {
    /// Sends changes in one go.
    pub(super) fn apply_at_once(&mut self, place: Place, changes: &[Change]) -> Vec<Result<(), KernelError>> {
        let all = |error: KernelError| changes.iter().map(|_| Err(error.clone())).collect();
        let mut indices = Vec::with_capacity(changes.len());
        for change in changes {
            indices.push(match index_needed(change) {
                Some(LinkName::Index(index)) => Ok(*index),
                Some(name @ LinkName::Name(_)) => match self.link(place, name) {
                    Ok(Some(link)) => Ok(link.index),
                    Ok(None) => Err(KernelError::new(format!("{change} {place}"), Errno::ENODEV as i32, "")),
                    Err(error) => Err(error),
                },
                None => Ok(0),
            });
        }
        if indices.iter().all(Result::is_err) {
            return indices.into_iter().map(|index| index.map(drop)).collect();
        }
        if changes.iter().any(|change| matches!(change, Change::DeleteLink(_) | Change::DeleteElsewhere(..))) {
            self.seen.clear();
        }
        let socket = match self.socket(place) {
            Ok(socket) => socket,
            Err(error) => return all(error),
        };
        let mut batch = socket.batch();
        for (change, index) in changes.iter().zip(&indices) {
            if let Ok(index) = index {
                encode(&mut batch, change, *index);
            }
        }
        let answers = match socket.exchange(&batch, |_| {}) {
            Ok(answers) => answers,
            Err(error) => return all(KernelError::io(format!("talk to the kernel {place}"), &error)),
        };
        let mut answers = answers.into_iter();
        let judge = |(change, index): (&Change, Result<u32, KernelError>)| {
            index?;
            match answers.next() {
                // Its namespace has ended, and the link with it.
                Some(Err(refusal))
                    if matches!(change, Change::DeleteElsewhere(..)) && refusal.errno == Errno::EINVAL as i32 =>
                {
                    Err(refused(format!("{change} {place}"), Refusal { errno: Errno::ENODEV as i32, ..refusal }))
                }
                Some(Err(refusal)) => Err(refused(format!("{change} {place}"), refusal)),
                Some(Ok(())) | None => Ok(()),
            }
        };
        changes.iter().zip(indices).map(judge).collect()
    }
}
