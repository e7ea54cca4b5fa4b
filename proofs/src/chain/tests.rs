//! The checker on a chain: beside stateright, whose steps it replaces, and led by schedules.

use super::world::{ChainModel, ProofActor};
use super::{Client, Mortal, Setup, models, names};
use crate::checker::graph::Graph;
use crate::checker::model::Action;
use crate::checker::reduce::Pruning;
use crate::checker::schedule::{Followed, follow};
use crate::checker::state::{CheckedState, System};
use crate::checker::to_stateright;
use crate::claim::Claim;
use crate::history::History;
use chainring_model::kv::Op;
use chainring_model::{Intact, Mechanism, Without};
use stateright::Model;
use stateright::actor::{ActorModelAction, Id, Network};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Small systems in which everything happens that an action can be.
fn small() -> Vec<Setup> {
    let increment = || Client::new([Op::Increment(1)]);
    let lossy = |setup| Setup { lossy: true, slow_clients: true, ..setup };
    vec![
        lossy(Setup::new(2, [increment()]).crashes(1, Mortal::All)),
        Setup::new(2, [increment()]).views(1, 1).suspects([1]).crashes(1, Mortal::All),
    ]
}

/// Our steps are stateright's, from every state and by every action, before what is changed on
/// purpose.
#[test]
fn steps_are_those_of_stateright() {
    for setup in small() {
        let model: ChainModel = setup.model(&Intact, Pruning::Steps);
        let (mut steps, mut nothing) = (0, 0);
        for state in Graph::of(&model).states() {
            let theirs = state.system.to_stateright();
            let mut actions = Vec::new();
            model.actions(state, &mut actions);
            for action in actions {
                let Action::Step(action) = action else { panic!("steps are whole") };
                let expected =
                    model.inner.next_state(&theirs, to_stateright::<ProofActor>(&action));
                let expected = expected.map(|mut next| {
                    if let Network::UnorderedDuplicating(_, last) = &mut next.network {
                        *last = None;
                    }
                    if let ActorModelAction::Crash(id) = action {
                        next.actor_states[usize::from(id)] = Arc::new(model.down(id));
                    }
                    next
                });
                let ours = model.step(&state.system, &action);
                let ours = ours.map(|(next, _)| next.to_stateright());
                assert!(ours == expected, "{action:?} in {theirs:?}");
                steps += usize::from(ours.is_some());
                nothing += usize::from(ours.is_none());
            }
        }
        assert!(steps > 1000 && nothing > 100, "{steps} steps and {nothing} no-ops in {setup}");
    }
}

/// Our actions are stateright's, in its order, where nothing is local and crashes are left.
#[test]
fn actions_are_those_of_stateright() {
    let setup = &small()[0];
    let model: ChainModel = setup.model(&Intact, Pruning::On);
    let is_script = |id: Id| usize::from(id) >= model.actors().len() - setup.clients.len();
    for state in Graph::of(&model).states().filter(|state| state.crashes == 0) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        model.actions(state, &mut ours);
        model.inner.actions(&state.system.to_stateright(), &mut theirs);
        theirs.retain(|action| !matches!(action, ActorModelAction::Crash(id) if is_script(*id)));
        let ours = ours.iter().map(|action| match action {
            Action::Step(step) => to_stateright::<ProofActor>(step),
            Action::Perform(_) => panic!("steps are whole"),
        });
        let ours: Vec<_> = ours.collect();
        assert_eq!(ours, theirs);
    }
}

fn driven(schedule: &str, lacks: Option<Mechanism>) -> Followed {
    let all = models::all().into_iter();
    let reads = all.filter(|entry| entry.name == "chain-reads").map(|entry| entry.subject);
    let setup = reads.last().expect("a model of the chain");
    match lacks {
        None => {
            let model = setup.model(&Intact, Pruning::Steps);
            follow(&model, &names(model.actors()), schedule, Claim::Linearizable.name())
        }
        Some(lacks) => {
            let model = setup.model(&Without(lacks), Pruning::Steps);
            follow(&model, &names(model.actors()), schedule, Claim::Linearizable.name())
        }
    }
}

