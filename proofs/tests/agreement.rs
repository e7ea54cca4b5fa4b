//! The checker checked: pinned counts, and ways of exploring that must agree.

use chainring_model::Intact;
use chainring_model::kv::Op;
use chainring_proofs::catalogue::{self, Effort};
use chainring_proofs::chain::{Client, Mortal, Setup};
use chainring_proofs::checker::graph::Graph;
use chainring_proofs::checker::reduce::Pruning;
use chainring_proofs::checker::run::{Options, Search};
use std::collections::BTreeSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Verdict and exact count of unique states. A changed number means that the protocol changed, or
/// what is asked of it: look at the change and say so in the commit.
const PINNED: &[(&str, usize)] = &[
    ("coordinators", 899_185),
    ("coordinators-votes", 472_687),
    ("members-two", 2_967),
    ("members-crash", 7_252),
    ("members-stale", 6_126),
    ("members-confirm", 132),
    ("members-relay", 146),
    ("members-leave", 29_162),
    ("members-join", 155),
    ("members-lossy", 84_095),
    ("members-resume", 8_797),
    ("members-three", 532),
    ("chain-one", 274),
    ("chain-reads", 126),
    ("chain-reads-tail", 126),
    ("chain-list", 6_845),
    ("chain-list-size", 6_187),
    ("chain-crash", 22_845),
    ("chain-keys", 1_006),
    ("chain-compete", 3_776),
    ("chain-count", 8_642),
    ("chain-lanes", 1_258),
    ("chain-unknown", 7_222),
    ("chain-redirect", 2_529),
    ("chain-lossy", 126),
    ("chain-resume", 256),
    ("chain-full", 1_124),
    ("chain-torn", 18_308),
    ("chain-views", 230_737),
    ("chain-views-crash", 65_589),
    ("chain-views-node", 99_347),
    ("chain-lease", 399_249),
    ("chain-list-lease", 2_886),
    ("chain-lease-crash", 20_365),
    ("chain-lease-council", 64_884),
    ("chain-views-leases", 55_893),
    ("copies", 39_463),
    ("copies-crash", 44_829),
    ("copies-return", 49_258),
    ("copies-lax", 462),
    ("copies-reform", 4_397),
    ("chain-anew", 5_747),
    ("grow-copies", 22),
    ("grow-copies-deadlines", 499),
    ("chain-return-tail", 4_307),
    ("chain-return-head", 3_301),
    ("chain-silent", 28),
    ("grow-silent", 709),
    ("grow-lossy", 27_330),
    ("grow-one", 42_724),
    ("grow-list", 704),
    ("grow-join", 1_476),
    ("grow-keys", 3_186),
    ("grow-batch", 11_974),
    ("grow-empty", 727),
    ("grow-lanes", 5_776),
    ("grow-old", 1_031),
    ("grow-crash", 25_571),
    ("grow-again", 6_132),
    ("grow-stale", 1_510),
    ("grow-two", 18_633),
    ("grow-late", 10),
    ("grow-disk", 1_126),
    ("return-away", 965),
    ("return-trimmed", 1_259),
    ("return-other", 1_083),
    ("return-crash", 6_690),
    ("return-learner", 10_840),
    ("return-two", 8_399),
    ("return-keys", 1_444),
    ("return-tail", 9_749),
    ("return-head", 10_728),
    ("return-late", 8_926),
    ("return-lossy", 7_320),
    ("ring-read", 4_736),
    ("ring-once", 989),
    ("ring-write", 26_961),
    ("ring-rounds", 459_298),
    ("ring-write-read", 59_714),
    ("ring-rounds-read", 942_891),
    ("ring-compete", 11_458),
    ("ring-compete-again", 114_642),
    ("ring-recent-1", 149_639),
    ("ring-recent-2", 168_252),
    ("ring-recent-3", 172_380),
    ("ring-recent-lost", 338_945),
    ("ring-crash", 13_035),
    ("ring-crash-write", 4_908),
    ("ring-crash-gateway", 911),
    ("ring-torn", 1_123),
    ("ring-lanes", 34_105),
    ("ring-lossy", 6_787),
    ("ring-unknown", 9_049),
    ("ring-purge-missed", 33_738),
    ("ring-purge-write", 217_451),
    ("ring-repair", 928),
    ("ring-repair-read", 284_217),
    ("ring-repair-told", 508),
    ("ring-repair-write", 23_120),
    ("ring-repair-crash", 83_141),
    ("ring-repair-purge", 1_663),
    ("ring-repair-move", 13_203),
    ("ring-move", 98_128),
    ("ring-move-half", 296_466),
    ("ring-move-spans", 395),
    ("ring-move-spans-write", 1_700),
    ("ring-move-write", 515_384),
    ("ring-move-stale", 1_921),
    ("ring-pair-writers", 17_181),
    ("ring-pair-writers-again", 1_016_761),
    ("ring-pair-twice", 21_103),
    ("ring-pair-sweep", 313_933),
    ("ring-pair-crash", 23_557),
    ("ring-pair-join", 11_404),
    ("ring-pair-node", 207_945),
    ("ring-pair-leave", 860),
    ("ring-pair-gone", 3_852),
    ("ring-reform", 40_846),
    ("ring-reform-all", 305),
    ("ring-give-up", 20_853),
    ("ring-give-up-one", 24),
];

