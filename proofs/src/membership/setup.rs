//! Members by themselves, as values: do the dead stay dead, and do tables converge?
//!
//! | property | says | beside it, *sometimes* |
//! |---|---|---|
//! | incarnations never go back | on no table, saved or not, does a row go back to an older incarnation | somebody is known in a later one |
//! | the dead stay dead | whom a member has once held dead or gone in a life, it never holds alive in that life or an older one | somebody who died, or left, is held dead; a stale row meets a tombstone |
//! | a restart is a new life | a member starts in an incarnation in which nobody has known it | all know a restarted one |
//! | nobody is ahead | no row is of a later incarnation than its member has saved | |
//! | what is said is refuted | who hears worse of itself than it knows is in a later incarnation after that | a suspicion, and a death, is refuted everywhere |
//! | durable | what a live member believes, suspicions left out, is what it has saved | |
//! | bounded | every message is as short as it should be | |
//! | *can always finish* (where messages are lost for good) | from every state some way leads to one in which all are up and agree | |
//!
//! The last one is not liveness, as elsewhere: a way need not be taken. But it is asked of every state, also those in
//! which all questions have been asked, and all news was told and lost.

use crate::checker::intern::Interned;
use crate::checker::model::Checked;
use crate::checker::reduce::Pruning;
use crate::checker::state::CheckedState;
use crate::checker::state::System;
use crate::history::Recorder;
use chainring_model::membership::{
    Entry, Key, Member, MemberState, Msg, NEWS, PART, Row, Rumour, Say, Status, Timeouts, Timer,
};
use chainring_model::store::{MapStore, Store};
use chainring_model::{Intact, Mechanisms};
use stateright::Property;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

/// A member's store in proofs.
pub type ProofStore = MapStore<Key, Row>;

/// A member as it is checked.
pub type ProofActor<M = Intact> = Member<ProofStore, M>;

/// A model of members by themselves.
pub type MembershipModel<M = Intact> = Checked<ProofActor<M>, Lives>;

type Claim<M> = Property<MembershipModel<M>>;

type State<M> = CheckedState<ProofActor<M>, Lives>;

/// A system to check.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Of each member, how many periods it begins in a life, at the most.
    pub periods: Vec<u64>,
    /// Who compares tables, as often as it likes.
    pub comparing: Vec<usize>,
    /// Whether questions are asked again, and others help.
    pub tries: u32,
    /// How many crashes, each with a recovery, in all.
    pub crashes: u8,
    /// Who may crash.
    pub mortal: Vec<usize>,
    /// Who is cut off, so that nothing reaches it.
    pub cut_off: Option<usize>,
    /// Who may leave.
    pub leaver: Option<usize>,
    /// Whether nobody has heard of the last member at the start, and it has heard of the first one only.
    pub newcomer: bool,
    /// Whether messages are lost for good.
    pub lossy: bool,
    /// What must be reachable.
    pub reached: Vec<Reached>,
}

/// Something that must be reachable, so that what is claimed is claimed of something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reached {
    /// Somebody who is alive is suspect to another one.
    WronglySuspected,
    /// Somebody who is alive is dead to another one.
    WronglyDead,
    /// Two who are alive hold each other dead.
    DeadToEachOther,
    /// All know each other in the newest life, which is not that of the start, and nobody suspects anybody.
    Refuted,
    /// Somebody who is down is dead to another one.
    Found,
    /// A row that says that somebody lives is on its way to one who knows better.
    StaleUnderWay,
    /// All know somebody who has restarted.
    Restarted,
    /// All know that somebody has left.
    Left,
    /// All know the newcomer, and it all of them.
    Joined,
    /// An answer comes back through somebody else.
    Relayed,
    /// A suspicion is confirmed by a second member.
    Confirmed,
}

/// What happened to rows, as far as it can still matter.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Lives {
    /// In which life a member, to another one, has died or left; the newest, until it is known in a later one.
    buried: BTreeMap<(Id, Id), u64>,
    /// Whether one was held alive again in that life.
    has_revived: bool,
    /// Whether a row went back.
    went_back: bool,
    /// Whether somebody started in a life in which it was known.
    has_reused: bool,
    /// Whether somebody let something pass that was said of it.
    was_silent: bool,
}