/// What can be sent without changing anything else is sent at once, and nothing is lost by that:
/// every state that is reached with single steps is covered by one of those that are visited, which
/// differs from it in nothing but messages more. See the argument in
/// [`reduce`](crate::checker::reduce).
#[test]
fn what_is_sent_at_once_covers_what_is_sent_later() {
    let put = |value: &str| Op::Put(value.into());
    let reader = || Client::new([put("a"), Op::Get]).near(0);
    for setup in [
        Setup::new(2, [reader(), Client::new([Op::Increment(1)])]),
        Setup::new(2, [reader()]).crashes(1, Mortal::All),
        Setup::new(2, [Client::new([Op::Increment(1)])]).views(1, 1).crashes(1, Mortal::All),
        Setup::new(2, [Client::new([put("a"), Op::Get]).near(1)])
            .views(1, 1)
            .suspects([1])
            .slow_leases(0),
    ] {
        let model: ChainModel = setup.model(&Intact, Pruning::On);
        let visited = Graph::of(&model);
        let all = Graph::of(&setup.model(&Intact, Pruning::Steps));
        let beside_network = |state: &CheckedState<ProofActor, History>| {
            let System {
                actor_states, timers_set, clock, crashed, history, actor_storages, ..
            } = &state.system;
            let mut hasher = DefaultHasher::new();
            (actor_states, timers_set, clock, crashed, history, actor_storages).hash(&mut hasher);
            state.crashes.hash(&mut hasher);
            hasher.finish()
        };
        let mut known: HashMap<u64, Vec<_>> = HashMap::new();
        for state in visited.states() {
            known.entry(beside_network(state)).or_default().push(&state.system.network);
        }
        let (mut count, mut less) = (0, 0);
        for state in all.states() {
            let own: Vec<_> = state.system.network.iter().map(|it| model.one_of(it)).collect();
            let networks = known.get(&beside_network(state)).map_or(&[][..], Vec::as_slice);
            let covers = networks.iter().find(|all| own.iter().all(|it| all.contains(it)));
            let covering = covers.unwrap_or_else(|| panic!("{state:?} is not covered in {setup}"));
            count += 1;
            less += usize::from(covering.iter().count() > own.len());
        }
        assert!(count > visited.states().count() && less > 0, "{count}, {less} in {setup}");
    }
}

/// A read at the middle, which has not committed what another client knows to have happened.
const STALE: &str = "
    g0 > r0: Request                           // the put
    r0 > r1 > r2: Update
    r2 > g0: Reply                             // a client knows that it happened
    g1 > r1: Request #1; r1 > g1: Reply #1     // another one reads, at the middle
";

#[test]
fn a_schedule_shows_what_a_mutant_does_and_gets_stuck_where_the_protocol_does_not() {
    let mutant = driven(STALE, Some(Mechanism::DirtyForwarded));
    let fell = mutant.fell.expect("the property falls");
    assert_eq!((fell.property, mutant.trace.steps.len()), (Claim::Linearizable.name(), 6));
    assert_eq!(mutant.trace.path.split('/').count(), 7);
    let intact = driven(STALE, None);
    assert!(intact.fell.is_none());
    let stuck = intact.stuck.expect("nobody replies");
    assert!(stuck.starts_with("step 6, `r1 > g1: Reply #1`, is not possible"), "{stuck}");
    assert!(stuck.contains("r1 > r2: Request"), "{stuck}");
}

#[test]
fn parts_of_messages_tell_them_apart() {
    let schedule = |part: &str| format!("g0 > r0: Request op: {part} & x");
    assert!(driven(&schedule("Put"), None).stuck.is_none());
    assert!(driven(&schedule("Get"), None).stuck.is_some());
    assert!(driven("g0 > r0: Req", None).stuck.is_some(), "names are whole");
}

#[test]
#[should_panic(expected = "no actor `r9`")]
fn a_schedule_that_names_nobody_is_a_mistake() {
    driven("r9: crash", None);
}
