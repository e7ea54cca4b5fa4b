//! Who is there: the ring's failure detector, by gossip.
//!
//! Every node has a *member* beside its other actors. Each member keeps a table of all members, asks one
//! of them at a time whether it is alive, and tells in passing what it has heard. What it finds is a
//! *suggestion*: a crash cannot be told from slowness, and two members' tables may differ at any moment.
//! Views are decided by [`coordinator`](crate::coordinator)s, to whom members [`Report`](Msg::Report) whose
//! nodes are gone; if every suggestion were wrong, no safety property of the ring would notice.
//!
//! The protocol is SWIM (Das, Gupta & Motivala, DSN '02) with two refinements of Lifeguard (Dadgar,
//! Phillips & Currey, DSN-W '18) and an exchange of tables. Heartbeat tables that are gossiped whole (van
//! Renesse, Minsky & Hayden, Middleware '98) are simpler, but each message of theirs grows with the number
//! of members. Here nothing that is sent periodically does.
//!
//! | message | from → to | purpose |
//! |---|---|---|
//! | [`Ping`](Say::Ping) / [`Ack`](Say::Ack) | member ↔ member | are you alive? |
//! | [`Seek`](Say::Seek) | member → member | ask it for me; the answer comes back the same way |
//! | [`Compare`](Say::Compare) / [`Same`](Say::Same), [`Rows`](Say::Rows) | member ↔ member | a part of a table: do ours differ? |
//! | [`Tell`](Say::Tell) | member → member | rows that the other one lacks; what it is suspected of; that it is alive |
//! | [`Report`](Msg::Report) | member → coordinator beside it | the nodes that are gone |
//! | [`Leave`](Msg::Leave) | member → itself, for the operator | go by choice |
//!
//! # Rows, and which of two is the newer
//!
//! A row says of a member how it fares, *alive*, *suspect*, *dead* or *left*, and in which of its lives, its
//! **incarnation**. A higher incarnation overrules a lower one; within one, the worse status overrules. So:
//!
//! - **The dead stay dead.** A dead member's row stays on the table, a *tombstone*, and a row that says that it
//!   lives in the same incarnation is old news, whoever brings it: somebody who was away, or a message that was.
//!   Rows are never removed; an id is never used for another member, so there are no more of them than
//!   the cluster's file has ever named.
//! - **A restart is a new life.** The incarnation is durable and grows at each start, before anything is
//!   said, so the row of a restarted member overrules its own tombstone. A member without its store does not
//!   start: it would claim a life that has been lived.
//! - **Nobody else speaks for a member's life.** A member alone raises its incarnation: at a start, and when it
//!   hears something worse of itself than it knows. Then it *refutes*: it takes the next incarnation, durably
//!   first, and says so.
//! - **Leaving is final** for the incarnation, as death is. Who starts again is there again.
//!
//! # Suspicion
//!
//! 1. Once a period a member pings the next one, in an order that is a permutation of those alive, another one
//!    in each pass and for each member. (SWIM, section 4.3: so each is asked within one pass by everybody.)
//! 2. While no answer comes, it pings again, and asks some others to ping: a lost datagram, or one bad link, is not
//!    a crash. The others keep nothing in mind: pings and answers carry whose question they belong to.
//! 3. No answer within the period: *suspect*, and it tells the suspect at once, and again each period. A suspicion
//!    is news that spreads. One who hears it as often as that spreads it, counts down by itself.
//! 4. A refutation ends it. Else, after so many periods, *dead*. That many is a small multiple of the logarithm of the
//!    number of members, since news takes as long to reach all. It begins at the largest, and each *further* member that
//!    found the same brings it nearer to the smallest: a crashed member is found by all who ask it, whereas one whose
//!    link is bad finds everybody else dead, and is alone with that. (Lifeguard's suspicion.)
//! 5. Every message carries two rows before anything else, the sender's and what it knows of the receiver.
//!    So whoever is thought ill of hears it from the next one that it talks to. (Lifeguard's "buddy".)
//!
//! A period is also the clock of suspicions: they are counted in periods of the one who counts, not in time.
//! A process that was suspended for a minute has missed no period when it goes on, and declares nobody dead.
//!
//! # News, and what repairs it
//!
//! What changed on a table is told with messages that are sent anyway, the least told first, a few rows a
//! message, each as often as a multiple of the logarithm of the number of members. Nearly always that reaches all.
//! *Nearly* is repaired by the **exchange**, seldom and in parts: a member sends the bounds of the next part of
//! its table and a digest; who has other rows in there answers with them, and is told what it lacks. In every other
//! round a member exchanges with one whom it holds *dead*, if there is any: two halves of a ring
//! that have declared each other dead would otherwise never speak again. One who has just
//! started compares its whole table, part after part, at once.
//!
//! # What it costs
//!
//! A member sends one ping a period, and answers one on the average; both have a bounded size. An exchange has two
//! or three messages, of bounded size. None of it depends on how many members there are, but for the width
//! of their ids. `examples/src/bin/gossip.rs` measures that with this actor.
//!
//! # Chance
//!
//! Nothing here is drawn at random but the moment at which a timer fires, within a range, by whoever runs
//! the actor. Orders are permutations by a hash of who asks, of the pass and of who is asked. So a run can be
//! repeated, and checked.
//!
//! # Who speaks for which node
//!
//! Ids in here are those of members' own actors. Each row also names the node that the member speaks for,
//! since coordinators speak of nodes; it is in the row, not in a file, so that those who join later
//! are known by what they say. A node is gone when all who spoke for it are.
//!
//! # What is left out
//!
//! Liars: rows are believed. Lifeguard's third refinement, a member that slows down when it finds itself to be the
//! slow one. Removing the rows of ids that will never come back.

