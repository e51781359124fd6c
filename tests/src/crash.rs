//! Killing a plugin at every system call. It must not know what the plugin does between them.

use std::collections::BTreeMap;

use crate::{Call, Outcome};

/// How often a run of a plugin makes each system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemCalls(pub BTreeMap<String, usize>);

/// One place to die: at the entry of the n-th call (from 1) of a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// Its name.
    pub name: String,
    /// Which of its calls.
    pub nth: usize,
}

impl SystemCalls {
    /// Counts the calls of `call`, which runs to its end.
    ///
    /// # Panics
    /// When it fails, or strace is missing.
    #[track_caller]
    pub fn of(call: Call<'_>) -> (Self, Outcome) {
        // `-c` would write its table where the plugin's stderr goes; -o keeps it apart. Children are not followed:
        // the plugin's own death is what a runtime's SIGKILL means.
        let log = format!("/run/.cover-strace-{}", std::process::id());
        let host = call.host();
        let outcome = call.under(&format!("strace -qq -o {log}")).run();
        let text = host.read_file(&log).expect("strace writes its log");
        let mut count = BTreeMap::new();
        for line in text.lines() {
            let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            // execve happens before the plugin exists; lines without a call tell signals and the end.
            if !name.is_empty() && line[name.len()..].starts_with('(') && name != "execve" {
                *count.entry(name).or_default() += 1;
            }
        }
        (Self(count), outcome)
    }

    /// It neither forks nor executes another program.
    ///
    /// # Panics
    /// With the system call.
    #[track_caller]
    pub fn start_no_program(&self) {
        for name in ["fork", "vfork", "clone", "clone3", "execve"] {
            assert_eq!(self.0.get(name), None, "{name}");
        }
    }

    /// All places to die, in a fixed order.
    #[must_use]
    pub fn crashes(&self) -> Vec<Crash> {
        let all =
            self.0.iter().flat_map(|(name, &count)| (1..=count).map(move |nth| Crash { name: name.clone(), nth }));
        all.collect()
    }
}

impl Crash {
    /// The places where `call`, which runs to its end, would change the network by a message to the kernel: those that
    /// ask for an acknowledgement. Whatever it has changed when it dies there, it has changed by the messages before; the first
    /// is left out, since before it there is nothing.
    ///
    /// # Panics
    /// When it fails, or strace is missing.
    #[track_caller]
    pub fn before_changes(call: Call<'_>) -> (Vec<Self>, Outcome) {
        let log = format!("/run/.cover-strace-{}", std::process::id());
        let host = call.host();
        // A filter in the kernel lets it run at full speed otherwise. (strace kills nobody with one.)
        let outcome = call.under(&format!("strace -qq -f --seccomp-bpf -e trace=sendto -o {log}")).run();
        let text = host.read_file(&log).expect("strace writes its log");
        let sends = text.lines().filter(|line| line.contains(" sendto(")).enumerate();
        let changes = sends.filter(|(_, line)| line.contains("NLM_F_ACK")).skip(1);
        (changes.map(|(at, _)| Self { name: "sendto".into(), nth: at + 1 }).collect(), outcome)
    }

    /// Runs `call` so that it dies here.
    ///
    /// # Panics
    /// When strace is missing.
    #[track_caller]
    pub fn strike(&self, call: Call<'_>) -> Outcome {
        let Self { name, nth } = self;
        call.under(&format!("strace -qq -o /dev/null -e trace={name} -e inject={name}:signal=KILL:when={nth}")).run()
    }
}
