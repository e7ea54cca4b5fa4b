//! A trace of an actor of this test's own, replayed.

use chainring_runtime::disk::MemoryDisk;
use chainring_runtime::driver::{Driver, Observer, Step};
use chainring_runtime::store::LmdbStore;
use chainring_runtime::trace::{self, ReplayError, TraceFile, Traced, Tracer};
use chainring_store::{OrderedKey, Store};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, Instant};

/// The only key.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Sum;

impl OrderedKey for Sum {
    fn to_bytes(&self) -> Vec<u8> {
        vec![0]
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes == [0]).then_some(Sum)
    }
}

type Sums = LmdbStore<Sum, u64>;

/// Adds what it hears, so many times, and answers with the sum.
struct Adder {
    times: u64,
}

impl Actor for Adder {
    type Msg = u64;
    type Timer = ();
    type State = Option<Sums>;
    type Storage = Sums;
    type Random = ();

    fn on_start(&self, _: Id, saved: &Option<Sums>, _: &mut Out<Self>) -> Option<Sums> {
        saved.clone()
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<Option<Sums>>,
        src: Id,
        heard: u64,
        out: &mut Out<Self>,
    ) {
        let Some(store) = state.to_mut() else { return };
        let sum = store.get(&Sum).unwrap_or(0) + heard * self.times;
        store.put(Sum, sum);
        out.save(store.clone());
        out.send(src, sum);
    }
}

/// What a process of `Adder`s is made anew from is how many times it adds; `OTHERWISE` is what
/// another program would make of that.
struct Adders<const OTHERWISE: u64>;

impl<const OTHERWISE: u64> Traced for Adders<OTHERWISE> {
    type Key = Sum;
    type Row = u64;
    type Msg = u64;
    type Timer = ();
    type State = Option<Sums>;
    type Actor = Adder;

    fn digest(state: &Option<Sums>, _: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        hasher.finish()
    }

    fn stopped() -> Option<Sums> {
        None
    }

    fn actors(process: u32, about: &str) -> Result<Vec<(Id, Adder)>, String> {
        let times: u64 = about.parse().map_err(|_| format!("`{about}` is no number"))?;
        Ok(vec![(Id::from(process as usize), Adder { times: times + OTHERWISE })])
    }
}

struct Watch(Tracer);

impl Observer<Adder> for Watch {
    fn step(&mut self, step: Step<'_, Adder>, trace: &mut Vec<u8>) {
        self.0.step::<Adders<0>>(&step, trace);
    }
}

/// Runs an adder on a store with something in it until it has heard so many numbers.
fn run(file: &Path, process: u32, numbers: u64) {
    let mut store = Sums::in_memory();
    store.put(Sum, 5);
    let id = Id::from(process as usize);
    let trace = TraceFile::append(file, process, "3").expect("a trace can be written");
    let driver = Driver::new(id, Adder { times: 3 }, MemoryDisk::holding(store));
    let actor = driver.observed(Watch(Tracer::default()), trace).spawn(()).expect("it starts");
    for number in 0..numbers {
        assert!(actor.inbox().try_deliver(Id::from(9), number));
    }
    let end = Instant::now() + Duration::from_secs(30);
    while actor.counters().steps < numbers + 1 {
        assert!(Instant::now() < end, "{:?}", actor.counters());
        std::thread::yield_now();
    }
    actor.stop();
    actor.join().expect("it ends well");
}

#[test]
fn any_actor_does_again_what_it_did_and_another_one_does_not() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("trace");
    // Two starts in one file, the second behind the first.
    run(&file, 1, 100);
    run(&file, 1, 10);
    assert_eq!(trace::about(&file).expect("it has a header"), "3");
    let files = [file];
    let seen = trace::replay::<Adders<0>>(&files).expect("it does the same again");
    assert_eq!((seen.files, seen.starts, seen.steps), (1, 2, 112));
    assert_eq!((seen.received, seen.from_elsewhere), (0, 110));
    let other = trace::replay::<Adders<1>>(&files).expect_err("it adds otherwise");
    // The first step is the start, and adding nothing makes no difference.
    assert!(matches!(other, ReplayError::Disagrees { step: 3, actor: 1, .. }), "{other}");
}
