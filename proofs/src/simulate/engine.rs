//! A run: virtual time, a network, and everything that goes wrong.
//!
//! Nothing here waits. There is a table of what happens next (a message arrives, an actor has a
//! turn, a fault strikes), and time is that of the earliest. What happens at the same time happens
//! in the order of the table, so nothing depends on anything but the seed.
//!
//! **An actor's turn** is the driver's of `chainring-runtime`: whatever has arrived is taken;
//! *then* the clock is read, once; every timer due at that reading fires, before any of the
//! messages; then these are handled, in order; new deadlines count from the reading; and what was
//! said leaves when the turn's commit is done. A process that is paused has no turns, and when it
//! goes on it has one in which all that came meanwhile is waiting. A crash is between two turns:
//! one within a turn, before its commit, is a crash before the turn that lost what was in the
//! inbox.
//!
//! **Clocks** differ in rate, by less than what the lease allows for; each process has its own.

use super::dice::Dice;
use super::scene::{Figures, Link, MsgOf, Role, Scene, SceneOf, Subject};
use super::weather::{MS, Micros, SECOND, Weather};
use crate::claim::Claim;
use crate::history::Recorder;
use stateright::actor::{Actor, Command, Envelope, Id, Out};
use stateright::{Expectation, Property};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::time::Duration;

/// How long after the calm everything must be finished.
const PATIENCE: Micros = 90 * SECOND;

/// How long a run goes on when everything is finished.
const AFTERMATH: Micros = 200 * MS;

/// A million, of which rates and chances are parts.
const MILLION: u64 = 1_000_000;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The property that fell, and when.
    pub fell: Option<(&'static str, Micros)>,
    /// How many handlers ran.
    pub steps: u64,
    /// What happened.
    pub figures: Figures,
    /// What happened in words, where that was asked for.
    pub trace: Vec<String>,
}

/// A run that goes on.
pub struct Engine<'a, S: Subject> {
    subject: &'a S,
    properties: Vec<Property<S>>,
    dice: Dice,
    weather: Weather,
    actors: Vec<S::Actor>,
    names: Vec<String>,
    homes: Vec<Option<usize>>,
    scene: SceneOf<S>,
    seats: Vec<Seat<S::Actor>>,
    processes: Vec<Process>,
    thoughts: Thoughts<MsgOf<S>>,
    faults: Faults,
    /// When a participant next says something unprompted.
    unprompted: Option<Micros>,
    /// Of everything that has an order.
    serial: u64,
    steps: u64,
    figures: Figures,
    /// Whether the step in hand saved or recorded anything.
    is_news: bool,
    fell: Option<&'static str>,
    trace: Option<Vec<String>>,
}

/// What clients are about to say, and when.
type Thoughts<Msg> = BTreeMap<(Id, u32), (Micros, Envelope<Msg>)>;

/// What an actor has waiting.
struct Seat<A: Actor> {
    inbox: Vec<(Id, A::Msg)>,
    /// When each timer is due, and how many things came before it was set.
    deadlines: BTreeMap<A::Timer, (Micros, u64)>,
    /// Until when its last turn takes.
    busy: Micros,
    /// When what it has said so far is durable, and leaves.
    durable: Micros,
}

/// Actors that stop together.
struct Process {
    members: Vec<Id>,
    /// How many microseconds its clock makes of a second.
    rate: u64,
    paused: Micros,
    /// When it starts again, if it is down.
    back: Option<Micros>,
}

