//! Whether what should happen does happen, on every run.
//!
//! A safety property falls in a state. That something *ends* falls on a run that goes on for ever,
//! or stops, without it: so the whole state graph is built, and searched for such a run. A run is
//! only held against the protocol if the world was *fair* on it; else nothing would ever end, for a
//! message could be withheld for ever. What a model asks of the world is this, and no more:
//!
//! 1. **What is due is done** (weak fairness). A timer that stays armed, and is not armed anew,
//!    fires at last. A crashed actor comes back, where a model says so; where not, whether it does
//!    is open. A message that a model calls certain arrives at an actor that stays up.
//! 2. **What is sent again and again arrives again and again** (strong fairness of a channel), at
//!    an actor that is up: the same message, from and to the same actors. What is sent a finite
//!    number of times may be lost, all of it. When it arrives is for the world to choose: perhaps
//!    always where it changes nothing.
//! 3. **Failures and suspicions stop.** Crashes and false suspicions are never due, and the models
//!    count them: so on every run there are finitely many.
//!
//! A claim is of the form: *whatever is open is closed at last*. A counterexample is a **lasso**: a
//! way to a state, and a fair cycle from there back to it, on which it is open all the time. See
//! `cycles` for how one is found.
//!
//! # A lost message is one that never arrives
//!
//! The network is a set: what was sent stays there, and may arrive at any time, any number of
//! times. So no step loses a message; a run on which it never arrives is the run on which it is
//! lost, and rule 2 says when that is fair. (Steps that lose messages would be edges and states
//! that add no run.) A step that sends what is under way already, and changes nothing, leads from a
//! state to itself; it is an edge here, for it is what sending again is.
//!
//! # Bounds that must not make anything stall
//!
//! The models bound what would make the graph infinite. A bound that forbids a repair would show a
//! stall that is none, and one that forbids a failure would hide one:
//!
//! - **Timers that send again are not bounded**: those of requests, updates, fetches, reports,
//!   questions for views. They send the same message each time, and lead to no new state.
//! - **Crashes and false suspicions are bounded**, by number; a suspicion is due only of an actor
//!   that is down. What it needs afterwards (view changes, to bring a removed member back) is not.
//! - **What is sent again under a new number** (ballots, heartbeats, periods) would make a new
//!   state each time. There a model has so many of them, any of which may be lost, and the last one
//!   is certain: rule 2, of the kind of message instead of the message. No crash comes after that
//!   one has begun.
//! - **Rivals** need luck: two proposers may refuse each other for ever (Fischer, Lynch & Paterson,
//!   JACM '85), and no fairness of these rules forbids it. Their timers are random, which is not in
//!   a model. So where there are rivals the attempts are counted, and what is claimed is that each
//!   attempt ends.
//!
//! # Which reductions keep this
//!
//! - *Obsolete messages are dropped* ([`Pruning::Senders`]). To receive one is no step, now and for
//!   ever; so states that differ in it alone have the same fair runs, but for arrivals that change
//!   nothing.
//! - *Local messages arrive at once*: a client and its gateway are one process.
//! - *Questions arrive at once*, where a model names those that change nothing where they are
//!   asked. One that is lost, or late, is the same as an answer that is lost, or another question.
//! - *Histories are left out*: no actor reads what was recorded.
//! - *Senders whose message would be the same are one.* There are finitely many of them: if they
//!   send it again and again, one of them does, and that one's arrives, which is the same as any
//!   other's.
//! - *Not kept:* symmetry (a run may owe something to one node, and pay it to another), sending at
//!   once whatever can be sent (it is the sending that is asked about), messages that lead to what
//!   is spent, and orders of independent steps. All are off.
//!
//! stateright's own `eventually` is not used: it misses cycles, and runs that join.

mod cycles;
mod report;

pub use report::{Exported, Lasso, Report, Verdict};

use super::checked::{Action, ActionOf, Checked, Pruning, Step};
use super::run::{Options, Progress, Watcher};
use super::schedule::show;
use super::state::{CheckedState, Effect, EffectOf, EnvelopeOf, Internable, System};
use crate::claim::Claim;
use crate::history::Recorder;
use chainring_model::prune::Prune;
use cycles::{Edge, Mark, Net, Part};
use stateright::Model;
use stateright::actor::{ActorModelAction, Envelope, Id, Out};
use std::borrow::Cow;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a step does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Deed<Message, Timer> {
    /// A message arrives.
    Arrives(Message),
    /// An actor's timer fires.
    Fires(Id, Timer),
    /// An actor crashes.
    Crashes(Id),
    /// A crashed actor comes back.
    Recovers(Id),
}

