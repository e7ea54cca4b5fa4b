//! Notices nodes that are added to the cluster file, or forgotten in it, while this one runs.

use crate::board::Roster;
use crate::config::{Changes, Cluster, NodeConfig};
use chainring_runtime::transport::AddressBook;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the file again and again, and learns the addresses of nodes that were added to it, or
/// are gone from it. A change of anything else is refused, and said once.
pub(super) async fn follow(path: PathBuf, roster: Roster, book: AddressBook) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = None;
    loop {
        look.tick().await;
        let file = path.clone();
        // A file that cannot be read at this moment may be read at the next.
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
        let Ok(Ok(text)) = read else { continue };
        if seen.as_ref() == Some(&text) {
            continue;
        }
        let file = path.display();
        match learn(&text, &roster, &book) {
            Ok(Changes { added, forgotten }) => {
                for NodeConfig { id, .. } in added {
                    tracing::info!(node = id, %file, "a node was added to the cluster file");
                }
                for NodeConfig { id, .. } in forgotten {
                    tracing::info!(node = id, %file, "a node was removed from the cluster file");
                }
            }
            Err(why) => tracing::warn!(
                %file,
                "the cluster file has changed, and only nodes that join may be added or forgotten while \
                 others run, so this node goes on with the old one: {why}"
            ),
        }
        seen = Some(text);
    }
}

/// Learns what nodes a newer text of the file adds, and which it has no more.
fn learn(text: &str, roster: &Roster, book: &AddressBook) -> Result<Changes, String> {
    let newer = Cluster::parse(text).map_err(|error| error.to_string())?;
    let mut known = roster.write().unwrap_or_else(PoisonError::into_inner);
    let changes = known.changes(&newer)?;
    for node in &changes.forgotten {
        for id in node.actors() {
            book.remove(id);
        }
    }
    for node in &changes.added {
        for id in node.actors() {
            book.insert(id, node.udp);
        }
    }
    *known = newer;
    Ok(changes)
}
