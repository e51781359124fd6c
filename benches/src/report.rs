//! The results as a table for people and as JSON for programs.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::cases::Row;
use crate::contender::Who;
use crate::counts::{Counts, Size};

/// Everything that one run found.
#[derive(Debug)]
pub struct Results {
    kernel: String,
    processor: String,
    cpus: usize,
    missing: Vec<String>,
    /// Times.
    pub rows: Vec<Row>,
    /// Exact counts.
    pub counts: Vec<Counts>,
    /// Sizes of the programs.
    pub sizes: Vec<Size>,
}

impl Results {
    /// Of this machine, still empty.
    ///
    /// # Errors
    /// When the machine cannot be described.
    pub fn new(missing: Vec<String>) -> Result<Self> {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's version")?;
        let about = std::fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
        let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Ok(Self {
            kernel: kernel.trim().to_owned(),
            processor: model.map_or("unknown processor", |(_, name)| name.trim()).to_owned(),
            cpus: std::thread::available_parallelism()?.get(),
            missing,
            rows: Vec::new(),
            counts: Vec::new(),
            sizes: Vec::new(),
        })
    }

    /// What was measured on.
    #[must_use]
    pub fn heading(&self) -> String {
        format!(
            "bridge + host-local + isGateway + ipMasq, whole processes, in turns, one run\n\
             Linux {}, {} CPUs, {}\n",
            self.kernel, self.cpus, self.processor
        )
    }

    /// For programs: times in milliseconds, rates in operations a second, sizes in bytes.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|row| row_json(row, &self.rows)).collect();
        let counts: Vec<Value> = self.counts.iter().map(Counts::json).collect();
        let sizes: Vec<Value> = self.sizes.iter().map(Size::json).collect();
        json!({
            "machine": {"kernel": self.kernel, "cpus": self.cpus, "processor": self.processor},
            "missing": self.missing, "times": rows, "counts": counts, "sizes": sizes,
        })
    }
}

fn row_json(row: &Row, all: &[Row]) -> Value {
    let (to_reference, to_floor) = ratios(row, all);
    json!({
        "case": row.case, "verb": row.what, "who": row.who.as_str(), "count": row.sample.count(),
        "p50_ms": row.sample.percentile(50), "p90_ms": row.sample.percentile(90), "p99_ms": row.sample.percentile(99),
        "per_second": row.sample.rate, "reference_over_this": to_reference, "this_over_floor": to_floor,
    })
}

/// The median of the reference over that of `row`, and that of `row` over the floor's.
fn ratios(row: &Row, all: &[Row]) -> (Option<f64>, Option<f64>) {
    let median = |who: Who| {
        all.iter()
            .find(|other| other.case == row.case && other.what == row.what && other.who == who)
            .map(|other| other.sample.percentile(50))
    };
    let own = row.sample.percentile(50);
    (median(Who::Reference).map(|reference| reference / own), median(Who::Floor).map(|floor| own / floor))
}

/// The rows of one case.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    let Some(first) = rows.first() else { return text };
    let ratio = |value: Option<f64>| value.map_or_else(|| String::from("-"), |value| format!("{value:.2}x"));
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\n{:<24} {:<9} {:>5} {:>8} {:>8} {:>8} {:>8}  {:>10} {:>10}",
        first.case, "ms", "n", "p50", "p90", "p99", "ops/s", "ref/this", "this/floor"
    );
    let mut all = Vec::new();
    for row in rows {
        if !all.contains(&row.what) {
            all.push(row.what);
        }
    }
    for what in all {
        for row in rows.iter().filter(|row| row.what == what) {
            let (to_reference, to_floor) = ratios(row, rows);
            let _ = writeln!(
                text,
                "{:<24} {:<9} {:>5} {:>8.3} {:>8.3} {:>8.3} {:>8.0}  {:>10} {:>10}",
                format!("  {what}"),
                row.who.as_str(),
                row.sample.count(),
                row.sample.percentile(50),
                row.sample.percentile(90),
                row.sample.percentile(99),
                row.sample.rate,
                ratio(to_reference),
                ratio(to_floor),
            );
        }
    }
    text
}

/// Counts and sizes.
#[must_use]
pub fn counts(counts: &[Counts], sizes: &[Size]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\n{:<44} {:>9} {:>13} {:>12} {:>14} {:>12}",
        "counts, second endpoint", "children", "netlink sends", "system calls", "instructions", "peak memory"
    );
    for row in counts {
        let name = format!("  {:<24} {:<8} {}", row.shape.name(), row.verb.as_str(), row.who.as_str());
        let instructions = match &row.instructions {
            Ok(count) if *count > 0 => count.to_string(),
            Ok(_) | Err(_) => String::from("-"),
        };
        let _ = writeln!(
            text,
            "{name:<44} {:>9} {:>13} {:>12} {:>14} {:>9} KiB",
            row.children, row.netlink_sends, row.system_calls, instructions, row.peak_kib
        );
    }
    let mut reasons: Vec<&String> = counts.iter().filter_map(|row| row.instructions.as_ref().err()).collect();
    reasons.dedup();
    for reason in reasons {
        let _ = writeln!(text, "  instructions not counted: {reason}");
    }
    let _ = writeln!(text, "\nsize on disk, hard links once");
    for size in sizes {
        let _ = writeln!(text, "  {:<32} {:>9} bytes  {}", size.what, size.bytes, size.names);
    }
    text
}