/// A deed in a system of these actors.
pub type DeedOf<A> = Deed<EnvelopeOf<A>, <A as stateright::actor::Actor>::Timer>;

/// A question of a state.
type Asked<A, H> = Arc<dyn Fn(&CheckedState<A, H>) -> bool + Send + Sync>;

/// Whether something is done at last, in this state, if it stays possible.
type Due<A, H> = Arc<dyn Fn(&CheckedState<A, H>, &DeedOf<A>) -> bool + Send + Sync>;

/// A step that was taken: where it leads, and all that it commands.
type Taken<A, H> = (CheckedState<A, H>, Vec<EffectOf<A>>);

/// What is asked of the world, and what is claimed of the protocol then.
pub struct Fair<A: Internable, H> {
    due: Due<A, H>,
    instant: fn(&A::Msg) -> bool,
    claims: Vec<(Claim, Asked<A, H>)>,
}

impl<A: Internable, H> Fair<A, H> {
    /// A world in which these deeds are due.
    pub fn new(
        due: impl Fn(&CheckedState<A, H>, &DeedOf<A>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Fair { due: Arc::new(due), instant: |_| false, claims: Vec::new() }
    }

    /// Where these messages arrive in the step that sends them, or never: questions that change
    /// nothing where they are asked. One that is lost, or late, is the same as an answer that is.
    pub fn instant(mut self, instant: fn(&A::Msg) -> bool) -> Self {
        self.instant = instant;
        self
    }

    /// Claims that whatever is open is closed at last.
    pub fn claim(
        mut self,
        claim: Claim,
        is_open: impl Fn(&CheckedState<A, H>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.claims.push((claim, Arc::new(is_open)));
        self
    }

    /// What is claimed, by name.
    pub fn claims(&self) -> Vec<&'static str> {
        self.claims.iter().map(|(claim, _)| claim.name()).collect()
    }
}

/// A graph, and what its numbers stand for.
struct Whole<A: Internable> {
    net: Net,
    deeds: Vec<DeedOf<A>>,
    /// Of each state but the first, from which one it was found, by which mark.
    parents: Vec<(u32, u32)>,
    /// Of each claim, in which states it is open.
    open: Vec<Vec<bool>>,
}

/// Numbers things.
struct Numbers<T>(HashMap<T, u32>, Vec<T>);

impl<T: Clone + Eq + Hash> Numbers<T> {
    fn new() -> Self {
        Numbers(HashMap::new(), Vec::new())
    }

    fn of(&mut self, thing: T) -> u32 {
        match self.0.entry(thing) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                self.1.push(vacant.key().clone());
                *vacant.insert(self.1.len() as u32 - 1)
            }
        }
    }
}

