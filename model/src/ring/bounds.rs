//! What no actor of a ring sends: keys that no store takes, places outside of their span, numbers
//! that no actor counts to.
//!
//! If it comes all the same, it is not listened to. A handler may rely on the rest: a store
//! unwinds at a key that is too long for it, a range that ends before it begins is
//! not scanned, and what is counted on is counted on.

use super::place::position;
use super::{Ballot, Content, Copied, MAX_KEY_BYTES, Msg, Slice, Span};
use crate::kv;
use crate::ring::msg::{
    Accept, Behind, Compare, Compared, Copies, Fetch, Held, Prepare, Promise, Read, Refuse, Rows,
    Scan, Sweep, Want,
};

/// No actor counts that far.
const BEYOND: u64 = u64::MAX / 2;

/// How many registers one node lists to another at the most.
pub(super) const SHOWN: usize = 1024;

/// Whether an actor of a ring can have sent this.
pub(super) fn is_believable(msg: &Msg) -> bool {
    match msg {
        Msg::Read(Read { key, .. }) | Msg::Behind(Behind { key, .. }) => fits(key),
        Msg::Compare(Compare { slice, .. }) => is_slice(slice),
        Msg::Compared(Compared { slice, rows, looked, .. }) => {
            let rows = rows.as_deref().unwrap_or_default();
            is_slice(slice)
                && looked.as_ref().is_none_or(|(_, key)| fits(key))
                && rows.len() <= SHOWN
                && rows.iter().all(|row| fits(&row.key) && is_counted(&row.accepted))
        }
        Msg::Want(Want { keys, then, .. }) => are_named(keys) && then.iter().all(is_slice),
        Msg::Copies(Copies { rows, rest, then, .. }) => {
            are_named(rest)
                && then.iter().all(is_slice)
                && rows.len() <= SHOWN
                && rows.iter().all(is_copied)
        }
        Msg::Prepare(Prepare { key, ballot, .. }) | Msg::Held(Held { key, ballot, .. }) => {
            fits(key) && is_counted(ballot)
        }
        Msg::Accept(Accept { key, ballot, content, .. })
        | Msg::Sweep(Sweep { key, ballot, content, .. }) => {
            fits(key) && is_counted(ballot) && is_dated(content)
        }
        Msg::Promise(Promise { accepted, content, .. }) => {
            is_counted(accepted) && is_dated(content)
        }
        Msg::Refuse(Refuse { promised, .. }) => is_counted(promised),
        Msg::Fetch(Fetch { span, after, .. }) => is_within(span, after.as_ref()),
        Msg::Rows(Rows { span, after, rows, floors, .. }) => {
            is_within(span, after.as_ref())
                && is_counted(&floors.ballot)
                && floors.version < BEYOND
                && rows.iter().all(|row| {
                    is_copied(row) && (span.from..=span.upto).contains(&position(&row.key))
                })
        }
        Msg::Scan(Scan { after, .. }) => after.as_ref().is_none_or(|(_, key)| fits(key)),
        // What they hold is bounded by what is here already, or seen to elsewhere.
        Msg::Opened(_)
        | Msg::Invoke(_)
        | Msg::Return(_)
        | Msg::Vote(_)
        | Msg::Accepted(_)
        | Msg::Scanned(_)
        | Msg::Belong(_)
        | Msg::Views(_)
        | Msg::Members(_) => true,
    }
}

fn fits(key: &kv::Key) -> bool {
    key.len() <= MAX_KEY_BYTES
}

fn are_named(keys: &[kv::Key]) -> bool {
    keys.len() <= SHOWN && keys.iter().all(fits)
}

fn is_copied(row: &Copied) -> bool {
    fits(&row.key) && is_counted(&row.accepted) && is_dated(&row.content)
}

/// Whether its ends are places, the first one not behind the last.
fn is_slice(slice: &Slice) -> bool {
    let Slice { after, upto } = slice;
    let is_ordered = upto.is_none() || after <= upto;
    is_ordered && after.iter().chain(upto).all(|(_, key)| fits(key))
}

fn is_counted(ballot: &Ballot) -> bool {
    ballot.epoch < BEYOND && ballot.n < BEYOND
}

fn is_dated(content: &Content) -> bool {
    content.version < BEYOND
}

