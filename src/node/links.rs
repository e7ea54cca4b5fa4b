//! Says in the log which links are in trouble, and whose file differs.

use crate::operate::{Context, Notes, Operate};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

/// Looks again and again; ends with the node.
pub(super) async fn tell<P: Operate>(node: Arc<Context<P>>) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut notes = Notes::default();
    loop {
        look.tick().await;
        notes.look(&node);
    }
}
