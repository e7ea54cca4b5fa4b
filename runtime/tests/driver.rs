//! The duties of the driver, one test for each. Nothing here sleeps for luck: disks block on
//! channels, the clock is moved by hand, and every wait is for a condition.

use std::borrow::Cow;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chainring_runtime::clock::ManualClock;
use chainring_runtime::disk::{Disk, DiskError, MemoryDisk};
use chainring_runtime::driver::{
    Driver, DriverConfig, DriverError, Event, Observer, Outbox, Router, Routes, Step,
};
use stateright::actor::{Actor, Id, Out};

const ME: usize = 1;
const PEER: usize = 2;

/// What the actor of these tests is told to do.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Msg {
    /// Save, then say this.
    Write(u32),
    /// Say this, with no save.
    Say(u32),
    /// Set timer `.0` to `.1` milliseconds.
    Set(u8, u64),
    Cancel(u8),
    /// Choose one of these, under this key.
    Choose(&'static str, Vec<u32>),
    /// Send this to yourself first, and say it when it comes.
    Echo(u32),
    Panic,
    /// What the actor says.
    Said(u32),
    Fired(u8),
    Chosen(u32),
}

struct Probe;

impl Actor for Probe {
    type Msg = Msg;
    type Timer = u8;
    type State = Vec<u32>;
    type Storage = Vec<u32>;
    type Random = u32;

    fn on_start(&self, _: Id, storage: &Option<Vec<u32>>, _: &mut Out<Self>) -> Vec<u32> {
        storage.clone().unwrap_or_default()
    }

    fn on_msg(&self, id: Id, state: &mut Cow<Vec<u32>>, _: Id, msg: Msg, o: &mut Out<Self>) {
        let peer = Id::from(PEER);
        match msg {
            Msg::Write(n) => {
                state.to_mut().push(n);
                o.save(state.to_vec());
                o.send(peer, Msg::Said(n));
            }
            Msg::Say(n) => o.send(peer, Msg::Said(n)),
            Msg::Set(timer, ms) => {
                let duration = Duration::from_millis(ms);
                o.set_timer(timer, duration..duration);
            }
            Msg::Cancel(timer) => o.cancel_timer(timer),
            Msg::Choose(key, choices) => o.choose_random(key, choices),
            Msg::Echo(n) => o.send(id, Msg::Say(n)),
            Msg::Panic => panic!("as I was told"),
            Msg::Said(_) | Msg::Fired(_) | Msg::Chosen(_) => {}
        }
    }

    fn on_timeout(&self, _: Id, _: &mut Cow<Vec<u32>>, timer: &u8, o: &mut Out<Self>) {
        o.send(Id::from(PEER), Msg::Fired(*timer));
        if *timer == 9 {
            // At once, which means in the next turn.
            o.set_timer(9, Duration::ZERO..Duration::ZERO);
        }
    }

    fn on_random(&self, _: Id, _: &mut Cow<Vec<u32>>, random: &u32, o: &mut Out<Self>) {
        o.send(Id::from(PEER), Msg::Chosen(*random));
    }
}

/// Shows each commit, and returns from it when it is told how.
struct Gate {
    began: Sender<Vec<u32>>,
    end: Receiver<bool>,
}

impl Disk for Gate {
    type Storage = Vec<u32>;

    fn load(&mut self) -> Result<Option<Vec<u32>>, DiskError> {
        Ok(None)
    }

    fn commit(&mut self, save: Vec<u32>) -> Result<(), DiskError> {
        self.began.send(save).unwrap();
        match self.end.recv() {
            Ok(true) => Ok(()),
            _ => Err(DiskError::io(
                "sync",
                "/nowhere".as_ref(),
                io::Error::other("the disk is gone"),
            )),
        }
    }
}

fn gate() -> (Gate, Receiver<Vec<u32>>, Sender<bool>) {
    let (began, commits) = channel();
    let (verdict, end) = channel();
    (Gate { began, end }, commits, verdict)
}

struct Wire(Sender<Msg>);

impl Outbox<Msg> for Wire {
    fn send(&mut self, src: Id, dst: Id, msg: Msg) {
        assert_eq!((src, dst), (Id::from(ME), Id::from(PEER)));
        self.0.send(msg).unwrap();
    }

    fn flush(&mut self) {}
}

fn wire() -> (Wire, Receiver<Msg>) {
    let (out, said) = channel();
    (Wire(out), said)
}

fn me<D: Disk<Storage = Vec<u32>>>(disk: D) -> Driver<Probe, D> {
    Driver::new(Id::from(ME), Probe, disk)
}

const PATIENCE: Duration = Duration::from_secs(20);

