//! What no actor of a chain sends: keys and values that no store takes, parts of a transfer that
//! are out of order, views without members, numbers that no actor counts to.
//!
//! A message of that kind is not listened to. A handler may rely on the rest.

use super::{Key, Msg, Row};
use crate::chain::msg::{Changes, Fetch, Redirect, Request, Rows, Scan, ScanFor, Update};
use crate::coordinator;
use crate::coordinator::msg::Install;
use crate::kv::{self, Op, Value};

/// No actor counts that far.
const BEYOND: u64 = u64::MAX / 2;

/// Whether an actor of a chain can have sent this.
pub(super) fn is_believable(msg: &Msg) -> bool {
    match msg {
        Msg::Request(Request { key, op, .. }) => op.check(key).is_ok(),
        Msg::Update(Update { entry, .. }) => entry.op.check(&entry.key).is_ok(),
        Msg::Scan(Scan { after, .. }) | Msg::ScanFor(ScanFor { after, .. }) => {
            after.iter().all(fits)
        }
        Msg::Fetch(Fetch { after, .. }) => after.iter().all(is_transferable),
        Msg::Rows(rows) => is_part(rows),
        Msg::Changes(Changes { changes, .. }) => {
            !changes.is_empty() && changes.iter().flatten().all(is_change)
        }
        Msg::Redirect(Redirect { view })
        | Msg::Views(coordinator::Msg::Install(Install { view })) => !view.chain.is_empty(),
        // A gateway answers a client that asks for too much. The others have numbers in them that
        // are compared, and never counted on.
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Reply(_)
        | Msg::Missing(_)
        | Msg::Ack(_)
        | Msg::Scanned(_)
        | Msg::Caught(_)
        | Msg::Views(_)
        | Msg::Resume(_)
        | Msg::Resumed(_) => true,
    }
}

/// Whether a store takes this row of a client's.
pub(super) fn is_storable(key: &kv::Key, value: &Value) -> bool {
    Op::Put(value.clone()).check(key).is_ok()
}

fn fits(key: &kv::Key) -> bool {
    Op::Get.check(key).is_ok()
}

/// Whether rows of a transfer may have this key: a lane, or a client's key that a store takes.
fn is_transferable(key: &Key) -> bool {
    match key {
        Key::Lane(..) => true,
        Key::Data(key) | Key::Tombstone(key) => fits(key),
        Key::View | Key::Committed | Key::Started | Key::Log(_) | Key::Views(_) | Key::Transfer => {
            false
        }
    }
}

/// Whether these are rows that may follow `after`: of lanes and of data, in ascending order, and
/// one at least unless it is the last part.
fn is_part(Rows { after, rows, last, committed, .. }: &Rows) -> bool {
    let keys = || after.iter().chain(rows.iter().map(|(key, _)| key));
    keys().all(|key| is_transferable(key) && !matches!(key, Key::Tombstone(_)))
        && keys().is_sorted_by(|one, next| one < next)
        && (*last || !rows.is_empty())
        && *committed < BEYOND
}

/// Whether this is a row that an entry touched, or the entry's own.
fn is_change((key, row): &(Key, Row)) -> bool {
    match (key, row) {
        (Key::Log(_), Row::Touched { key, .. }) => fits(key),
        (key, _) => is_transferable(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Entry, Reads, View};
    use crate::kv::{MAX_KEY_BYTES, OpId, Outcome};
    use stateright::actor::Id;

    fn key(length: usize) -> kv::Key {
        kv::Key::from(vec![b'k'; length])
    }

    #[test]
    fn keys_that_no_store_takes_are_not_believed() {
        let id = OpId { gateway: Id::from(9), incarnation: 1, lane: 0, seq: 1 };
        let of = |length: usize| {
            let (op, reads) = (Op::Get, Reads::Any);
            let entry = Entry { id, key: key(length), op: Op::Delete };
            let touched = (Key::Log(1), Row::Touched { id, key: key(length) });
            [
                Msg::Request(Request { id, key: key(length), op, reads }),
                Msg::Update(Update { epoch: 1, index: 1, entry }),
                Msg::Scan(Scan { ticket: 1, after: Some(key(length)), limit: 1 }),
                Msg::Fetch(Fetch { since: 1, after: Some(Key::Data(key(length))) }),
                Msg::Changes(Changes { since: 1, from: 1, changes: vec![vec![touched]] }),
            ]
        };
        assert!(of(MAX_KEY_BYTES).iter().all(is_believable));
        assert!(!of(MAX_KEY_BYTES + 1).iter().any(is_believable));
    }

    #[test]
    fn a_part_is_in_order_and_of_rows_that_are_transferred() {
        let lane = (Key::Lane(Id::from(1), 0), {
            let outcome = Outcome::Done;
            Row::Lane { incarnation: 1, seq: 1, outcome }
        });
        let data = |name: &str| (Key::Data(name.into()), Row::Data { index: 1, value: "v".into() });
        let part = |after: Option<&str>, rows: &[(Key, Row)], last, committed| {
            let after = after.map(|name| Key::Data(name.into()));
            let rows = rows.to_vec();
            is_believable(&Msg::Rows(Rows { since: 1, after, rows, last, committed }))
        };
        assert!(part(None, &[lane.clone(), data("a"), data("b")], false, 1));
        assert!(part(Some("a"), &[data("b")], false, 1) && part(Some("a"), &[], true, 1));
        assert!(!part(Some("a"), &[], false, 1), "nothing, and more to come");
        assert!(!part(None, &[data("b"), data("a")], true, 1), "out of order");
        assert!(!part(Some("b"), &[data("b")], true, 1), "again");
        assert!(!part(Some("a"), &[lane], true, 1), "behind the data");
        let committed = (Key::Committed, Row::Committed { index: 1, keys: 1 });
        assert!(!part(None, &[committed], true, 1), "a row of its own");
        let grave = (Key::Tombstone("a".into()), Row::Tombstone { index: 1 });
        assert!(!part(None, &[grave], true, 1), "a scan has no tombstones");
        assert!(!part(None, &[data("a")], true, BEYOND));
    }

    #[test]
    fn a_view_has_a_member() {
        let redirect = |chain| Msg::Redirect(Redirect { view: View::new(1, chain) });
        assert!(is_believable(&redirect(vec![Id::from(0)])) && !is_believable(&redirect(vec![])));
    }
}