impl<A, H> Checked<A, H>
where
    A: Prune + Internable<Timer: Hash, Random = ()>,
    H: Recorder<A::Msg>,
{
    /// Takes a step, and tells all that it commands: the step's own commands, and those of the
    /// local messages that arrive with it. Other than [`next_state`](Model::next_state) it also
    /// takes a step that leads to the same state.
    fn fair_step(
        &self,
        last: &CheckedState<A, H>,
        action: &ActionOf<A>,
        instant: fn(&A::Msg) -> bool,
    ) -> Option<Taken<A, H>> {
        let mut effects = self.commands(&last.system, action);
        let (system, mut touched) = self.step(&last.system, action)?;
        let crashes = last.crashes + u8::from(matches!(action, ActorModelAction::Crash(_)));
        let mut next = CheckedState { system, crashes, ..last.clone() };
        while let Some((envelope, step)) = self.next_local(&next.system, touched) {
            effects.extend(step.effects.iter().cloned());
            self.deliver(step, &mut next.system, &envelope, &mut touched);
        }
        self.ask(&mut next.system, &mut effects, instant);
        self.drop_obsolete(&mut next, touched);
        next.system.history = self.inner.init_history.clone();
        let possible = self.assumption.as_ref().is_none_or(|possible| possible(&next.system));
        possible.then_some((next, effects))
    }

    /// Lets questions arrive that were asked in a step, and answers leave.
    fn ask(
        &self,
        system: &mut System<A, H>,
        effects: &mut Vec<EffectOf<A>>,
        instant: fn(&A::Msg) -> bool,
    ) {
        let asked = |effect: &EffectOf<A>| match effect {
            Effect::Send(envelope) => Some(*envelope).filter(|it| instant(&it.msg)),
            Effect::Set(..) | Effect::Cancel(_) | Effect::Save(_) => None,
        };
        for envelope in effects.iter().filter_map(asked).collect::<Vec<_>>() {
            system.network.remove(&envelope);
            let is_up = system.crashed.get(usize::from(envelope.dst)) == Some(&false);
            let Some(step) = self.receive(system, &envelope).step.filter(|_| is_up) else {
                continue;
            };
            assert!(step.state.is_none(), "{envelope:?} is no mere question");
            for effect in &step.effects {
                let Effect::Send(answer) = effect else { unreachable!("an answer is a message") };
                system.network.insert(self.one_of(answer));
                effects.push(effect.clone());
            }
        }
        effects.retain(|effect| asked(effect).is_none());
    }

    /// What an actor commands in a step.
    fn commands(&self, system: &System<A, H>, action: &ActionOf<A>) -> Vec<EffectOf<A>> {
        let commands = |step: Option<&Step<A>>| step.map_or(Vec::new(), |it| it.effects.clone());
        match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                commands(self.receive(system, &Envelope { src: *src, dst: *dst, msg: *msg }).step)
            }
            ActorModelAction::Timeout(id, timer) => commands(self.expire(system, *id, timer)),
            ActorModelAction::Recover(id) => {
                let saved = system.actor_storages[usize::from(*id)];
                let saved = saved.map(|saved| super::intern::Interned::get(saved).clone());
                let mut out = Out::new();
                let state = self.inner.actors[usize::from(*id)].on_start(*id, &saved, &mut out);
                commands(Some(Step::of(*id, Cow::Owned(state), out)))
            }
            ActorModelAction::Drop(_)
            | ActorModelAction::Crash(_)
            | ActorModelAction::SelectRandom { .. } => Vec::new(),
        }
    }
}

/// What an action does.
fn deed_of<A: Internable>(action: &ActionOf<A>) -> Option<DeedOf<A>> {
    Some(match action {
        ActorModelAction::Deliver { src, dst, msg } => {
            Deed::Arrives(Envelope { src: *src, dst: *dst, msg: *msg })
        }
        ActorModelAction::Timeout(id, timer) => Deed::Fires(*id, timer.clone()),
        ActorModelAction::Crash(id) => Deed::Crashes(*id),
        ActorModelAction::Recover(id) => Deed::Recovers(*id),
        ActorModelAction::Drop(_) | ActorModelAction::SelectRandom { .. } => return None,
    })
}

/// The action that does it.
fn action_of<A: Internable>(deed: &DeedOf<A>) -> ActionOf<A> {
    match deed.clone() {
        Deed::Arrives(Envelope { src, dst, msg }) => ActorModelAction::Deliver { src, dst, msg },
        Deed::Fires(id, timer) => ActorModelAction::Timeout(id, timer),
        Deed::Crashes(id) => ActorModelAction::Crash(id),
        Deed::Recovers(id) => ActorModelAction::Recover(id),
    }
}

/// Builds a graph while it grows.
struct Builder<'a, A: Internable + Prune, H: Recorder<A::Msg>> {
    model: &'a Checked<A, H>,
    fair: &'a Fair<A, H>,
    whole: Whole<A>,
    deeds: Numbers<DeedOf<A>>,
    marks: Numbers<Mark>,
    known: HashMap<u64, u32>,
    queue: VecDeque<CheckedState<A, H>>,
}

