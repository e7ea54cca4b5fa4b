//! Taking a model through a schedule of actions, an adversary's: a run that is too deep to be
//! searched for is kept as a regression.
//!
//! A schedule is lines, or parts between semicolons, of these forms; `//` begins a remark. Actors
//! are called by what they are and their number among those: `r0` a replica of a chain, `n0` a node
//! of a ring, `g0` a gateway, `s0` a client's script, `c0` a coordinator, `o0` an oracle.
//!
//! ```text
//! g0 > r0: Request                deliver the Request that g0 sent to r0
//! r0 > r1 > r2: Update            r0's Update to r1, then r1's to r2
//! c0 > r0, r1, g0: Install        to each of these, in this order
//! c1, c2 > c0: Promise            from each of these
//! r0 > r1: Update epoch: 3 & #2   one that shows both of this when it is printed
//! r0: Resend                      let a timer fire; c0: Suspect(r1)
//! r0: crash                       and  r0: recover
//! r0: perform                     carry out a command, where steps have crash points
//! g0 > r0: drop Request           lose a message for good, where the network loses
//! ```
//!
//! A step must be possible and change something. Where several messages fit, the one that sorts
//! last is taken: the highest epoch, index or ballot. What is said of a message or a timer is
//! compared with how Rust prints it, but that `Id(1)` is called by its name.

use crate::checker::model::Action;
use crate::checker::run::{Trace, Verdict};
use stateright::actor::{ActorModelAction, Id};
use stateright::{Expectation, Model};
use std::fmt::Debug;

/// What came of following a schedule.
#[derive(Clone, Debug)]
pub struct Followed {
    /// How the property fell, if it did; or how it was reached, if it is one of the *sometimes*.
    pub fell: Option<Verdict>,
    /// The step that was not possible, if one was not, and what was.
    pub stuck: Option<String>,
    /// The steps that were taken.
    pub trace: Trace,
}

/// The names of actors that are called by these letters, and by their numbers among those.
pub fn numbered(letters: impl IntoIterator<Item = char>) -> Vec<String> {
    let letters: Vec<_> = letters.into_iter().collect();
    let name = |(place, letter): (usize, &char)| {
        let before = letters[..place].iter().filter(|other| *other == letter).count();
        format!("{letter}{before}")
    };
    letters.iter().enumerate().map(name).collect()
}

/// Takes a model from its first state until the property `until` falls (or is reached), a step is
/// not possible, or the schedule ends. A property of dead ends falls if the schedule ends in one.
///
/// # Panics
/// For a schedule that cannot be read: schedules are part of this crate.
pub fn follow<W, Msg, Timer>(model: &W, names: &[String], schedule: &str, until: &str) -> Followed
where
    W: Model<Action = Action<ActorModelAction<Msg, Timer, ()>>>,
    W::State: Clone,
    Msg: Clone + Debug,
    Timer: Clone + Debug,
{
    let properties = model.properties();
    let property = properties.iter().find(|property| property.name == until);
    let property = property.unwrap_or_else(|| panic!("no property `{until}`"));
    let mut state = model.init_states().remove(0);
    let mut trace = Trace { steps: Vec::new(), path: "0".to_string() };
    let fell = |trace: &Trace| {
        let (property, expectation) = (property.name, property.expectation.clone());
        Some(Verdict::new(property, expectation, Some(trace.clone()), false))
    };
    let possible = |state: &W::State| -> Vec<_> {
        let mut actions = Vec::new();
        model.actions(state, &mut actions);
        let possible = actions.into_iter().enumerate().filter_map(|(place, action)| {
            Some((place, model.next_state(state, action.clone())?, action))
        });
        possible.collect()
    };
    for (line, pattern) in parse(schedule, names) {
        let steps = possible(&state);
        let fits = |action: &W::Action| pattern.fits(action, names);
        let Some((place, next, action)) = steps.iter().rfind(|(.., action)| fits(action)) else {
            let can = steps.iter().map(|(.., action)| format!("\n    {}", show(action, names)));
            let (number, can) = (trace.steps.len() + 1, can.collect::<String>());
            let stuck = format!("step {number}, `{line}`, is not possible; what is:{can}");
            return Followed { fell: None, stuck: Some(stuck), trace };
        };
        trace.steps.push(show(action, names));
        trace.path += &format!("/{place}");
        state = next.clone();
        let sought = property.expectation == Expectation::Sometimes;
        if property.expectation != Expectation::Eventually
            && (property.condition)(model, &state) == sought
        {
            return Followed { fell: fell(&trace), stuck: None, trace };
        }
    }
    let trapped = property.expectation == Expectation::Eventually
        && !(property.condition)(model, &state)
        && possible(&state).is_empty();
    Followed { fell: fell(&trace).filter(|_| trapped), stuck: None, trace }
}

/// One step of a schedule.
enum Pattern {
    Deliver { src: Id, dst: Id, what: What },
    Drop { src: Id, dst: Id, what: What },
    Timeout(Id, What),
    Crash(Id),
    Recover(Id),
    Perform(Id),
}

/// What is asked of a message or a timer: how it begins, and what it shows.
#[derive(Clone)]
struct What(String, Vec<String>);

