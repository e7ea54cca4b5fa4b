//! What the ring's failure detector costs and how quick it is, at 10, 100 and 1000 nodes.
//!
//! ```sh
//! cargo run --release -p chainring-examples --bin gossip     # all three, some minutes
//! cargo run --release -p chainring-examples --bin gossip -- 10 seed=7 loss=20 kills=3 seconds=60
//! ```
//!
//! The actor is the one that is checked and that nodes run; time and the network are simulated,
//! event by event, from one seed. Every message goes through the codec of nodes, and counts with
//! the headers of our datagrams, UDP and IPv4; each as a datagram of its own. Datagrams take 0.2 to
//! 2 ms and are lost independently.
//!
//! First all is quiet, which is where bytes, false suspicions and false deaths are counted; then
//! nodes are killed, one after the other, and started again when all others know. *Found* is the
//! time from the kill until the first, and the last, of the others holds the node dead; *back* is
//! that from its start until no node does.

use chainring_examples::Anything;
use chainring_model::membership::msg::Report;
use chainring_model::membership::{Key, Member, MemberState, Msg, Row, Timeouts, Timer};
use chainring_model::store::MapStore;
use chainring_runtime::codec;
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::ops::Range;
use std::time::Duration;

/// What IPv4 and UDP put before a datagram, and what our transport does (its header, and of one
/// record the length).
const HEADERS: usize = 28 + 18 + 2;
/// How long a datagram takes.
const LATENCY: Range<Duration> = Duration::from_micros(200)..Duration::from_millis(2);
/// How long it takes until every node has started and has asked another one.
const SETTLED: Duration = Duration::from_secs(20);
/// How long a killed node may stay unnoticed.
const PATIENCE: Duration = Duration::from_secs(180);

type Store = MapStore<Key, Row>;
type State = Option<MemberState<Store>>;

fn main() -> Anything<()> {
    let (mut sizes, mut losses, mut seed, mut kills, mut seconds) =
        (Vec::new(), vec![0, 5, 20], 1, 9, None);
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("seed", value)) => seed = value.parse()?,
            Some(("loss", value)) => losses = vec![value.parse()?],
            Some(("kills", value)) => kills = value.parse()?,
            Some(("seconds", value)) => seconds = Some(value.parse()?),
            _ => sizes.push(argument.parse()?),
        }
    }
    if sizes.is_empty() {
        sizes = vec![10, 100, 1000];
    }
    println!("seed={seed} kills={kills}, default timeouts: {:?}\n", Timeouts::default());
    println!(
        "| nodes | loss | bytes per node and second | messages | largest | found by one: median | by all: \
         median | max | back: max | quiet node-hours | false suspicions per node-hour | false deaths |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut cost = BTreeMap::new();
    for nodes in &sizes {
        for &percent in &losses {
            let quiet = seconds.unwrap_or((36_000 / nodes).clamp(120, 1800) as u64);
            let row = measure(*nodes, percent, seed, Duration::from_secs(quiet), kills)?;
            println!("{}", row.0);
            if percent == 0 {
                cost.insert(*nodes, row.1);
            }
        }
    }
    if let (Some((few, low)), Some((many, high))) = (cost.first_key_value(), cost.last_key_value())
    {
        println!("\nwithout loss, {many} nodes cost each {:.2} times what {few} do", high / low);
        if high / low > 1.5 {
            return Err("the cost of a node grows with the ring".into());
        }
    }
    Ok(())
}