/// When what goes wrong next does, and what is wrong now.
struct Faults {
    next: [Option<Micros>; 4],
    /// Which processes are on the other side, until when, and whether only those do not hear the
    /// rest.
    cut: Option<(Vec<bool>, Micros, bool)>,
    /// The slow links: from, to, until when, and how slow.
    drags: Vec<(usize, usize, Micros, Micros)>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Next {
    Arrival,
    Thought(Id, u32),
    Turn(usize),
    Restart(usize),
    Fault(usize),
    Unprompted,
}

impl<'a, S: Subject> Engine<'a, S> {
    /// A run of a seed, which is told in words if that is asked for.
    pub fn new(subject: &'a S, mut dice: Dice, is_told: bool) -> Self {
        let weather = Weather::draw(&mut dice);
        let cast = subject.cast();
        let count = cast.len();
        let homes: Vec<_> = cast.iter().map(|role| role.process).collect();
        let processes = (0..homes.iter().flatten().max().map_or(0, |last| last + 1)).map(|home| {
            let members = (0..count).filter(|index| homes[*index] == Some(home)).map(Id::from);
            let rate = MILLION - weather.drift + dice.below(2 * weather.drift + 1);
            Process { members: members.collect(), rate, paused: 0, back: None }
        });
        let processes = processes.collect();
        let often = [weather.crash, weather.pause, weather.cut, weather.drag];
        let next = often.map(|mean| mean.map(|mean| dice.about(mean).min(weather.calm)));
        let seat = || Seat { inbox: Vec::new(), deadlines: BTreeMap::new(), busy: 0, durable: 0 };
        let down = |(index, role): (usize, &Role<S::Actor>)| {
            role.actor.on_start(Id::from(index), &None, &mut Out::new())
        };
        let scene = Scene {
            now: 0,
            states: cast.iter().enumerate().map(down).collect(),
            stores: cast.iter().map(|role| role.store.clone()).collect(),
            down: vec![true; count],
            lost: Default::default(),
            under_way: BTreeMap::new(),
            history: subject.history(),
            crashes: 0,
        };
        let always = |property: &Property<S>| property.expectation == Expectation::Always;
        let mut engine = Engine {
            properties: subject.properties().into_iter().filter(always).collect(),
            subject,
            dice,
            names: cast.iter().map(|role| role.name.clone()).collect(),
            actors: cast.into_iter().map(|role| role.actor).collect(),
            homes,
            scene,
            seats: (0..count).map(|_| seat()).collect(),
            processes,
            thoughts: BTreeMap::new(),
            faults: Faults { next, cut: None, drags: Vec::new() },
            unprompted: subject.unprompted(),
            serial: 0,
            steps: 0,
            figures: Figures::default(),
            is_news: false,
            fell: None,
            trace: is_told.then(Vec::new),
            weather,
        };
        engine.tell(|this| format!("{:?}", this.weather));
        (0..count).for_each(|index| engine.start(Id::from(index)));
        engine
    }

    /// Goes on until a property falls, or all is finished, or time is over.
    pub fn run(mut self) -> Run {
        let mut finished_at = None;
        while self.fell.is_none() {
            let Some((at, next)) = self.next() else { break };
            self.scene.now = self.scene.now.max(at);
            if self.scene.now > self.weather.calm + PATIENCE {
                self.fell = Some(Claim::DidNotFinish.name());
                break;
            }
            if finished_at.is_some_and(|finished| self.scene.now > finished + AFTERMATH) {
                break;
            }
            self.happen(next);
            if finished_at.is_none() && self.subject.is_finished(&self.scene) {
                finished_at = Some(self.scene.now);
            }
        }
        if let Some(property) = self.fell {
            self.tell(|_| format!("`{property}` falls; what is saved:"));
            for index in 0..self.names.len() {
                if self.scene.stores[index].is_some() {
                    self.tell(|this| {
                        format!("    {}: {:?}", this.names[index], this.scene.stores[index])
                    });
                }
            }
        }
        self.figures.add("crashes", self.scene.crashes);
        self.figures.add("disks lost", self.scene.lost.len() as u64);
        self.figures.add("virtual milliseconds", self.scene.now / MS);
        let (steps, figures) = (self.steps, self.figures);
        let fell = self.fell.map(|property| (property, self.scene.now));
        Run { fell, steps, figures, trace: self.trace.unwrap_or_default() }
    }