#[test]
fn every_model_holds_with_its_pinned_number_of_states() {
    let pinned: BTreeSet<_> = PINNED.iter().map(|(name, _)| *name).collect();
    let all = catalogue::all();
    let shallow: BTreeSet<_> =
        all.iter().filter(|e| e.effort == Effort::Default).map(|e| e.name).collect();
    assert_eq!(pinned, shallow, "every model that is not deep is pinned");
    for (name, unique_states) in PINNED {
        let entry = catalogue::find(name).expect("pinned models are in the catalogue");
        let report = entry.run(None, &Options::default());
        assert!(report.stands(), "{report}");
        assert_eq!(report.unique_states, *unique_states, "{report}");
    }
}

/// Small systems with crashes, in which nothing has to be left out to visit all states.
fn small() -> Vec<Setup> {
    let put = |value: &str| Op::Put(value.into());
    vec![
        Setup::new(2, [Client::new([put("a"), Op::Get]).near(0)]).crashes(1, Mortal::All),
        Setup::new(2, [Client::new([Op::Increment(1)]), Client::new([Op::Get]).near(0)])
            .crashes(1, Mortal::Replicas),
        Setup::new(1, [Client::new([put("a"), Op::Get]), Client::new([Op::Delete])])
            .crashes(1, Mortal::Gateways),
    ]
}

#[test]
fn breadth_first_and_depth_first_and_our_own_graph_agree() {
    for setup in small() {
        let model = || setup.model(&Intact, Pruning::On);
        let search =
            |search| setup.check(None, Pruning::On, &Options { search, ..Options::default() });
        let (breadth, depth) = (search(Search::Breadth), search(Search::Depth));
        assert!(breadth.stands() && depth.stands(), "{breadth}{depth}");
        assert_eq!(breadth.unique_states, depth.unique_states, "{setup}");
        assert_eq!(breadth.states, depth.states, "{setup}");
        assert_eq!(Graph::of(&model()).states().count(), depth.unique_states, "{setup}");
    }
}

#[test]
fn pruned_and_unpruned_agree_on_verdicts_and_on_the_set_of_histories() {
    let (mut pruned_states, mut unpruned_states) = (0, 0);
    for setup in small() {
        let explored = |pruning| {
            let report = setup.check(None, pruning, &Options::default());
            let graph = Graph::of(&setup.model(&Intact, pruning));
            let histories = graph.states().map(|state| state.system.history.digest());
            (report, histories.collect::<BTreeSet<_>>())
        };
        let (pruned, pruned_histories) = explored(Pruning::On);
        let (unpruned, unpruned_histories) = explored(Pruning::Off);
        assert!(pruned.stands() && unpruned.stands(), "{pruned}{unpruned}");
        assert_eq!(pruned_histories, unpruned_histories, "{setup}");
        assert!(pruned_histories.len() > 3, "something has happened in {setup}");
        pruned_states += pruned.unique_states;
        unpruned_states += unpruned.unique_states;
    }
    // Not of each system: what was dropped can be sent again, to a receiver that is down.
    assert!(pruned_states < unpruned_states, "{pruned_states} and {unpruned_states}");
}

#[test]
fn what_was_called_obsolete_stays_obsolete() {
    for setup in small() {
        let model = setup.model(&Intact, Pruning::Audit);
        let graph = Graph::of(&model);
        assert!(graph.states().all(|state| model.audit(state)), "{setup}");
        assert!(graph.states().any(|state| !state.retired.is_empty()), "{setup}");
    }
}

/// Local messages that arrive at once make no history that slow ones do not, and the same verdicts.
#[test]
fn clients_that_hear_at_once_stand_for_those_that_hear_later() {
    for setup in small() {
        let explored = |slow_clients| {
            let setup = Setup { slow_clients, ..setup.clone() };
            let report = setup.check(None, Pruning::On, &Options::default());
            let graph = Graph::of(&setup.model(&Intact, Pruning::On));
            let histories = graph.states().map(|state| state.system.history.digest());
            (report, histories.collect::<BTreeSet<_>>())
        };
        let (at_once, at_once_histories) = explored(false);
        let (slow, slow_histories) = explored(true);
        assert!(at_once.stands() && slow.stands(), "{at_once}{slow}");
        assert!(at_once_histories.is_subset(&slow_histories), "{setup}");
        assert!(at_once.unique_states < slow.unique_states, "{at_once}{slow}");
    }
}