/// One row of the table, and the bytes a second in it.
fn measure(
    nodes: usize,
    percent: u64,
    seed: u64,
    quiet: Duration,
    kills: usize,
) -> Anything<(String, f64)> {
    let mut ring = Ring::new(nodes, percent, seed);
    ring.run(SETTLED);
    (ring.bytes, ring.messages, ring.largest) = (0, 0, 0);
    ring.suspected.clear();
    ring.dead.clear();
    ring.run(quiet);
    let node_seconds = nodes as f64 * quiet.as_secs_f64();
    let rate = ring.bytes as f64 / node_seconds;
    let messages = ring.messages as f64 / node_seconds;
    let hours = node_seconds / 3600.0;
    let (suspicions, deaths, largest) = (ring.suspected.len(), ring.dead.len(), ring.largest);
    let (mut first, mut all, mut back) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..kills {
        let victim = ring.random.below(nodes as u64) as usize;
        ring.stop(victim);
        let killed = ring.now;
        first.push(ring.run_until(|ring| ring.holders(victim) > 0)? - killed);
        all.push(ring.run_until(|ring| ring.holders(victim) == nodes - 1)? - killed);
        let started = ring.now;
        ring.start(victim);
        back.push(ring.run_until(|ring| ring.holders(victim) == 0)? - started);
        ring.run(SETTLED);
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
    };
    let max = |times: &[Duration]| times.iter().max().map_or(f64::NAN, Duration::as_secs_f64);
    let row = format!(
        "| {nodes} | {percent} % | {rate:.0} | {messages:.2}/s | {largest} B | {:.1} s | {:.1} s | {:.1} s | {:.1} s | {hours:.0} \
         | {:.2} | {deaths} |",
        median(&mut first),
        median(&mut all),
        max(&all),
        max(&back),
        suspicions as f64 / hours,
    );
    Ok((row, rate))
}

/// Nodes and what is under way between them.
struct Ring {
    members: Vec<Member<Store>>,
    states: Vec<State>,
    /// Which nodes run.
    up: Vec<bool>,
    /// When each timer that is set fires: others in the queue are out of date.
    timers: Vec<HashMap<Timer, u64>>,
    queue: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    now: Duration,
    /// Numbers events.
    count: u64,
    loss: u64,
    random: Random,
    /// Which others each node holds gone, as it has reported.
    gone: Vec<BTreeSet<Id>>,
    /// How often that has changed.
    reported: u64,
    bytes: usize,
    messages: usize,
    largest: usize,
    /// Lives that a node suspected while they were lived.
    suspected: BTreeSet<(Id, u64)>,
    /// Lives that a node held dead while they were lived.
    dead: BTreeSet<(Id, u64)>,
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    Deliver { src: Id, dst: Id, msg: Msg },
    Timeout { node: usize, timer: Timer },
}

/// Where reports go: every node has a listener beside it.
const LISTENER: usize = usize::MAX;

impl Ring {
    /// So many nodes that know of each other, and start within a second.
    fn new(nodes: usize, percent: u64, seed: u64) -> Self {
        let seeds: BTreeMap<_, _> = (0..nodes).map(|id| (Id::from(id), Id::from(id))).collect();
        let listener = Some(Id::from(LISTENER));
        let member = |id| Member::new(Id::from(id), seeds.clone(), listener, Timeouts::default());
        let mut ring = Ring {
            members: (0..nodes).map(member).collect(),
            states: vec![None; nodes],
            up: vec![false; nodes],
            timers: vec![HashMap::new(); nodes],
            queue: BinaryHeap::new(),
            now: Duration::ZERO,
            count: 0,
            loss: percent,
            random: Random(seed ^ ((nodes as u64) << 32) ^ (percent << 16)),
            gone: vec![BTreeSet::new(); nodes],
            reported: 0,
            bytes: 0,
            messages: 0,
            largest: 0,
            suspected: BTreeSet::new(),
            dead: BTreeSet::new(),
        };
        for node in 0..nodes {
            ring.run(Duration::from_secs(1) / nodes as u32);
            ring.start(node);
        }
        ring
    }

    /// Starts a node, from what it has stored.
    fn start(&mut self, node: usize) {
        let stored = self.states[node].take().map(|state| state.store);
        let store = stored.unwrap_or_else(|| {
            let mut store = Store::default();
            Member::<Store>::init(&mut store);
            store
        });
        let mut out = Out::new();
        self.up[node] = true;
        self.states[node] = self.members[node].on_start(Id::from(node), &Some(store), &mut out);
        self.perform(node, out);
    }

    /// Kills a node.
    fn stop(&mut self, node: usize) {
        self.up[node] = false;
        self.timers[node].clear();
        self.gone[node].clear();
    }

    /// How many of the running nodes hold a node gone.
    fn holders(&self, victim: usize) -> usize {
        let victim = Id::from(victim);
        let running = self.gone.iter().zip(&self.up).filter(|(_, up)| **up);
        running.filter(|(gone, _)| gone.contains(&victim)).count()
    }

