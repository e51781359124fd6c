//! `bench`: measures ours, the reference plugins and the kernel floor in one run and prints the comparison.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cnm_benches::cases::{self, Places};
use cnm_benches::{counts, published, report};

const USAGE: &str = "\
usage: bench [--ours DIR] [--reference DIR] [--floor FILE] [--json FILE] [--endpoints N] [--only TEXT]

Compares bridge + host-local + gateway + masquerade: whole-process times and exact counts. Needs root; everything
happens in network and mount namespaces of its own.

  --ours DIR        folder of our plugins (bin)
  --reference DIR   folder of the reference plugins (/usr/lib/cni)
  --floor FILE      the floor program (beside this one)
  --json FILE       also write the results there
  --endpoints N      endpoints for each contender (200)
  --only TEXT       only the cases whose name contains TEXT ('counts' for the counts alone)";

struct Options {
    places: Places,
    json: Option<PathBuf>,
    endpoints: usize,
    only: Option<String>,
    missing: Vec<String>,
}

fn options() -> Result<Option<Options>> {
    let (mut ours, mut reference) = (PathBuf::from("bin"), PathBuf::from("/usr/lib/cni"));
    let mut floor = std::env::current_exe()?.with_file_name("floor");
    let (mut json, mut endpoints, mut only) = (None, 200, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if matches!(argument.as_str(), "-h" | "--help") {
            return Ok(None);
        }
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--ours" => ours = value()?.into(),
            "--reference" => reference = value()?.into(),
            "--floor" => floor = value()?.into(),
            "--json" => json = Some(value()?.into()),
            "--endpoints" => endpoints = value()?.parse().context("--endpoints")?,
            "--only" => only = Some(value()?),
            _ => bail!("unknown argument {argument}\n{USAGE}"),
        }
    }
    let mut missing = Vec::new();
    let mut present = |place: PathBuf, program: PathBuf, mend: &str| {
        // Relative paths would not survive in CNI_PATH.
        let found = program.is_file().then(|| std::fs::canonicalize(&place).ok()).flatten();
        if found.is_none() {
            missing.push(format!("{} is not there: {mend}", program.display()));
        }
        found
    };
    let places = Places {
        ours: present(ours.clone(), ours.join("bridge"), "run `make`"),
        reference: present(
            reference.clone(),
            reference.join("bridge"),
            "run `apt-get install containernetworking-plugins`",
        ),
        floor: present(floor.clone(), floor.clone(), "run `make bench`, which builds it"),
    };
    Ok(Some(Options { places, json, endpoints, only, missing }))
}

#[expect(clippy::print_stdout, reason = "the table is the output")]
fn main() -> Result<()> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(());
    };
    for missing in &options.missing {
        println!("NOT MEASURED: {missing}");
    }
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| name.contains(only));
    let mut results = report::Results::new(options.missing.clone())?;
    print!("{}", results.heading());
    for case in cases::all(options.endpoints).into_iter().filter(|case| wanted(&case.name)) {
        let rows = case.run(&options.places).with_context(|| case.name.clone())?;
        print!("{}", report::table(&rows));
        results.rows.extend(rows);
    }
    for present in published::PRESENT {
        let name = format!("{present} published");
        if wanted(&name) {
            let rows = published::run(&options.places, present).context(name)?;
            for case in rows.chunk_by(|one, next| one.case == next.case) {
                print!("{}", report::table(case));
            }
            results.rows.extend(rows);
        }
    }
    if wanted("counts") {
        results.counts = counts::take(&options.places)?;
        results.sizes = counts::sizes(&options.places)?;
        print!("{}", report::counts(&results.counts, &results.sizes));
    }
    if let Some(path) = options.json {
        std::fs::write(&path, format!("{:#}\n", results.json()))
            .with_context(|| format!("write {}", path.display()))?;
        println!("\nwritten: {}", path.display());
    }
    Ok(())
}