mod table;

pub use table::{Entry, Rumour, Status, Table};

use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::nested::with_some;
use crate::prune::Prune;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ops::{Bound, Range};
use std::time::Duration;

/// How many rows a message carries as news, beside the sender's and the receiver's.
pub const NEWS: usize = 6;

/// How many rows a part of a table has.
pub const PART: usize = 32;

/// How many rows a table has. Rows of further members are not taken.
pub const MOST_MEMBERS: usize = 16_384;

/// How many find the same before a suspicion is as short as it gets, the first one not counted.
const CONFIRMATIONS: usize = 3;

/// A member, as a value: what it is configured with. Its state is a [`MemberState`].
#[derive(Clone, Debug)]
pub struct Member<S, M = Intact> {
    node: Id,
    seeds: BTreeMap<Id, Id>,
    coordinator: Option<Id>,
    timeouts: Timeouts,
    mechanisms: M,
    store: PhantomData<S>,
}

/// What a member knows.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct MemberState<S> {
    /// All that survives a crash. Invariant: equal to what was last saved, after every handler.
    pub store: S,
    /// What is known of everybody, itself included. Invariants: no row goes back to an older version, nor goes;
    /// its own row is [`Key::Own`]; the others, without suspicions, are those of [`Key::Member`], or of a
    /// seed of whom nothing else was ever heard.
    pub table: Table,
    /// The incarnation with which it has started. Invariant: larger at each start.
    pub start: u64,
    /// How many periods there were since.
    pub round: u64,
    /// Whom it asked last, in which pass.
    pub turn: Turn,
    /// The question that is not answered.
    pub probe: Option<Probe>,
    /// Those whom it holds suspect. Invariant: exactly those who are suspect on the table.
    pub suspicions: BTreeMap<Id, Suspicion>,
    /// The rows that are news, and how often each was told. Invariant: less often than is enough.
    pub rumours: BTreeMap<Id, u32>,
    /// How far it is with comparing tables.
    pub exchange: Exchange,
}

/// Where a member is in its order of asking.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Turn {
    /// How often everybody was asked.
    pub pass: u64,
    /// The place, in the order of this pass, of who was asked last.
    pub last: Option<(u64, Id)>,
}

/// A question under way, of the current period.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Probe {
    /// Who is asked.
    pub target: Id,
    /// How often others were asked for it.
    pub tries: u32,
}

/// A suspicion.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Suspicion {
    /// For how many periods it has lasted.
    pub periods: u32,
    /// Who found so. Invariant: no more than count.
    pub by: BTreeSet<Id>,
}

/// How far a member is with comparing tables.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Exchange {
    /// With whom the last time.
    pub partner: Id,
    /// With whom of the dead the last time.
    pub dead: Id,
    /// Whether it is the turn of the dead.
    pub is_of_the_dead: bool,
    /// Where the next part begins; of one that is joining, how far it has been answered.
    pub from: Id,
    /// Whether it has not been through a whole table yet, since it started.
    pub is_joining: bool,
}

/// Which question of which start an answer belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Number {
    /// The incarnation with which the asker started.
    pub start: u64,
    /// The period of the question.
    pub round: u64,
}

/// What members say to each other, and to a coordinator; the [module's table](self) tells who to whom.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg {
    /// When a member speaks to another one.
    Gossip {
        /// What it is about.
        say: Say,
        /// The sender's own row, what it knows of the receiver, and some news.
        news: Vec<Rumour>,
    },
    /// When the nodes that are gone have changed, and now and then while there are any.
    Report {
        /// All that are gone.
        gone: BTreeSet<Id>,
    },
    /// When the operator takes the member out of the ring. Only from itself.
    Leave,
}