    fn is_calm(&self) -> bool {
        self.scene.now >= self.weather.calm
    }

    /// What happens next, and when.
    fn next(&self) -> Option<(Micros, Next)> {
        let arrival =
            self.scene.under_way.first_key_value().map(|((at, _), _)| (*at, Next::Arrival));
        let thoughts = (self.thoughts.iter())
            .map(|((id, number), (at, _))| (*at, Next::Thought(*id, *number)));
        let turns = self.seats.iter().enumerate().filter_map(|(index, seat)| {
            let due = seat.deadlines.values().map(|(due, _)| *due).min();
            let wanted = if seat.inbox.is_empty() { due? } else { self.scene.now };
            let paused = self.homes[index].map_or(0, |home| self.processes[home].paused);
            let at = wanted.max(seat.busy).max(paused);
            (!self.scene.down[index]).then_some((at, Next::Turn(index)))
        });
        let restarts = self.processes.iter().enumerate();
        let restarts = restarts.filter_map(|(home, it)| Some((it.back?, Next::Restart(home))));
        let faults = self.faults.next.iter().enumerate();
        let faults = faults.filter_map(|(kind, at)| Some(((*at)?, Next::Fault(kind))));
        let unprompted = self.unprompted.map(|at| (at, Next::Unprompted));
        let actors = arrival.into_iter().chain(thoughts).chain(turns);
        actors.chain(restarts).chain(faults).chain(unprompted).min()
    }

    fn happen(&mut self, next: Next) {
        match next {
            Next::Arrival => {
                let Some((_, Envelope { src, dst, msg })) = self.scene.under_way.pop_first() else {
                    return;
                };
                let index = usize::from(dst);
                if self.scene.down.get(index) == Some(&false) {
                    self.seats[index].inbox.push((src, msg));
                }
            }
            Next::Thought(id, number) => {
                if let Some((_, Envelope { src, dst, msg })) = self.thoughts.remove(&(id, number)) {
                    let msg = self.subject.reconsider(&self.scene, msg);
                    self.say(Envelope { src, dst, msg }, Link::Inside);
                    self.end_step();
                }
            }
            Next::Turn(index) => self.turn(index),
            Next::Restart(home) => self.restart(home),
            Next::Fault(_) if self.is_calm() => {
                self.faults = Faults { next: [None; 4], cut: None, drags: Vec::new() };
                for process in &mut self.processes {
                    process.paused = 0;
                    process.back = process.back.map(|back| back.min(self.scene.now + 50 * MS));
                }
                self.tell(|_| "it calms down".to_string());
            }
            Next::Fault(kind) => self.strike(kind),
            Next::Unprompted => {
                let is_calm = self.is_calm();
                for envelope in self.subject.say(&self.scene, is_calm, &mut self.dice) {
                    self.tell(|this| {
                        format!("{}: unprompted", this.names[usize::from(envelope.src)])
                    });
                    self.say(envelope, Link::Network);
                }
                let mean = self.subject.unprompted();
                self.unprompted = mean.map(|mean| self.scene.now + 1 + self.dice.about(mean));
            }
        }
    }

    /// A turn of an actor.
    fn turn(&mut self, index: usize) {
        let (id, now) = (Id::from(index), self.scene.now);
        let batch = std::mem::take(&mut self.seats[index].inbox);
        let mark = self.serial;
        loop {
            let deadlines = &mut self.seats[index].deadlines;
            let due = deadlines.iter().filter(|(_, (due, age))| *due <= now && *age < mark);
            let Some((timer, _)) = due.min_by_key(|(_, place)| **place) else { break };
            let timer = timer.clone();
            deadlines.remove(&timer);
            let name = |this: &Self| format!("{}: {:?}", this.names[index], timer);
            self.step(id, name, |actor, state, out| actor.on_timeout(id, state, &timer, out));
        }
        for (src, msg) in batch {
            let heard = Envelope { src, dst: id, msg: &msg };
            self.record(heard, true);
            let (from, to) = (&self.names[usize::from(src)], &self.names[index]);
            let line = self.trace.is_some().then(|| format!("{from} > {to}: {msg:?}"));
            let name = |_: &Self| line.clone().unwrap_or_default();
            self.step(id, name, |actor, state, out| actor.on_msg(id, state, src, msg, out));
            if self.fell.is_some() {
                return;
            }
        }
        if self.homes[index].is_some() {
            let turn = if self.is_calm() { 10..100 } else { self.weather.turn.clone() };
            self.seats[index].busy = now + self.dice.within(turn);
        }
    }

