//! The clients that are connected: what `CLIENT LIST` tells of each connection, and how
//! `CLIENT KILL` ends one.
//!
//! Each connection has a [`Seat`] among the [`Clients`] of its door for as long as it lives. What
//! others may know of it is in its [`Client`], which it keeps up to date by itself; a list of
//! clients is a look at all of these. Lines have the fields of Redis 7.2, because client libraries
//! take them apart by name and stumble over one that is missing. Those of things that there are
//! none of (subscriptions, transactions, tracking) say so.

use super::wire::{Protocol, Reply};
use super::words::printable;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// The connections of a door, by number.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<BTreeMap<u64, Arc<Client>>>);

/// A connection, as others see it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) number: u64,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    descriptor: i32,
    since: Instant,
    /// When it is to end.
    killed: Notify,
    weight: Weight,
    says: Mutex<Says>,
}

/// How many bytes wait.
#[derive(Debug, Default)]
struct Weight {
    /// Of commands that are not whole.
    input: AtomicUsize,
    /// Room for more of these.
    room: AtomicUsize,
    /// Of replies that are written.
    output: AtomicUsize,
    /// Of replies and answers that are not.
    held: AtomicUsize,
}

/// What a client has said of itself, and asked.
#[derive(Debug)]
struct Says {
    name: String,
    library: String,
    library_version: String,
    protocol: Protocol,
    keeps_memory: bool,
    touches_nothing: bool,
    /// The command of its last request, and the subcommand; nothing if there was none.
    last: Option<(&'static str, Option<&'static str>)>,
    /// When that came.
    heard: Instant,
}

/// A connection's place among the clients, until it ends.
#[derive(Debug)]
pub(super) struct Seat {
    clients: Arc<Clients>,
    client: Arc<Client>,
}

/// Which connections are meant; all by default.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    /// One of these.
    pub(super) numbers: Option<Vec<u64>>,
    pub(super) peer: Option<Vec<u8>>,
    pub(super) local: Option<Vec<u8>>,
    /// Whether it is of a type that there are none of.
    pub(super) is_none: bool,
    /// Not the one that asks.
    pub(super) skips: Option<u64>,
}

impl Clients {
    /// Seats a new connection.
    pub(super) fn seat(
        self: &Arc<Self>,
        number: u64,
        descriptor: i32,
        (peer, local): (SocketAddr, SocketAddr),
    ) -> Seat {
        let now = Instant::now();
        let says = Says {
            name: String::new(),
            library: String::new(),
            library_version: String::new(),
            protocol: Protocol::Resp2,
            keeps_memory: false,
            touches_nothing: false,
            last: None,
            heard: now,
        };
        let client = Arc::new(Client {
            number,
            peer,
            local,
            descriptor,
            since: now,
            killed: Notify::new(),
            weight: Weight::default(),
            says: Mutex::new(says),
        });
        self.all().insert(number, Arc::clone(&client));
        Seat { clients: Arc::clone(self), client }
    }

    /// The lines of `CLIENT LIST`.
    pub(super) fn list(&self, choice: &Choice) -> String {
        let mut lines = String::new();
        for client in self.all().values().filter(|client| choice.takes(client)) {
            client.describe(&mut lines);
        }
        lines
    }

    /// Ends connections; how many, and whether `own` is one of them.
    pub(super) fn kill(&self, choice: &Choice, own: u64) -> (usize, bool) {
        let all = self.all();
        let (mut killed, mut itself) = (0, false);
        for client in all.values().filter(|client| choice.takes(client)) {
            killed += 1;
            if client.number == own {
                itself = true; // once it has heard of it
            } else {
                client.killed.notify_one();
            }
        }
        (killed, itself)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        // A seat is taken or left at once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::ops::Deref for Seat {
    type Target = Arc<Client>;

    fn deref(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.clients.all().remove(&self.client.number);
    }
}

impl Client {
    /// Ends when another connection has killed this one.
    pub(super) async fn killed(&self) {
        self.killed.notified().await;
    }

    /// It asks for something.
    pub(super) fn asks(&self, command: &'static str, sub: Option<&'static str>) {
        let mut says = self.says();
        says.last = Some((command, sub));
        says.heard = Instant::now();
    }

    /// So many bytes wait: of input, and the room for more; of replies that are written, and of
    /// others.
    pub(super) fn weighs(&self, (input, room): (usize, usize), output: usize, held: usize) {
        let Weight { input: i, room: r, output: o, held: h } = &self.weight;
        for (place, now) in [(i, input), (r, room), (o, output), (h, held)] {
            place.store(now, Ordering::Relaxed);
        }
    }