impl Recorder<Msg> for Lives {
    fn sent(&self, _: Envelope<&Msg>) -> Option<Self> {
        None
    }

    fn received(&self, _: Envelope<&Msg>) -> Option<Self> {
        None
    }

    fn heeds(_: &Msg) -> bool {
        false
    }
}

impl Lives {
    /// What becomes of this when a member's rows change.
    fn see(&mut self, observer: Id, before: &[(Id, Entry)], after: &[(Id, Entry)]) {
        let after: BTreeMap<_, _> = after.iter().copied().collect();
        self.went_back |= before.iter().any(|(member, before)| {
            after.get(member).is_some_and(|after| after.incarnation < before.incarnation)
        });
        // Who is dropped from a table has died as far as that table goes.
        for (member, before) in before.iter().filter(|(member, _)| !after.contains_key(member)) {
            let buried = self.buried.entry((observer, *member)).or_default();
            *buried = before.incarnation.max(*buried);
        }
        for (member, Entry { incarnation, status, .. }) in after {
            let key = (observer, member);
            let buried = self.buried.get(&key).copied().unwrap_or(0);
            if status.is_gone() {
                self.buried.insert(key, incarnation.max(buried));
            } else if incarnation > buried {
                self.buried.remove(&key);
            } else {
                self.has_revived = true;
            }
        }
    }
}

impl Setup {
    /// Members who only answer, by default.
    pub fn new(periods: impl IntoIterator<Item = u64>) -> Self {
        Setup {
            periods: periods.into_iter().collect(),
            comparing: Vec::new(),
            tries: 0,
            crashes: 0,
            mortal: Vec::new(),
            cut_off: None,
            leaver: None,
            newcomer: false,
            lossy: false,
            reached: Vec::new(),
        }
    }

    /// With these members comparing tables.
    pub fn comparing(mut self, members: impl IntoIterator<Item = usize>) -> Self {
        self.comparing = members.into_iter().collect();
        self
    }

    /// With so many crashes, of these members.
    pub fn crashes(mut self, crashes: u8, mortal: impl IntoIterator<Item = usize>) -> Self {
        (self.crashes, self.mortal) = (crashes, mortal.into_iter().collect());
        self
    }

    /// With this to be reached.
    pub fn reached(mut self, reached: impl IntoIterator<Item = Reached>) -> Self {
        self.reached = reached.into_iter().collect();
        self
    }

    /// Members by number.
    fn ids(&self) -> impl Iterator<Item = Id> {
        (0..self.periods.len()).map(Id::from)
    }

    /// The node that a member speaks for.
    fn node(member: Id) -> Id {
        Id::from(10 + usize::from(member))
    }

    /// Whom a member has heard of at the start.
    fn seeds(&self, of: Id) -> BTreeMap<Id, Id> {
        let last = Id::from(self.periods.len() - 1);
        let knows = |other: &Id| match self.newcomer {
            false => true,
            true if of == last => usize::from(*other) == 0,
            true => *other != last,
        };
        self.ids().filter(knows).map(|other| (other, Self::node(other))).collect()
    }

    /// Short suspicions, news that is told once.
    fn timeouts(&self) -> Timeouts {
        let (tries, relays) = (self.tries, 1);
        Timeouts { tries, relays, suspicion: 0..0, retell: 0, ..Timeouts::default() }
    }