impl<A, H> Builder<'_, A, H>
where
    A: Prune + Internable<Timer: Hash, Random = ()>,
    H: Recorder<A::Msg>,
{
    /// A state, which may be a new one.
    fn number(&mut self, state: CheckedState<A, H>, parent: (u32, u32)) -> u32 {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        match self.known.entry(hasher.finish()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                let number = *vacant.insert(self.whole.parents.len() as u32);
                for ((_, is_open), open) in self.fair.claims.iter().zip(&mut self.whole.open) {
                    open.push(is_open(&state));
                }
                self.whole.parents.push(parent);
                self.queue.push_back(state);
                number
            }
        }
    }

    /// All that leads on from a state.
    fn expand(&mut self, from: u32, state: &CheckedState<A, H>) {
        self.whole.net.starts.push(self.whole.net.edges.len());
        let mut actions = Vec::new();
        self.model.actions(state, &mut actions);
        for action in actions {
            let Action::Step(action) = action else { continue };
            let Some((next, effects)) = self.model.fair_step(state, &action, self.fair.instant)
            else {
                continue;
            };
            let Some(deed) = deed_of::<A>(&action) else { continue };
            let mark = self.mark(state, &action, deed, &effects);
            let to = self.number(next, (from, mark));
            self.whole.net.edges.push((to, mark));
        }
    }

    fn mark(
        &mut self,
        state: &CheckedState<A, H>,
        action: &ActionOf<A>,
        deed: DeedOf<A>,
        effects: &[EffectOf<A>],
    ) -> u32 {
        let is_due = (self.fair.due)(state, &deed);
        let id = match action {
            ActorModelAction::Deliver { dst, .. } => Some(*dst),
            ActorModelAction::Timeout(id, _) | ActorModelAction::Recover(id) => Some(*id),
            ActorModelAction::Drop(_)
            | ActorModelAction::Crash(_)
            | ActorModelAction::SelectRandom { .. } => None,
        };
        let (mut ends, mut sends) = (BTreeSet::new(), BTreeSet::new());
        for effect in effects {
            match effect {
                Effect::Send(envelope) => {
                    let envelope = self.model.one_of(envelope);
                    sends.insert(self.deeds.of(Deed::Arrives(envelope)));
                }
                Effect::Set(timer, _) | Effect::Cancel(timer) => {
                    if let Some(id) = id {
                        ends.insert(self.deeds.of(Deed::Fires(id, timer.clone())));
                    }
                }
                Effect::Save(_) => {}
            }
        }
        let deed = self.deeds.of(deed);
        let (ends, sends) = (ends.into_iter().collect(), sends.into_iter().collect());
        self.marks.of(Mark { deed, is_due, ends, sends })
    }
}

impl<A: Internable> Whole<A> {
    /// Visits every state. States are told apart by 64 bits of hash, as stateright does.
    fn of<H>(model: &Checked<A, H>, fair: &Fair<A, H>, progress: Option<&Watcher>) -> Self
    where
        A: Prune + Internable<Timer: Hash, Random = ()>,
        H: Recorder<A::Msg>,
    {
        assert_eq!(model.pruning, Pruning::Senders, "other reductions lose what is asked here");
        let net = Net::default();
        let open = vec![Vec::new(); fair.claims.len()];
        let whole = Whole { net, deeds: Vec::new(), parents: Vec::new(), open };
        let (deeds, marks) = (Numbers::new(), Numbers::new());
        let (known, queue) = (HashMap::new(), VecDeque::new());
        let mut builder = Builder { model, fair, whole, deeds, marks, known, queue };
        for mut state in model.init_states() {
            state.system.history = model.inner.init_history.clone();
            builder.number(state, (0, 0));
        }
        let (start, mut told) = (Instant::now(), Instant::now());
        let mut from = 0;
        while let Some(state) = builder.queue.pop_front() {
            builder.expand(from, &state);
            from += 1;
            if told.elapsed() >= Duration::from_secs(1)
                && let Some(watcher) = progress
            {
                told = Instant::now();
                let unique_states = builder.whole.parents.len();
                let (states, elapsed) = (builder.whole.net.edges.len(), start.elapsed());
                watcher.tell(&Progress { unique_states, states, depth: 0, elapsed });
            }
        }
        let Builder { mut whole, deeds, marks, .. } = builder;
        whole.net.starts.push(whole.net.edges.len());
        (whole.net.marks, whole.deeds) = (marks.1, deeds.1);
        whole
    }

