//! A client's session with its gateway, whatever the protocol behind the gateway is.
//!
//! - **Incarnations.** A gateway counts its starts, durably, before it says anything, and tells its
//!   clients of each ([`Opened`]). An operation of an earlier start can never be taken for one of
//!   this start; its client was told that it is unknown.
//! - **Lanes.** A lane has one operation under way; many operations at a time take many lanes.
//!   Within a start the numbers of a lane's operations only grow.
//! - **Names.** A client names an operation after the gateway's start ([`OpId`]), and every retry
//!   has that name. So a late or duplicate call is refused by its name alone, and of several
//!   answers the first one counts.
//!
//! The call itself is each protocol's own (`Invoke`), because a chain lets a client choose who may
//! answer a read. What a gateway keeps of a lane is its own, too; the rules above are [`Sessions`].

use crate::kv::{OpId, Outcome};
use serde::{Deserialize, Serialize};
use stateright::actor::Id;

/// A gateway to its clients, when it has started: they begin, or give up what they had under way.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Opened {
    /// Which start it is; names every operation invoked from now on.
    pub incarnation: u32,
}

/// A gateway to the client of an operation, when that has ended.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Return {
    /// Which one.
    pub id: OpId,
    /// How.
    pub outcome: Outcome,
}

/// What a gateway keeps of its clients' sessions, and the rules that follow from it.
pub trait Sessions {
    /// Which start of the gateway this is.
    fn incarnation(&self) -> u32;

    /// The number of a lane's newest operation, and whether that is under way.
    fn newest(&self, lane: u32) -> Option<(u64, bool)>;

    /// Whether a call is a new one, of this start, in a lane that is free.
    fn takes(&self, id: &OpId) -> bool {
        let is_free = |(seq, is_pending): (u64, bool)| !is_pending && seq < id.seq;
        id.incarnation == self.incarnation() && self.newest(id.lane).is_none_or(is_free)
    }

    /// Whether an operation is of an earlier start, or its lane has come to it: its call can matter
    /// no more.
    fn has_come_to(&self, id: &OpId) -> bool {
        id.incarnation < self.incarnation()
            || self.newest(id.lane).is_some_and(|(seq, _)| seq >= id.seq)
    }

    /// Whether an operation is its lane's newest, under way or not.
    fn is_newest(&self, id: &OpId) -> bool {
        let newest = self.newest(id.lane).map(|(seq, _)| seq);
        id.incarnation == self.incarnation() && newest == Some(id.seq)
    }

    /// Whether an operation is under way: an answer counts.
    fn is_pending(&self, id: &OpId) -> bool {
        id.incarnation == self.incarnation() && self.newest(id.lane) == Some((id.seq, true))
    }

    /// The name of an operation of this start.
    fn op_id(&self, gateway: Id, lane: u32, seq: u64) -> OpId {
        OpId { gateway, incarnation: self.incarnation(), lane, seq }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gateway in its second start, whose lane 0 waits for operation 3 and whose lane 1 has ended
    /// 5.
    struct Known;

    impl Sessions for Known {
        fn incarnation(&self) -> u32 {
            2
        }

        fn newest(&self, lane: u32) -> Option<(u64, bool)> {
            [(3, true), (5, false)].get(lane as usize).copied()
        }
    }

    #[test]
    fn an_operation_is_judged_by_its_name() {
        let id = |incarnation, lane, seq| OpId { gateway: Id::from(9), incarnation, lane, seq };
        let takes = |incarnation, lane, seq| Known.takes(&id(incarnation, lane, seq));
        assert!(takes(2, 1, 6) && takes(2, 2, 1), "a free lane and a new one");
        assert!(!takes(2, 0, 4), "the lane is not free");
        assert!(!takes(2, 1, 5) && !takes(2, 1, 4), "a duplicate");
        assert!(!takes(1, 1, 6) && !takes(3, 1, 6), "of another start");
        assert!(Known.is_pending(&id(2, 0, 3)) && !Known.is_pending(&id(1, 0, 3)));
        assert!(!Known.is_pending(&id(2, 1, 5)) && Known.is_newest(&id(2, 1, 5)));
        assert!(Known.has_come_to(&id(1, 7, 9)) && Known.has_come_to(&id(2, 0, 3)));
        assert!(!Known.has_come_to(&id(2, 0, 4)) && !Known.has_come_to(&id(2, 2, 1)));
        assert_eq!(Known.op_id(Id::from(9), 0, 3), id(2, 0, 3));
    }
}