/// What a member speaks to another one about.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Say {
    /// When somebody wants to know whether the receiver is alive.
    Ping {
        /// Who wants to know: the sender, or the one for whom it asks.
        origin: Id,
        /// Of the question.
        number: Number,
    },
    /// When a question was not answered: to others, who are to ask too.
    Seek {
        /// Whom to ask.
        target: Id,
        /// Of the question.
        number: Number,
    },
    /// When somebody was asked, or has an answer to pass on.
    Ack {
        /// Who wanted to know.
        origin: Id,
        /// Who is alive.
        target: Id,
        /// Of the question.
        number: Number,
    },
    /// When it is time to compare a part of two tables.
    Compare {
        /// The incarnation with which the sender started.
        start: u64,
        /// The first member of the part.
        from: Id,
        /// The first member behind it; none at the end of the table.
        until: Option<Id>,
        /// Of the sender's rows in there.
        digest: u64,
    },
    /// When the receiver's part is the same.
    Same {
        /// Of the question.
        start: u64,
        /// Of the question.
        until: Option<Id>,
    },
    /// When it is not.
    Rows {
        /// Of the question.
        start: u64,
        /// Of the question.
        from: Id,
        /// The end of these rows, which may be before that of the question.
        until: Option<Id>,
        /// All rows in there, without suspicions.
        rows: Vec<Rumour>,
    },
    /// When somebody lacks rows, or is suspected, or was wrong to suspect.
    Tell {
        /// The rows that the receiver lacks.
        rows: Vec<Rumour>,
    },
}

/// The timers of a member.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Timer {
    /// When a period is over.
    Probe,
    /// When an answer should have come.
    Wait,
    /// When it is time to compare tables.
    Exchange,
    /// When it is time to say again who is gone.
    Report,
}

/// How long to wait for what, and how often to do it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Of a period.
    pub period: Range<Duration>,
    /// Of the first one after a start: the nodes of a cluster do not all start in the same instant.
    pub first: Range<Duration>,
    /// For an answer; `tries + 1` of them fit into a period.
    pub wait: Range<Duration>,
    /// How often a question is asked again, each time with the help of others.
    pub tries: u32,
    /// How many others help.
    pub relays: usize,
    /// How many periods a suspicion lasts, times the logarithm (to the base of 2) of the number of members: the
    /// smallest and the largest.
    pub suspicion: Range<u32>,
    /// How often news is told, times the same logarithm.
    pub retell: u32,
    /// Between two comparisons of tables.
    pub exchange: Range<Duration>,
    /// The same, for one who has just started.
    pub join: Range<Duration>,
    /// Between two reports while somebody is gone.
    pub report: Range<Duration>,
}

/// The keys of a member's store.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Key {
    /// Its own incarnation; holds a [`Row::Own`].
    Own,
    /// What it knows of another member; holds a [`Row::Member`].
    Member(Id),
}

/// The rows of a member's store.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Row {
    /// At [`Key::Own`].
    Own {
        /// The newest that it has lived in; 0 before its first start.
        incarnation: u64,
    },
    /// At [`Key::Member`]; never a suspicion.
    Member(Entry),
}

/// A member's state, as handlers get it.
type Part<'a, S> = Cow<'a, MemberState<S>>;

impl Default for Timeouts {
    fn default() -> Self {
        let millis = |from, to| Duration::from_millis(from)..Duration::from_millis(to);
        Timeouts {
            period: millis(450, 550),
            first: millis(3000, 3500),
            wait: millis(130, 150),
            tries: 2,
            relays: 3,
            suspicion: 1..3,
            retell: 3,
            exchange: millis(9_000, 11_000),
            join: millis(400, 600),
            report: millis(900, 1100),
        }
    }
}

impl<S: Store<Key, Row>> Member<S> {
    /// A member that speaks for a node, and knows these members, each with the node that it speaks for, when it
    /// starts for the first time. A `coordinator` that lives beside it hears who is gone.
    pub fn new(
        node: Id,
        seeds: BTreeMap<Id, Id>,
        coordinator: Option<Id>,
        timeouts: Timeouts,
    ) -> Self {
        Self::with(node, seeds, coordinator, timeouts, Intact)
    }

