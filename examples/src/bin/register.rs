//! A shared register: written against plain stateright, checked, then run.
//!
//! This is the register of Attiya, Bar-Noy and Dolev ("Sharing memory robustly in message-passing
//! systems", JACM 1995), in its version with many writers. Three servers each hold a value with a
//! *stamp*. A client does every operation in two rounds, and in each it waits for a majority:
//!
//! 1. it asks what the servers know, and takes the newest stamp;
//! 2. a reader tells the servers that same stamp and value; a writer tells them its own value with
//!    a stamp above it.
//!
//! Any two majorities share a server, so a client that asks after an operation has ended hears of
//! it. A reader has to tell, too: otherwise it could return a value of which the next reader's
//! majority knows nothing. A message that is lost is sent again by the client's timer; telling
//! twice is the same as telling once.
//!
//! Servers keep their value across crashes: that is [`Actor::Storage`], an ordinary serde value. A
//! client that comes back after a crash asks nothing more, since it does not know how far it came.
//!
//! The program does three things, and nothing in the actor tells it which one is going on:
//!
//! - stateright looks at every order of messages, duplicates, timeouts and a crash, and finds the
//!   register linearizable;
//! - the same with clients that wait for one server only: it must find a counterexample, or the
//!   check is worth nothing;
//! - the driver runs the actor over UDP, with its storage in files: a write, a read, then new
//!   servers on the old files, and another read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chainring_runtime::driver::{Driver, Handle, Router, Routes};
use chainring_runtime::transport::{AddressBook, Endpoint, Transport, TransportConfig};
use chainring_runtime::whole::WholeDisk;
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, ActorModel, Id, Network, Out};
use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};
use stateright::{Checker, Expectation, Model};

type Value = char;

/// Orders what is written: a counter, and the writer, so that no two writers share one.
type Stamp = (u32, u64);

/// What a client wants.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
enum Op {
    Write(Value),
    Read,
}

#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
enum Msg {
    /// Client to server, round 1 of its `n`th operation.
    Query { n: usize },
    /// The answer.
    Known { n: usize, newest: (Stamp, Value) },
    /// Client to server, round 2.
    Update { n: usize, newest: (Stamp, Value) },
    /// The answer.
    Ack { n: usize },
    /// Client to application: an operation begins.
    Began(Op),
    /// Client to application: it has ended, with this value.
    Ended(Op, Value),
}

