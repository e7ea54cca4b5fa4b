//! The ring in small: what its models leave out, and what it gives up when an operator asks for
//! that.

use chainring_model::Intact;
use chainring_model::kv::Op;
use chainring_model::ring::{Msg, Phase, RingState};
use chainring_proofs::catalogue::{Subject, find};
use chainring_proofs::checker::graph::Graph;
use chainring_proofs::checker::reduce::Pruning;
use chainring_proofs::checker::run::{Options, Search, run};
use chainring_proofs::mutants;
use chainring_proofs::ring::{Client, Mortal, Planted, RingModel, Setup, State};
use stateright::Property;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn put(value: &str) -> Op {
    Op::Put(value.into())
}

/// Systems that can be explored with nothing left out.
fn smallest() -> Vec<Setup> {
    vec![
        Setup::new([Client::new(0, [put("a")]), Client::new(1, [Op::Get])]).attempts(1).of_two(),
        Setup::new([Client::new(0, [Op::Increment(1)])])
            .attempts(1)
            .of_two()
            .crashes(1, Mortal::All),
        Setup::new([Client::new(0, [Op::Delete])])
            .attempts(1)
            .sweeps()
            .of_two()
            .planted([0, 1], Planted::value(1, "1")),
        Setup::new([Client::new(0, [Op::Get])])
            .attempts(1)
            .of_two()
            .planted([0], Planted::value(1, "1"))
            .repairs([1]),
        Setup::new([]).of_two().plan(&[(&[0, 1], &[1, 2]), (&[1, 2], &[1, 2])]),
        Setup::new([])
            .sweeps()
            .of_two()
            .planted([0, 1], Planted::tombstone(1))
            .plan(&[(&[0, 1], &[1, 2]), (&[1, 2], &[1, 2])]),
    ]
}

/// Two nodes, of which the one is replaced: and a reader.
fn moving(planted: [usize; 2]) -> Setup {
    Setup::new([Client::new(0, [Op::Get])])
        .attempts(1)
        .of_two()
        .planted(planted, Planted::value(1, "1"))
        .plan(&[(&[0, 1], &[1, 2]), (&[1, 2], &[1, 2])])
}

/// Systems that can be explored with every step one.
fn small() -> Vec<Setup> {
    let mut small = smallest();
    small.push(Setup::new([Client::new(0, [Op::Increment(1)])]).attempts(1));
    small.push(Setup::new([Client::new(0, [Op::Get])]).planted([0], Planted::value(1, "1")));
    small.push(moving([0, 1]));
    small
}

/// Whether an actor has begun to count answers, or was refused and has not begun again: states of
/// which runs that stand for others have fewer.
fn is_in_between(state: &State) -> bool {
    state.system.actor_states.iter().any(|state| match &**state {
        RingState::Gateway(gateway) => gateway.lanes.values().any(|lane| {
            lane.pending.as_ref().is_some_and(|pending| match &pending.phase {
                Phase::Reading { votes } => !votes.is_empty(),
                Phase::Preparing { promised, .. } => !promised.is_empty(),
                Phase::Accepting { accepted, .. } => !accepted.is_empty(),
                Phase::Waiting => true,
            })
        }),
        RingState::Node(node) => {
            node.sweeping.values().any(|(_, held)| !held.is_empty())
                || node.transfers.values().any(|transfer| !transfer.done.is_empty())
        }
        _ => false,
    })
}

/// All that a model's states say, but for what is under way, for the names of nodes where
/// these make no difference, and for states in between.
fn reachable(setup: &Setup, pruning: Pruning) -> BTreeSet<u64> {
    let model = setup.model(&Intact, pruning);
    let graph = Graph::of(&model);
    let digest = |state: &State| {
        let images = setup.images(&model, &state.system).into_iter().map(|system| {
            let mut hasher = DefaultHasher::new();
            (system.actor_states, system.crashed, system.history, system.actor_storages)
                .hash(&mut hasher);
            state.crashes.hash(&mut hasher);
            hasher.finish()
        });
        images.min()
    };
    graph.states().filter(|state| !is_in_between(state)).filter_map(digest).collect()
}

