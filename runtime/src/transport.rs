//! Messages between nodes, over UDP.
//!
//! A transport promises little, because the protocols ask for little: a message arrives whole or
//! not at all, once or several times, in any order. What it does promise is that whatever a network
//! or a stranger does to it stays small:
//!
//! - **Packing.** Messages that one actor releases together for the same peer share datagrams up to
//!   [`TransportConfig::mtu`].
//! - **Large messages** are cut into fragments and put together again; only what is missing is
//!   repeated. This repair is an optimization and no promise: a message of a thousand fragments
//!   would otherwise hardly ever arrive. One that does not make it within
//!   [`TransportConfig::patience`] is lost, and counted.
//! - **Bounds.** Messages on their way in and out are bounded in bytes, per peer and in total.
//!   Nothing is allocated by a length that was sent.
//! - **Refusals.** A datagram counts only if its magic, version, checksum and cluster are right,
//!   and a message only if it comes from the address of its source in the [`AddressBook`].
//!   Everything else is dropped and counted. This keeps accidents out (another cluster on the same
//!   ports, an old process, line noise); it does not stop an attacker that can forge source
//!   addresses.
//! - **A failed send is a loss**, counted like every other.
//! - **Troubles** say of which peer datagrams are refused, and to which they cannot be sent, and
//!   why.
//! - **Greetings.** What a node was given to say of itself is sent to each peer every few seconds,
//!   and kept there. It is for people: nothing depends on it. A greeting of another cluster's
//!   number is taken from a known address, too, since it may say why the number is another one.
//!
//! One socket and one receiving thread serve all actors of a node; each actor sends through its own
//! [`Post`]. `wire` describes the bytes.

mod book;
mod counters;
mod large;
mod lossy;
mod post;
mod reassembly;
mod troubles;
mod wire;

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recvfrom, sockopt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::actor::Id;
use thiserror::Error;

pub use self::book::AddressBook;
pub use self::counters::TransportCounters;
pub use self::lossy::{Faults, LossyLink};
pub use self::post::Post;
pub use self::troubles::{Trouble, Troubled};

use self::book::Reader;
use self::counters::add;
use self::large::{Large, Limits};
use self::post::Carrier;
use self::reassembly::{Reassembly, Taken, answers};
use self::troubles::plain;
use self::wire::{
    Acknowledgement, FRAGMENT_HEADER, Fragment, Kind, LARGEST_DATAGRAM, Record, Refusal,
    SMALLEST_FRAGMENT,
};
use crate::codec;
use crate::driver::Routes;

/// The sizes of a transport.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Datagrams of other clusters are refused.
    pub cluster: u64,
    /// The largest datagram that is sent, in bytes of UDP payload. 1400 passes nearly every path;
    /// on a loopback device larger ones are cheaper.
    pub mtu: usize,
    /// The largest message, encoded.
    pub largest: usize,
    /// How many bytes of large messages may be in flight to one peer. Never more than an eighth of
    /// the socket buffer that the system granted, so that several peers may do the same at once.
    pub window: usize,
    /// How many bytes of large messages are kept for repetition.
    pub kept: usize,
    /// How many bytes of incomplete messages of one peer are held.
    pub held_per_peer: usize,
    /// How many bytes of incomplete messages are held.
    pub held: usize,
    /// How long a large message is kept by its sender, and how long its receiver waits for more of
    /// it.
    pub patience: Duration,
    /// The shortest silence after which fragments are sent again.
    pub repeat: Duration,
    /// The size of socket buffers to ask for. The system may grant less.
    pub socket_buffer: usize,
    /// Makes the link misbehave on purpose, for tests.
    pub faults: Option<Faults>,
    /// What the node says of itself to each peer, every few seconds; nothing where it is empty, or
    /// longer than [`LONGEST_GREETING`].
    pub greeting: Vec<u8>,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            cluster: 0,
            mtu: 1400,
            largest: 8 << 20,
            window: 256 << 10,
            kept: 128 << 20,
            held_per_peer: 32 << 20,
            held: 128 << 20,
            patience: Duration::from_secs(5),
            repeat: Duration::from_millis(20),
            socket_buffer: 4 << 20,
            faults: None,
            greeting: Vec::new(),
        }
    }
}

