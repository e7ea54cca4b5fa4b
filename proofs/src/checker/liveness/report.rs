//! What came of asking whether all ends, and how it is told.

use crate::checker::run::{self, Trace, grouped};
use crate::claim::Claim;
use serde::Serialize;
use stateright::Expectation;
use std::fmt::{self, Display, Formatter};

/// What is known of a claim.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The claim.
    pub claim: &'static str,
    /// In how many states it asks for something.
    pub open: usize,
    /// A run on which that never comes.
    pub lasso: Option<Lasso>,
}

/// A run that goes on for ever.
#[derive(Clone, Debug, Serialize)]
pub struct Lasso {
    /// The steps to where the cycle begins.
    pub stem: Vec<String>,
    /// The steps of the cycle; none, where nothing happens any more.
    pub cycle: Vec<String>,
    /// The stem by the places of its steps, to open it in the Explorer.
    pub path: String,
}

/// What came of a search.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The model's name.
    pub name: String,
    /// What it consists of.
    pub configuration: String,
    /// How many states there are.
    pub states: usize,
    /// How many steps between them.
    pub edges: usize,
    /// How long it took.
    pub seconds: f64,
    /// What is known of each claim.
    pub verdicts: Vec<Verdict>,
}

/// The graph of a model as another checker may have it: how many states; of each edge from where to
/// where, and its mark; of each mark the deed, whether it was due, what it ends and what it sends;
/// and for each claim the states in which it is open.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// How many states.
    pub states: usize,
    /// From where, to where, by which mark.
    pub edges: Vec<(u32, u32, u32)>,
    /// Deed, whether it was due, what it ends, what it sends.
    pub marks: Vec<(u32, bool, Vec<u32>, Vec<u32>)>,
    /// Of each claim, where it is open.
    pub open: Vec<(&'static str, Vec<u32>)>,
}

impl Report {
    /// Whether every claim holds.
    pub fn holds(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.lasso.is_none())
    }

    /// What is known of a claim.
    pub fn verdict(&self, claim: Claim) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.claim == claim.name())
    }

    /// The same as a report of a check, in which the steps of a lasso stand one after the other.
    pub fn as_checked(&self) -> run::Report {
        let verdicts = self.verdicts.iter().map(|verdict| {
            let trace = verdict.lasso.as_ref().map(|lasso| {
                let steps = lasso.stem.iter().chain(&lasso.cycle).cloned().collect();
                Trace { steps, path: lasso.path.clone() }
            });
            run::Verdict::new(verdict.claim, Expectation::Always, trace, true)
        });
        run::Report {
            name: self.name.clone(),
            configuration: self.configuration.clone(),
            exhaustive: true,
            unique_states: self.states,
            states: self.edges + 1,
            depth: 0,
            seconds: self.seconds,
            properties: verdicts.collect(),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { name, configuration, seconds, verdicts, .. } = self;
        let [states, edges] = [self.states, self.edges].map(grouped);
        writeln!(f, "{name}: {configuration}")?;
        writeln!(f, "  {states} states, {edges} steps, {seconds:.1} s")?;
        for Verdict { claim, open, lasso } in verdicts {
            let open = grouped(*open);
            match lasso {
                None => writeln!(f, "  ok    {claim} (open in {open} states)")?,
                Some(lasso) => writeln!(f, "  FAIL  {claim} (open in {open} states)\n{lasso}")?,
            }
        }
        Ok(())
    }
}

impl Display for Lasso {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (number, step) in self.stem.iter().enumerate() {
            writeln!(f, "  {:>3}. {step}", number + 1)?;
        }
        if self.cycle.is_empty() {
            return write!(f, "       and nothing happens any more");
        }
        write!(f, "       and from here, again and again:")?;
        for (number, step) in self.cycle.iter().enumerate() {
            write!(f, "\n  {:>3}. {step}", self.stem.len() + number + 1)?;
        }
        Ok(())
    }
}
