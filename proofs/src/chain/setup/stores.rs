//! What stores hold at the start of a model of a chain.

use super::{Setup, Since, Stored};
use crate::chain::world::FIRST_EPOCH;
use crate::chain::world::ProofStore;
use crate::history::History;
use chainring_model::chain::{Entry, Key as RowKey, Place, Replica, Row, Transfer};
use chainring_model::kv::{Key, Op, OpId, Outcome};
use chainring_model::store::Store;
use stateright::actor::Id;

impl Setup {
    /// What clients have seen when nothing has happened yet.
    pub(in crate::chain) fn history(&self) -> History {
        let mut history = History::default();
        if self.anew {
            // What the joiner has, and has received.
            history = history.or_anew("x", "9").or_anew("y", "7").or_anew("z", "8");
        }
        match self.stored {
            Stored::Nothing | Stored::Lanes => history,
            Stored::Value => history.holding("x", "1"),
            Stored::Values | Stored::OldDisk | Stored::Away(_) => {
                history.holding("x", "1").holding("y", "2")
            }
        }
    }

    /// Whether the joiner has the store of an earlier time.
    fn has_old_disk(&self) -> bool {
        matches!(self.stored, Stored::OldDisk | Stored::Away(_))
    }

    /// Fills the store of a replica that has been away, or of one that has not.
    fn fill_away(&self, since: Since, joins: bool, store: &mut ProofStore) {
        let gateway = Id::from(self.all_replicas());
        let operation = |seq| OpId { gateway, incarnation: 0, lane: 0, seq };
        let mut write = |index, key: &str, value: &str| {
            let (key, value) = (RowKey::Data(key.into()), value.into());
            store.put(key, Row::Data { index, value });
        };
        let (entries, committed) = match (joins, since) {
            (true, Since::AllOfAnother) => {
                write(1, "y", "7");
                write(2, "w", "8");
                (2..=2, 2)
            }
            (true, _) => {
                write(1, "y", "7");
                write(2, "z", "8");
                (2..=2, 2)
            }
            (false, _) => {
                write(4, "x", "1");
                write(5, "y", "2"); // and z was deleted, by the third
                (if since == Since::Some { 4..=5 } else { 2..=5 }, 5)
            }
        };
        for index in entries {
            let other = joins && since == Since::AllOfAnother;
            let id = operation(if other { 1 } else { index });
            let key = Key::from(["z", "z", "x", "y"][index as usize - 2]);
            store.put(RowKey::Log(index), Row::Touched { id, key });
        }
        for index in (3..=6).filter(|_| joins) {
            let (id, op) = (operation(index + 6), Op::Put("9".into()));
            store.put(RowKey::Log(index), Row::Entry(Entry { id, key: "x".into(), op }));
        }
        let (incarnation, seq, outcome) = (0, committed, Outcome::Done);
        store.put(RowKey::Lane(gateway, 0), Row::Lane { incarnation, seq, outcome });
        store.put(RowKey::Committed, Row::Committed { index: committed, keys: 2 });
    }

    /// Fills the store of the replica at this place.
    pub(super) fn fill(&self, place: usize, store: &mut ProofStore) {
        let mut view = self.view();
        let joins = place >= self.replicas;
        if joins && (!self.taught || self.has_old_disk()) {
            view.epoch -= 1;
            view.learner = None;
        }
        if joins && self.has_old_disk() {
            view.chain.insert(0, Id::from(place));
        }
        Replica::init(store, view);
        if let Stored::Away(since) = self.stored {
            return self.fill_away(since, joins, store);
        }
        let gateway = |client: usize| Id::from(self.all_replicas() + client);
        let mut write = |index, key: &str, value: &str| {
            let (key, value) = (RowKey::Data(key.into()), value.into());
            store.put(key, Row::Data { index, value });
        };
        let committed = match (self.stored, joins) {
            (Stored::Value, false) => {
                write(1, "x", "1");
                (1, 1)
            }
            (Stored::Values | Stored::OldDisk, false) => {
                write(4, "x", "1");
                write(3, "y", "2");
                (5, 2) // and z was deleted
            }
            (Stored::Lanes, false) => (4, 0), // values came and went
            (Stored::OldDisk, true) => {
                write(1, "y", "7");
                write(2, "z", "8");
                (2, 2)
            }
            _ => (0, 0),
        };
        let (index, keys) = committed;
        store.put(RowKey::Committed, Row::Committed { index, keys });
        if let Stored::Values | Stored::OldDisk | Stored::Lanes = self.stored
            && !joins
        {
            for client in 0..self.clients.len() {
                let row = Row::Lane { incarnation: 0, seq: 4, outcome: Outcome::Done };
                store.put(RowKey::Lane(gateway(client), 0), row);
            }
        }
        if self.stored == Stored::OldDisk && joins {
            let id = OpId { gateway: gateway(0), incarnation: 0, lane: 0, seq: 9 };
            let entry = Entry { id, key: "x".into(), op: Op::Put("9".into()) };
            store.put(RowKey::Log(3), Row::Entry(entry));
        }
        if joins && self.taught && self.stored != Stored::OldDisk {
            let (since, place) = (FIRST_EPOCH, Place::Emptying);
            let transfer = Transfer::Learning { since, place };
            store.put(RowKey::Transfer, Row::Transfer(transfer));
            store.put(RowKey::Committed, Row::Committed { index: 0, keys: 0 });
        }
    }
}
