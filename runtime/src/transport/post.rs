//! The sending end: packs messages for one peer into common datagrams.

use std::collections::HashMap;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use stateright::actor::Id;

use super::book::Reader;
use super::counters::{Tally, add};
use super::large::Large;
use super::lossy::LossyLink;
use super::troubles::{Trouble, Troubles};
use super::wire::{self, HEADER, Kind};
use crate::codec;
use crate::driver::Outbox;

/// What the sending ends of a node and its receiving thread share.
pub(super) struct Carrier {
    pub cluster: u64,
    pub mtu: usize,
    pub largest: usize,
    pub socket: UdpSocket,
    pub lossy: Option<LossyLink>,
    pub counters: Tally,
    pub troubles: Troubles,
    /// What peers have said of themselves last.
    pub greetings: Mutex<HashMap<SocketAddr, Vec<u8>>>,
    pub large: Mutex<Large>,
}

impl Carrier {
    /// Sends one datagram. What the operating system does not take is lost.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) {
        let result = match &self.lossy {
            None => self.socket.send_to(datagram, to).and_then(|sent| {
                if sent == datagram.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
            }),
            Some(link) => link.send(&self.socket, datagram, to),
        };
        match result {
            Ok(()) => {
                add(&self.counters.datagrams_sent, 1);
                add(&self.counters.bytes_sent, datagram.len() as u64);
            }
            Err(error) => {
                add(&self.counters.send_failed, 1);
                self.troubles.note(to, Trouble::of(&error), to);
            }
        }
    }

    /// Each is replaced as a whole, so a poisoned lock is sound.
    pub fn greetings(&self) -> MutexGuard<'_, HashMap<SocketAddr, Vec<u8>>> {
        self.greetings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing that panics half-way through a change runs under this lock, so a poisoned one is
    /// sound.
    pub fn large(&self) -> MutexGuard<'_, Large> {
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outbox that leads onto the wire. Each actor has its own; all of a node send through one
/// socket.
///
/// Messages are encoded as they come, straight into the datagram for their peer. It goes when it is
/// full, or at the next flush.
pub struct Post<Msg> {
    carrier: Arc<Carrier>,
    book: Reader,
    /// Where each `Id`'s peer is in `peers`.
    places: HashMap<Id, usize>,
    peers: Vec<Peer>,
    msg: PhantomData<fn(Msg)>,
}

/// Invariant: `datagram` is empty, or a header and at least one record, no longer than the MTU.
struct Peer {
    address: SocketAddr,
    datagram: Vec<u8>,
}

impl<Msg> Post<Msg> {
    pub(super) fn new(carrier: Arc<Carrier>, book: Reader) -> Self {
        Self { carrier, book, places: HashMap::new(), peers: Vec::new(), msg: PhantomData }
    }

    fn place(&mut self, dst: Id) -> Option<usize> {
        if let Some(place) = self.places.get(&dst) {
            return Some(*place);
        }
        let address = self.book.address(dst)?;
        let known = self.peers.iter().position(|peer| peer.address == address);
        let place = known.unwrap_or_else(|| {
            self.peers.push(Peer { address, datagram: Vec::with_capacity(self.carrier.mtu) });
            self.peers.len() - 1
        });
        self.places.insert(dst, place);
        Some(place)
    }
}

impl<Msg: Serialize> Outbox<Msg> for Post<Msg> {
    fn send(&mut self, src: Id, dst: Id, msg: Msg) {
        let Some(place) = self.place(dst) else {
            add(&self.carrier.counters.no_address, 1);
            return;
        };
        let carrier = &*self.carrier;
        let Peer { address, datagram } = &mut self.peers[place];
        if datagram.is_empty() {
            wire::begin(datagram, Kind::Messages, carrier.cluster);
        }
        let record = datagram.len();
        let message = wire::begin_record(datagram, src, dst);
        let encoded = codec::encode_into(&msg, datagram);
        let length = datagram.len() - message;
        if encoded.is_err() || length > carrier.largest {
            add(&carrier.counters.not_sendable, 1);
            datagram.truncate(if record == HEADER { 0 } else { record });
            datagram.shrink_to(carrier.mtu.max(64 << 10));
            return;
        }
        add(&carrier.counters.messages_sent, 1);
        if HEADER + (datagram.len() - record) > carrier.mtu {
            // Too large for any datagram. What waits for this peer goes first, so that order is
            // mostly kept.
            let bytes = datagram[message..].to_vec();
            datagram.truncate(record);
            dispatch(carrier, *address, datagram);
            datagram.shrink_to(carrier.mtu.max(64 << 10));
            add(&carrier.counters.large_sent, 1);
            let mut send = |datagram: &[u8], to| carrier.send(datagram, to);
            carrier.large().start(
                *address,
                (src, dst),
                bytes,
                Instant::now(),
                &carrier.counters,
                &mut send,
            );
            return;
        }
        wire::end_record(datagram, message);
        if datagram.len() > carrier.mtu {
            // The new record does not fit any more: the others go, and it begins the next datagram.
            let end = datagram.len();
            wire::seal(&mut datagram[..record]);
            carrier.send(&datagram[..record], *address);
            datagram.copy_within(record..end, HEADER);
            datagram.truncate(HEADER + end - record);
        }
    }

    fn flush(&mut self) {
        for Peer { address, datagram } in &mut self.peers {
            dispatch(&self.carrier, *address, datagram);
        }
        if self.book.refresh() {
            self.places.clear();
            self.peers.clear();
        }
    }
}

/// Sends a datagram, if it has any record, and empties it.
fn dispatch(carrier: &Carrier, address: SocketAddr, datagram: &mut Vec<u8>) {
    if datagram.len() > HEADER {
        wire::seal(datagram);
        carrier.send(datagram, address);
    }
    datagram.clear();
}
