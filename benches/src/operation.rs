//! One verb for one endpoint: as many processes as the chain has plugins, one after another, as a runtime runs them.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::process::{Invocation, Outcome};

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The plugins in the order of their calls; a configuration is `None` for a program that reads none.
    pub steps: Vec<(Invocation, Option<Value>)>,
    /// The result that the plugins get.
    pub previous: Option<Value>,
    /// Whether each plugin gets the result of the one before: ADD.
    pub threaded: bool,
}

impl Operation {
    /// Has `run` run each process; returns the last one's standard output.
    ///
    /// # Errors
    /// The first of `run`.
    pub fn each(&self, mut run: impl FnMut(&Invocation) -> Result<String>) -> Result<String> {
        let mut previous = self.previous.clone();
        let mut output = String::new();
        for (invocation, configuration) in &self.steps {
            let mut invocation = invocation.clone();
            if let Some(configuration) = configuration {
                let mut configuration = configuration.clone();
                if let Some(previous) = &previous {
                    configuration["prevResult"] = previous.clone();
                }
                invocation.input = configuration.to_string();
            }
            output = run(&invocation)?;
            if self.threaded {
                previous = serde_json::from_str(&output).ok();
            }
        }
        Ok(output)
    }

    /// Runs it; the time is that of the processes alone, without what is done between them here.
    ///
    /// # Errors
    /// When a process cannot be started or fails.
    pub fn run(&self) -> Result<Outcome> {
        let mut elapsed = Duration::ZERO;
        let output = self.each(|invocation| {
            let outcome = invocation.run()?;
            elapsed += outcome.elapsed;
            Ok(outcome.output)
        })?;
        Ok(Outcome { elapsed, output })
    }
}