fn next<T>(from: &Receiver<T>) -> T {
    from.recv_timeout(PATIENCE).expect("nothing came")
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn no_message_leaves_before_its_batch_is_durable_nor_one_from_a_batch_without_a_save() {
    let (disk, commits, verdict) = gate();
    let (out, said) = wire();
    let handle = me(disk).spawn(out).unwrap();
    let inbox = handle.inbox().clone();
    let peer = Id::from(PEER);

    inbox.try_deliver(peer, Msg::Write(1));
    assert_eq!(next(&commits), [1]);
    // The first batch is being committed. The next ones are computed meanwhile; they save nothing,
    // or something.
    inbox.try_deliver(peer, Msg::Say(2));
    until("the second is computed", || handle.counters().steps == 3);
    inbox.try_deliver(peer, Msg::Write(3));
    inbox.try_deliver(peer, Msg::Write(4));
    until("all are computed", || handle.counters().steps == 5);
    assert!(said.try_recv().is_err());
    assert_eq!(handle.counters().released, 0);

    verdict.send(true).unwrap();
    assert_eq!(next(&said), Msg::Said(1));
    // What piled up is one commit, of the newest save; 2 may leave with it, not before it.
    assert_eq!(next(&commits), [1, 3, 4]);
    assert!(said.try_recv().is_err());
    verdict.send(true).unwrap();
    for n in [2, 3, 4] {
        assert_eq!(next(&said), Msg::Said(n));
    }
    // Nothing is saved and everything before is durable: no commit.
    inbox.try_deliver(peer, Msg::Say(5));
    assert_eq!(next(&said), Msg::Said(5));
    let counters = handle.counters();
    assert_eq!((counters.saves, counters.commits), (3, 2));
    handle.stop();
    handle.join().unwrap();
}

#[test]
fn a_failed_commit_sends_nothing_and_ends_the_actor() {
    let (disk, commits, verdict) = gate();
    let (out, said) = wire();
    let (end, ended) = channel();
    let handle = me(disk)
        .at_end(move |id, result| end.send((id, result.is_err())).unwrap())
        .spawn(out)
        .unwrap();
    let inbox = handle.inbox().clone();
    inbox.try_deliver(Id::from(PEER), Msg::Write(1));
    next(&commits);
    inbox.try_deliver(Id::from(PEER), Msg::Say(2));
    until("the second is computed", || handle.counters().steps == 3);
    verdict.send(false).unwrap();
    // No stop: it ends by itself.
    let error = handle.join().unwrap_err();
    assert!(matches!(error, DriverError::Commit { id: ME, .. }), "{error}");
    assert_eq!(said.iter().count(), 0);
    // One try, no more.
    assert_eq!(commits.iter().count(), 0);
    assert_eq!(next(&ended), (Id::from(ME), true));
    assert!(!inbox.try_deliver(Id::from(PEER), Msg::Say(3)));
}

#[test]
fn stop_releases_what_was_computed() {
    let (disk, commits, verdict) = gate();
    let (out, said) = wire();
    let handle = me(disk).spawn(out).unwrap();
    handle.inbox().try_deliver(Id::from(PEER), Msg::Write(1));
    next(&commits);
    handle.inbox().try_deliver(Id::from(PEER), Msg::Write(2));
    until("the second is computed", || handle.counters().steps == 3);
    handle.stop();
    assert!(said.try_recv().is_err());
    verdict.send(true).unwrap();
    verdict.send(true).unwrap();
    handle.join().unwrap();
    let said: Vec<_> = said.iter().collect();
    assert_eq!(said, [Msg::Said(1), Msg::Said(2)]);
}

#[test]
fn a_panic_keeps_what_went_before_and_sends_nothing_of_its_turn() {
    let (disk, commits, verdict) = gate();
    let (out, said) = wire();
    let handle = me(disk).spawn(out).unwrap();
    let inbox = handle.inbox().clone();
    inbox.try_deliver(Id::from(PEER), Msg::Write(1));
    next(&commits);
    inbox.try_deliver(Id::from(PEER), Msg::Panic);
    until("it panics", || !inbox.try_deliver(Id::from(PEER), Msg::Write(2)));
    verdict.send(true).unwrap();
    let error = handle.join().unwrap_err();
    let DriverError::Panicked { what, .. } = &error else { panic!("{error}") };
    assert_eq!(what, "as I was told");
    assert_eq!(said.iter().collect::<Vec<_>>(), [Msg::Said(1)]);
}

#[test]
fn a_panicking_turn_says_nothing_of_what_it_did_before() {
    let (out, said) = wire();
    let driver = me(MemoryDisk::new());
    // One batch: it waits before the actor starts.
    for msg in [Msg::Write(1), Msg::Say(2), Msg::Panic, Msg::Say(3)] {
        assert!(driver.inbox().try_deliver(Id::from(PEER), msg));
    }
    assert!(driver.spawn(out).unwrap().join().is_err());
    assert_eq!(said.iter().count(), 0);
}

#[test]
fn due_timers_fire_before_the_messages_of_the_turn_earliest_first() {
    let clock = ManualClock::new();
    let (out, said) = wire();
    let handle = me(MemoryDisk::new()).clock(clock.clone()).spawn(out).unwrap();
    let inbox = handle.inbox().clone();
    let tell = |msg| assert!(inbox.try_deliver(Id::from(PEER), msg));
    tell(Msg::Set(1, 30));
    tell(Msg::Set(2, 20));
    tell(Msg::Set(3, 10));
    tell(Msg::Set(4, 1000));
    tell(Msg::Set(5, 15));
    tell(Msg::Set(3, 25));
    tell(Msg::Cancel(5));
    until("they are set", || handle.counters().steps == 8);
    clock.advance(Duration::from_millis(30));
    tell(Msg::Say(7));
    assert_eq!(next(&said), Msg::Fired(2));
    assert_eq!(next(&said), Msg::Fired(3));
    assert_eq!(next(&said), Msg::Fired(1));
    assert_eq!(next(&said), Msg::Said(7));

    // A wake-up is a turn too; timer 4 is due, and no other any more.
    clock.advance(Duration::from_millis(969));
    inbox.wake();
    tell(Msg::Say(8));
    assert_eq!(next(&said), Msg::Said(8));
    clock.advance(Duration::from_millis(1));
    inbox.wake();
    assert_eq!(next(&said), Msg::Fired(4));
    handle.stop();
    handle.join().unwrap();
}

#[test]
fn deadlines_count_from_the_reading_of_the_turn() {
    /// Moves the clock while its handler runs.
    struct Slow(ManualClock);

    impl Actor for Slow {
        type Msg = Msg;
        type Timer = u8;
        type State = ();
        type Storage = Vec<u32>;
        type Random = u32;

        fn on_start(&self, _: Id, _: &Option<Vec<u32>>, _: &mut Out<Self>) {}

        fn on_msg(&self, _: Id, _: &mut Cow<()>, _: Id, _: Msg, o: &mut Out<Self>) {
            self.0.advance(Duration::from_millis(100));
            o.set_timer(1, Duration::from_millis(50)..Duration::from_millis(50));
            o.send(Id::from(PEER), Msg::Said(0));
        }

        fn on_timeout(&self, _: Id, _: &mut Cow<()>, timer: &u8, o: &mut Out<Self>) {
            o.send(Id::from(PEER), Msg::Fired(*timer));
        }
    }

    let clock = ManualClock::new();
    let (out, said) = wire();
    let handle = Driver::new(Id::from(ME), Slow(clock.clone()), MemoryDisk::new())
        .clock(clock)
        .spawn(out)
        .unwrap();
    handle.inbox().try_deliver(Id::from(PEER), Msg::Say(0));
    assert_eq!(next(&said), Msg::Said(0));
    // Set for 50 ms after the reading; the handler took 100 ms; so it is due, though the clock
    // stands still.
    assert_eq!(next(&said), Msg::Fired(1));
}

#[test]
fn a_timer_that_is_set_for_at_once_does_not_keep_messages_waiting() {
    let (out, said) = wire();
    let handle = me(MemoryDisk::new()).spawn(out).unwrap();
    let inbox = handle.inbox();
    inbox.try_deliver(Id::from(PEER), Msg::Set(9, 0));
    for _ in 0..10 {
        assert_eq!(next(&said), Msg::Fired(9));
    }
    inbox.try_deliver(Id::from(PEER), Msg::Say(1));
    until("the message is heard", || next(&said) == Msg::Said(1));
    inbox.try_deliver(Id::from(PEER), Msg::Cancel(9));
    handle.stop();
    handle.join().unwrap();
}

#[test]
fn a_random_choice_comes_once_and_the_newest_of_its_key_counts() {
    let clock = ManualClock::new();
    let (out, said) = wire();
    let driver = me(MemoryDisk::new()).clock(clock.clone());
    for msg in [
        Msg::Choose("a", vec![1, 2]),
        Msg::Choose("b", vec![3]),
        Msg::Choose("a", vec![4, 5, 6]),
        Msg::Choose("b", vec![]),
    ] {
        driver.inbox().try_deliver(Id::from(PEER), msg);
    }
    let handle = driver.spawn(out).unwrap();
    until("it is asked", || handle.counters().steps == 5);
    clock.advance(Duration::from_secs(1));
    handle.inbox().wake();
    assert!(matches!(next(&said), Msg::Chosen(4..=6)));
    clock.advance(Duration::from_secs(1));
    handle.inbox().try_deliver(Id::from(PEER), Msg::Say(1));
    assert_eq!(next(&said), Msg::Said(1));
}

#[test]
fn an_actor_can_write_to_itself_and_to_its_neighbours() {
    let (out, said) = wire();
    let (at_door, door) = channel();
    let driver = me(MemoryDisk::new());
    let neighbour = Driver::new(Id::from(PEER), Probe, MemoryDisk::new());
    let at_door = Mutex::new(at_door);
    let routes = Arc::new(Routes::new().inbox(Id::from(ME), driver.inbox()).door(
        Id::from(PEER),
        move |src, dst, msg| {
            at_door.lock().unwrap().send((src, dst, msg)).unwrap();
        },
    ));
    let handle = driver.spawn(Router::new(Arc::clone(&routes), out)).unwrap();
    let neighbour = neighbour.spawn(Router::new(routes, ())).unwrap();
    handle.inbox().try_deliver(Id::from(PEER), Msg::Echo(1));
    let (me, peer) = (Id::from(ME), Id::from(PEER));
    assert_eq!(next(&door), (me, peer, Msg::Said(1)));
    // The neighbour speaks to its own `Id`, which is delivered to itself and not through its door.
    neighbour.inbox().try_deliver(me, Msg::Say(2));
    until("it hears itself", || neighbour.counters().steps == 3);
    assert!(door.try_recv().is_err() && said.try_recv().is_err());
}

#[test]
fn a_store_that_does_not_load_is_a_refusal() {
    struct Broken;
    impl Disk for Broken {
        type Storage = Vec<u32>;
        fn load(&mut self) -> Result<Option<Vec<u32>>, DiskError> {
            Err(DiskError::Missing { path: "/nowhere".into() })
        }
        fn commit(&mut self, _: Vec<u32>) -> Result<(), DiskError> {
            unreachable!("nothing runs")
        }
    }
    let Err(error) = me(Broken).spawn(()) else { panic!("it started") };
    assert!(error.to_string().contains("/nowhere"), "{error}");
}

/// Writes one line for each step.
struct Lines;

impl Observer<Probe> for Lines {
    fn step(&mut self, step: Step<'_, Probe>, trace: &mut Vec<u8>) {
        let event = match step.event {
            Event::Start { storage } => format!("start {storage:?}"),
            Event::Deliver { msg, .. } => format!("{msg:?}"),
            Event::Timeout { timer } => format!("timer {timer}"),
            Event::Random { random } => format!("random {random}"),
        };
        let line = format!("{event} -> {:?} {:?}\n", step.state, step.out);
        trace.extend_from_slice(line.as_bytes());
    }
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_trace_is_written_before_the_commit() {
    let (disk, commits, verdict) = gate();
    let (out, said) = wire();
    let page = Page::default();
    let handle = me(disk).observed(Lines, page.clone()).spawn(out).unwrap();
    handle.inbox().try_deliver(Id::from(PEER), Msg::Write(1));
    next(&commits);
    assert_eq!(
        page.text(),
        "start None -> [] []\nWrite(1) -> [1] [Save([1]), Send(Id(2), Said(1))]\n"
    );
    verdict.send(true).unwrap();
    assert_eq!(next(&said), Msg::Said(1));
    handle.stop();
    handle.join().unwrap();
}

#[test]
fn a_trace_that_cannot_be_written_ends_the_actor() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (out, said) = wire();
    let driver = me(MemoryDisk::new()).observed(Lines, Full);
    driver.inbox().try_deliver(Id::from(PEER), Msg::Say(1));
    let result = driver.spawn(out).unwrap().join();
    assert!(matches!(result, Err(DriverError::Trace { .. })));
    assert_eq!(said.iter().count(), 0);
}

#[test]
fn a_flood_is_counted_and_the_order_is_kept() {
    let (out, said) = wire();
    let config =
        DriverConfig { inbox_messages: 100, batch: 7, depth: 1, ..DriverConfig::default() };
    let driver = Driver::with(Id::from(ME), Probe, MemoryDisk::new(), config);
    let inbox = driver.inbox();
    let taken: Vec<u32> = (0..300)
        .filter(|n| {
            let msg = if n % 3 == 0 { Msg::Write(*n) } else { Msg::Say(*n) };
            inbox.try_deliver(Id::from(PEER), msg)
        })
        .collect();
    assert_eq!(taken.len(), 100);
    let handle = driver.spawn(out).unwrap();
    for n in taken {
        assert_eq!(next(&said), Msg::Said(n));
    }
    let counters = handle.counters();
    assert_eq!((counters.inbox_lost, counters.steps), (200, 101));
    assert!(counters.batches >= 15);
}