/// Why a transport did not start.
#[derive(Debug, Error)]
pub enum TransportError {
    /// When the address cannot be had.
    #[error("could not bind UDP {address}: {source}. Is another node running there?")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },

    /// When the datagram size makes no sense.
    #[error(
        "datagrams of {mtu} bytes are not possible; choose from {SMALLEST_MTU} to {LARGEST_DATAGRAM}"
    )]
    Mtu {
        /// What was asked for.
        mtu: usize,
    },

    /// When there is no thread to be had.
    #[error("got no thread to receive with: {0}")]
    Thread(io::Error),
}

/// The longest [`TransportConfig::greeting`].
pub const LONGEST_GREETING: usize = 1024;

/// The smallest [`TransportConfig::mtu`].
pub const SMALLEST_MTU: usize = 256;

/// A bound socket that does not listen yet, so that a node can learn its port before it fills its
/// address book.
pub struct Endpoint {
    socket: UdpSocket,
    address: SocketAddr,
    config: TransportConfig,
}

impl Endpoint {
    /// Binds a UDP socket; port 0 lets the system choose.
    pub fn bind(address: SocketAddr, config: TransportConfig) -> Result<Self, TransportError> {
        if !(SMALLEST_MTU..=LARGEST_DATAGRAM).contains(&config.mtu) {
            return Err(TransportError::Mtu { mtu: config.mtu });
        }
        let failed = |source| TransportError::Bind { address, source };
        let socket = UdpSocket::bind(address).map_err(failed)?;
        // A sender that meets a full buffer waits this long; then the datagram is lost.
        (socket.set_write_timeout(Some(Duration::from_millis(100)))).map_err(failed)?;
        // The system may refuse to give so much, and then gives what it wants.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, config.socket_buffer);
        let _ = sockopt::set_socket_send_buffer_size(&socket, config.socket_buffer);
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, config })
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to receive, for the actors and doors in `routes`.
    pub fn start<Msg>(
        self,
        book: AddressBook,
        routes: Arc<Routes<Msg>>,
    ) -> Result<Transport, TransportError>
    where
        Msg: Serialize + DeserializeOwned + Send + 'static,
    {
        let config = self.config;
        let granted = sockopt::socket_recv_buffer_size(&self.socket).unwrap_or(0);
        let fragment = config.mtu - FRAGMENT_HEADER;
        // An acknowledgement must be able to speak about a whole window.
        let window = config.window.min(granted / 8).min(fragment * wire::BITMAP * 8).max(fragment);
        let limits = Limits {
            cluster: config.cluster,
            // The MTU is at most 65,507 and at least 256.
            fragment: (fragment as u16).max(SMALLEST_FRAGMENT),
            window,
            kept: config.kept,
            patience: config.patience,
            repeat: config.repeat,
        };
        let carrier = Arc::new(Carrier {
            cluster: config.cluster,
            mtu: config.mtu,
            largest: config.largest.min(codec::MAX_BYTES),
            socket: self.socket,
            lossy: config.faults.map(LossyLink::new),
            counters: Default::default(),
            troubles: Default::default(),
            greetings: Default::default(),
            large: Mutex::new(Large::new(limits, fastrand::u64(..))),
        });
        let has_greeting = (1..=LONGEST_GREETING).contains(&config.greeting.len());
        let mut receiver = Receiver {
            carrier: Arc::clone(&carrier),
            routes,
            book: book.reader(),
            own: plain(self.address),
            greeting: if has_greeting { config.greeting } else { Vec::new() },
            peers: Vec::new(),
            next_greeting: (0, Instant::now()),
            reassembly: Reassembly::new(config.held_per_peer, config.held, config.patience),
            stop: Arc::new(AtomicBool::new(false)),
            to_answer: Vec::new(),
            bitmap: Vec::new(),
            datagram: Vec::new(),
        };
        receiver.know_peers();
        let stop = Arc::clone(&receiver.stop);
        let thread = thread::Builder::new()
            .name(format!("udp-{}", self.address.port()))
            .spawn(move || receiver.run())
            .map_err(TransportError::Thread)?;
        Ok(Transport { carrier, book, address: self.address, stop, thread: Some(thread) })
    }
}