/// Whether this is a span, and a place in it.
fn is_within(span: &Span, after: Option<&(u64, kv::Key)>) -> bool {
    let is_inside = |at: u64| (span.from..=span.upto).contains(&at);
    span.from <= span.upto && after.is_none_or(|(at, key)| is_inside(*at) && fits(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::OpId;
    use crate::mechanism::Intact;
    use crate::ring::{Copied, Floors, Key, Node, Ring, RingActor, Row, Timeouts, View};
    use crate::store::MapStore;
    use stateright::actor::{Actor, Id, Out};
    use std::borrow::Cow;

    /// A node is told what no node says, and does nothing; the same within the bounds has an
    /// answer.
    #[test]
    fn what_nobody_sends_is_not_listened_to() {
        let node: RingActor<MapStore<Key, Row>, Intact> =
            RingActor::Node(Node::new(16, Timeouts::default()));
        let (this, gateway) = (Id::from(0), Id::from(9));
        let mut store = MapStore::default();
        Node::init(&mut store, View::stable(1, Ring::of([this])));
        let state = node.on_start(this, &Some(store), &mut Out::new());
        let is_answered = |msg: Msg| {
            let (mut state, mut out) = (Cow::Borrowed(&state), Out::new());
            node.on_msg(this, &mut state, gateway, msg, &mut out);
            matches!(state, Cow::Owned(_)) || !out.is_empty()
        };
        let id = OpId { gateway, incarnation: 1, lane: 0, seq: 1 };
        let ballot = |n| Ballot { epoch: 1, n, gateway, incarnation: 1 };
        let read =
            |length| Msg::Read(Read { epoch: 1, id, key: kv::Key::from(vec![b'k'; length]) });
        assert!(is_answered(read(MAX_KEY_BYTES)) && !is_answered(read(MAX_KEY_BYTES + 1)));
        let prepare = |length, n| {
            let key = kv::Key::from(vec![b'k'; length]);
            Msg::Prepare(Prepare { id, key, ballot: ballot(n) })
        };
        assert!(is_answered(prepare(1, 1)));
        assert!(!is_answered(prepare(1, u64::MAX)) && !is_answered(prepare(MAX_KEY_BYTES + 1, 1)));
        let accept = |version| {
            let content = Content { version, ..Content::default() };
            Msg::Accept(Accept { id, key: "k".into(), ballot: ballot(1), content })
        };
        assert!(is_answered(accept(1)) && !is_answered(accept(u64::MAX)));
        let fetch = |from, upto, after: Option<(u64, usize)>| {
            let after = after.map(|(at, length)| (at, kv::Key::from(vec![b'k'; length])));
            Msg::Fetch(Fetch { epoch: 1, span: Span { from, upto }, after })
        };
        assert!(is_answered(fetch(1, 5, None)) && is_answered(fetch(1, 5, Some((5, 1)))));
        for mad in [
            fetch(5, 1, None),
            fetch(1, 5, Some((6, 1))),
            fetch(1, 5, Some((2, MAX_KEY_BYTES + 1))),
        ] {
            assert!(!is_answered(mad));
        }
        let rows = |key: &str, span| {
            let (key, content) = (key.into(), Content::default());
            let row = Copied { key, accepted: ballot(1), voted: true, content };
            let (after, floors) = (None, Floors::default());
            Msg::Rows(Rows { epoch: 1, span, after, rows: vec![row], more: false, floors })
        };
        let slice = |after: Option<u64>, upto: Option<u64>, length: usize| {
            let place = |at| (at, kv::Key::from(vec![b'k'; length]));
            Slice { after: after.map(place), upto: upto.map(place) }
        };
        let compare = |slice| Msg::Compare(Compare { epoch: 1, slice, digest: Default::default() });
        assert!(is_answered(compare(slice(None, None, 1))));
        assert!(is_answered(compare(slice(Some(1), Some(1), 1))));
        assert!(!is_answered(compare(slice(Some(2), Some(1), 1))));
        assert!(!is_answered(compare(slice(Some(1), None, MAX_KEY_BYTES + 1))));
        let want = |keys, length| {
            let keys = vec![kv::Key::from(vec![b'k'; length]); keys];
            Msg::Want(Want { epoch: 1, keys, then: None })
        };
        assert!(is_answered(want(SHOWN, 1)));
        assert!(!is_answered(want(SHOWN + 1, 1)) && !is_answered(want(1, MAX_KEY_BYTES + 1)));
        let copies = |rows, n| {
            let (key, content) = ("k".into(), Content::default());
            let row = Copied { key, accepted: ballot(n), voted: true, content };
            Msg::Copies(Copies { epoch: 1, rows: vec![row; rows], rest: vec![], then: None })
        };
        assert!(is_believable(&copies(SHOWN, 1)));
        assert!(!is_believable(&copies(1, u64::MAX)) && !is_believable(&copies(SHOWN + 1, 1)));
        let at = position(b"k");
        assert!(is_believable(&rows("k", Span { from: at, upto: at })));
        assert!(!is_believable(&rows("k", Span { from: at + 1, upto: u64::MAX })));
    }
}