    /// A run that stays in a part.
    fn lasso<H>(
        &self,
        model: &Checked<A, H>,
        instant: fn(&A::Msg) -> bool,
        names: &[String],
        part: &Part,
    ) -> Lasso
    where
        A: Prune + Internable<Timer: Hash, Random = ()>,
        H: Recorder<A::Msg>,
    {
        let deed = |mark: u32| action_of::<A>(&self.deeds[self.mark(mark).deed as usize]);
        let shown = |action: &ActionOf<A>| show(&Action::Step(action.clone()), names);
        let cycle = self.net.cycle(part);
        let cycle = cycle.iter().map(|(_, mark, _): &Edge| shown(&deed(*mark))).collect();
        let (mut at, mut actions) = (part.states[0], Vec::new());
        while at != 0 {
            let (parent, mark) = self.parents[at as usize];
            actions.push(deed(mark));
            at = parent;
        }
        actions.reverse();
        let stem = actions.iter().map(shown).collect();
        let path = places(model, instant, actions).join("/");
        Lasso { stem, cycle, path }
    }

    fn mark(&self, mark: u32) -> &Mark {
        &self.net.marks[mark as usize]
    }
}

/// The places of these actions among those of the model, in which questions are steps of their own:
/// each is followed by the arrivals of what it asks.
fn places<A, H>(
    model: &Checked<A, H>,
    instant: fn(&A::Msg) -> bool,
    actions: Vec<ActionOf<A>>,
) -> Vec<String>
where
    A: Prune + Internable<Timer: Hash, Random = ()>,
    H: Recorder<A::Msg>,
{
    let mut path = vec!["0".to_string()];
    let Some(mut state) = model.init_states().into_iter().next() else { return path };
    for action in actions {
        let asked = model.commands(&state.system, &action).into_iter().filter_map(|effect| {
            let Effect::Send(Envelope { src, dst, msg }) = effect else { return None };
            instant(&msg).then_some(ActorModelAction::Deliver { src, dst, msg })
        });
        for (place, action) in std::iter::once(action).chain(asked).enumerate() {
            let mut possible = Vec::new();
            model.actions(&state, &mut possible);
            let action = Action::Step(action);
            let found = possible.iter().position(|other| *other == action);
            match found.and_then(|found| Some((found, model.next_state(&state, action)?))) {
                Some((found, next)) => {
                    path.push(found.to_string());
                    state = next;
                }
                None if place > 0 || found.is_some() => {} // it asks, or answers, nothing new
                None => return path,
            }
        }
    }
    path
}

/// Searches a model for fair runs on which something stays open.
pub fn run<A, H>(
    model: &Checked<A, H>,
    fair: &Fair<A, H>,
    names: &[String],
    options: &Options,
) -> Report
where
    A: Prune + Internable<Timer: Hash, Random = ()>,
    H: Recorder<A::Msg>,
{
    let start = Instant::now();
    let whole = Whole::of(model, fair, options.progress.as_ref());
    let verdicts = fair.claims.iter().zip(&whole.open).map(|((claim, _), open)| {
        let part = whole.net.fair_part(open);
        let lasso = part.map(|part| whole.lasso(model, fair.instant, names, &part));
        let open = open.iter().filter(|is_open| **is_open).count();
        Verdict { claim: claim.name(), open, lasso }
    });
    let verdicts = verdicts.collect();
    Report {
        name: String::new(),
        configuration: String::new(),
        states: whole.parents.len(),
        edges: whole.net.edges.len(),
        seconds: start.elapsed().as_secs_f64(),
        verdicts,
    }
}

/// The graph of a model, for another checker.
pub fn export<A, H>(model: &Checked<A, H>, fair: &Fair<A, H>) -> Exported
where
    A: Prune + Internable<Timer: Hash, Random = ()>,
    H: Recorder<A::Msg>,
{
    let Whole { net, parents, open, .. } = Whole::of(model, fair, None);
    let states = 0..parents.len() as u32;
    let edges = states.flat_map(|from| {
        net.edges_of(from).iter().map(move |(to, mark)| (from, *to, *mark)).collect::<Vec<_>>()
    });
    let edges = edges.collect();
    let mark =
        |Mark { deed, is_due, ends, sends }: &Mark| (*deed, *is_due, ends.clone(), sends.clone());
    let marks = net.marks.iter().map(mark).collect();
    let open = fair.claims.iter().zip(&open).map(|((claim, _), open)| {
        let open = open.iter().enumerate().filter(|(_, is_open)| **is_open);
        (claim.name(), open.map(|(state, _)| state as u32).collect())
    });
    Exported { states: parents.len(), edges, marks, open: open.collect() }
}
