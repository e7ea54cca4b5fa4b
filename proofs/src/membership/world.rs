//! What properties of members by themselves look at.

use crate::checker::intern::Interned;
use crate::checker::model::Checked;
use crate::checker::state::{CheckedState, System};
use crate::history::Recorder;
use chainring_model::membership::msg::Gossip;
use chainring_model::membership::{Entry, Key, Member, MemberState, Msg, Row, Rumour, Timer};
use chainring_model::store::{MapStore, Store};
use chainring_model::{Intact, Mechanisms};
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::collections::BTreeMap;

/// A member's store in proofs.
pub type ProofStore = MapStore<Key, Row>;

/// A member as it is checked.
pub type ProofActor<M = Intact> = Member<ProofStore, M>;

/// A model of members by themselves.
pub type MembershipModel<M = Intact> = Checked<ProofActor<M>, Lives>;

/// A state of it.
pub type State<M = Intact> = CheckedState<ProofActor<M>, Lives>;

/// What happened to rows, as far as it can still matter.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Lives {
    /// In which life a member, to another one, has died or left; the newest, until it is known in a
    /// later one.
    pub buried: BTreeMap<(Id, Id), u64>,
    /// Whether one was held alive again in that life.
    pub has_revived: bool,
    /// Whether a row went back.
    pub went_back: bool,
    /// Whether a member started in a life in which it was known.
    pub has_reused: bool,
    /// Whether a member let something pass that was said of it.
    pub was_silent: bool,
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
        // A member that is dropped from a table has died as far as that table goes.
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

/// The members that are up, by id.
pub fn up<M: Mechanisms>(
    system: &System<ProofActor<M>, Lives>,
) -> impl Iterator<Item = (Id, &'static MemberState<ProofStore>)> {
    let states = system.actor_states.iter().enumerate();
    states.filter_map(|(index, state)| Some((Id::from(index), Interned::get(*state).as_ref()?)))
}

/// The rows that a member has saved of others.
pub fn saved(store: &ProofStore) -> impl Iterator<Item = (Id, Entry)> {
    store.iter().filter_map(|(key, row)| match (key, row) {
        (Key::Member(member), Row::Member(entry)) => Some((*member, *entry)),
        _ => None,
    })
}

/// The newest incarnation that a member has saved of itself.
pub fn own(store: &ProofStore) -> u64 {
    match store.get(&Key::Own) {
        Some(Row::Own { incarnation }) => incarnation,
        _ => 0,
    }
}

/// Every row of one member about another one, saved or not: of which member, and what.
pub fn rows<M: Mechanisms>(system: &System<ProofActor<M>, Lives>) -> Vec<(Id, Id, Entry)> {
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
pub fn witness<M: Mechanisms>(
    before: &System<ProofActor<M>, Lives>,
    action: Option<&ActorModelAction<Interned<Msg>, Timer, ()>>,
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
        Some(ActorModelAction::Recover(id)) => {
            let known = rows(before).into_iter().filter(|(_, member, _)| member == id);
            let known = known.map(|(.., entry)| entry.incarnation);
            let before = before.actor_storages[usize::from(*id)].map_or(0, |store| own(&store));
            let newest = known.max().unwrap_or(0).max(before);
            lives.has_reused |= entry_of(after, *id).is_some_and(|own| own.incarnation <= newest);
        }
        Some(ActorModelAction::Deliver { dst, msg, .. }) => {
            if let (Msg::Gossip(Gossip { say, news }), Some(before), Some(after)) =
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
        Some(
            ActorModelAction::Drop(_)
            | ActorModelAction::Timeout(..)
            | ActorModelAction::Crash(_)
            | ActorModelAction::SelectRandom { .. },
        )
        | None => {}
    }
    (lives != after.history).then_some(lives)
}
