//! Persist, then speak: what an actor acts on is what it has saved.

use crate::chain::world::{Member, Sight, World, members};
use crate::claim::Claim;
use chainring_model::chain::{ChainState, Key, Row};
use chainring_model::coordinator;
use chainring_model::store::Store;
use stateright::Property;
use stateright::actor::Id;
use std::rc::Rc;

/// A live actor's store equals its saved one, and what it mirrors in memory equals its store.
pub fn durable<W: World>() -> Property<W> {
    Claim::Durable.always(|_, state| {
        let system = W::system(state);
        let members = members(system);
        let actors = system.states().zip(system.stores()).enumerate();
        let mut whole = actors.filter(|(id, _)| !W::is_mid_step(state, Id::from(*id)));
        whole.all(|(id, (actor, saved))| match actor {
            ChainState::Stopped | ChainState::Script(_) => true,
            ChainState::Gateway(gateway) => saved == Some(&gateway.store),
            ChainState::Coordinator(coordinator) => {
                let vote = coordinator.promised.map(|promised| {
                    let accepted = coordinator.accepted.clone();
                    Row::Views(coordinator::Row::Vote { promised, accepted })
                });
                let decided = Row::Views(coordinator::Row::Decided(coordinator.decided.clone()));
                let row = |key| saved.and_then(|saved| saved.get(&Key::Views(key)));
                saved == Some(&coordinator.store.0)
                    && row(coordinator::Key::Vote) == vote
                    && row(coordinator::Key::Decided) == Some(decided)
            }
            ChainState::Replica(replica) => {
                let of_this = |member: &&Rc<Member>| usize::from(member.id) == id;
                let Some(member) = members.iter().find(of_this) else { return false };
                saved == Some(&replica.store)
                    && member.view == replica.view
                    && member.committed == replica.committed
                    && member.keys == replica.keys
                    && member.transfer == replica.transfer
                    && replica.window.iter().eq(member.log.iter().map(|(i, entry)| (*i, entry)))
            }
        })
    })
}
