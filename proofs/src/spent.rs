//! What a model of a chain need not tell apart, beside what each actor calls obsolete: messages that cannot
//! lead to anything any more, and senders whose message is the same.
//!
//! [`Prune`](chainring_model::prune::Prune) lets an actor judge by its own state. Here a *model* judges, by the
//! states of several actors. None of this is trusted: see [`Checked::audit`](crate::checked::Checked::audit)
//! and [`Checked::alike`](crate::checked::Checked::alike).

use crate::system::Parcel;
use crate::world::{ProofActor, ProofStore, System, decided, installed};
use chainring_model::chain::{ChainActor, Msg};
use chainring_model::coordinator::Msg::{Accept, Install, Prepare};
use chainring_model::kv::Outcome;
use chainring_model::prune::Prune;
use chainring_model::{Mechanism, Mechanisms};
use stateright::actor::Id;

/// Whether a message is *spent*: whatever it still leads to is a no-op.
///
/// - **A read whose gateway has gone on.** A replica answers a read, forwards it or redirects its gateway, and
///   changes nothing itself. The answer is obsolete to the gateway, and so is a forwarded read's. A redirect
///   tells of a view that coordinators have announced to every gateway, and no announcement is lost for good.
/// - **A proposal for an epoch that both ends know to be decided.** The acceptor answers with the view that it
///   knows, which was announced to every coordinator.
/// - **A question for missing updates**, where there is no learner. The predecessor has sent its successor each
///   entry of its log in this epoch, when it logged it or when it installed the view, and sends it those that
///   follow. Asking is for those that get lost.
pub fn is_spent<M: Mechanisms>(
    mechanisms: &M,
    actors: &[ProofActor<M>],
    system: &System<M>,
    parcel: &Parcel<ProofActor<M>>,
) -> bool {
    let knows = |id: Id, epoch: u64| {
        let saved = system.actor_storages[usize::from(id)];
        let view = saved.as_deref().and_then(|store: &ProofStore| decided(store));
        view.is_some_and(|view| view.epoch >= epoch)
    };
    let both_know = |epoch| knows(parcel.src, epoch) && knows(parcel.dst, epoch);
    let teaches = |id: Id| {
        let saved = system.actor_storages[usize::from(id)];
        let view = saved.as_deref().and_then(|store: &ProofStore| installed(store));
        view.is_none_or(|view| view.learner.is_some())
    };
    match &*parcel.msg {
        Msg::Missing { .. } => {
            mechanisms.has(Mechanism::ResendOnInstall)
                && !teaches(parcel.src)
                && !teaches(parcel.dst)
        }
        Msg::Request { id, op, .. } if op.is_read() => {
            let (gateway, outcome) = (usize::from(id.gateway), Outcome::Unknown);
            let answer = Msg::Reply { id: *id, outcome };
            let state = &system.actor_states[gateway];
            actors[gateway].is_obsolete(id.gateway, state, parcel.dst, &answer)
        }
        Msg::Views(Prepare { decided, .. }) => both_know(decided.epoch + 1),
        Msg::Views(Accept { view, .. }) => both_know(view.epoch),
        _ => false,
    }
}

/// Those from whom a message is the same to its receiver, if it might be from others than its sender: any
/// coordinator who tells of a view; anyone with a request, an answer or a redirect.
pub fn alike<M: Mechanisms>(
    actors: &[ProofActor<M>],
    parcel: &Parcel<ProofActor<M>>,
) -> Option<Vec<Id>> {
    let ids = |wanted: fn(&ProofActor<M>) -> bool| {
        let ids = actors.iter().enumerate().filter(|(_, actor)| wanted(actor));
        Some(ids.map(|(id, _)| Id::from(id)).collect())
    };
    match &*parcel.msg {
        Msg::Views(Install { .. }) => ids(|actor| matches!(actor, ChainActor::Coordinator(_))),
        Msg::Request { .. } | Msg::Reply { .. } | Msg::Redirect { .. } => ids(|_| true),
        _ => None,
    }
}
