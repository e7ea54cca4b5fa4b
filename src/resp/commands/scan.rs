//! `SCAN`: a page of keys.

use crate::resp::command::{Call, Command, Does};
use crate::resp::fold::UNAVAILABLE;
use crate::resp::glob::Pattern;
use crate::resp::service::DynService;
use crate::resp::shared::Shared;
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;
use crate::resp::words::SYNTAX;
use crate::resp::{Position, ScanPage};
use std::time::{Duration, Instant};

pub(super) const SCAN: Command = Command {
    name: "SCAN",
    arity: -2,
    flags: &["readonly"],
    group: "generic",
    since: "2.8.0",
    summary: "A page of keys. A scan returns each key that is there from before it began until it \
              ends, what was acknowledged before through any node included, and none that is \
              absent as long; a key that comes or goes meanwhile may be returned or not. One page \
              of a chain is as of one moment; several pages, and those of several chains or of a \
              ring, are not.",
    differs: Some((
        "SCAN",
        "cursors are random numbers; pages have up to COUNT keys that were looked at, in order of \
         bytes (of a ring: of hashes); a cursor of another node, or of before a restart, is \
         refused",
    )),
    arguments: &[
        Argument::new("cursor", Kind::Integer),
        Argument::new("pattern", Kind::Pattern).token("MATCH").optional(),
        Argument::new("count", Kind::Integer).token("COUNT").optional(),
        Argument::new("type", Kind::Text).token("TYPE").optional(),
    ],
    run: |call| {
        let page = Page::of(call)?;
        Does::alone(|service, shared| async move { page.list(&*service, &shared).await })
    },
    ..Command::NEW
};

/// The page that is asked for.
#[derive(Debug)]
struct Page {
    cursor: u64,
    pattern: Option<Pattern>,
    /// How many keys are looked at.
    count: usize,
    /// Whether strings are asked for, or another type, of which there is none.
    strings: bool,
}

/// How long a listing works before others have the thread.
const SLICE: Duration = Duration::from_millis(2);

const NO_CURSOR: Reply = Reply::error(
    "ERR unknown cursor: it is not of this node or was forgotten; begin again with SCAN 0",
);

impl Page {
    fn of(call: &Call<'_>) -> Result<Self, Reply> {
        let cursor = std::str::from_utf8(&call.words[1]).ok();
        let cursor = cursor.filter(|cursor| cursor.bytes().all(|digit| digit.is_ascii_digit()));
        let cursor = cursor.and_then(|cursor| cursor.parse::<u64>().ok());
        let cursor = cursor.ok_or(Reply::error("ERR invalid cursor"))?;
        let mut page = Page { cursor, pattern: None, count: 10, strings: true };
        for (at, pair) in call.words[2..].chunks(2).enumerate() {
            let [option, argument] = pair else {
                return Err(SYNTAX);
            };
            match &option.to_ascii_uppercase()[..] {
                b"MATCH" => page.pattern = Some(Pattern::new(argument)?),
                b"COUNT" => {
                    let asked = call.integer(2 * at + 3)?;
                    if asked < 1 {
                        return Err(SYNTAX);
                    }
                    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
                    page.count = asked.min(call.shared.limits.scan_page);
                }
                b"TYPE" => page.strings = argument.eq_ignore_ascii_case(b"string"),
                _ => return Err(SYNTAX),
            }
        }
        Ok(page)
    }

    async fn list(self, service: &dyn DynService, shared: &Shared) -> Reply {
        let from = match self.cursor {
            0 => Position::default(),
            cursor => match shared.cursors().position(cursor) {
                Some(position) => position,
                None => return NO_CURSOR,
            },
        };
        let Some(page) = service.scan(from, self.count).await else {
            return UNAVAILABLE;
        };
        let next = page.next.clone().map_or(0, |at| shared.cursors().remember(at));
        let mut keys = Vec::new();
        if self.strings {
            matching(&page, self.pattern.as_ref(), &mut keys).await;
        }
        Reply::Array(vec![Reply::text(&next.to_string()), Reply::Array(keys)])
    }
}

/// Puts those keys of a page that match behind the others.
pub(super) async fn matching(page: &ScanPage, pattern: Option<&Pattern>, into: &mut Vec<Reply>) {
    let mut end = Instant::now() + SLICE;
    for key in &page.keys {
        if pattern.is_none_or(|pattern| pattern.matches(key)) {
            into.push(Reply::Text(key.to_vec()));
        }
        if Instant::now() >= end {
            tokio::task::yield_now().await;
            end = Instant::now() + SLICE;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn mistakes_are_in_redis_words() {
        assert_eq!(said("SCAN 0 COUNT 5 MATCH a* TYPE hash"), "alone");
        for line in ["SCAN -1", "SCAN +1", "SCAN x", "SCAN 18446744073709551616"] {
            assert_eq!(said(line), "ERR invalid cursor", "{line}");
        }
        for line in ["SCAN 0 COUNT", "SCAN 0 COUNT 0", "SCAN 0 WAT 1"] {
            assert_eq!(said(line), "ERR syntax error", "{line}");
        }
        assert_eq!(said("SCAN 0 COUNT x"), "ERR value is not an integer or out of range");
    }
}