    /// The model that checks this.
    pub fn model<M: Mechanisms>(&self, mechanisms: &M, pruning: Pruning) -> MembershipModel<M> {
        let mortal: Vec<_> = self.mortal.iter().copied().map(Id::from).collect();
        let mut model =
            Checked::new(Lives::default()).crashes(self.crashes, mortal).pruning(pruning);
        if self.lossy {
            model = model.lossy();
        }
        for id in self.ids() {
            let mut store = ProofStore::default();
            ProofActor::init(&mut store);
            let (node, seeds) = (Self::node(id), self.seeds(id));
            let timeouts = self.timeouts();
            let member = Member::with(node, seeds, None, timeouts, mechanisms.clone());
            model = model.actor(member, Some(store));
        }
        if let Some(leaver) = self.leaver.map(Id::from) {
            model = model.in_flight([Envelope { src: leaver, dst: leaver, msg: Msg::Leave }]);
        }
        let this = self.clone();
        let model = model.witness(witness).scope(move |system, action| match action {
            ActorModelAction::Timeout(id, Timer::Probe) => {
                let index = usize::from(*id);
                let Some(state) = &*system.actor_states[index] else { return false };
                state.round < this.periods[index]
            }
            ActorModelAction::Timeout(id, Timer::Exchange) => {
                this.comparing.contains(&usize::from(*id))
            }
            ActorModelAction::Deliver { dst, .. } => this.cut_off != Some(usize::from(*dst)),
            _ => true,
        });
        let model = claims().into_iter().fold(model, Checked::property);
        self.reached.iter().map(|met| met.claim()).fold(model, Checked::property)
    }
}

/// The members that are up, by id.
fn up<M: Mechanisms>(
    system: &System<ProofActor<M>, Lives>,
) -> impl Iterator<Item = (Id, &'static MemberState<ProofStore>)> {
    let states = system.actor_states.iter().enumerate();
    states.filter_map(|(index, state)| Some((Id::from(index), Interned::get(*state).as_ref()?)))
}

/// The rows that a member has saved of others.
fn saved(store: &ProofStore) -> impl Iterator<Item = (Id, Entry)> {
    store.iter().filter_map(|(key, row)| match (key, row) {
        (Key::Member(member), Row::Member(entry)) => Some((*member, *entry)),
        _ => None,
    })
}

/// The newest incarnation that a member has saved of itself.
fn own(store: &ProofStore) -> u64 {
    match store.get(&Key::Own) {
        Some(Row::Own { incarnation }) => incarnation,
        _ => 0,
    }
}

/// Every row of one member about another one, saved or not: of whom, and what.
fn rows<M: Mechanisms>(system: &System<ProofActor<M>, Lives>) -> Vec<(Id, Id, Entry)> {
    let stores = system
        .actor_storages
        .iter()
        .enumerate()
        .filter_map(|(index, store)| Some((Id::from(index), Interned::get((*store)?))));
    let stored = stores.flat_map(|(id, store)| {
        saved(store).map(move |(member, entry)| (id, member, entry)).collect::<Vec<_>>()
    });
    let believed = up(system).flat_map(|(id, state)| {
        state.table.iter().map(move |(member, entry)| (id, member, *entry))
    });
    stored.chain(believed).filter(|(id, member, _)| id != member).collect()
}

/// Whether all are up, and each knows each as that one knows itself.
pub fn agree<M: Mechanisms>(state: &State<M>) -> bool {
    let members: Vec<_> = up(&state.system).collect();
    members.len() == state.system.actor_states.len()
        && members.iter().all(|(id, one)| {
            members.iter().all(|(_, other)| one.table.get(*id) == other.table.get(*id))
        })
}

/// What a step does to rows.
fn witness<M: Mechanisms>(
    before: &System<ProofActor<M>, Lives>,
    action: &ActorModelAction<Interned<Msg>, Timer, ()>,
    after: &System<ProofActor<M>, Lives>,
) -> Option<Lives> {
    let mut lives = after.history.clone();
    for index in 0..after.actor_states.len() {
        let id = Id::from(index);
        if before.actor_storages[index] != after.actor_storages[index]
            && let (Some(before), Some(after)) =
                (before.actor_storages[index], after.actor_storages[index])
        {
            let rows = |store| saved(Interned::get(store)).collect::<Vec<_>>();
            lives.see(id, &rows(before), &rows(after));
            lives.went_back |= own(&before) > own(&after);
        }
        // A table that is lost in a crash is looked at again when it is back.
        if before.actor_states[index] != after.actor_states[index] && !after.crashed[index] {
            let rows = |state: Interned<Option<MemberState<ProofStore>>>| -> Vec<_> {
                let state = Interned::get(state).iter();
                state.flat_map(|state| state.table.iter().map(|(id, it)| (id, *it))).collect()
            };
            lives.see(id, &rows(before.actor_states[index]), &rows(after.actor_states[index]));
        }
    }
    let entry_of = |system: &System<ProofActor<M>, Lives>, id: Id| {
        let state = Interned::get(system.actor_states[usize::from(id)]).as_ref()?;
        state.table.get(id).copied()
    };
    match action {
        ActorModelAction::Recover(id) => {
            let known = rows(before).into_iter().filter(|(_, member, _)| member == id);
            let known = known.map(|(.., entry)| entry.incarnation);
            let before = before.actor_storages[usize::from(*id)].map_or(0, |store| own(&store));
            let newest = known.max().unwrap_or(0).max(before);
            lives.has_reused |= entry_of(after, *id).is_some_and(|own| own.incarnation <= newest);
        }
        ActorModelAction::Deliver { dst, msg, .. } => {
            if let (Msg::Gossip { say, news }, Some(before), Some(after)) =
                (Interned::get(*msg), entry_of(before, *dst), entry_of(after, *dst))
            {
                let worse = |rumour: &&Rumour| {
                    rumour.member == *dst && rumour.entry.version() > before.version()
                };
                lives.was_silent |= news
                    .iter()
                    .chain(say.rows())
                    .filter(worse)
                    .any(|rumour| rumour.entry.version() >= after.version());
            }
        }
        _ => {}
    }
    (lives != after.history).then_some(lives)
}