    /// Fills a new store, once in its life.
    pub fn init(store: &mut S) {
        store.put(Key::Own, Row::Own { incarnation: 0 });
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Member<S, M> {
    /// A member that has these mechanisms.
    pub fn with(
        node: Id,
        seeds: BTreeMap<Id, Id>,
        coordinator: Option<Id>,
        timeouts: Timeouts,
        mechanisms: M,
    ) -> Self {
        Member { node, seeds, coordinator, timeouts, mechanisms, store: PhantomData }
    }

    /// Begins a new life. A member without a store refuses to run: it would have forgotten in which.
    pub fn start(&self, id: Id, storage: Option<S>, out: &mut Out<Self>) -> Option<MemberState<S>> {
        let mut store = storage?;
        let Some(Row::Own { incarnation: before }) = store.get(&Key::Own) else {
            return None;
        };
        let start = if self.mechanisms.has(Mechanism::LivesCounted) {
            before.checked_add(1)?
        } else {
            before.max(1)
        };
        store.put(Key::Own, Row::Own { incarnation: start });
        out.save(store.clone());
        let mut table = Table::default();
        for (member, node) in &self.seeds {
            table.insert(*member, Entry::expected(*node));
        }
        let stored = Bound::Included(&Key::Member(Id::from(0)));
        for row in store.scan(stored, Bound::Unbounded, MOST_MEMBERS) {
            if let (Key::Member(member), Row::Member(entry)) = row {
                table.insert(member, entry);
            }
        }
        table.insert(id, Entry { node: self.node, incarnation: start, status: Status::Alive });
        out.set_timer(Timer::Probe, self.timeouts.first.clone());
        out.set_timer(Timer::Exchange, self.timeouts.join.clone());
        let from = Id::from(0);
        let state = MemberState {
            store,
            table,
            start,
            round: 0,
            turn: Turn::default(),
            probe: None,
            suspicions: BTreeMap::new(),
            rumours: BTreeMap::new(),
            exchange: Exchange {
                partner: id,
                dead: id,
                is_of_the_dead: false,
                from,
                is_joining: true,
            },
        };
        if !state.table.gone().is_empty() {
            self.report(&state, out);
        }
        Some(state)
    }

    /// Handles a message. One that is longer than any of ours is refused.
    pub(crate) fn receive(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        msg: Msg,
        out: &mut Out<Self>,
    ) {
        match msg {
            Msg::Gossip { say, news } => {
                if news.len() > NEWS + 2 || say.rows().len() > PART {
                    return;
                }
                let refuted =
                    self.learn(id, state, &news, out) | self.learn(id, state, say.rows(), out);
                match say {
                    Say::Ping { origin, number } => {
                        self.on_ping(id, state, src, (origin, number), out)
                    }
                    Say::Seek { target, number } => {
                        self.on_seek(id, state, src, (target, number), out)
                    }
                    Say::Ack { origin, target, number } => {
                        self.on_ack(id, state, src, (origin, target, number), out);
                    }
                    Say::Compare { start, from, until, digest } => {
                        self.on_compare(id, state, src, (start, from, until, digest), out);
                        return; // which has answered
                    }
                    Say::Same { start, until } => self.on_same(id, state, src, (start, until), out),
                    Say::Rows { start, from, until, rows } => {
                        self.on_rows(id, state, src, (start, from, until), &rows, out);
                    }
                    Say::Tell { .. } => {}
                }
                if refuted {
                    self.say(id, state, src, Say::Tell { rows: Vec::new() }, out);
                }
            }
            Msg::Leave => self.on_leave(id, state, src, out),
            // Not for members.
            Msg::Report { .. } => {}
        }
    }

    /// Somebody wants to know whether this member is alive.
    fn on_ping(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        (origin, number): (Id, Number),
        out: &mut Out<Self>,
    ) {
        self.say(id, state, src, Say::Ack { origin, target: id, number }, out);
    }

    /// Somebody got no answer from another member.
    fn on_seek(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        (target, number): (Id, Number),
        out: &mut Out<Self>,
    ) {
        if target != id && target != src && state.table.get(target).is_some() {
            self.say(id, state, target, Say::Ping { origin: src, number }, out);
        }
    }

    /// Somebody is alive: this member wanted to know, or another one for whom it asked.
    fn on_ack(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        (origin, target, number): (Id, Id, Number),
        out: &mut Out<Self>,
    ) {
        if origin != id {
            // Only what comes from the target itself is passed on, so nothing goes round in circles.
            if src == target && state.table.get(origin).is_some() {
                self.say(id, state, origin, Say::Ack { origin, target, number }, out);
            }
            return;
        }
        let asked = state.probe.is_some_and(|probe| probe.target == target);
        if asked && number == (Number { start: state.start, round: state.round }) {
            state.to_mut().probe = None;
            out.cancel_timer(Timer::Wait);
        }
    }

    /// Somebody compares a part of its table with this one's.
    fn on_compare(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        (start, from, until, digest): (u64, Id, Option<Id>, u64),
        out: &mut Out<Self>,
    ) {
        let (rows, end) = state.table.part(from, until, PART);
        let is_same = end == until && table::digest(&rows) == digest;
        let say = if is_same {
            Say::Same { start, until }
        } else {
            Say::Rows { start, from, until: end, rows }
        };
        self.say(id, state, src, say, out);
    }

    /// Another table is the same, up to there.
    fn on_same(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        (start, until): (u64, Option<Id>),
        out: &mut Out<Self>,
    ) {
        self.go_on(id, state, src, (start, until), out);
    }

    /// Another table is not the same; its rows have been learnt.
    fn on_rows(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        (start, from, until): (u64, Id, Option<Id>),
        rows: &[Rumour],
        out: &mut Out<Self>,
    ) {
        if start != state.start {
            return; // of an earlier life
        }
        let shown: BTreeMap<Id, Entry> = rows.iter().map(|row| (row.member, row.entry)).collect();
        let (mut lacking, _) = state.table.part(from, until, 2 * PART);
        lacking.retain(|row| {
            shown.get(&row.member).is_none_or(|shown| shown.version() < row.entry.version())
        });
        lacking.truncate(PART);
        if !lacking.is_empty() {
            self.say(id, state, src, Say::Tell { rows: lacking }, out);
        }
        self.go_on(id, state, src, (start, until), out);
    }

    /// The operator takes this member out of the ring. It goes on gossiping until its process ends, so that
    /// this gets about.
    fn on_leave(&self, id: Id, state: &mut Part<'_, S>, src: Id, out: &mut Out<Self>) {
        let Some(own) = state.table.get(id).copied() else { return };
        if src != id || own.status.is_gone() {
            return;
        }
        state.to_mut().table.insert(id, Entry { status: Status::Left, ..own });
        self.report(state, out);
        for other in self.others(id, state, id, 0) {
            self.say(id, state, other, Say::Tell { rows: Vec::new() }, out);
        }
    }

    /// Handles a timer.
    pub(crate) fn timeout(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        match timer {
            Timer::Probe => self.on_probe(id, state, out),
            Timer::Wait => self.on_wait(id, state, out),
            Timer::Exchange => self.on_exchange(id, state, out),
            Timer::Report => {
                if !state.table.gone().is_empty() {
                    self.report(state, out);
                }
            }
        }
    }

    /// A period is over: whoever did not answer is suspect, suspicions that have lasted are deaths, and the
    /// next one is asked.
    fn on_probe(&self, id: Id, state: &mut Part<'_, S>, out: &mut Out<Self>) {
        out.set_timer(Timer::Probe, self.timeouts.period.clone());
        if state.table.alive().all(|member| member == id) {
            return;
        }
        let mut found = self.count_down(state.to_mut());
        if let Some(Probe { target, .. }) = state.to_mut().probe.take()
            && let Some(entry) = state.table.get(target)
            && !entry.status.is_gone()
        {
            let status = Status::Suspect { by: id };
            found.push(Rumour { member: target, entry: Entry { status, ..*entry } });
        }
        self.learn(id, state, &found, out);
        let own = state.suspicions.iter().filter(|(_, suspicion)| suspicion.by.contains(&id));
        let own: Vec<_> = own.map(|(member, _)| *member).take(self.timeouts.relays).collect();
        for suspect in own {
            self.say(id, state, suspect, Say::Tell { rows: Vec::new() }, out);
        }
        let part = state.to_mut();
        part.round = part.round.saturating_add(1);
        let Some(target) = part.next_target(id) else { return };
        part.probe = Some(Probe { target, tries: 0 });
        if self.timeouts.tries > 0 {
            out.set_timer(Timer::Wait, self.timeouts.wait.clone());
        }
        self.ping(id, state, target, out);
    }

    /// An answer should have come.
    fn on_wait(&self, id: Id, state: &mut Part<'_, S>, out: &mut Out<Self>) {
        let Some(Probe { target, tries }) = state.probe else { return };
        if tries >= self.timeouts.tries {
            return;
        }
        let tries = tries + 1;
        state.to_mut().probe = Some(Probe { target, tries });
        if tries < self.timeouts.tries {
            out.set_timer(Timer::Wait, self.timeouts.wait.clone());
        }
        self.ping(id, state, target, out);
        let number = Number { start: state.start, round: state.round };
        for other in self.others(id, state, target, tries) {
            self.say(id, state, other, Say::Seek { target, number }, out);
        }
    }

    /// It is time to compare the next part of the table with somebody's.
    fn on_exchange(&self, id: Id, state: &mut Part<'_, S>, out: &mut Out<Self>) {
        let Exchange { is_joining, .. } = state.exchange;
        let pause = if is_joining { &self.timeouts.join } else { &self.timeouts.exchange };
        out.set_timer(Timer::Exchange, pause.clone());
        let Some(partner) = self.next_partner(id, state) else { return };
        let until = self.compare(id, state, partner, state.exchange.from, out);
        if !is_joining {
            state.to_mut().exchange.from = until.unwrap_or_default();
        }
    }

    /// Who has just started goes on at once to the next part, until it has been through the whole table. If no
    /// answer comes, the timer goes on from there, with somebody else.
    fn go_on(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        (start, until): (u64, Option<Id>),
        out: &mut Out<Self>,
    ) {
        let Exchange { from, is_joining, .. } = state.exchange;
        if start != state.start || !is_joining || until.is_some_and(|next| next <= from) {
            return;
        }
        state.to_mut().exchange.from = until.unwrap_or_default();
        match until {
            Some(next) => {
                self.compare(id, state, src, next, out);
            }
            None => state.to_mut().exchange.is_joining = false,
        }
    }

    /// Sends the bounds and the digest of the part that begins there. Returns where it ends.
    fn compare(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        dst: Id,
        from: Id,
        out: &mut Out<Self>,
    ) -> Option<Id> {
        let (rows, until) = state.table.part(from, None, PART);
        let (start, digest) = (state.start, table::digest(&rows));
        self.say(id, state, dst, Say::Compare { start, from, until, digest }, out);
        until
    }

    /// Asks somebody whether it is alive.
    fn ping(&self, id: Id, state: &mut Part<'_, S>, target: Id, out: &mut Out<Self>) {
        let number = Number { start: state.start, round: state.round };
        self.say(id, state, target, Say::Ping { origin: id, number }, out);
    }

    /// Says something, and with it the own row, what is known of the receiver, and the news that were told least.
    fn say(&self, id: Id, state: &mut Part<'_, S>, dst: Id, say: Say, out: &mut Out<Self>) {
        let row = |member| {
            let entry = state.table.get(member);
            entry.map(|entry| Rumour { member, entry: *entry })
        };
        let mut news: Vec<_> =
            [row(id), row(dst).filter(|_| dst != id)].into_iter().flatten().collect();
        if !state.rumours.is_empty() {
            let enough = (self.timeouts.retell * logarithm(state.table.len())).max(1);
            news.extend(state.to_mut().tell(dst, enough));
        }
        out.send(dst, Msg::Gossip { say, news });
    }

    /// Takes what is new of this. Returns whether it had to refute something.
    fn learn(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        rumours: &[Rumour],
        out: &mut Out<Self>,
    ) -> bool {
        let (mut refuted, mut stored, mut gone) = (false, false, false);
        for rumour in rumours {
            if !self.is_news(id, state, rumour) {
                continue;
            }
            let state = state.to_mut();
            if rumour.member == id {
                refuted |= self.refute(id, state, rumour);
                stored |= refuted && self.mechanisms.has(Mechanism::RefutationSaved);
                continue;
            }
            let before = state.table.get(rumour.member).copied();
            let buried = rumour.entry.status.is_gone();
            gone |= buried != before.is_some_and(|before| before.status.is_gone());
            stored |= before.map(Entry::settled) != Some(rumour.entry.settled());
            state.take(rumour);
            if buried && !self.mechanisms.has(Mechanism::TombstonesOfMembers) {
                state.forget(rumour.member);
            }
        }
        if stored {
            out.save(state.store.clone());
        }
        if gone {
            self.report(state, out);
        }
        refuted
    }

    /// Whether a row changes anything here.
    fn is_news(&self, id: Id, state: &MemberState<S>, Rumour { member, entry }: &Rumour) -> bool {
        let Some(known) = state.table.get(*member) else {
            let has_room = state.table.len() < MOST_MEMBERS;
            return has_room
                && (self.mechanisms.has(Mechanism::TombstonesOfMembers)
                    || !entry.status.is_gone());
        };
        let is_newer = entry.version() > known.version();
        if *member == id {
            return is_newer && self.mechanisms.has(Mechanism::Refutation);
        }
        if !self.mechanisms.has(Mechanism::NewerRowsOnly) {
            return entry != known;
        }
        let is_confirmed = |by| match state.suspicions.get(member) {
            Some(suspicion) => suspicion.by.len() <= CONFIRMATIONS && !suspicion.by.contains(by),
            None => false,
        };
        is_newer
            || entry.version() == known.version()
                && matches!(&entry.status, Status::Suspect { by } if is_confirmed(by))
    }

    /// Somebody says worse of this member than it knows: from now on it lives in the incarnation after that.
    fn refute(&self, id: Id, state: &mut MemberState<S>, rumour: &Rumour) -> bool {
        let (Some(own), Some(incarnation)) =
            (state.table.get(id).copied(), rumour.entry.incarnation.checked_add(1))
        else {
            return false; // there are no more lives, so somebody lies
        };
        state.table.insert(id, Entry { incarnation, ..own });
        if self.mechanisms.has(Mechanism::RefutationSaved) {
            state.store.put(Key::Own, Row::Own { incarnation });
        }
        true
    }

    /// A period of each suspicion is over. Returns those that have lasted as deaths.
    fn count_down(&self, state: &mut MemberState<S>) -> Vec<Rumour> {
        if state.suspicions.is_empty() {
            return Vec::new();
        }
        let (count, alive) = (logarithm(state.table.len()), state.table.alive().count());
        for suspicion in state.suspicions.values_mut() {
            suspicion.periods = suspicion.periods.saturating_add(1);
        }
        let over = state.suspicions.iter().filter(|(_, suspicion)| {
            suspicion.periods >= self.patience(count, alive, suspicion.by.len())
        });
        let dead = over.filter_map(|(member, _)| {
            let entry = *state.table.get(*member)?;
            Some(Rumour { member: *member, entry: Entry { status: Status::Dead, ..entry } })
        });
        dead.collect()
    }

    /// How many periods a suspicion lasts that so many have found right: the largest at first, and the smallest
    /// when as many as could be asked for confirm it, by the logarithm of their number.
    fn patience(&self, logarithm: u32, alive: usize, by: usize) -> u32 {
        /// In percent, by how many could confirm and how many did.
        const SHARES: [&[u32]; CONFIRMATIONS + 1] =
            [&[100], &[0, 100], &[0, 63, 100], &[0, 50, 79, 100]];
        let Range { start, end } = self.timeouts.suspicion;
        let (least, most) = ((start * logarithm).max(1), (end * logarithm).max(1));
        // The suspect and the first to find out cannot confirm. Where nobody can, there is nothing to wait for.
        let shares = SHARES[alive.saturating_sub(2).min(CONFIRMATIONS)];
        let share = shares[by.saturating_sub(1).min(shares.len() - 1)];
        most - most.saturating_sub(least) * share / 100
    }

    /// Some of those alive, others for each question and each try.
    fn others(&self, id: Id, state: &MemberState<S>, target: Id, tries: u32) -> Vec<Id> {
        let pass = state.round.wrapping_mul(16).wrapping_add(u64::from(tries));
        let others = state.table.alive().filter(|member| *member != id && *member != target);
        let mut others: Vec<_> =
            others.map(|member| (table::place(id, pass, member), member)).collect();
        let count = self.timeouts.relays.min(others.len());
        if count < others.len() {
            others.select_nth_unstable(count);
        }
        others.truncate(count);
        others.sort_unstable();
        others.into_iter().map(|(_, member)| member).collect()
    }

    /// With whom to compare tables: the next one around the table, of those alive and of the dead in turns.
    fn next_partner(&self, id: Id, state: &mut Part<'_, S>) -> Option<Id> {
        let Exchange { partner, dead, is_of_the_dead, .. } = state.exchange;
        let next = |after, status_fits: fn(Status) -> bool| {
            let fits = |(member, entry): &(Id, &Entry)| *member != id && status_fits(entry.status);
            state.table.from(after).find(fits).map(|(member, _)| member)
        };
        let seeks_dead = self.mechanisms.has(Mechanism::DeadSought);
        let of_dead = next(dead, |status| status == Status::Dead).filter(|_| seeks_dead);
        let of_alive = next(partner, |status| !status.is_gone());
        let (next, is_dead) = match (of_alive, of_dead) {
            (_, Some(next)) if is_of_the_dead => (next, true),
            (Some(next), _) => (next, false),
            (None, Some(next)) => (next, true),
            (None, None) => return None,
        };
        let exchange = &mut state.to_mut().exchange;
        *(if is_dead { &mut exchange.dead } else { &mut exchange.partner }) = next;
        exchange.is_of_the_dead = !is_dead && of_dead.is_some();
        Some(next)
    }

    /// Tells the coordinator who is gone, and again after a while if somebody is.
    fn report(&self, state: &MemberState<S>, out: &mut Out<Self>) {
        let Some(coordinator) = self.coordinator else { return };
        let gone = state.table.gone();
        if gone.is_empty() {
            out.cancel_timer(Timer::Report);
        } else {
            out.set_timer(Timer::Report, self.timeouts.report.clone());
        }
        out.send(coordinator, Msg::Report { gone });
    }

    /// What is said to this member now and would say nothing new, now and for ever.
    pub(crate) fn is_past(&self, id: Id, state: &MemberState<S>, src: Id, msg: &Msg) -> bool {
        let Msg::Gossip { say, news } = msg else {
            return matches!(msg, Msg::Report { .. }) || src != id;
        };
        let rows_are_past =
            || news.iter().chain(say.rows()).all(|rumour| self.is_old(id, state, rumour));
        let number = Number { start: state.start, round: state.round };
        match say {
            Say::Ack { origin, number: of, .. } => {
                *origin == id
                    && (*of < number || *of == number && state.probe.is_none())
                    && rows_are_past()
            }
            Say::Same { start, .. } => {
                (*start < state.start || *start == state.start && !state.exchange.is_joining)
                    && rows_are_past()
            }
            Say::Rows { start, .. } => *start < state.start && rows_are_past(),
            Say::Tell { .. } => rows_are_past(),
            Say::Ping { .. } | Say::Seek { .. } | Say::Compare { .. } => false,
        }
    }

    /// Whether a row will never be news here, in this life or a later one, in which suspicions are forgotten.
    fn is_old(&self, id: Id, state: &MemberState<S>, Rumour { member, entry }: &Rumour) -> bool {
        let intact =
            [Mechanism::NewerRowsOnly, Mechanism::TombstonesOfMembers, Mechanism::RefutationSaved];
        let known = state.table.get(*member).filter(|_| {
            *member == id || intact.iter().all(|mechanism| self.mechanisms.has(*mechanism))
        });
        known.is_some_and(|known| {
            // Its having left is forgotten in a crash, too.
            let lasting =
                if *member == id { (known.incarnation, 0) } else { known.settled().version() };
            entry.version() <= lasting
        })
    }
}

impl<S: Store<Key, Row>> MemberState<S> {
    /// Those who are not known to be gone, itself and the suspected ones among them.
    pub fn alive(&self) -> impl Iterator<Item = Id> {
        self.table.alive()
    }

    /// The nodes for which nobody speaks any more.
    pub fn gone(&self) -> BTreeSet<Id> {
        self.table.gone()
    }

    /// Puts a row on the table, and spreads it.
    fn take(&mut self, Rumour { member, entry }: &Rumour) {
        let before = self.table.get(*member).copied();
        if let Status::Suspect { by } = entry.status {
            let fresh = before.is_none_or(|before| before.version() != entry.version());
            let suspicion = self.suspicions.entry(*member);
            let suspicion =
                suspicion.or_insert_with(|| Suspicion { periods: 0, by: BTreeSet::new() });
            if fresh {
                *suspicion = Suspicion { periods: 0, by: BTreeSet::new() };
            }
            suspicion.by.insert(by);
        } else {
            self.suspicions.remove(member);
        }
        if before.map(Entry::settled) != Some(entry.settled()) {
            self.store.put(Key::Member(*member), Row::Member(entry.settled()));
        }
        self.table.insert(*member, *entry);
        self.rumours.insert(*member, 0);
    }

    /// Drops a row, which intact members never do.
    fn forget(&mut self, member: Id) {
        self.store.delete(&Key::Member(member));
        self.table.remove(member);
        self.rumours.remove(&member);
    }

    /// The news that were told least, told once more now; what was told often enough is no news.
    fn tell(&mut self, dst: Id, enough: u32) -> Vec<Rumour> {
        let others = self.rumours.iter().filter(|(member, _)| **member != dst);
        let mut least: Vec<_> = others.map(|(member, told)| (*told, *member)).collect();
        if NEWS < least.len() {
            least.select_nth_unstable(NEWS);
            least.truncate(NEWS);
        }
        least.sort_unstable();
        for (told, member) in &least {
            if told + 1 < enough {
                self.rumours.insert(*member, told + 1);
            } else {
                self.rumours.remove(member);
            }
        }
        let row = |member| Some(Rumour { member, entry: *self.table.get(member)? });
        least.into_iter().filter_map(|(_, member)| row(member)).collect()
    }

    /// Who is to be asked next: in each pass everyone alive, in an order of its own.
    fn next_target(&mut self, id: Id) -> Option<Id> {
        let Turn { pass, last } = self.turn;
        let place = |pass| move |member| (table::place(id, pass, member), member);
        let others = || self.table.alive().filter(|member| *member != id);
        let next = others().map(place(pass)).filter(|place| Some(*place) > last).min();
        let (pass, next) = match next {
            Some(next) => (pass, next),
            None => {
                let pass = pass.wrapping_add(1);
                (pass, others().map(place(pass)).min()?)
            }
        };
        self.turn = Turn { pass, last: Some(next) };
        Some(next.1)
    }
}

impl Say {
    /// The rows that this is about.
    pub fn rows(&self) -> &[Rumour] {
        match self {
            Say::Rows { rows, .. } | Say::Tell { rows } => rows,
            _ => &[],
        }
    }
}

/// The logarithm to the base of 2 of a number of members, rounded up; at least 1.
fn logarithm(members: usize) -> u32 {
    (usize::BITS - members.leading_zeros()).max(1)
}

impl<S: Store<Key, Row>, M: Mechanisms> Actor for Member<S, M> {
    type Msg = Msg;
    type Timer = Timer;
    /// `None` when it has no store, and refuses to run.
    type State = Option<MemberState<S>>;
    type Storage = S;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<S>, out: &mut Out<Self>) -> Self::State {
        self.start(id, storage.clone(), out)
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, Self::State>,
        src: Id,
        msg: Msg,
        out: &mut Out<Self>,
    ) {
        with_some(state, |part| self.receive(id, part, src, msg, out));
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, Self::State>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        with_some(state, |part| self.timeout(id, part, timer, out));
    }

    fn name(&self) -> String {
        "member".to_string()
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Prune for Member<S, M> {
    fn is_obsolete(&self, id: Id, state: &Self::State, src: Id, msg: &Msg) -> bool {
        state.as_ref().is_some_and(|state| self.is_past(id, state, src, msg))
    }
}

#[cfg(test)]
mod tests;