/// A node's transport while it runs. Dropping it stops the receiving thread; a [`Post`] that is
/// still there goes on sending.
pub struct Transport {
    carrier: Arc<Carrier>,
    book: AddressBook,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Transport {
    /// A way out for one actor.
    pub fn post<Msg: Serialize>(&self) -> Post<Msg> {
        Post::new(Arc::clone(&self.carrier), self.book.reader())
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The book that it looks addresses up in.
    pub fn book(&self) -> &AddressBook {
        &self.book
    }

    /// What it has done so far, and lost.
    pub fn counters(&self) -> TransportCounters {
        self.carrier.counters.snapshot()
    }

    /// Of which peers datagrams do not come through, and why.
    pub fn troubles(&self) -> Vec<Troubled> {
        self.carrier.troubles.all()
    }

    /// What the peers have said of themselves last, by their addresses in the book.
    pub fn greetings(&self) -> HashMap<SocketAddr, Vec<u8>> {
        self.carrier.greetings().clone()
    }

    /// The link that misbehaves, if it was asked to.
    pub fn lossy(&self) -> Option<LossyLink> {
        self.carrier.lossy.clone()
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // If it panicked, that was reported on stderr, and there is nothing to add.
            let _ = thread.join();
        }
    }
}

/// How many datagrams are taken before acknowledgements go out.
const ROUND: usize = 64;
/// How often what waits is looked after.
const TICK: Duration = Duration::from_millis(5);
/// How often each peer is greeted, where there are few.
const GREET: Duration = Duration::from_secs(2);
/// How long the receiving thread sleeps when nothing waits.
const NAP: Duration = Duration::from_millis(50);

/// The receiving thread.
struct Receiver<Msg> {
    carrier: Arc<Carrier>,
    routes: Arc<Routes<Msg>>,
    book: Reader,
    own: SocketAddr,
    greeting: Vec<u8>,
    /// The other addresses of the book, in order.
    peers: Vec<SocketAddr>,
    /// Which of them is greeted next, and when.
    next_greeting: (usize, Instant),
    reassembly: Reassembly,
    stop: Arc<AtomicBool>,
    /// The fragments of this round that are to be acknowledged, one for each message.
    to_answer: Vec<(SocketAddr, Fragment)>,
    bitmap: Vec<u8>,
    datagram: Vec<u8>,
}

impl<Msg: DeserializeOwned> Receiver<Msg> {
    fn run(mut self) {
        let mut buffer = vec![0; 1 << 16];
        let mut ticked = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            if self.book.refresh() {
                self.know_peers();
            }
            let received = self.round(&mut buffer);
            self.acknowledge();
            let now = Instant::now();
            if now.saturating_duration_since(ticked) >= TICK {
                ticked = now;
                self.tick(now);
            }
            if received < ROUND {
                self.sleep();
            }
        }
    }

    /// The book is new, or has changed.
    fn know_peers(&mut self) {
        let own = self.own;
        self.peers = self.book.addresses().map(plain).filter(|peer| *peer != own).collect();
        self.peers.sort_unstable();
        self.peers.dedup();
        self.carrier.troubles.know(self.peers.iter().copied());
        self.carrier.greetings().retain(|peer, _| self.peers.binary_search(peer).is_ok());
    }

