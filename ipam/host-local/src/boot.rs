//! When this machine was started: which reservations cannot have a living container any more.
//!
//! The instant of the boot is the wall clock minus the time since boot, which is what `btime` of /proc/stat is, read
//! without a system call. It moves when the wall clock is *stepped*: a machine that starts with a wrong clock and is
//! put right by NTP has, after that, an instant of boot that is later than the modification times of files written
//! before the step by containers that live. A fixed margin cannot cover that (a board without a battery-backed clock
//! starts in the past by months). But the same wrong clock has stamped the entries of /run, which is a tmpfs and so
//! younger than the boot: nothing that is younger than its oldest entry is older than the boot. A clock stepped back
//! only makes files look younger than they are, which is safe.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::time::{ClockId, clock_gettime};

/// What the boundary is moved back by, in nanoseconds: the granularity of clocks (10 ms) and of time stamps (up to
/// 2 s), and small corrections of the clock. A machine takes longer than that from its last container to the next boot,
/// save after a crash with kexec.
const MARGIN: i64 = 10_000_000_000;

/// Two readings of the instant of boot that differ by no more than this, in nanoseconds, are of the same boot.
const SAME: u64 = 1_000_000;

/// The boot that this process lives in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Boot {
    /// Nanoseconds since the epoch.
    pub(crate) instant: i64,
    /// Where to look for older stamps of this boot.
    witness: Option<&'static str>,
}

impl Boot {
    /// The running machine's.
    pub(crate) fn of_this_machine() -> Self {
        let mut best = (i64::MAX, 0);
        for _ in 0..5 {
            // A pause between the two readings would falsify the difference: bracket it and take the shortest.
            let before = read(ClockId::CLOCK_BOOTTIME);
            let wall = read(ClockId::CLOCK_REALTIME);
            let pause = read(ClockId::CLOCK_BOOTTIME).saturating_sub(before);
            if pause < best.0 {
                best = (pause, wall.saturating_sub(before));
            }
            if pause < 50_000 {
                break;
            }
        }
        Self { instant: best.1, witness: Some("/run") }
    }

    /// A boot at a given time, for tests.
    #[cfg(test)]
    pub(crate) fn at(instant: i64) -> Self {
        Self { instant, witness: None }
    }

    /// Whether an instant written down earlier is of this boot.
    pub(crate) fn is(&self, instant: i64) -> bool {
        self.instant.abs_diff(instant) <= SAME
    }

    /// Files last modified before this, in nanoseconds since the epoch, were written before the boot. Not for the hot
    /// path: it looks through a directory.
    pub(crate) fn boundary(&self) -> i64 {
        let witness = self.witness.and_then(|path| oldest_stamp(Path::new(path)));
        witness.map_or(self.instant, |stamp| stamp.min(self.instant)).saturating_sub(MARGIN)
    }
}

/// The oldest change time among a tmpfs and its entries; `None` when it is another kind of file system, which might have
/// survived a boot.
fn oldest_stamp(dir: &Path) -> Option<i64> {
    if statfs(dir).ok()?.filesystem_type() != TMPFS_MAGIC {
        return None;
    }
    let device = fs::metadata(dir).ok()?.dev();
    let entries = fs::read_dir(dir).ok()?.take(4096).filter_map(|entry| entry.ok()?.metadata().ok());
    // What is mounted below may be older than the boot.
    entries.filter(|entry| entry.dev() == device).map(|entry| nanoseconds(entry.ctime(), entry.ctime_nsec())).min()
}

/// The wall clock, in nanoseconds since the epoch.
pub(crate) fn wall_clock() -> i64 {
    read(ClockId::CLOCK_REALTIME)
}

fn read(clock: ClockId) -> i64 {
    // Both clocks exist on every kernel since 2.6.39; without them every reservation is of this boot, which is safe.
    clock_gettime(clock).map_or(0, |time| nanoseconds(time.tv_sec(), time.tv_nsec()))
}

/// Seconds and nanoseconds as nanoseconds, saturating (year 2262).
pub(crate) fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instant_is_that_of_the_kernel() {
        let stat = fs::read_to_string("/proc/stat").expect("works");
        let btime: i64 =
            stat.lines().find_map(|line| line.strip_prefix("btime ")).expect("works").trim().parse().expect("works");
        let boot = Boot::of_this_machine();
        assert!((boot.instant / 1_000_000_000 - btime).abs() <= 1, "{} {btime}", boot.instant);
        assert!(boot.is(Boot::of_this_machine().instant));
        assert!(!boot.is(boot.instant - 10_000_000));
        assert!(boot.boundary() <= boot.instant - MARGIN);
    }

    #[test]
    fn only_a_tmpfs_is_a_witness() {
        assert_eq!(oldest_stamp(Path::new("/proc")), None);
        assert_eq!(oldest_stamp(Path::new("/nonexistent")), None);
    }
}