    /// An actor handles an event.
    fn step(
        &mut self,
        id: Id,
        name: impl Fn(&Self) -> String,
        handle: impl FnOnce(&S::Actor, &mut Cow<<S::Actor as Actor>::State>, &mut Out<S::Actor>),
    ) {
        let index = usize::from(id);
        self.tell(name);
        let mut out = Out::new();
        let mut state = Cow::Borrowed(&self.scene.states[index]);
        handle(&self.actors[index], &mut state, &mut out);
        if let Cow::Owned(state) = state {
            self.scene.states[index] = state;
        }
        self.carry_out(id, out);
        self.end_step();
    }

    /// Judges what has become of a step. What is claimed speaks of what is saved and recorded, so a
    /// step that has done neither is not judged anew.
    fn end_step(&mut self) {
        self.steps += 1;
        if std::mem::take(&mut self.is_news) {
            let mut properties = self.properties.iter();
            let fallen = properties.find(|it| !(it.condition)(self.subject, &self.scene));
            self.fell = self.fell.or(fallen.map(|property| property.name));
        }
    }

    /// Carries out the commands of an actor.
    fn carry_out(&mut self, id: Id, out: Out<S::Actor>) {
        let (index, now) = (usize::from(id), self.scene.now);
        let commands: Vec<_> = out.into_iter().collect();
        if commands.iter().any(|command| matches!(command, Command::Save(_))) {
            let commit = self.dice.within(self.weather.commit.clone());
            self.seats[index].durable = self.seats[index].durable.max(now + commit);
        }
        for command in commands {
            match command {
                Command::Send(dst, msg) => {
                    let envelope = Envelope { src: id, dst, msg };
                    let link = self.subject.link(Envelope { src: id, dst, msg: &envelope.msg });
                    self.say(envelope, link);
                }
                Command::SetTimer(timer, range) => {
                    let due = now + self.duration(index, range);
                    self.serial += 1;
                    self.seats[index].deadlines.insert(timer, (due, self.serial - 1));
                }
                Command::CancelTimer(timer) => {
                    self.seats[index].deadlines.remove(&timer);
                }
                Command::Save(storage) => self.save(id, storage),
                Command::ChooseRandom(..) => {} // a subject's actors choose nothing at random
            }
        }
    }

    fn save(&mut self, id: Id, storage: <S::Actor as Actor>::Storage) {
        let index = usize::from(id);
        let before = self.scene.stores[index].replace(storage);
        self.is_news = true;
        if let Some(before) = before
            && let Some(history) = self.subject.saved(&self.scene, id, &before, &mut self.figures)
        {
            self.scene.history = history;
        }
    }

    /// How long a timer's time is, by the clock of its process.
    fn duration(&mut self, index: usize, range: Range<Duration>) -> Micros {
        let micros = |duration: Duration| duration.as_micros() as u64;
        let drawn = self.dice.within(micros(range.start)..micros(range.end));
        let rate = self.homes[index].map_or(MILLION, |home| self.processes[home].rate);
        (u128::from(drawn) * u128::from(MILLION) / u128::from(rate)) as u64
    }