/// Leaving out loses nothing and adds nothing: the same states of actors, disks and histories are
/// reached.
#[test]
fn whatever_is_left_out_the_same_is_reached() {
    for setup in small() {
        let (all, steps) = (reachable(&setup, Pruning::On), reachable(&setup, Pruning::Steps));
        assert_eq!(all, steps, "{setup}");
        assert!(all.len() > 5, "{} states in {setup}", all.len());
    }
}

/// What was ever called obsolete or spent stays so, with crashes and views.
#[test]
fn what_was_dropped_would_lead_to_nothing() {
    let options = Options { threads: 2, ..Options::default() };
    for setup in smallest() {
        let audited = || {
            let audit = Property::always("audit", |model: &RingModel, state: &State| {
                RingModel::audit(model, state)
            });
            setup.model(&Intact, Pruning::Audit).property(audit)
        };
        let report = run(audited, &options);
        let verdict = report.verdict("audit").expect("it is claimed");
        let steps = verdict.trace.as_ref().map(|trace| &trace.steps);
        assert!(verdict.stands, "{setup}: {report}{steps:#?}");
        assert!(report.exhaustive, "{report}");
    }
}

/// What is called spent, and would lead to something, is found out where it is dropped.
#[test]
#[should_panic(expected = "is not spent")]
fn a_message_that_leads_to_something_is_not_spent() {
    let setup = Setup::new([Client::new(0, [put("a")])]).attempts(1).of_two();
    let model = setup.model(&Intact, Pruning::On);
    let model = model.spent(|_, envelope| matches!(&*envelope.msg, Msg::Accept(_)));
    Graph::of(&model);
}

#[test]
fn breadth_first_and_depth_first_and_our_own_graph_agree() {
    for setup in small() {
        let search =
            |search| setup.check(None, Pruning::On, &Options { search, ..Options::default() });
        let (breadth, depth) = (search(Search::Breadth), search(Search::Depth));
        assert_eq!(breadth.unique_states, depth.unique_states, "{setup}");
        let graph = Graph::of(&setup.model(&Intact, Pruning::On));
        assert_eq!(graph.states().count(), depth.unique_states, "{setup}");
    }
}

/// The run of a schedule shows what it is there to show, and only where the mechanism is missing.
#[test]
fn schedules_catch_mutants_and_nothing_else() {
    let all = mutants::all().into_iter();
    let driven = all.filter(|mutant| matches!(mutant.entry.subject, Subject::Ring(_)));
    for mutant in driven {
        let Some(schedule) = mutant.schedule else { continue };
        let name = mutant.lacks.mutant();
        let drive = mutant.entry.follow(Some(mutant.lacks), schedule, mutant.falls.name());
        let stuck = drive.stuck.unwrap_or_default();
        assert!(drive.fell.is_some(), "{name}: {:#?}\n{stuck}", drive.trace.steps);
        let intact = mutant.entry.follow(None, schedule, mutant.falls.name());
        assert!(
            intact.fell.is_none(),
            "intact, by the schedule of {name}: {:#?}",
            intact.trace.steps
        );
    }
}

/// Two nodes are given up that live, and have what the survivor lacks.
const REFORM: &str = "
    g0 > n1, n2: Prepare; n1, n2 > g0: Promise
    g0 > n1, n2: Accept; n1, n2 > g0: Accepted     // the client knows that it has written
    x0 > c0: Report Members; x1 > c0: Report Reform
    c0 > n0, g0: Install epoch: 2                  // n1 and n2 have not heard
    g0 > n0: Read; n0 > g0: Vote                   // and the client reads what was there before
";

/// Reforming gives up linearizability: here is how. Documentation prints this run.
#[test]
fn a_reform_can_lose_an_acknowledged_write() {
    let entry = find("ring-reform").expect("a model of the catalogue");
    let options = Options { search: Search::Breadth, threads: 1, ..Options::default() };
    let report = entry.run(None, &options);
    assert!(report.stands(), "{report}");
    let lost = report.verdict("an acknowledged write is lost").expect("it is claimed");
    let trace = lost.trace.as_ref().expect("it happens");
    assert!(!trace.steps.is_empty());
    let driven = entry.follow(None, REFORM, "an acknowledged write is lost");
    assert!(driven.fell.is_some_and(|reached| reached.stands), "{:?}", driven.stuck);
    println!("{}", driven.trace.steps.join("\n"));
}
