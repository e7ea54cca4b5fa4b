//! The commands that are not about a key and ask the replica: they wait until everything before
//! them is answered, and what comes after waits for them.
//!
//! Their work is done in slices: after a few milliseconds others have the thread.

use super::commands::flush;
use super::commands::info::{self, Wanted};
use super::glob::Pattern;
use super::job;
use super::shared::Shared;
use super::wire::Reply;
use super::{Position, ScanPage, Service};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A command that wants the connection for itself.
pub(super) enum Alone {
    Scan { cursor: u64, pattern: Option<Pattern>, count: usize, strings: bool },
    Keys { pattern: Pattern },
    Size,
    Info { wanted: Wanted, local: SocketAddr },
    Flush,
}

/// How long a listing works before others have the thread.
const SLICE: Duration = Duration::from_millis(2);

impl Alone {
    pub(super) async fn run<S: Service>(self, service: &S, shared: &Arc<Shared>) -> Reply {
        match self {
            Alone::Info { wanted, local } => info::counted(&wanted, service, shared, local).await,
            Alone::Flush => flush::flush(service, shared.limits.scan_page).await,
            Alone::Size => match service.size().await {
                Some(keys) => Reply::Integer(i64::try_from(keys).unwrap_or(i64::MAX)),
                None => job::UNAVAILABLE,
            },
            Alone::Scan { cursor, pattern, count, strings } => {
                let from = match cursor {
                    0 => Position::default(),
                    cursor => match shared.cursors().position(cursor) {
                        Some(position) => position,
                        None => {
                            return Reply::error(
                                "ERR unknown cursor: it is not of this node or was forgotten; \
                                 begin again with SCAN 0",
                            );
                        }
                    },
                };
                let Some(page) = service.scan(from, count).await else {
                    return job::UNAVAILABLE;
                };
                let next = page.next.clone().map_or(0, |at| shared.cursors().remember(at));
                let mut keys = Vec::new();
                if strings {
                    matching(&page, pattern.as_ref(), &mut keys).await;
                }
                Reply::Array(vec![Reply::text(&next.to_string()), Reply::Array(keys)])
            }
            Alone::Keys { pattern } => keys(service, shared, &pattern).await,
        }
    }
}

async fn keys<S: Service>(service: &S, shared: &Shared, pattern: &Pattern) -> Reply {
    let limits = &shared.limits;
    let Some(_turn) = shared.budget.turn().await else {
        return Reply::error("TRYAGAIN other large replies are being read; use SCAN");
    };
    let mut keys = Vec::new();
    let mut from = Position::default();
    loop {
        let Some(page) = service.scan(from, limits.scan_page).await else {
            return job::UNAVAILABLE;
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

/// Puts those keys of a page that match behind the others.
async fn matching(page: &ScanPage, pattern: Option<&Pattern>, into: &mut Vec<Reply>) {
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
