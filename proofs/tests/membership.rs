//! Members in small: what is pruned makes no difference.

use chainring_model::Intact;
use chainring_proofs::checker::crash_points::Order;
use chainring_proofs::checker::graph::Graph;
use chainring_proofs::checker::reduce::Pruning;
use chainring_proofs::checker::run::{Options, Report, Search, run};
use chainring_proofs::membership::{MembershipModel, Setup};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn small() -> Vec<Setup> {
    vec![
        Setup::new([1, 1]).crashes(1, [1]),
        Setup { cut_off: Some(2), ..Setup::new([2, 2, 0]) },
        Setup { leaver: Some(1), ..Setup::new([1, 0]) }.comparing([0]),
    ]
}

/// What was ever called obsolete stays a no-op, also across a crash.
#[test]
fn obsolete_messages_stay_obsolete() {
    for setup in small() {
        let model: MembershipModel = setup.model(&Intact, Pruning::Audit);
        let graph = Graph::of(&model);
        assert!(graph.states().all(|state| model.audit(state)), "{setup}");
        assert!(graph.states().any(|state| !state.retired.is_empty()), "{setup}");
    }
}

#[test]
fn pruned_and_unpruned_breadth_first_and_depth_first_agree() {
    let verdicts = |report: &Report| {
        let verdicts = report.properties.iter().map(|it| (it.property, it.stands));
        verdicts.collect::<Vec<_>>()
    };
    for setup in small() {
        let explored = |pruning, search| {
            let options = Options { threads: 1, search, ..Options::default() };
            run(|| setup.model(&Intact, pruning), &options)
        };
        let pruned = explored(Pruning::On, Search::Depth);
        let breadth = explored(Pruning::On, Search::Breadth);
        let unpruned = explored(Pruning::Off, Search::Depth);
        assert!(pruned.stands(), "{pruned}");
        assert_eq!(pruned.unique_states, breadth.unique_states);
        assert_eq!(verdicts(&pruned), verdicts(&unpruned), "{setup}");
        assert!(pruned.unique_states < unpruned.unique_states, "{pruned}{unpruned}");
    }
}

/// A crash between any two commands of a member breaks nothing that is claimed. Pinned.
#[test]
fn members_keep_their_word_across_crash_points() {
    let setup = Setup::new([1, 1]).crashes(1, [1]);
    let model = || setup.model(&Intact, Pruning::Off).crash_points(Order::SaveFirst);
    let report = run(model, &Options { threads: 1, ..Options::default() });
    assert!(report.stands(), "{report}");
    assert_eq!(report.unique_states, 415);
}
