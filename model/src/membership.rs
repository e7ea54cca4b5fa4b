//! The ring's failure detector, by gossip: which nodes are there.
//!
//! Every node has a *member* beside its other actors. Each member keeps a table of all members,
//! asks one of them at a time whether it is alive, and tells in passing what it has heard. What it
//! finds is a *suggestion*: a crash cannot be told from slowness, and two members' tables may
//! differ at any moment. Views are decided by [`coordinator`](crate::coordinator)s, and members
//! [`Report`](Msg::Report) to them whose nodes are gone; if every suggestion were wrong, no safety
//! property of the ring would notice.
//!
//! The protocol is SWIM (Das, Gupta & Motivala, DSN '02) with two refinements of Lifeguard (Dadgar,
//! Phillips & Currey, DSN-W '18) and an exchange of tables. Heartbeat tables that are gossiped
//! whole (van Renesse, Minsky & Hayden, Middleware '98) are simpler, but each message of theirs
//! grows with the number of members. Here nothing that is sent periodically does.
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
//! A row says of a member how it fares, *alive*, *suspect*, *dead* or *left*, and in which of its
//! lives, its **incarnation**. A higher incarnation overrules a lower one; within one, the worse
//! status overrules. So:
//!
//! - **The dead stay dead.** A dead member's row stays on the table, a *tombstone*, and a row that
//!   says that it lives in the same incarnation is old news, whether a member brings it that was
//!   away, or a message that was. Rows are never removed; an id is never used for another member,
//!   so there are no more of them than the cluster's file has ever named.
//! - **A restart is a new life.** The incarnation is durable and grows at each start, before
//!   anything is said, so the row of a restarted member overrules its own tombstone. A member
//!   without its store does not start: it would claim a life that has been lived.
//! - **No other speaks for a member's life.** A member alone raises its incarnation: at a start,
//!   and when it hears something worse of itself than it knows. Then it *refutes*: it takes the
//!   next incarnation, durably first, and says so.
//! - **Leaving is final** for the incarnation, as death is. A member that starts again is there
//!   again.
//!
//! # Suspicion
//!
//! 1. Once a period a member pings the next one, in an order that is a permutation of those alive,
//!    another one in each pass and for each member. (SWIM, section 4.3: so each is asked within
//!    one pass by all others.)
//! 2. While no answer comes, it pings again, and asks some others to ping: a lost datagram, or one
//!    bad link, is not a crash. The others keep nothing in mind: pings and answers carry whose
//!    question they belong to.
//! 3. No answer within the period: *suspect*, and it tells the suspect at once, and again each
//!    period. A suspicion is news that spreads. A member that hears it as often as that
//!    spreads it, counts down by itself.
//! 4. A refutation ends it. Else, after so many periods, *dead*. That many is a small multiple of
//!    the logarithm of the number of members, since news takes as long to reach all. It begins at
//!    the largest, and each *further* member that found the same brings it nearer to the smallest:
//!    a crashed member is found by all that ask it, whereas one whose link is bad
//!    finds all others dead, and is alone with that. (Lifeguard's suspicion.)
//! 5. Every message carries two rows before anything else, the sender's and what it knows of the
//!    receiver. So a suspect hears of it from the next member that it talks to.
//!    (Lifeguard's "buddy".)
//!
//! A period is also the clock of suspicions: they are counted in periods of the member that counts,
//! not in time. A process that was suspended for a minute has missed no period when it goes on, and
//! declares no member dead.
//!
//! # News, and what repairs it
//!
//! What changed on a table is told with messages that are sent anyway, the least told first, a few
//! rows a message, each as often as a multiple of the logarithm of the number of members. Nearly
//! always that reaches all. *Nearly* is repaired by the **exchange**, seldom and in parts: a member
//! sends the bounds of the next part of its table and a digest; a member that has other rows in
//! there answers with them, and is told what it lacks. In every other round a member exchanges with
//! one that it holds *dead*, if there is any: two halves of a ring that have declared each other
//! dead would otherwise never speak again. One that has just started compares its whole table, part
//! after part, at once.
//!
//! # What it costs
//!
//! A member sends one ping a period, and answers one on the average; both have a bounded size. An
//! exchange has two or three messages, of bounded size. None of it depends on how many members
//! there are, but for the width of their ids. `examples/src/bin/gossip.rs` measures that with this
//! actor.
//!
//! # Chance
//!
//! Nothing here is drawn at random but the moment at which a timer fires, within a range, by the
//! interpreter of the actor. Orders are permutations by a hash of the asking member, of the pass
//! and of the one asked. So a run can be repeated, and checked.
//!
//! # Which members speak for a node
//!
//! Ids in here are those of members' own actors. Each row also names the node that the member
//! speaks for, since coordinators speak of nodes; it is in the row, not in a file, so that members
//! that join later are known by what they say. A node is gone when all that spoke for it are.
//!
//! # What is left out
//!
//! Liars: rows are believed. Lifeguard's third refinement, a member that slows down when it finds
//! itself to be the slow one. Removing the rows of ids that will never come back.