    /// Takes what has arrived, up to a limit, without waiting.
    fn round(&mut self, buffer: &mut [u8]) -> usize {
        for received in 0..ROUND {
            match recvfrom(&self.carrier.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((length, _, from)) => {
                    let from = from.and_then(|from| SocketAddr::try_from(from).ok());
                    let Some(from) = from else { continue };
                    add(&self.carrier.counters.datagrams_received, 1);
                    add(&self.carrier.counters.bytes_received, length as u64);
                    if let Err(refusal) = self.datagram(from, &buffer[..length]) {
                        let counters = &self.carrier.counters;
                        let (counter, trouble) = match refusal {
                            Refusal::Foreign => (&counters.foreign, Trouble::Foreign),
                            Refusal::OtherVersion => (&counters.foreign, Trouble::OtherVersion),
                            Refusal::OtherCluster => {
                                (&counters.other_cluster, Trouble::OtherCluster)
                            }
                            Refusal::Damaged => (&counters.damaged, Trouble::Damaged),
                        };
                        add(counter, 1);
                        self.carrier.troubles.note(from, trouble, from);
                    }
                }
                Err(e) => {
                    if e != rustix::io::Errno::AGAIN && e != rustix::io::Errno::INTR {
                        add(&self.carrier.counters.receive_failed, 1);
                    }
                    return received;
                }
            }
        }
        ROUND
    }

    /// Waits for a datagram, or for as long as what waits may be left alone.
    fn sleep(&self) {
        let pause = if self.carrier.lossy.is_some() {
            Duration::from_millis(1)
        } else if self.reassembly.is_waiting() || self.carrier.large().is_busy() {
            TICK
        } else {
            NAP
        };
        let timeout = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
        let mut sockets = [PollFd::new(&self.carrier.socket, PollFlags::IN)];
        // Interrupted or not, the next round looks.
        let _ = poll(&mut sockets, Some(&timeout));
    }

    fn datagram(&mut self, from: SocketAddr, datagram: &[u8]) -> Result<(), Refusal> {
        let (kind, body) = wire::open(datagram, self.carrier.cluster)?;
        match kind {
            Kind::Messages => self.messages(from, body),
            Kind::Fragment => {
                let (fragment, bytes) = Fragment::read(body)?;
                self.fragment(from, fragment, bytes);
                Ok(())
            }
            Kind::Acknowledgement => {
                let acknowledgement = Acknowledgement::read(body)?;
                if self.is_from(acknowledgement.src, from) {
                    let carrier = &*self.carrier;
                    let mut send = |datagram: &[u8], to| carrier.send(datagram, to);
                    let (now, counters) = (Instant::now(), &carrier.counters);
                    let mut large = carrier.large();
                    large.acknowledged(from, &acknowledgement, now, counters, &mut send);
                }
                Ok(())
            }
            Kind::Greeting => {
                self.greeted(from, body);
                Ok(())
            }
        }
    }

    /// A peer says what it has to say of itself. From elsewhere it is not heard.
    fn greeted(&mut self, from: SocketAddr, greeting: &[u8]) {
        let from = plain(from);
        if greeting.len() <= LONGEST_GREETING && self.peers.binary_search(&from).is_ok() {
            let mut greetings = self.carrier.greetings();
            if greetings.get(&from).is_none_or(|before| before != greeting) {
                greetings.insert(from, greeting.to_vec());
            }
        }
    }

    /// Greets the next of the peers, if it is time: one after the other, all within [`GREET`].
    fn greet(&mut self, now: Instant) {
        let (next, at) = self.next_greeting;
        if self.greeting.is_empty() || self.peers.is_empty() || now < at {
            return;
        }
        let next = next % self.peers.len();
        self.next_greeting = (next + 1, now + GREET / self.peers.len() as u32);
        let datagram = &mut self.datagram;
        datagram.clear();
        wire::begin(datagram, Kind::Greeting, self.carrier.cluster);
        datagram.extend_from_slice(&self.greeting);
        wire::seal(datagram);
        self.carrier.send(datagram, self.peers[next]);
    }