/// What is claimed.
fn claims<M: Mechanisms>() -> Vec<Claim<M>> {
    vec![
        Claim::<M>::always("incarnations never go back", |_, state| {
            !state.system.history.went_back
        }),
        Claim::<M>::always("the dead stay dead", |_, state| !state.system.history.has_revived),
        Claim::<M>::always("a restart is a new life", |_, state| !state.system.history.has_reused),
        Claim::<M>::always("nobody is ahead", |_, state| {
            rows(&state.system).into_iter().all(|(_, member, entry)| {
                let store = state.system.actor_storages[usize::from(member)];
                store.is_some_and(|store| entry.incarnation <= own(&store))
            })
        }),
        Claim::<M>::always("what is said is refuted", |_, state| !state.system.history.was_silent),
        Claim::<M>::always("durable", |_, state| {
            up(&state.system).all(|(id, member)| {
                let saved_store = state.system.actor_storages[usize::from(id)];
                let saved: BTreeMap<_, _> = saved(&member.store).collect();
                let of_a_seed = |entry: Entry| entry == Entry::expected(entry.node);
                saved_store.is_some_and(|store| *store == member.store)
                    && member.table.iter().all(|(other, entry)| match saved.get(&other) {
                        _ if other == id => entry.incarnation == own(&member.store),
                        Some(saved) => *saved == entry.settled(),
                        None => of_a_seed(entry.settled()),
                    })
                    && saved.keys().all(|other| member.table.get(*other).is_some())
            })
        }),
        Claim::<M>::always("bounded", |_, state| {
            state.system.network.iter_deliverable().all(|Envelope { msg, .. }| match msg {
                Msg::Gossip { say, news } => {
                    news.len() <= NEWS + 2
                        && say.rows().len() <= PART
                        && news.iter().map(|row| row.member).collect::<BTreeSet<_>>().len()
                            == news.len()
                }
                _ => true,
            })
        }),
    ]
}

