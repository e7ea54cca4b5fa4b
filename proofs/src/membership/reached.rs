//! What members by themselves must be able to reach, so that no property holds because nothing
//! happened.

use super::world::{MembershipModel, State, agree, up};
use crate::checker::intern::Interned;
use chainring_model::Mechanisms;
use chainring_model::membership::msg::Ack;
use chainring_model::membership::msg::Gossip;
use chainring_model::membership::{MemberState, Msg, Say, Status};
use stateright::Property;
use stateright::actor::Envelope;

/// Something that must be reachable, so that what is claimed is claimed of something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reached {
    /// A member that is alive is suspect to another one.
    WronglySuspected,
    /// A member that is alive is dead to another one.
    WronglyDead,
    /// Two that are alive hold each other dead.
    DeadToEachOther,
    /// All know each other in the newest life, which is not that of the start, and none
    /// suspects another.
    Refuted,
    /// A member that is down is dead to another one.
    Found,
    /// A row that says that a member lives is on its way to one that knows better.
    StaleUnderWay,
    /// All know a member that has restarted.
    Restarted,
    /// All know that a member has left.
    Left,
    /// All know the newcomer, and it all of them.
    Joined,
    /// An answer comes back through another member.
    Relayed,
    /// A suspicion is confirmed by a second member.
    Confirmed,
}

impl Reached {
    /// What it is called, wherever it is named.
    pub fn name(self) -> &'static str {
        match self {
            Reached::WronglySuspected => "a live member is suspected",
            Reached::WronglyDead => "a live member is held dead",
            Reached::DeadToEachOther => "two hold each other dead",
            Reached::Refuted => "all know of a refutation",
            Reached::Found => "a crashed member is held dead",
            Reached::StaleUnderWay => "a stale row meets a tombstone",
            Reached::Restarted => "all know who has restarted",
            Reached::Left => "all know who has left",
            Reached::Joined => "all know all",
            Reached::Relayed => "an answer is passed on",
            Reached::Confirmed => "a suspicion is confirmed",
        }
    }

    /// This, as a property.
    pub fn property<M: Mechanisms>(self) -> Property<MembershipModel<M>> {
        let holds: fn(&MembershipModel<M>, &State<M>) -> bool = match self {
            Reached::WronglySuspected => wrongly_suspected,
            Reached::WronglyDead => wrongly_dead,
            Reached::DeadToEachOther => dead_to_each_other,
            Reached::Refuted => refuted,
            Reached::Found => found,
            Reached::StaleUnderWay => stale_under_way,
            Reached::Restarted => restarted,
            Reached::Left => left,
            Reached::Joined => joined,
            Reached::Relayed => relayed,
            Reached::Confirmed => confirmed,
        };
        Property::sometimes(self.name(), holds)
    }
}

/// [`Reached::WronglySuspected`].
fn wrongly_suspected<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    is_held(state, |status| matches!(status, Status::Suspect { .. }), true)
}

/// [`Reached::WronglyDead`].
fn wrongly_dead<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    is_held(state, |status| status == Status::Dead, true)
}

/// [`Reached::DeadToEachOther`].
fn dead_to_each_other<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    let holds = |one: &MemberState<_>, other| {
        one.table.get(other).is_some_and(|it| it.status == Status::Dead)
    };
    up(&state.system).any(|(one, of_one)| {
        up(&state.system).any(|(other, of_other)| holds(of_one, other) && holds(of_other, one))
    })
}

/// [`Reached::Refuted`].
fn refuted<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    agree(state)
        && up(&state.system).any(|(id, member)| {
            let own = member.table.get(id);
            own.is_some_and(|own| own.incarnation > member.start)
        })
}

/// [`Reached::Found`].
fn found<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    is_held(state, |status| status == Status::Dead, false)
}

/// [`Reached::StaleUnderWay`].
fn stale_under_way<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    state.system.network.iter_deliverable().any(|Envelope { dst, msg, .. }| {
        let (Msg::Gossip(Gossip { say, news }), Some(member)) =
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
}

/// [`Reached::Restarted`].
fn restarted<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    state.crashes > 0 && agree(state) && up(&state.system).any(|(_, member)| member.start > 1)
}

/// [`Reached::Left`].
fn left<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    let left = |id, member: &MemberState<_>| {
        member.table.get(id).is_some_and(|own| own.status == Status::Left)
    };
    agree(state) && up(&state.system).any(|(id, member)| left(id, member))
}

/// [`Reached::Joined`].
fn joined<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    let count = state.system.actor_states.len();
    agree(state) && up(&state.system).all(|(_, member)| member.table.len() == count)
}

/// [`Reached::Relayed`].
fn relayed<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    state.system.network.iter_deliverable().any(|Envelope { src, dst, msg }| {
        let Msg::Gossip(Gossip { say: Say::Ack(Ack { origin, target, .. }), .. }) = msg else {
            return false;
        };
        *origin == dst && *target != src
    })
}

/// [`Reached::Confirmed`].
fn confirmed<M: Mechanisms>(_: &MembershipModel<M>, state: &State<M>) -> bool {
    let mut suspicions = up(&state.system).flat_map(|(_, member)| member.suspicions.values());
    suspicions.any(|suspicion| suspicion.by.len() > 1)
}

/// Whether a member holds another one, which is up or not, so.
fn is_held<M: Mechanisms>(state: &State<M>, status: fn(Status) -> bool, is_up: bool) -> bool {
    up(&state.system).any(|(id, member)| {
        member.table.iter().any(|(other, entry)| {
            other != id && status(entry.status) && state.system.crashed[usize::from(other)] != is_up
        })
    })
}