    fn messages(&mut self, from: SocketAddr, mut records: &[u8]) -> Result<(), Refusal> {
        // Records of one datagram come from one actor, so one look into the book does for all.
        let mut trusted = None;
        while !records.is_empty() {
            let (Record { src, dst, message }, rest) = wire::record(records)?;
            records = rest;
            if trusted != Some(src) {
                if !self.is_from(src, from) {
                    continue;
                }
                trusted = Some(src);
            }
            self.deliver(from, src, dst, message);
        }
        Ok(())
    }

    fn fragment(&mut self, from: SocketAddr, fragment: Fragment, bytes: &[u8]) {
        if !self.is_from(fragment.src, from) {
            return;
        }
        let counters = &self.carrier.counters;
        if !self.routes.contains(fragment.dst) {
            add(&counters.nobody_here, 1);
            return;
        }
        if fragment.total as usize > self.carrier.largest {
            add(&counters.fragments_refused, 1);
            return;
        }
        let now = Instant::now();
        match self.reassembly.take(from, &fragment, bytes, now) {
            Taken::Kept => {}
            Taken::Complete(message) => {
                add(&counters.large_received, 1);
                self.deliver(from, fragment.src, fragment.dst, &message);
            }
            Taken::Damaged => add(&counters.damaged, 1),
            Taken::Useless => add(&counters.fragments_useless, 1),
            Taken::Refused => {
                add(&counters.fragments_refused, 1);
                return;
            }
        }
        let known = self.to_answer.iter().any(|(peer, other)| {
            *peer == from && (other.nonce, other.number) == (fragment.nonce, fragment.number)
        });
        if !known {
            self.to_answer.push((from, fragment));
        }
    }

    fn deliver(&self, from: SocketAddr, src: Id, dst: Id, message: &[u8]) {
        let counters = &self.carrier.counters;
        if !self.routes.contains(dst) {
            add(&counters.nobody_here, 1);
            return;
        }
        match codec::decode_message::<Msg>(message) {
            Ok((msg, weight)) => {
                add(&counters.messages_received, 1);
                // It lives here, as was just seen.
                let _ = self.routes.deliver(src, dst, msg, weight);
            }
            Err(_) => {
                add(&counters.damaged, 1);
                self.carrier.troubles.note(from, Trouble::Undecodable, from);
            }
        }
    }

    /// Whether this source lives at this address; counts it when not.
    fn is_from(&self, src: Id, from: SocketAddr) -> bool {
        let address = self.book.address(src);
        let right = address.is_some_and(|address| plain(address) == plain(from));
        if !right {
            add(&self.carrier.counters.wrong_source, 1);
            // Of the peer that it says it is, if it is one.
            self.carrier.troubles.note(address.unwrap_or(from), Trouble::WrongSource, from);
        }
        right
    }

    fn acknowledge(&mut self) {
        for (to, fragment) in self.to_answer.drain(..) {
            let bitmap = &mut self.bitmap;
            let Some(below) = self.reassembly.progress(to, &fragment, bitmap) else {
                continue;
            };
            let (src, dst) = answers(&fragment);
            let acknowledgement = Acknowledgement {
                src,
                dst,
                nonce: fragment.nonce,
                number: fragment.number,
                below,
                bitmap,
            };
            let datagram = &mut self.datagram;
            datagram.clear();
            wire::begin(datagram, Kind::Acknowledgement, self.carrier.cluster);
            acknowledgement.write(datagram);
            wire::seal(datagram);
            self.carrier.send(datagram, to);
        }
    }

    fn tick(&mut self, now: Instant) {
        let carrier = &*self.carrier;
        let mut send = |datagram: &[u8], to| carrier.send(datagram, to);
        carrier.large().tick(now, &carrier.counters, &mut send);
        add(&carrier.counters.large_incomplete, self.reassembly.expire(now));
        if let Some(link) = &carrier.lossy {
            link.release(&carrier.socket, now);
        }
        self.greet(now);
    }
}
