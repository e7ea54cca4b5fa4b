//! An actor of one's own: forty lines, checked in sixteen, run as three processes in fifteen.
//!
//! ```sh
//! cargo run --release -p chainring-runtime --example counter
//! ```
//!
//! Three nodes count together. Each counts to [`GOAL`] and tells the others how far it is; a node's
//! sum is what it has counted and what it was told. The rule that makes the sums worth something:
//! **a node never forgets a count that it has told**, whatever crashes. So it saves a count in the
//! same step in which it tells it. The program first lets stateright look at every order of
//! messages and timers with a crash, then again without the save, which must go wrong, or the check
//! is worth nothing. Then it runs the same actor as three processes, and kills one.

use chainring_runtime::driver::{Driver, Router, Routes};
use chainring_runtime::transport::{AddressBook, Endpoint, TransportConfig};
use chainring_runtime::whole::WholeDisk;
use stateright::actor::{Actor, ActorModel, Id, Network, Out, model_timeout};
use stateright::{Checker, Expectation, Model};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How far each node counts.
const GOAL: u64 = 2;

/// Hears sums. It is no actor: in a process a function, in the model nothing.
const LISTENER: usize = 99;

// The actor, in forty lines.

/// A node that counts, and tells these others.
#[derive(Clone)]
struct Counter {
    others: Vec<Id>,
    saves: bool,
}

/// How far each node has counted, as far as this one knows.
type Counts = BTreeMap<usize, u64>;

impl Actor for Counter {
    type Msg = u64;
    type Timer = ();
    type State = Counts;
    type Storage = u64;
    type Random = ();

    fn on_start(&self, id: Id, saved: &Option<u64>, out: &mut Out<Self>) -> Counts {
        out.set_timer((), model_timeout());
        Counts::from([(id.into(), saved.unwrap_or(0))])
    }

    fn on_timeout(&self, id: Id, counts: &mut Cow<Counts>, (): &(), out: &mut Out<Self>) {
        let counted = counts[&usize::from(id)];
        if counted < GOAL {
            counts.to_mut().insert(id.into(), counted + 1);
            if self.saves {
                out.save(counted + 1);
            }
            out.send(LISTENER.into(), counts.values().sum());
        }
        // Again and again: a message may be lost, and a node that was down knows nothing.
        out.broadcast(&self.others, &counts[&usize::from(id)]);
        out.set_timer((), Duration::from_millis(10)..Duration::from_millis(20));
    }

    fn on_msg(&self, _: Id, counts: &mut Cow<Counts>, src: Id, told: u64, out: &mut Out<Self>) {
        if counts.get(&src.into()).is_none_or(|known| *known < told) {
            counts.to_mut().insert(src.into(), told);
            out.send(LISTENER.into(), counts.values().sum());
        }
    }
}

fn counter(id: usize, nodes: usize, saves: bool) -> Counter {
    Counter { others: (0..nodes).filter(|other| *other != id).map(Id::from).collect(), saves }
}

/// Checks it, in sixteen lines: two nodes, one crash, messages in any order, lost or doubled.
fn check(saves: bool) -> impl Checker<ActorModel<Counter>> {
    ActorModel::new((), ())
        .actors((0..2).map(|id| counter(id, 2, saves)))
        .init_network(Network::new_unordered_duplicating([]))
        .max_crashes(1)
        .property(Expectation::Always, "nothing told is forgotten", |_, state| {
            let own = |id: usize| state.actor_states[id][&id];
            state.actor_states.iter().all(|counts| counts.iter().all(|(id, n)| *n <= own(*id)))
        })
        .property(Expectation::Sometimes, "all is known", |_, state| {
            state.actor_states.iter().all(|counts| counts.values().sum::<u64>() == 2 * GOAL)
        })
        .checker()
        .spawn_bfs()
        .join()
}

/// Runs it, in fifteen lines: one node of three, in this process, which says its sums.
fn run(id: usize, at: &[SocketAddr], file: &Path) -> Result<(), Box<dyn Error>> {
    let disk = if file.exists() { WholeDisk::open(file)? } else { WholeDisk::init(file)? };
    let driver = Driver::new(id.into(), counter(id, at.len(), true), disk);
    let routes = Routes::new().inbox(id.into(), driver.inbox());
    let say = |_, _, sum: u64| drop(writeln!(stdout(), "{sum}")); // heard or not
    let routes = Arc::new(routes.door(LISTENER.into(), say));
    let book: AddressBook = at.iter().enumerate().map(|(id, at)| (id.into(), *at)).collect();
    let endpoint = Endpoint::bind(at[id], TransportConfig::default())?;
    let transport = endpoint.start(book, Arc::clone(&routes))?;
    let node = driver.spawn(Router::new(routes, transport.post()))?;
    // Until the parent has gone; what was computed is committed then.
    stdin().read_line(&mut String::new())?;
    node.stop();
    Ok(node.join()?)
}

/// Starts a process with a node; ends when it has heard of all.
fn start(id: usize, at: &[SocketAddr], directory: &Path) -> Result<Child, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(id.to_string()).arg(directory.join(format!("node-{id}")));
    command.args(at.iter().map(SocketAddr::to_string));
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

/// Waits until a node's sum is complete.
fn wait(id: usize, node: &mut Child) -> Result<(), Box<dyn Error>> {
    let said = BufReader::new(node.stdout.take().ok_or("it says nothing")?);
    for sum in said.lines() {
        let sum: u64 = sum?.parse()?;
        if sum == 3 * GOAL {
            println!("process {}: node {id} knows of {sum} counts", node.id());
            return Ok(());
        }
    }
    Err(format!("node {id} ended before it knew of all").into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [id, file, at @ ..] = &arguments[..] {
        let at = at.iter().map(|at| at.parse()).collect::<Result<Vec<_>, _>>()?;
        return run(id.parse()?, &at, Path::new(file));
    }
    let checked = check(true);
    checked.assert_properties();
    println!(
        "checked: nothing told is forgotten in any of {} states",
        checked.unique_state_count()
    );
    let path = check(false).discovery("nothing told is forgotten");
    let steps = path.ok_or("without a save, something must be forgotten")?.into_actions().len();
    println!("control: without the save, a counterexample of {steps} steps");

    let directory = tempfile::tempdir()?;
    // Held until all are chosen, so that they differ.
    let free = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let at = free.iter().map(UdpSocket::local_addr).collect::<Result<Vec<_>, _>>()?;
    drop(free);
    let nodes = (0..3).map(|id| start(id, &at, directory.path()));
    let mut nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    for (id, node) in nodes.iter_mut().enumerate() {
        wait(id, node)?;
    }
    nodes[1].kill()?;
    nodes[1].wait()?;
    println!("killed node 1, and started it again on its file");
    nodes[1] = start(1, &at, directory.path())?;
    wait(1, &mut nodes[1])?;
    for mut node in nodes {
        drop(node.stdin.take());
        node.wait()?;
    }
    Ok(())
}