/// The one actor type of this system.
#[derive(Clone)]
enum Node {
    Server,
    Client {
        servers: Vec<Id>,
        /// How many of them to wait for.
        quorum: usize,
        application: Id,
        script: Vec<Op>,
    },
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum State {
    Server((Stamp, Value)),
    Client {
        /// Which operation of the script.
        n: usize,
        round: Round,
        /// The servers that have answered in this round.
        heard: BTreeSet<Id>,
        newest: (Stamp, Value),
    },
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Round {
    Asking,
    Telling,
    Finished,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
enum Storage {
    Server((Stamp, Value)),
    Client,
}

/// When a client should repeat its question.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Again;

const NOTHING: (Stamp, Value) = ((0, 0), '-');

impl Node {
    /// Sends the message of the present round to every server that has not answered it.
    fn ask(&self, state: &State, out: &mut Out<Self>) {
        let (Self::Client { servers, .. }, State::Client { n, round, heard, newest }) =
            (self, state)
        else {
            return;
        };
        let (n, newest) = (*n, *newest);
        for server in servers.iter().filter(|server| !heard.contains(server)) {
            match round {
                Round::Asking => out.send(*server, Msg::Query { n }),
                Round::Telling => out.send(*server, Msg::Update { n, newest }),
                Round::Finished => return,
            }
        }
        out.set_timer(Again, Duration::from_millis(50)..Duration::from_millis(100));
    }
}

impl Actor for Node {
    type Msg = Msg;
    type Timer = Again;
    type State = State;
    type Storage = Storage;
    type Random = ();

    fn on_start(&self, _: Id, storage: &Option<Storage>, out: &mut Out<Self>) -> State {
        match (self, storage) {
            (Self::Server, Some(Storage::Server(stored))) => State::Server(*stored),
            (Self::Server, _) => State::Server(NOTHING),
            (Self::Client { application, script, .. }, storage) => {
                let fresh = storage.is_none();
                let state = State::Client {
                    n: 0,
                    round: if fresh { Round::Asking } else { Round::Finished },
                    heard: BTreeSet::new(),
                    newest: NOTHING,
                };
                if fresh {
                    out.save(Storage::Client);
                    out.send(*application, Msg::Began(script[0]));
                    self.ask(&state, out);
                }
                state
            }
        }
    }

    fn on_msg(&self, id: Id, state: &mut Cow<State>, src: Id, msg: Msg, out: &mut Out<Self>) {
        match (self, &**state, msg) {
            (Self::Server, State::Server(stored), Msg::Query { n }) => {
                out.send(src, Msg::Known { n, newest: *stored });
            }
            (Self::Server, State::Server(stored), Msg::Update { n, newest }) => {
                if newest.0 > stored.0 {
                    *state = Cow::Owned(State::Server(newest));
                    out.save(Storage::Server(newest));
                }
                out.send(src, Msg::Ack { n });
            }
            (
                Self::Client { script, quorum, .. },
                State::Client { n, round: Round::Asking, heard, .. },
                Msg::Known { n: theirs, newest: known },
            ) if *n == theirs && !heard.contains(&src) => {
                let op = script[*n];
                let State::Client { round, heard, newest, .. } = state.to_mut() else {
                    return;
                };
                heard.insert(src);
                *newest = (*newest).max(known);
                if heard.len() >= *quorum {
                    if let Op::Write(value) = op {
                        *newest = ((newest.0.0 + 1, usize::from(id) as u64), value);
                    }
                    *round = Round::Telling;
                    heard.clear();
                    self.ask(state, out);
                }
            }
            (
                Self::Client { script, quorum, application, .. },
                State::Client { n, round: Round::Telling, heard, .. },
                Msg::Ack { n: theirs },
            ) if *n == theirs && !heard.contains(&src) => {
                let State::Client { n, round, heard, newest } = state.to_mut() else {
                    return;
                };
                heard.insert(src);
                if heard.len() >= *quorum {
                    out.send(*application, Msg::Ended(script[*n], newest.1));
                    *n += 1;
                    *newest = NOTHING;
                    heard.clear();
                    if let Some(op) = script.get(*n) {
                        *round = Round::Asking;
                        out.send(*application, Msg::Began(*op));
                        self.ask(state, out);
                    } else {
                        *round = Round::Finished;
                        out.cancel_timer(Again);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_timeout(&self, _: Id, state: &mut Cow<State>, _: &Again, out: &mut Out<Self>) {
        self.ask(state, out);
    }
}

type History = LinearizabilityTester<Id, Register<Value>>;

/// Servers 0 and up, then one client for each script. The application is no actor: what is said to
/// it goes into the history.
fn model(
    servers: usize,
    quorum: usize,
    crashes: usize,
    scripts: &[&[Op]],
) -> ActorModel<Node, (), History> {
    let clients = scripts.iter().map(|script| Node::Client {
        servers: Id::vec_from(0..servers),
        quorum,
        application: Id::from(99),
        script: script.to_vec(),
    });
    ActorModel::new((), LinearizabilityTester::new(Register(NOTHING.1)))
        .actors((0..servers).map(|_| Node::Server))
        .actors(clients)
        .init_network(Network::new_unordered_duplicating([]))
        .max_crashes(crashes)
        .record_msg_out(|_, history, envelope| {
            let mut history = history.clone();
            // A client's operations never overlap, so neither call is refused.
            match envelope.msg {
                Msg::Began(Op::Write(value)) => {
                    let _ = history.on_invoke(envelope.src, RegisterOp::Write(*value));
                }
                Msg::Began(Op::Read) => {
                    let _ = history.on_invoke(envelope.src, RegisterOp::Read);
                }
                Msg::Ended(Op::Write(_), _) => {
                    let _ = history.on_return(envelope.src, RegisterRet::WriteOk);
                }
                Msg::Ended(Op::Read, value) => {
                    let _ = history.on_return(envelope.src, RegisterRet::ReadOk(*value));
                }
                _ => return None,
            }
            Some(history)
        })
        .property(Expectation::Always, "linearizable", |_, state| {
            state.history.serialized_history().is_some()
        })
        .property(Expectation::Sometimes, "a read finds the write", |_, state| {
            (state.network.iter_all()).any(|envelope| *envelope.msg == Msg::Ended(Op::Read, 'A'))
        })
}

fn check() {
    for (crashes, scripts) in
        [(0, &[&[Op::Write('A')][..], &[Op::Read]][..]), (1, &[&[Op::Write('A'), Op::Read]])]
    {
        let checker = model(2, 2, crashes, scripts).checker().spawn_dfs().join();
        checker.assert_properties();
        println!(
            "checked: linearizable in all {} states of 2 servers and {} clients, {crashes} crashes",
            checker.unique_state_count(),
            scripts.len(),
        );
    }
    let scripts = [&[Op::Write('A'), Op::Read][..]];
    let checker = model(2, 1, 0, &scripts).checker().spawn_bfs().join();
    let path = checker.discovery("linearizable");
    let path = path.expect("with a quorum of one, a read may miss the write before it");
    println!(
        "control: with a quorum of 1, a counterexample of {} steps",
        path.into_actions().len()
    );
}

/// One node of the running system: an actor, its disk and its socket.
struct Running {
    actor: Handle<Msg>,
    _transport: Transport,
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Starts an actor at an endpoint. What it says to `application` comes out of the channel.
fn start(
    id: Id,
    node: Node,
    disk: WholeDisk<Storage>,
    endpoint: Endpoint,
    book: &AddressBook,
    application: Id,
) -> Result<(Running, Receiver<Msg>), Box<dyn Error>> {
    let driver = Driver::new(id, node, disk);
    let (say, said) = channel();
    let say = Mutex::new(say);
    let routes = Routes::new().inbox(id, driver.inbox()).door(application, move |_, _, msg| {
        if let Ok(say) = say.lock() {
            // There is no listener any more when the program is about to end.
            let _ = say.send(msg);
        }
    });
    let routes = Arc::new(routes);
    let transport = endpoint.start(book.clone(), Arc::clone(&routes))?;
    let actor = driver.spawn(Router::new(routes, transport.post()))?;
    let running = Running { actor, _transport: transport };
    Ok((running, said))
}

/// Runs three servers on the files in `directory`, and a client with this script until it is done.
fn run(directory: &Path, fresh: bool, client: usize, script: &[Op]) -> Result<(), Box<dyn Error>> {
    let (servers, me) = (Id::vec_from(0..3), Id::from(client));
    let application = Id::from(99);
    let book = AddressBook::new();
    let mut endpoints = Vec::new();
    for id in servers.iter().chain([&me]) {
        let endpoint = Endpoint::bind(loopback(), TransportConfig::default())?;
        book.insert(*id, endpoint.address());
        endpoints.push((*id, endpoint));
    }
    let mut nodes = Vec::new();
    for (id, endpoint) in endpoints {
        let path = directory.join(format!("actor-{}", usize::from(id)));
        let disk = if fresh || id == me { WholeDisk::init(path)? } else { WholeDisk::open(path)? };
        let node = if id == me {
            Node::Client {
                servers: servers.clone(),
                quorum: 2,
                application,
                script: script.to_vec(),
            }
        } else {
            Node::Server
        };
        nodes.push(start(id, node, disk, endpoint, &book, application)?);
    }
    let (_, said) = &nodes[3];
    let mut ended = 0;
    while ended < script.len() {
        match said.recv_timeout(Duration::from_secs(10))? {
            Msg::Ended(Op::Write(value), _) => println!("client {client} has written {value}"),
            Msg::Ended(Op::Read, value) => println!("client {client} has read {value}"),
            _ => continue,
        }
        ended += 1;
    }
    for (node, _) in nodes {
        node.actor.stop();
        node.actor.join()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    check();
    let directory = tempfile::tempdir()?;
    println!("running: 3 servers and a client over UDP");
    run(directory.path(), true, 3, &[Op::Write('A'), Op::Read])?;
    println!("running: the servers again, from their files, and another client");
    run(directory.path(), false, 4, &[Op::Read])?;
    Ok(())
}
