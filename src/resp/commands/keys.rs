//! `KEYS`: every key that matches, if they are not too many.

use super::scan::matching;
use crate::resp::Position;
use crate::resp::command::{Command, Does};
use crate::resp::fold::UNAVAILABLE;
use crate::resp::glob::Pattern;
use crate::resp::service::DynService;
use crate::resp::shared::Shared;
use crate::resp::syntax::PATTERN;
use crate::resp::wire::Reply;

pub(super) const KEYS: Command = Command {
    name: "KEYS",
    arity: 2,
    flags: &["readonly"],
    group: "generic",
    summary: "The keys that match, if they are not too many: a whole scan, and as good as one.",
    differs: Some(("KEYS", "refused where too many keys match")),
    arguments: &[PATTERN],
    run: |call| {
        let pattern = Pattern::new(&call.words[1])?;
        Does::alone(|service, shared| async move { list(&*service, &shared, &pattern).await })
    },
    ..Command::NEW
};

async fn list(service: &dyn DynService, shared: &Shared, pattern: &Pattern) -> Reply {
    let limits = &shared.limits;
    let Some(_turn) = shared.budget.turn().await else {
        return Reply::error("TRYAGAIN other large replies are being read; use SCAN");
    };
    let mut keys = Vec::new();
    let mut from = Position::default();
    loop {
        let Some(page) = service.scan(from, limits.scan_page).await else {
            return UNAVAILABLE;
        };
        matching(&page, Some(pattern), &mut keys).await;
        if keys.len() > limits.keys {
            let text = format!("ERR more than {} keys match; use SCAN", limits.keys);
            return Reply::Error(text.into());
        }
        match page.next {
            Some(position) => from = position,
            None => return Reply::Array(keys),
        }
        // A long scan of a fast service lets others have the thread.
        tokio::task::yield_now().await;
    }
}
