//! What must be reachable, so that no property holds because nothing happened.

use crate::world::{World, chain, finished, members, messages};
use chainring_model::chain::{ChainActor, ChainState, Msg};
use stateright::Property;

/// Things that happen in some run of a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reached {
    /// Every script finished, and every outcome is known.
    AllReturned,
    /// A read found a value.
    ReadFound,
    /// A successor lacks an update that its predecessor has.
    SuccessorLags,
    /// Updates are on their way at two links at once.
    TwoLinksBusy,
    /// A member's stable store lags behind its successor's.
    StableLags,
    /// All members hold the same data, and some.
    AllAgree,
    /// An update is acknowledged.
    Acknowledged,
    /// The head answered a duplicate with the recorded outcome.
    DuplicateAnswered,
    /// A replica forwarded a read of a dirty key.
    DirtyForwarded,
    /// An actor crashed, everything is up again, and every script finished.
    RecoveredAndServed,
    /// A gateway's start gave up an operation that its last one had under way.
    GivenUp,
    /// A gateway followed a redirect, and every script finished.
    Redirected,
    /// A log holds as much as its replica's window may.
    WindowFull,
    /// An operation's outcome is unknown to its client, and yet it took effect.
    UnknownTookEffect,
}

impl Reached {
    /// This, as a property.
    pub fn property<W: World>(self) -> Property<W> {
        match self {
            Reached::AllReturned => {
                Property::sometimes("every operation returned", |world, state| {
                    finished(world, state) && W::system(state).history.unknown().is_empty()
                })
            }
            Reached::ReadFound => Property::sometimes("a read found a value", |_, state| {
                W::system(state).history.has_read()
            }),
            Reached::SuccessorLags => Property::sometimes("a successor lags", |_, state| {
                chain(W::system(state)).windows(2).any(|pair| pair[1].last() < pair[0].last())
            }),
            Reached::TwoLinksBusy => Property::sometimes("two links are busy", |_, state| {
                let chain = chain(W::system(state));
                let busy = chain.windows(2).filter(|pair| pair[1].last() < pair[0].last());
                busy.count() >= 2
            }),
            Reached::StableLags => Property::sometimes("a stable store lags", |_, state| {
                let chain = chain(W::system(state));
                chain.windows(2).any(|pair| pair[0].committed < pair[1].committed)
            }),
            Reached::AllAgree => Property::sometimes("all members hold the same", |_, state| {
                let chain = chain(W::system(state));
                chain.windows(2).all(|pair| pair[0].data == pair[1].data)
                    && chain.first().is_some_and(|head| !head.data.is_empty())
            }),
            Reached::Acknowledged => {
                Property::sometimes("an update is acknowledged", |_, state| {
                    !W::system(state).history.acknowledged().is_empty()
                })
            }
            Reached::DuplicateAnswered => {
                Property::sometimes("a duplicate is answered by the head", |_, state| {
                    let system = W::system(state);
                    let heads: Vec<_> = (members(system).iter())
                        .filter(|member| member.view.chain.len() > 1)
                        .filter_map(|member| member.view.head())
                        .collect();
                    messages(system).any(|envelope| match envelope.msg {
                        Msg::Reply { outcome, .. } => {
                            heads.contains(&envelope.src)
                                && !matches!(
                                    outcome,
                                    chainring_model::kv::Outcome::Value(_)
                                        | chainring_model::kv::Outcome::Refused(_)
                                )
                        }
                        _ => false,
                    })
                })
            }
            Reached::DirtyForwarded => {
                Property::sometimes("a dirty read is forwarded", |_, state| {
                    messages(W::system(state)).any(|envelope| match envelope.msg {
                        Msg::Request { id, .. } => id.gateway != envelope.src,
                        _ => false,
                    })
                })
            }
            Reached::RecoveredAndServed => {
                Property::sometimes("the recovered have served", |world, state| {
                    W::crashes(state) > 0
                        && W::system(state).crashed.iter().all(|crashed| !crashed)
                        && finished(world, state)
                })
            }
            Reached::GivenUp => Property::sometimes("a start gave up an operation", |_, state| {
                W::crashes(state) > 0 && !W::system(state).history.unknown().is_empty()
            }),
            Reached::Redirected => {
                Property::sometimes("a redirect was followed", |world, state| {
                    let actors = world.actors().iter().zip(&W::system(state).actor_states);
                    let mut gateways =
                        actors.filter_map(|(actor, state)| match (actor, &**state) {
                            (ChainActor::Gateway(gateway), ChainState::Gateway(state)) => {
                                Some((gateway.view().epoch, state.view.epoch))
                            }
                            _ => None,
                        });
                    finished(world, state) && gateways.any(|(first, now)| now > first)
                })
            }
            Reached::WindowFull => Property::sometimes("a window is full", |world, state| {
                members(W::system(state)).iter().any(|member| {
                    match &world.actors()[usize::from(member.id)] {
                        ChainActor::Replica(replica) => member.log.len() == replica.window_bound(),
                        _ => false,
                    }
                })
            }),
            Reached::UnknownTookEffect => {
                Property::sometimes("an unknown operation took effect", |_, state| {
                    let system = W::system(state);
                    let unknown = system.history.unknown();
                    let members = members(system);
                    unknown.iter().any(|id| members.iter().any(|member| member.is_newest(id)))
                })
            }
        }
    }
}