impl What {
    fn parse(text: &str) -> Self {
        let (name, parts) = text.split_once(' ').unwrap_or((text, ""));
        let parts = parts.split('&').map(str::trim).filter(|part| !part.is_empty());
        What(name.to_string(), parts.map(str::to_string).collect())
    }

    fn fits(&self, value: &impl Debug, names: &[String]) -> bool {
        let What(name, parts) = self;
        let text = print(value, names);
        let whole = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric());
        text.strip_prefix(name.as_str()).is_some_and(whole)
            && parts.iter().all(|part| text.contains(part.as_str()))
    }
}

impl Pattern {
    fn fits<Msg: Debug, Timer: Debug>(
        &self,
        action: &Action<ActorModelAction<Msg, Timer, ()>>,
        names: &[String],
    ) -> bool {
        use ActorModelAction as Step;
        let step = match (self, action) {
            (_, Action::Step(step)) => step,
            (pattern, Action::Perform(of)) => {
                return matches!(pattern, Pattern::Perform(id) if id == of);
            }
        };
        match (self, step) {
            (Pattern::Deliver { src, dst, what }, Step::Deliver { src: from, dst: to, msg }) => {
                src == from && dst == to && what.fits(msg, names)
            }
            (Pattern::Drop { src, dst, what }, Step::Drop(envelope)) => {
                *src == envelope.src && *dst == envelope.dst && what.fits(&envelope.msg, names)
            }
            (Pattern::Timeout(id, what), Step::Timeout(of, timer)) => {
                id == of && what.fits(timer, names)
            }
            (Pattern::Crash(id), Step::Crash(of)) => id == of,
            (Pattern::Recover(id), Step::Recover(of)) => id == of,
            _ => false,
        }
    }
}

/// The steps of a schedule, each with the line that it is from.
fn parse<'a>(schedule: &'a str, names: &[String]) -> Vec<(&'a str, Pattern)> {
    let lines = schedule.lines().map(|line| line.split("//").next().unwrap_or_default());
    let lines = lines.flat_map(|line| line.split(';')).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty());
    lines.flat_map(|line| patterns(line, names).into_iter().map(move |it| (line, it))).collect()
}

/// The steps of a line.
fn patterns(line: &str, names: &[String]) -> Vec<Pattern> {
    let ids = |list: &str| -> Vec<Id> {
        let id = |name: &str| {
            let place = names.iter().position(|known| known == name.trim());
            Id::from(place.unwrap_or_else(|| panic!("no actor `{}` for `{line}`", name.trim())))
        };
        list.split(',').map(id).collect()
    };
    let (who, what) = line.split_once(": ").unwrap_or_else(|| panic!("no colon in `{line}`"));
    let what = what.trim();
    let stations: Vec<Vec<Id>> = who.split('>').map(ids).collect();
    if let [alone] = &stations[..] {
        let step = |id: &Id| match what {
            "crash" => Pattern::Crash(*id),
            "recover" => Pattern::Recover(*id),
            "perform" => Pattern::Perform(*id),
            timer => Pattern::Timeout(*id, What::parse(timer)),
        };
        return alone.iter().map(step).collect();
    }
    let mut steps = Vec::new();
    for hop in stations.windows(2) {
        let pairs = hop[0].iter().flat_map(|src| hop[1].iter().map(move |dst| (*src, *dst)));
        steps.extend(pairs.map(|(src, dst)| match what.strip_prefix("drop ") {
            Some(what) => Pattern::Drop { src, dst, what: What::parse(what) },
            None => Pattern::Deliver { src, dst, what: What::parse(what) },
        }));
    }
    steps
}

/// A message or timer as schedules speak of it: without the wrapper of a coordinator's, and with
/// names.
fn print(value: &impl Debug, names: &[String]) -> String {
    let text = format!("{value:?}");
    let inner = text.strip_prefix("Views(").and_then(|rest| rest.strip_suffix(')'));
    let mut text = inner.unwrap_or(&text).to_string();
    for (id, name) in names.iter().enumerate() {
        text = text.replace(&format!("Id({id})"), name);
    }
    text
}

/// An action as schedules speak of it.
pub fn show<Msg: Debug, Timer: Debug>(
    action: &Action<ActorModelAction<Msg, Timer, ()>>,
    names: &[String],
) -> String {
    let name = |id: &Id| names.get(usize::from(*id)).map_or("somebody", String::as_str);
    let step = match action {
        Action::Step(step) => step,
        Action::Perform(id) => return format!("{}: perform", name(id)),
    };
    match step {
        ActorModelAction::Deliver { src, dst, msg } => {
            format!("{} > {}: {}", name(src), name(dst), print(msg, names))
        }
        ActorModelAction::Drop(envelope) => {
            let (src, dst) = (name(&envelope.src), name(&envelope.dst));
            format!("{src} > {dst}: drop {}", print(&envelope.msg, names))
        }
        ActorModelAction::Timeout(id, timer) => format!("{}: {}", name(id), print(timer, names)),
        ActorModelAction::Crash(id) => format!("{}: crash", name(id)),
        ActorModelAction::Recover(id) => format!("{}: recover", name(id)),
        ActorModelAction::SelectRandom { actor, random, .. } => {
            format!("{}: choose {random:?}", name(actor))
        }
    }
}
