//! `FLUSHALL`: every key is deleted, each by an operation of its own.
//!
//! There is no operation on all keys at once, and so none that empties a cluster at one moment. The
//! keys are listed page by page, and each page's are deleted side by side, a few at a time. So a
//! flush deletes each key that was acknowledged before it began; one that is written meanwhile may
//! be deleted or stay; it lets others work between its operations, takes as long as so many deletes
//! take, and ends with its connection. It stops at the first page of which not all deletes were
//! done, and says how many were.

use crate::resp::job::UNAVAILABLE;
use crate::resp::wire::Reply;
use crate::resp::{Position, Service};
use chainring_model::chain::Reads;
use chainring_model::kv::{Op, Outcome, Refusal};
use futures_util::stream::{FuturesUnordered, StreamExt};

/// How many keys are deleted side by side.
const SIDE_BY_SIDE: usize = 64;

/// What became of the keys so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    deleted: u64,
    refused: u64,
    unknown: u64,
}

/// Deletes every key that there is, page by page.
pub(in crate::resp) async fn flush<S: Service>(service: &S, page: usize) -> Reply {
    let (mut tally, mut from) = (Tally::default(), Position::default());
    loop {
        let Some(listed) = service.scan(from, page).await else {
            return tally.stopped();
        };
        let mut keys = listed.keys.into_iter();
        let delete = |key| service.call(key, Op::Delete, Reads::Any);
        let mut running: FuturesUnordered<_> =
            keys.by_ref().take(SIDE_BY_SIDE).map(delete).collect();
        while let Some(outcome) = running.next().await {
            tally.count(&outcome);
            running.extend(keys.next().map(delete));
        }
        if tally.refused + tally.unknown > 0 {
            return tally.stopped();
        }
        match listed.next {
            Some(next) => from = next,
            None => return Reply::OK,
        }
    }
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            // One that another client deleted first is gone as well.
            Outcome::Done | Outcome::Refused(Refusal::Absent) => self.deleted += 1,
            Outcome::Unknown => self.unknown += 1,
            _ => self.refused += 1,
        }
    }

    /// The reply where not all is done.
    fn stopped(self) -> Reply {
        let Tally { deleted, refused, unknown } = self;
        if deleted + unknown == 0 {
            return UNAVAILABLE;
        }
        let code = if unknown > 0 { "UNKNOWN" } else { "TRYAGAIN" };
        Reply::Error(
            format!(
                "{code} the flush stopped before its end: {deleted} keys were deleted, {refused} were not, and \
                 of {unknown} it is not known; flush again"
            )
            .into(),
        )
    }
}
