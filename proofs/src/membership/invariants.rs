//! What must hold of members by themselves.
//!
//! SWIM (Das, Gupta & Motivala, DSN '02) is the source, and Lifeguard (Dadgar, Phillips & Currey,
//! arXiv 1707.00788) of what suspicions do.
//!
//! | property | says | beside it, *sometimes* |
//! |---|---|---|
//! | incarnations never go back | on no table, saved or not, does a row go back to an older incarnation | a member is known in a later one |
//! | the dead stay dead | a member never holds another one alive in a life in which it has held it dead or gone, or an older one | a member that died, or left, is held dead; a stale row meets a tombstone |
//! | a restart is a new life | a member starts in an incarnation in which no other has known it | all know a restarted one |
//! | nobody is ahead | no row is of a later incarnation than its member has saved | |
//! | what is said is refuted | a member that hears worse of itself than it knows is in a later incarnation after that | a suspicion, and a death, is refuted everywhere |
//! | durable | what a live member believes, suspicions left out, is what it has saved | |
//! | bounded | every message is as short as it should be | |
//! | *can always finish* (where messages are lost for good) | from every state some way leads to one in which all are up and agree | |
//!
//! The last one is not liveness, as elsewhere: a way need not be taken. But it is asked of every
//! state, also those in which all questions have been asked, and all news was told and lost.

use super::world::{MembershipModel, State, own, rows, saved, up};
use crate::claim::Claim;
use chainring_model::Mechanisms;
use chainring_model::membership::msg::Gossip;
use chainring_model::membership::{Entry, Msg, NEWS, PART};
use stateright::Property;
use stateright::actor::Envelope;
use std::collections::{BTreeMap, BTreeSet};

/// Every property of members by themselves.
pub fn of_members<M: Mechanisms>() -> Vec<Property<MembershipModel<M>>> {
    vec![
        incarnations_never_go_back(),
        dead_stay_dead(),
        restart_is_new_life(),
        nobody_is_ahead(),
        said_is_refuted(),
        durable(),
        bounded(),
    ]
}

/// On no table, saved or not, does a row go back to an older incarnation.
pub fn incarnations_never_go_back<M: Mechanisms>() -> Property<MembershipModel<M>> {
    Claim::IncarnationsNeverGoBack.always(|_, state: &State<M>| !state.system.history.went_back)
}

/// A member that was once held dead or gone in a life is never held alive in it again.
pub fn dead_stay_dead<M: Mechanisms>() -> Property<MembershipModel<M>> {
    Claim::DeadStayDead.always(|_, state: &State<M>| !state.system.history.has_revived)
}

/// A member starts in an incarnation in which no other member has known it.
pub fn restart_is_new_life<M: Mechanisms>() -> Property<MembershipModel<M>> {
    Claim::RestartIsNewLife.always(|_, state: &State<M>| !state.system.history.has_reused)
}

/// No row is of a later incarnation than its member has saved.
pub fn nobody_is_ahead<M: Mechanisms>() -> Property<MembershipModel<M>> {
    Claim::NobodyIsAhead.always(|_, state: &State<M>| {
        rows(&state.system).into_iter().all(|(_, member, entry)| {
            let store = state.system.actor_storages[usize::from(member)];
            store.is_some_and(|store| entry.incarnation <= own(&store))
        })
    })
}

/// A member that hears worse of itself than it knows takes a later incarnation.
pub fn said_is_refuted<M: Mechanisms>() -> Property<MembershipModel<M>> {
    Claim::SaidIsRefuted.always(|_, state: &State<M>| !state.system.history.was_silent)
}

/// What a live member believes, suspicions left out, is what it has saved.
pub fn durable<M: Mechanisms>() -> Property<MembershipModel<M>> {
    Claim::Durable.always(|_, state: &State<M>| {
        let mut whole = up(&state.system).filter(|(id, _)| !state.is_mid_step(*id));
        whole.all(|(id, member)| {
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
    })
}

/// Every message is as short as it should be.
pub fn bounded<M: Mechanisms>() -> Property<MembershipModel<M>> {
    Claim::Bounded.always(|_, state: &State<M>| {
        state.system.network.iter_deliverable().all(|Envelope { msg, .. }| match msg {
            Msg::Gossip(Gossip { say, news }) => {
                news.len() <= NEWS + 2
                    && say.rows().len() <= PART
                    && news.iter().map(|row| row.member).collect::<BTreeSet<_>>().len()
                        == news.len()
            }
            Msg::Report(_) | Msg::Leave => true,
        })
    })
}