    fn record(&mut self, envelope: Envelope<&MsgOf<S>>, is_received: bool) {
        let history = &self.scene.history;
        let next = if is_received { history.received(envelope) } else { history.sent(envelope) };
        if let Some(next) = next {
            self.scene.history = next;
            self.is_news = true;
        }
    }

    /// A participant says something.
    fn say(&mut self, envelope: Envelope<MsgOf<S>>, link: Link) {
        let Envelope { src, dst, ref msg } = envelope;
        let now = self.scene.now;
        if let Link::Thinking(number) = link {
            let at = now + self.think();
            self.thoughts.insert((src, number), (at, envelope));
            return;
        }
        let said = Envelope { src, dst, msg };
        self.record(said, false);
        self.subject.count(&self.scene, said, &mut self.figures);
        let (from, to) = (self.home(src), self.home(dst));
        let leaves = now.max(self.seats[usize::from(src)].durable);
        if link == Link::Inside || from == to {
            self.tell_said(said, "at once");
            return self.send(leaves + 1, envelope);
        }
        let is_calm = self.is_calm();
        if !is_calm && (self.dice.chance(self.weather.lost) || self.is_cut(from, to)) {
            self.figures.add("messages lost", 1);
            return self.tell_said(said, "and it is lost");
        }
        let doubled = !is_calm && self.dice.chance(self.weather.doubled);
        let mut envelope = Some(envelope);
        for is_last in if doubled { &[false, true][..] } else { &[true] } {
            let journey = self.weather.journey(&mut self.dice, is_calm);
            let drags = self.faults.drags.iter();
            let drag = drags.filter(|drag| (Some(drag.0), Some(drag.1)) == (from, to));
            let dragged: Micros = drag.filter(|drag| drag.2 > now).map(|drag| drag.3).sum();
            let at = leaves + journey + dragged;
            let next = if *is_last { envelope.take() } else { envelope.clone() };
            let Some(next) = next else { return };
            if self.trace.is_some() {
                let (name, msg) = (&self.names[usize::from(dst)], &next.msg);
                let wait = at - now;
                let line = format!("    -> {name}: {msg:?} in {}.{:03} ms", wait / MS, wait % MS);
                self.tell(|_| line);
            }
            self.send(at, next);
        }
    }

    fn send(&mut self, at: Micros, envelope: Envelope<MsgOf<S>>) {
        self.serial += 1;
        self.scene.under_way.insert((at, self.serial), envelope);
    }

    /// How long a client thinks: hardly, or until they all begin again, so that they meet.
    fn think(&mut self) -> Micros {
        let hardly = self.dice.below(8 * MS);
        if self.dice.below(10) < 7 {
            return hardly;
        }
        let beat = 400 * MS;
        beat - self.scene.now % beat + hardly
    }

    fn home(&self, id: Id) -> Option<usize> {
        self.homes.get(usize::from(id)).copied().flatten()
    }

    fn is_cut(&self, from: Option<usize>, to: Option<usize>) -> bool {
        let (Some(from), Some(to), Some((side, until, one_way))) = (from, to, &self.faults.cut)
        else {
            return false;
        };
        *until > self.scene.now && side[from] != side[to] && (!one_way || side[to])
    }

    fn start(&mut self, id: Id) {
        let index = usize::from(id);
        self.scene.down[index] = false;
        let storage = self.scene.stores[index].clone();
        self.step(
            id,
            |this| format!("{}: start", this.names[index]),
            |actor, state, out| *state = Cow::Owned(actor.on_start(id, &storage, out)),
        );
    }

    fn restart(&mut self, home: usize) {
        self.processes[home].back = None;
        for id in self.processes[home].members.clone() {
            self.start(id);
        }
    }

