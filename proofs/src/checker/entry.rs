//! A configuration under a name.

use super::crash_points::Order;

/// A configuration under a name: `S` is what its protocol makes models of.
#[derive(Clone, Debug)]
pub struct Entry<S> {
    /// What the command line calls it; begins with the protocol's name.
    pub name: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    /// How much has to be asked for before it is explored.
    pub effort: Effort,
    /// What is checked.
    pub subject: S,
    /// How the steps are interpreted.
    pub steps: Steps,
}

/// How much work a model is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Effort {
    /// Explored to the end whenever models are checked.
    Default,
    /// Explored to the end, in minutes, when that is asked for.
    Deep,
    /// Too large to be explored to the end here, and so no claim: schedules of mutants lead through
    /// it, or a part of it is explored by its name.
    Partial,
}

/// How the steps of actors are interpreted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Steps {
    /// One after the other, whole.
    Whole,
    /// Command by command, with crashes in between.
    CrashPoints(Order),
    /// One after the other, whole, keeping the graph, to ask whether all can always finish.
    Graph,
    /// One after the other, whole, keeping the graph and what is due, to ask whether all ends.
    Fair,
}

impl<S> Entry<S> {
    /// A model that is explored whenever models are checked, step by step.
    pub fn new(name: &'static str, about: &'static str, subject: S) -> Self {
        Entry { name, about, effort: Effort::Default, subject, steps: Steps::Whole }
    }

    /// The same, where that has to be asked for.
    pub fn deep(self) -> Self {
        Entry { effort: Effort::Deep, ..self }
    }

    /// The same, which is too large to be explored to the end.
    pub fn partial(self) -> Self {
        Entry { effort: Effort::Partial, ..self }
    }

    /// The same of another subject.
    pub fn map<T>(self, other: impl FnOnce(S) -> T) -> Entry<T> {
        let Entry { name, about, effort, subject, steps } = self;
        Entry { name, about, effort, subject: other(subject), steps }
    }
}
