//! What a model of a chain need not tell apart, beside what each actor calls obsolete: senders whose message is
//! the same. It is not trusted: see [`Checked::equivalent_senders`](crate::checker::model::Checked::equivalent_senders).

use crate::chain::world::ProofActor;
use crate::checker::state::EnvelopeOf;
use chainring_model::Mechanisms;
use chainring_model::chain::{ChainActor, Msg};
use chainring_model::coordinator::Msg::Install;
use stateright::actor::Id;

/// Those from whom a message is the same to its receiver, if it might be from others than its sender: any
/// coordinator who tells of a view; anyone with a request, an answer or a redirect.
pub fn equivalent_senders<M: Mechanisms>(
    actors: &[ProofActor<M>],
    envelope: &EnvelopeOf<ProofActor<M>>,
) -> Option<Vec<Id>> {
    let ids = |wanted: fn(&ProofActor<M>) -> bool| {
        let ids = actors.iter().enumerate().filter(|(_, actor)| wanted(actor));
        Some(ids.map(|(id, _)| Id::from(id)).collect())
    };
    match &*envelope.msg {
        Msg::Views(Install { .. }) => ids(|actor| matches!(actor, ChainActor::Coordinator(_))),
        Msg::Request { .. } | Msg::Reply { .. } | Msg::Redirect { .. } => ids(|_| true),
        _ => None,
    }
}
