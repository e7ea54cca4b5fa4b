//! Driving a model by a script of actions: what is too deep to be searched for is kept as a regression.
//!
//! A script is lines of these forms, where actors are single hexadecimal digits, several stand for one
//! step each, in this order, and the word begins the message's name:
//!
//! ```text
//! 4>01 Prepare          deliver what 4 sent to 0, then what it sent to 1
//! 01>4 Promise 4.1/0#2  deliver those that mention this
//! 4! Backoff            let a timer of 4 fire
//! 3 crash / 3 recover
//! ```
//!
//! Where several messages fit, the one that sorts last is delivered: the highest ballot.

use crate::run::{Trace, Verdict};
use stateright::actor::{ActorModelAction, Id};
use stateright::{Expectation, Model};
use std::fmt::Debug;

/// What came of driving a model.
#[derive(Clone, Debug)]
pub struct Drive {
    /// The first property that fell, if one did.
    pub fell: Option<Verdict>,
    /// The step that was not possible, if one was not.
    pub stuck: Option<String>,
    /// The steps that were taken.
    pub steps: Vec<String>,
}

/// Drives a model from its first state until `until` falls, or a step is not possible, or all is done.
pub fn drive<W, Msg, Timer>(model: &W, script: &str, until: &str) -> Drive
where
    W: Model<Action = ActorModelAction<Msg, Timer, ()>>,
    W::State: Clone,
    Msg: Clone + Debug,
    Timer: Clone + Debug,
{
    let mut state = model.init_states().remove(0);
    let mut steps = Vec::new();
    let lines = script.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty());
    for (pattern, line) in lines.flat_map(|line| patterns(line).into_iter().map(move |p| (p, line)))
    {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        let fits = actions.into_iter().filter(|action| pattern.fits(action));
        let possible =
            fits.filter_map(|action| Some((model.next_state(&state, action.clone())?, action)));
        let Some((next, action)) = possible.last() else {
            let stuck = format!("step {}, {line}: {pattern:?} is not possible", steps.len() + 1);
            return Drive { fell: None, stuck: Some(stuck), steps };
        };
        steps.push(model.format_action(&action));
        state = next;
        for property in model.properties() {
            let is_it = property.expectation == Expectation::Always && property.name == until;
            if is_it && !(property.condition)(model, &state) {
                let trace = Some(Trace { steps: steps.clone(), path: String::new() });
                let (property, expectation) = (property.name, property.expectation);
                let fell = Some(Verdict { property, expectation, stands: false, trace });
                return Drive { fell, stuck: None, steps };
            }
        }
    }
    Drive { fell: None, stuck: None, steps }
}

#[derive(Debug)]
enum Pattern {
    Deliver(Id, Id, String, String),
    Timeout(Id, String),
    Crash(Id),
    Recover(Id),
}

impl Pattern {
    fn fits<Msg: Debug, Timer: Debug>(&self, action: &ActorModelAction<Msg, Timer, ()>) -> bool {
        match (self, action) {
            (
                Pattern::Deliver(from, to, name, part),
                ActorModelAction::Deliver { src, dst, msg },
            ) => {
                let text = format!("{msg:?}");
                src == from
                    && dst == to
                    && text.split([' ', '{']).next() == Some(name)
                    && text.contains(part.as_str())
            }
            (Pattern::Timeout(id, name), ActorModelAction::Timeout(of, timer)) => {
                id == of && format!("{timer:?}").starts_with(name.as_str())
            }
            (Pattern::Crash(id), ActorModelAction::Crash(of)) => id == of,
            (Pattern::Recover(id), ActorModelAction::Recover(of)) => id == of,
            _ => false,
        }
    }
}

/// The steps of a line.
///
/// # Panics
/// For a line of no known form: scripts are part of this crate.
fn patterns(line: &str) -> Vec<Pattern> {
    let (who, what) = line.split_once(' ').unwrap_or_else(|| panic!("no script line: {line}"));
    let ids = |digits: &str| -> Vec<Id> {
        let digit = |c: char| c.to_digit(16).unwrap_or_else(|| panic!("no actor in {line}"));
        digits.chars().map(|c| Id::from(digit(c) as usize)).collect()
    };
    if let Some((from, to)) = who.split_once('>') {
        let (name, part) = what.split_once(' ').unwrap_or((what, ""));
        let to = ids(to);
        let pairs = ids(from).into_iter().flat_map(|from| to.iter().map(move |to| (from, *to)));
        return pairs
            .map(|(from, to)| Pattern::Deliver(from, to, name.to_string(), part.to_string()))
            .collect();
    }
    let pattern = |id| match what {
        "crash" => Pattern::Crash(id),
        "recover" => Pattern::Recover(id),
        timer => Pattern::Timeout(id, timer.to_string()),
    };
    ids(who.trim_end_matches('!')).into_iter().map(pattern).collect()
}