mod exchange;
pub mod msg;
mod obsolete;
mod probe;
mod rumours;
mod table;
mod timeouts;

pub use exchange::Exchange;
pub use msg::{Msg, Number, Say};
pub use probe::{Probe, Turn};
pub use rumours::Suspicion;
pub use table::{Entry, Rumour, Status, Table};
pub use timeouts::{Timeouts, Timer};

use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::membership::msg::{Gossip, Tell};
use crate::nested::with_some;
use crate::store::Store;
use rumours::logarithm;
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ops::Bound;

/// How many rows a message carries as news, beside the sender's and the receiver's.
pub const NEWS: usize = 6;

/// How many rows a part of a table has.
pub const PART: usize = 32;

/// How many rows a table has. Rows of further members are not taken.
pub const MOST_MEMBERS: usize = 16_384;

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
    /// What is known of all members, itself included. Invariants: no row goes back to an older
    /// version, nor goes; its own row is [`Key::Own`]; the others, without suspicions, are those of
    /// [`Key::Member`], or of a seed of which nothing else was ever heard.
    pub table: Table,
    /// The incarnation with which it has started. Invariant: larger at each start.
    pub start: u64,
    /// How many periods there were since.
    pub round: u64,
    /// Which member it asked last, in which pass.
    pub turn: Turn,
    /// The question that is not answered.
    pub probe: Option<Probe>,
    /// The members that it holds suspect. Invariant: exactly those that are suspect on the table.
    pub suspicions: BTreeMap<Id, Suspicion>,
    /// The rows that are news, and how often each was told. Invariant: less often than is enough.
    pub rumours: BTreeMap<Id, u32>,
    /// How far it is with comparing tables.
    pub exchange: Exchange,
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

impl<S: Store<Key, Row>> Member<S> {
    /// A member that speaks for a node, and knows these members, each with the node that it speaks
    /// for, when it starts for the first time. A `coordinator` that lives beside it hears which
    /// nodes are gone.
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

    /// Begins a new life. A member without a store refuses to run: it would have forgotten in
    /// which.
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
            Msg::Gossip(Gossip { say, news }) => {
                if news.len() > NEWS + 2 || say.rows().len() > PART {
                    return;
                }
                let refuted =
                    self.learn(id, state, &news, out) | self.learn(id, state, say.rows(), out);
                match say {
                    Say::Ping(ping) => self.on_ping(id, state, src, ping, out),
                    Say::Seek(seek) => self.on_seek(id, state, src, seek, out),
                    Say::Ack(ack) => self.on_ack(id, state, src, ack, out),
                    Say::Compare(compare) => {
                        self.on_compare(id, state, src, compare, out);
                        return; // which has answered
                    }
                    Say::Same(same) => self.on_same(id, state, src, same, out),
                    Say::Rows(rows) => self.on_rows(id, state, src, rows, out),
                    Say::Tell(_) => {}
                }
                if refuted {
                    self.say(id, state, src, Say::Tell(Tell { rows: Vec::new() }), out);
                }
            }
            Msg::Leave => self.on_leave(id, state, src, out),
            // Not for members.
            Msg::Report(_) => {}
        }
    }

    /// The operator takes this member out of the ring. It goes on gossiping until its process ends,
    /// so that this gets about.
    fn on_leave(&self, id: Id, state: &mut Part<'_, S>, src: Id, out: &mut Out<Self>) {
        let Some(own) = state.table.get(id).copied() else { return };
        if src != id || own.status.is_gone() {
            return;
        }
        state.to_mut().table.insert(id, Entry { status: Status::Left, ..own });
        self.report(state, out);
        for other in self.others(id, state, id, 0) {
            self.say(id, state, other, Say::Tell(Tell { rows: Vec::new() }), out);
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

    /// Says something, and with it the own row, what is known of the receiver, and the news that
    /// were told least.
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
        out.send(dst, Msg::Gossip(Gossip { say, news }));
    }
}

impl<S: Store<Key, Row>> MemberState<S> {
    /// The members that are not known to be gone, itself and the suspected ones among them.
    pub fn alive(&self) -> impl Iterator<Item = Id> {
        self.table.alive()
    }

    /// The nodes for which no member speaks any more.
    pub fn gone(&self) -> BTreeSet<Id> {
        self.table.gone()
    }
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

#[cfg(test)]
mod tests;