impl Reached {
    fn claim<M: Mechanisms>(self) -> Claim<M> {
        match self {
            Reached::WronglySuspected => {
                Claim::<M>::sometimes("a live member is suspected", |_, state| {
                    is_held(state, |status| matches!(status, Status::Suspect { .. }), true)
                })
            }
            Reached::WronglyDead => {
                Claim::<M>::sometimes("a live member is held dead", |_, state| {
                    is_held(state, |status| status == Status::Dead, true)
                })
            }
            Reached::DeadToEachOther => {
                Claim::<M>::sometimes("two hold each other dead", |_, state| {
                    let holds = |one: &MemberState<_>, other| {
                        one.table.get(other).is_some_and(|it| it.status == Status::Dead)
                    };
                    up(&state.system).any(|(one, of_one)| {
                        up(&state.system)
                            .any(|(other, of_other)| holds(of_one, other) && holds(of_other, one))
                    })
                })
            }
            Reached::Refuted => Claim::<M>::sometimes("all know of a refutation", |_, state| {
                agree(state)
                    && up(&state.system).any(|(id, member)| {
                        let own = member.table.get(id);
                        own.is_some_and(|own| own.incarnation > member.start)
                    })
            }),
            Reached::Found => Claim::<M>::sometimes("a crashed member is held dead", |_, state| {
                is_held(state, |status| status == Status::Dead, false)
            }),
            Reached::StaleUnderWay => {
                Claim::<M>::sometimes("a stale row meets a tombstone", |_, state| {
                    state.system.network.iter_deliverable().any(|Envelope { dst, msg, .. }| {
                        let (Msg::Gossip { say, news }, Some(member)) =
                            (msg, Interned::get(state.system.actor_states[usize::from(dst)]))
                        else {
                            return false;
                        };
                        news.iter().chain(say.rows()).any(|rumour| {
                            let known = member.table.get(rumour.member);
                            known.is_some_and(|known| {
                                rumour.member != dst
                                    && known.status.is_gone()
                                    && !rumour.entry.status.is_gone()
                                    && rumour.entry.incarnation <= known.incarnation
                            })
                        })
                    })
                })
            }
            Reached::Restarted => {
                Claim::<M>::sometimes("all know who has restarted", |_, state| {
                    state.crashes > 0
                        && agree(state)
                        && up(&state.system).any(|(_, member)| member.start > 1)
                })
            }
            Reached::Left => Claim::<M>::sometimes("all know who has left", |_, state| {
                let left = |id, member: &MemberState<_>| {
                    member.table.get(id).is_some_and(|own| own.status == Status::Left)
                };
                agree(state) && up(&state.system).any(|(id, member)| left(id, member))
            }),
            Reached::Joined => Claim::<M>::sometimes("all know all", |_, state| {
                let count = state.system.actor_states.len();
                agree(state) && up(&state.system).all(|(_, member)| member.table.len() == count)
            }),
            Reached::Relayed => Claim::<M>::sometimes("an answer is passed on", |_, state| {
                state.system.network.iter_deliverable().any(|Envelope { src, dst, msg }| {
                    let Msg::Gossip { say: Say::Ack { origin, target, .. }, .. } = msg else {
                        return false;
                    };
                    *origin == dst && *target != src
                })
            }),
            Reached::Confirmed => Claim::<M>::sometimes("a suspicion is confirmed", |_, state| {
                let mut suspicions =
                    up(&state.system).flat_map(|(_, member)| member.suspicions.values());
                suspicions.any(|suspicion| suspicion.by.len() > 1)
            }),
        }
    }
}

/// Whether a member holds another one, which is up or not, so.
fn is_held<M: Mechanisms>(state: &State<M>, status: fn(Status) -> bool, is_up: bool) -> bool {
    up(&state.system).any(|(id, member)| {
        member.table.iter().any(|(other, entry)| {
            other != id && status(entry.status) && state.system.crashed[usize::from(other)] != is_up
        })
    })
}

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[usize]| {
            let names: Vec<_> = numbers.iter().map(|number| format!("m{number}")).collect();
            names.join(", ")
        };
        let periods: Vec<_> = self.periods.iter().map(u64::to_string).collect();
        let network = if self.lossy { "lossy, duplicating" } else { "duplicating" };
        let (count, periods) = (self.periods.len(), periods.join(", "));
        write!(f, "{count} members with at most {periods} periods a life")?;
        if self.newcomer {
            write!(f, ", the last one a newcomer")?;
        }
        if self.tries > 0 {
            write!(f, ", who ask again")?;
        }
        if !self.comparing.is_empty() {
            write!(f, ", tables compared by {}", list(&self.comparing))?;
        }
        if let Some(cut_off) = self.cut_off {
            write!(f, ", m{cut_off} cut off")?;
        }
        if let Some(leaver) = self.leaver {
            write!(f, ", m{leaver} may leave")?;
        }
        write!(f, ", {network} network")?;
        if self.crashes > 0 {
            let s = if self.crashes == 1 { "" } else { "es" };
            write!(f, ", {} crash{s} of {} with recovery", self.crashes, list(&self.mortal))?;
        }
        Ok(())
    }
}
