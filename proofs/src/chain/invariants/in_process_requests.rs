//! *In-process Requests Invariant*: van Renesse & Schneider, OSDI '04, section 3.

use crate::chain::world::{World, chain};
use crate::claim::Claim;
use stateright::Property;

/// The history of a predecessor is that of its successor and then what it has sent and not seen
/// acknowledged: all that the successor lacks is in the predecessor's log, and no log has gaps.
pub fn in_process_requests<W: World>() -> Property<W> {
    Claim::InProcessRequests.always(|_, state| {
        let chain = chain(W::system(state));
        let no_gaps = chain.iter().all(|member| {
            let above = member.log.keys().filter(|index| **index > member.committed);
            above.copied().eq(member.committed + 1..=member.last())
        });
        no_gaps
            && chain.windows(2).all(|pair| {
                let [predecessor, successor] = pair else { return true };
                (successor.last() + 1..=predecessor.last())
                    .all(|index| predecessor.log.contains_key(&index))
            })
    })
}
