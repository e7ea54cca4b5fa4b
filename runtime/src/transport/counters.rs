//! What a transport counts. Everything that is lost is in here somewhere.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a transport has done so far, and what it has lost.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        pub struct TransportCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters while they count.
        #[derive(Default)]
        pub(super) struct Tally {
            $(pub $name: AtomicU64,)*
        }

        impl Tally {
            pub fn snapshot(&self) -> TransportCounters {
                TransportCounters {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                }
            }
        }

        impl TransportCounters {
            /// Every counter with its name, to be shown.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Messages taken for sending.
    messages_sent,
    /// Datagrams given to the operating system.
    datagrams_sent,
    /// Their bytes.
    bytes_sent,
    /// Datagrams that the operating system did not take.
    send_failed,
    /// Messages for an `Id` that has no address.
    no_address,
    /// Messages that could not be encoded, or are larger than allowed.
    not_sendable,
    /// Messages too large for one datagram.
    large_sent,
    /// Fragments sent, repetitions included.
    fragments_sent,
    /// Fragments sent again.
    fragments_repeated,
    /// Large messages given up, because no answer came in time or too much was waiting already.
    large_given_up,
    /// Datagrams received.
    datagrams_received,
    /// Their bytes.
    bytes_received,
    /// Messages received and passed on.
    messages_received,
    /// Large messages among them.
    large_received,
    /// Datagrams of another protocol or version.
    foreign,
    /// Datagrams of another cluster.
    other_cluster,
    /// Datagrams and messages whose bytes make no sense.
    damaged,
    /// Datagrams or messages whose source does not live where they came from.
    wrong_source,
    /// Messages for an `Id` that does not live here.
    nobody_here,
    /// Fragments that came when they were not needed.
    fragments_useless,
    /// Fragments not taken because too much is held already, or the message would be larger than
    /// allowed.
    fragments_refused,
    /// Large messages whose rest did not come in time.
    large_incomplete,
    /// Times that receiving failed.
    receive_failed,
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