    /// It speaks another version of the protocol.
    pub(super) fn speaks(&self, protocol: Protocol) {
        self.says().protocol = protocol;
    }

    /// Its name; empty for none.
    pub(super) fn name(&self) -> String {
        self.says().name.clone()
    }

    /// `CLIENT SETNAME`.
    pub(super) fn rename(&self, name: String) {
        self.says().name = name;
    }

    /// `RESET`: it is as it was when it connected, but for its library.
    pub(super) fn reset(&self) {
        let mut says = self.says();
        says.name.clear();
        says.protocol = Protocol::Resp2;
        (says.keeps_memory, says.touches_nothing) = (false, false);
    }

    /// `CLIENT NO-EVICT`. A client that holds the most is closed all the same; the flag
    /// shows in its line.
    pub(super) fn keep_memory(&self, on: bool) {
        self.says().keeps_memory = on;
    }

    /// `CLIENT NO-TOUCH`. No access is noted here; the flag shows in its line.
    pub(super) fn touch_nothing(&self, on: bool) {
        self.says().touches_nothing = on;
    }

    /// `CLIENT SETINFO`.
    pub(super) fn note(&self, attribute: &[u8], value: &[u8]) -> Result<Reply, Reply> {
        let mut says = self.says();
        let (field, name) = match &attribute.to_ascii_lowercase()[..] {
            b"lib-name" => (&mut says.library, "lib-name"),
            b"lib-ver" => (&mut says.library_version, "lib-ver"),
            _ => {
                let attribute = printable(attribute, 128);
                return Err(Reply::Error(format!("ERR Unrecognized option '{attribute}'").into()));
            }
        };
        *field = graphic(value).ok_or_else(|| {
            Reply::Error(
                format!("ERR {name} cannot contain spaces, newlines or special characters.").into(),
            )
        })?;
        Ok(Reply::OK)
    }

    /// The line of `CLIENT INFO`, in which every field of Redis 7.2 is.
    pub(super) fn describe(&self, lines: &mut String) {
        let Client { number, peer, local, descriptor, since, .. } = self;
        let says = self.says();
        let load = |bytes: &AtomicUsize| bytes.load(Ordering::Relaxed);
        let Weight { input, room, output, held } = &self.weight;
        let (input, room, output, held) = (load(input), load(room), load(output), load(held));
        let mut flags = String::new();
        for (flag, is_set) in [('e', says.keeps_memory), ('T', says.touches_nothing)] {
            if is_set {
                flags.push(flag);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        let events = if output > 0 { "rw" } else { "r" };
        let command = match says.last {
            None => "NULL".to_string(),
            Some((command, None)) => command.to_ascii_lowercase(),
            Some((command, Some(sub))) => format!("{command}|{sub}").to_ascii_lowercase(),
        };
        let (age, idle) = (since.elapsed().as_secs(), says.heard.elapsed().as_secs());
        let Says { name, library, library_version, protocol, .. } = &*says;
        let total = input + room + output + held;
        // Writing to a string cannot fail.
        let _ = writeln!(
            lines,
            "id={number} addr={peer} laddr={local} fd={descriptor} name={name} age={age} \
             idle={idle} flags={flags} db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf={input} \
             qbuf-free={room} argv-mem=0 multi-mem=0 rbs={output} rbp={output} obl={output} \
             oll=0 omem={held} tot-mem={total} \
             events={events} cmd={command} user=default redir=-1 resp={} lib-name={library} \
             lib-ver={library_version}",
            protocol.number()
        );
    }

    fn says(&self) -> MutexGuard<'_, Says> {
        // Each field is replaced as a whole.
        self.says.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Choice {
    fn takes(&self, client: &Client) -> bool {
        let is = |address: SocketAddr, wanted: &Option<Vec<u8>>| {
            wanted.as_ref().is_none_or(|wanted| address.to_string().as_bytes() == &wanted[..])
        };
        !self.is_none
            && self.skips != Some(client.number)
            && self.numbers.as_ref().is_none_or(|numbers| numbers.contains(&client.number))
            && is(client.peer, &self.peer)
            && is(client.local, &self.local)
    }
}

/// The name of a client.
pub(super) fn client_name(name: &[u8]) -> Result<String, Reply> {
    graphic(name).ok_or(Reply::error(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

/// Text that can stand in a line of `CLIENT INFO`.
fn graphic(text: &[u8]) -> Option<String> {
    let fits = text.len() <= 256 && text.iter().all(u8::is_ascii_graphic);
    fits.then(|| String::from_utf8_lossy(text).into_owned())
}
