//! `FLUSHALL`: every key is deleted, each by an operation of its own.
//!
//! There is no operation on all keys at once, and so none that empties a cluster at one moment. The
//! keys are listed page by page, and each page's are deleted side by side, a few at a time. So a
//! flush deletes each key that was acknowledged before it began; one that is written meanwhile may
//! be deleted or stay; it lets others work between its operations, takes as long as so many deletes
//! take, and ends with its connection. It stops at the first page of which not all deletes were
//! done, and says how many were.

use crate::resp::Position;
use crate::resp::command::{Call, Command, Does, Done};
use crate::resp::fold::UNAVAILABLE;
use crate::resp::service::DynService;
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;
use crate::resp::words::SYNTAX;
use chainring_model::chain::Reads;
use chainring_model::kv::{Op, Outcome, Refusal};
use futures_util::stream::{FuturesUnordered, StreamExt};

pub(super) const FLUSHALL: Command = Command {
    name: "FLUSHALL",
    arity: -1,
    flags: &["write"],
    group: "server",
    summary: "Deletes every key that was there before, one by one: not atomic, and it takes as \
              long as so many DELs. A key that is written meanwhile may stay. ASYNC and SYNC are \
              the same. An error says how many were deleted when it had to stop.",
    arguments: &[FLUSH_HOW],
    run: start,
    ..Command::NEW
};

pub(super) const FLUSHDB: Command = Command {
    name: "FLUSHDB",
    arity: -1,
    flags: &["write"],
    group: "server",
    summary: "The same as FLUSHALL: there is one database.",
    arguments: &[FLUSH_HOW],
    run: start,
    ..Command::NEW
};

const FLUSH_HOW: Argument = Argument::new(
    "flush-type",
    Kind::OneOf(&[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")]),
)
.optional();

/// How many keys are deleted side by side.
const SIDE_BY_SIDE: usize = 64;

/// What became of the keys so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    deleted: u64,
    refused: u64,
    unknown: u64,
}

fn start(call: &mut Call<'_>) -> Done {
    let is_known =
        |how: &[u8]| how.eq_ignore_ascii_case(b"async") || how.eq_ignore_ascii_case(b"sync");
    match &call.words[1..] {
        [] => {}
        [how] if is_known(how) => {}
        _ => return Err(SYNTAX),
    }
    Does::alone(|service, shared| async move { flush(&*service, shared.limits.scan_page).await })
}

/// Deletes every key that there is, page by page.
async fn flush(service: &dyn DynService, page: usize) -> Reply {
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
                "{code} the flush stopped before its end: {deleted} keys were deleted, {refused} were \
                 not, and of {unknown} it is not known; flush again"
            )
            .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn how_it_is_done_is_all_the_same() {
        for line in ["FLUSHALL", "FLUSHALL async", "FLUSHDB SYNC"] {
            assert_eq!(said(line), "alone", "{line}");
        }
        for line in ["FLUSHALL now", "FLUSHDB SYNC SYNC"] {
            assert_eq!(said(line), "ERR syntax error", "{line}");
        }
    }
}