    /// Lets this time pass.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.queue.peek().is_some_and(|Reverse((at, ..))| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until this is so. Returns the time.
    fn run_until(&mut self, is_so: impl Fn(&Self) -> bool) -> Anything<Duration> {
        let end = self.now + PATIENCE;
        while !is_so(self) {
            if self.now > end || self.queue.is_empty() {
                return Err(format!("not after {PATIENCE:?} at {:?}", self.now).into());
            }
            let reported = self.reported;
            while self.reported == reported && self.now <= end && !self.queue.is_empty() {
                self.step();
            }
        }
        Ok(self.now)
    }

    /// The next event.
    fn step(&mut self) {
        let Some(Reverse((at, number, event))) = self.queue.pop() else { return };
        self.now = at;
        let mut out = Out::new();
        let node = match event {
            Event::Deliver { src, dst, msg } => {
                let node = usize::from(dst);
                if !self.up[node] {
                    return;
                }
                let mut state = Cow::Owned(self.states[node].take());
                self.members[node].on_msg(dst, &mut state, src, msg, &mut out);
                self.states[node] = state.into_owned();
                node
            }
            Event::Timeout { node, timer } => {
                if self.timers[node].get(&timer) != Some(&number) {
                    return;
                }
                self.timers[node].remove(&timer);
                let mut state = Cow::Owned(self.states[node].take());
                self.members[node].on_timeout(Id::from(node), &mut state, &timer, &mut out);
                self.states[node] = state.into_owned();
                node
            }
        };
        self.perform(node, out);
        self.note_suspicions(node);
    }

    /// Carries out what a node has put out. What is saved is in its state, so it needs no disk
    /// here.
    fn perform(&mut self, node: usize, out: Out<Member<Store>>) {
        for command in out {
            match command {
                Command::Send(_, Msg::Report(Report { gone })) => {
                    let found: Vec<_> = gone.difference(&self.gone[node]).copied().collect();
                    for id in found {
                        self.note_death(node, id);
                    }
                    self.reported += u64::from(self.gone[node] != gone);
                    self.gone[node] = gone;
                }
                Command::Send(dst, msg) => self.send(Id::from(node), dst, msg),
                Command::SetTimer(timer, range) => {
                    let at = self.now + self.random.within(&range);
                    let number = self.push(at, Event::Timeout { node, timer });
                    self.timers[node].insert(timer, number);
                }
                Command::CancelTimer(timer) => {
                    self.timers[node].remove(&timer);
                }
                Command::Save(_) | Command::ChooseRandom(..) => {}
            }
        }
    }

    fn send(&mut self, src: Id, dst: Id, msg: Msg) {
        // Messages are made of numbers and lists of them: there is nothing that could not be
        // encoded.
        let encoded = codec::encode(&msg).expect("a message that can be encoded").len();
        let id = |id: Id| if usize::from(id) < 128 { 1 } else { 2 };
        let bytes = HEADERS + id(src) + id(dst) + encoded;
        self.bytes += bytes;
        self.messages += 1;
        self.largest = self.largest.max(bytes);
        if self.random.below(100) >= self.loss {
            let at = self.now + self.random.within(&LATENCY);
            self.push(at, Event::Deliver { src, dst, msg });
        }
    }

    fn push(&mut self, at: Duration, event: Event) -> u64 {
        self.count += 1;
        self.queue.push(Reverse((at, self.count, event)));
        self.count
    }

    /// The life that a node lives, if it runs.
    fn life(&self, id: Id) -> Option<u64> {
        let node = usize::from(id);
        let state = self.states[node].as_ref().filter(|_| self.up[node])?;
        Some(state.table.get(id)?.incarnation)
    }

    fn note_suspicions(&mut self, node: usize) {
        let Some(state) = &self.states[node] else { return };
        let suspects = state.suspicions.keys().filter_map(|suspect| {
            let held = state.table.get(*suspect)?.incarnation;
            (self.life(*suspect)? == held).then_some((*suspect, held))
        });
        let suspects: Vec<_> = suspects.collect();
        self.suspected.extend(suspects);
    }

    fn note_death(&mut self, node: usize, id: Id) {
        let held = self.states[node].as_ref().and_then(|state| state.table.get(id));
        let held = held.map(|entry| entry.incarnation);
        if let (Some(life), Some(held)) = (self.life(id), held)
            && life >= held
        {
            self.dead.insert((id, held));
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn within(&mut self, range: &Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start).as_nanos() as u64;
        range.start + Duration::from_nanos(self.below(width + 1))
    }
}