    /// Something goes wrong.
    fn strike(&mut self, kind: usize) {
        let now = self.scene.now;
        let weather = &self.weather;
        let mean = [weather.crash, weather.pause, weather.cut, weather.drag][kind];
        // Beyond the calm there is one more, which ends what is wrong.
        let next = mean.map(|mean| (now + 1 + self.dice.about(mean)).min(self.weather.calm));
        self.faults.next[kind] = next;
        let count = self.processes.len() as u64;
        let home = self.dice.below(count) as usize;
        let spell = self.weather.spell(&mut self.dice);
        match kind {
            0 => self.crash(home, now + spell),
            1 => {
                self.processes[home].paused = now + spell;
                self.figures.add("pauses", 1);
                self.tell(|this| format!("{}: pause", this.names_of(home)));
            }
            2 => {
                let alone = self.dice.below(2) == 0;
                let side = (0..count as usize)
                    .map(|it| if alone { it == home } else { self.dice.below(2) == 0 });
                let side: Vec<_> = side.collect();
                let one_way = self.dice.below(3) == 0;
                self.figures.add("partitions", 1);
                let cut: Vec<_> = (0..side.len()).filter(|it| side[*it]).collect();
                self.tell(|this| {
                    let names: Vec<_> = cut.iter().map(|home| this.names_of(*home)).collect();
                    let how = if one_way { "do not hear the others" } else { "are cut off" };
                    format!("{} {how} for {} ms", names.join(" "), spell / MS)
                });
                self.faults.cut = Some((side, now + spell, one_way));
            }
            _ => {
                let to = self.dice.below(count) as usize;
                let slowness =
                    self.dice.pick(&[10 * MS..400 * MS, 10 * MS..400 * MS, SECOND..4 * SECOND]);
                let slowness = self.dice.within(slowness);
                self.faults.drags.retain(|drag| drag.2 > now);
                self.faults.drags.push((home, to, now + spell, slowness));
                self.figures.add("slow links", 1);
                self.tell(|this| {
                    let (from, to) = (this.names_of(home), this.names_of(to));
                    format!("{from} > {to}: slow by {} ms", slowness / MS)
                });
            }
        }
    }

    fn crash(&mut self, home: usize, back: Micros) {
        if self.processes[home].back.is_some() {
            return; // it is down
        }
        let members = self.processes[home].members.clone();
        let disk = self.dice.chance(self.weather.disk)
            && self.scene.lost.is_empty()
            && self.subject.can_spare(&self.scene, &members);
        self.tell(|this| {
            let how = if disk { "crash, and the disk is lost" } else { "crash" };
            format!("{}: {how}", this.names_of(home))
        });
        self.scene.crashes += 1;
        let process = &mut self.processes[home];
        (process.back, process.paused) = (Some(back), 0);
        for id in members {
            let index = usize::from(id);
            self.scene.down[index] = true;
            self.scene.states[index] = self.actors[index].on_start(id, &None, &mut Out::new());
            let (busy, durable) = (0, self.scene.now);
            let (inbox, deadlines) = (Vec::new(), BTreeMap::new());
            self.seats[index] = Seat { inbox, deadlines, busy, durable };
            if disk {
                self.scene.lost.insert(id);
                self.scene.stores[index] = self.subject.renewed(id);
            }
        }
    }

    fn names_of(&self, home: usize) -> String {
        let names = self.processes[home].members.iter().map(|id| &*self.names[usize::from(*id)]);
        names.collect::<Vec<_>>().join("+")
    }

    fn tell_said(&mut self, said: Envelope<&MsgOf<S>>, how: &str) {
        if self.trace.is_some() {
            let name = &self.names[usize::from(said.dst)];
            let line = format!("    -> {name}: {:?} {how}", said.msg);
            self.tell(|_| line);
        }
    }

    /// Adds a line to the trace, if there is one.
    fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let mut text = line(self);
            let views = text.replace("Views(", "(");
            text = views;
            for (index, name) in self.names.iter().enumerate() {
                text = text.replace(&format!("Id({index})"), name);
            }
            let now = self.scene.now;
            let line = format!("{:>6}.{:03} ms  {text}", now / MS, now % MS);
            self.trace.get_or_insert_default().push(line);
        }
    }
}
