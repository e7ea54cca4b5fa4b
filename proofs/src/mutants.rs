//! The controls: protocols that lack one mechanism, and the property that falls.

use crate::catalogue::{self, Entry, Steps};
use crate::checker::crash_points::Order;
use crate::checker::run::{Options, Report, Search, Watcher};
use crate::checker::schedule::Followed;
use crate::claim::Claim;
use crate::ring::mutants as ring;
use chainring_model::Mechanism;
use serde::Serialize;
use std::time::Instant;

/// A protocol that lacks one mechanism, where that shows, and how.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What it lacks.
    pub lacks: Mechanism,
    /// The configuration that shows it.
    pub entry: Entry,
    /// The claim that must fall.
    pub falls: Claim,
    /// The run that shows it, where it is known rather than searched for: see
    /// [`schedule`](mod@crate::checker::schedule).
    pub schedule: Option<&'static str>,
}

/// How a mutant was caught.
#[derive(Clone, Debug, Serialize)]
pub struct Catch {
    /// The mutant's name.
    pub mutant: &'static str,
    /// The model that shows it.
    pub model: &'static str,
    /// The property that had to fall.
    pub property: &'static str,
    /// Whether it fell.
    pub caught: bool,
    /// The step of its schedule that was not possible.
    pub stuck: Option<String>,
    /// How many steps the counterexample has: the shortest one, or that of the schedule.
    pub length: usize,
    /// How many unique states had been found by then.
    pub states: usize,
    /// The counterexample.
    pub report: Report,
}

impl Mutant {
    /// Looks for the property's shortest counterexample, or follows the schedule.
    pub fn hunt(&self) -> Catch {
        self.hunt_watched(None)
    }

    /// The same, and tells how far the search is.
    pub fn hunt_watched(&self, progress: Option<Watcher>) -> Catch {
        if let Some(schedule) = self.schedule {
            return self.follow(schedule);
        }
        let options = Options {
            search: Search::Breadth,
            threads: 1, // so that lengths and counts are the same every time
            until: Some(self.falls.name()),
            progress,
        };
        let report = self.entry.run(Some(self.lacks), &options);
        let verdict = report.verdict(self.falls);
        let trace = verdict.and_then(|verdict| verdict.trace.as_ref());
        Catch {
            mutant: self.lacks.mutant(),
            model: self.entry.name,
            property: self.falls.name(),
            caught: verdict.is_some_and(|verdict| !verdict.stands),
            stuck: None,
            length: trace.map_or(0, |trace| trace.steps.len()),
            states: report.unique_states,
            report,
        }
    }

    fn follow(&self, schedule: &str) -> Catch {
        let start = Instant::now();
        let Followed { fell, stuck, trace } =
            self.entry.follow(Some(self.lacks), schedule, self.falls.name());
        let length = trace.steps.len();
        let caught = fell.is_some();
        let report = Report {
            name: self.entry.name.to_string(),
            configuration: self.entry.configuration(),
            exhaustive: false,
            unique_states: length,
            states: length,
            depth: length,
            seconds: start.elapsed().as_secs_f64(),
            properties: fell.into_iter().collect(),
        };
        let (mutant, model, property) = (self.lacks.mutant(), self.entry.name, self.falls.name());
        Catch { mutant, model, property, caught, stuck, length, states: length, report }
    }
}

/// Where the lack of a mechanism shows.
struct Control {
    /// The model in which it shows.
    model: &'static str,
    /// The claim that falls.
    falls: Claim,
    /// The run that shows it, where a search would take long.
    schedule: Option<&'static str>,
}

/// For each mechanism of [`Mechanism`]: a model, the claim that falls in it, and perhaps a
/// schedule. The table becomes one `match` without a wildcard, so a mechanism without a control
/// does not compile.
macro_rules! controls {
    ($($lacks:ident => $model:literal, $falls:ident $(, schedule $schedule:path)?;)+) => {
        fn control(lacks: Mechanism) -> Control {
            match lacks {
                $(Mechanism::$lacks => Control {
                    model: $model,
                    falls: Claim::$falls,
                    schedule: controls!(@ $($schedule)?),
                },)+
            }
        }
    };
    (@ $schedule:path) => { Some($schedule) };
    (@) => { None };
}

controls! {
    // Chains.
    Deduplication => "chain-count", Linearizable;
    LogAdmission => "chain-crash", AtMostOnce;
    IncarnationCheck => "chain-count", Linearizable;
    LanesApart => "chain-lanes", Linearizable;
    ResumeAfterRestart => "chain-resume", CanFinish;
    WindowBound => "chain-full", Bounded;
    UnknownIsUnknown => "chain-unknown", RefusedIsRefused;
    IncarnationGrows => "chain-count", IncarnationsGrow;
    FifoCheck => "chain-crash", InProcessRequests;
    TailReplies => "chain-crash", Held;
    DirtyForwarded => "chain-reads", Linearizable;
    DirtyToAll => "chain-crash", Linearizable;
    StretchClean => "chain-list", Linearizable;
    ApplyThenAcknowledge => "chain-reads", Stable;
    OwnAcknowledgement => "chain-reads", Stable;
    SaveThenSend => "chain-torn", InProcessRequests;
    LogRecovery => "chain-crash", Durable;
    SilenceReported => "chain-silent", NoDeadEnd;
    Retransmission => "chain-lossy", CanFinish;
    Retry => "chain-lossy", CanFinish;
    RecordedOutcome => "chain-lossy", CanFinish;
    ResendOnInstall => "chain-views", NoDeadEnd;
    TailCommitsLog => "chain-views", NoDeadEnd;
    LeaseForReads => "chain-lease", Linearizable;
    LeaseFromSending => "chain-lease", Linearizable;
    LeaseShorter => "chain-lease", Linearizable;
    LapseEach => "chain-lease", Linearizable;
    GrantsTimed => "chain-lease", Linearizable;
    BootCheck => "chain-lease-crash", Linearizable;
    LeaseWait => "chain-lease", Linearizable;
    EveryVoteWaits => "chain-lease-council", Linearizable;
    VoteEndsGrants => "chain-lease-council", Linearizable;
    GrantsAssumed => "chain-lease-crash", Linearizable;
    GrantsRemembered => "chain-views-leases", Linearizable;
    CopiesKept => "copies", Copies;
    CopiesVoted => "copies-lax", Copies;
    UnusualVotedLast => "copies-lax", Passable;
    CopiesAwaited => "grow-copies", Copies;
    AloneWithLease => "chain-anew", Held;
    EpochCheck => "grow-late", Linearizable;
    JoinsByLearning => "grow-old", InProcessRequests;
    LearnerEmptied => "grow-old", Agreement;
    RowsNotOperations => "grow-one", Linearizable;
    LanesTransferred => "grow-one", Agreement;
    TableWhole => "grow-lanes", Agreement;
    TombstonesKept => "grow-keys", Agreement;
    RowsOfThisSince => "grow-again", Retained;
    CaughtOfThisSince => "grow-again", Retained;
    ReportsHeeded => "grow-again", InProcessRequests;
    PartsOnce => "grow-keys", Agreement;
    ChangesOnce => "grow-keys", Agreement;
    ChangesWhole => "grow-batch", Agreement;
    RowsByAge => "grow-keys", Agreement;
    LanesByAge => "grow-one", Agreement;
    TeachingGoesOn => "grow-two", Retained;
    LogDropped => "return-away", UpdatePropagation;
    WholePrefix => "return-learner", Agreement;
    ResumeWithin => "return-trimmed", Retained;
    PrefixOfThisHistory => "return-other", Agreement;
    RetainedRecovered => "grow-lossy", CanFinish;
    ScanBeforeChanges => "grow-empty", InProcessRequests;
    PlaceDurable => "grow-crash", Agreement;
    HandoverDurable => "grow-crash", Stable;
    HandoverEnds => "grow-again", Handover;
    ReadyWhenCaughtUp => "grow-one", InProcessRequests;
    TrimWhenCaughtUp => "grow-one", Retained;
    LearnerCommits => "grow-one", Linearizable;
    HandedOverWaits => "grow-one", Linearizable;
    LearnerSilent => "grow-stale", Linearizable;
    StoreRequired => "grow-disk", Held;

    // Coordinators by themselves.
    PromiseSaved => "coordinators", OneView;
    NewestVote => "coordinators-votes", OneView;
    DecidedAnswers => "coordinators", OneView;
    ViewsByMajority => "coordinators", OneView;

    // Members by themselves.
    NewerRowsOnly => "members-stale", DeadStayDead;
    TombstonesOfMembers => "members-stale", DeadStayDead;
    Refutation => "members-two", SaidIsRefuted;
    RefutationSaved => "members-crash", RestartIsNewLife;
    LivesCounted => "members-crash", RestartIsNewLife;
    DeadSought => "members-lossy", CanFinish;

    // Rings.
    QuorumMajority => "ring-write-read", Linearizable;
    ReadQuorum => "ring-read", Linearizable;
    PromiseKept => "ring-write", OneLineage;
    PromiseDurable => "ring-crash-write", OneLineage;
    BallotPerAttempt => "ring-lanes", OneValuePerBallot;
    BallotIncarnation => "ring-crash-gateway", OneValuePerBallot;
    Recent => "ring-recent-2", Linearizable;
    SmallestBase => "ring-recent-1", Linearizable;
    FoundAccepted => "ring-recent-2", Linearizable;
    RefusalAccepted => "ring-compete", Linearizable;
    RefusalOfAll => "ring-compete-again", Linearizable;
    PurgeAll => "ring-purge-missed", Linearizable;
    PurgePromise => "ring-purge-write", Linearizable;
    BallotFloor => "ring-purge", Linearizable, schedule ring::BALLOT_FLOOR;
    VersionFloor => "ring-purge-retry", Linearizable, schedule ring::VERSION_FLOOR;
    FloorsFetched => "ring-move-purged", Linearizable, schedule ring::FLOORS_FETCHED;
    BallotEpoch => "ring-move-epoch", OneLineage, schedule ring::BALLOT_EPOCH;
    RingEpochCheck => "ring-move-epoch", Linearizable, schedule ring::EPOCH_CHECK;
    QuorumJoint => "ring-move-back", Linearizable, schedule ring::QUORUM_JOINT;
    FetchThenVote => "ring-move", Linearizable;
    FetchMajority => "ring-move", Linearizable;
    FetchForgets => "ring-move-stale", Linearizable;
    FetchEachView => "ring-move-twice", Linearizable, schedule ring::FETCH_EACH_VIEW;
    CopyIsNoVote => "ring-move-half", Linearizable;
    RepairIsNoVote => "ring-repair", OneLineage;
    RepairNewer => "ring-repair", Held;
    RepairFloor => "ring-repair-purge", GoneForGood;
    GiveUpByMajority => "ring-give-up-one", NothingGivenUp;
    ReportsAwaited => "ring-move", Linearizable;

    // What is needed for an end alone.
    GatewaysFollow => "ends-chain-told", ViewsKnown;
    OldHeartbeatsAnswered => "ends-chain-told", ViewsKnown;
    JoinsAgain => "ends-grow-join", LearnersJoin;
    LearnsAgain => "ends-grow", LearnersJoin;
    ProposesAgain => "ends-council", SuspicionsEnd;
    VotesFinished => "ends-council-crash", VotesDecided;
    AsksAgain => "ends-ring", OperationsEnd;
    ReadsComplete => "ends-ring-read", OperationsEnd;
    BackoffEnds => "ends-ring-rivals", OperationsEnd;
    FetchesAgain => "ends-ring-joint-crash", JointViewsEnd;
    NodesFollow => "ends-ring-join", ViewsKnown;
}

/// Every mutant, in the order of the protocol's text.
pub fn all() -> Vec<Mutant> {
    Mechanism::ALL.iter().map(|lacks| of(*lacks)).collect()
}

/// The mutant that lacks this mechanism.
pub fn of(lacks: Mechanism) -> Mutant {
    let Control { model, falls, schedule } = control(lacks);
    let mut entry = catalogue::find(model).expect("a test holds that controls name models");
    if lacks == Mechanism::SaveThenSend {
        entry.steps = Steps::CrashPoints(Order::SendFirst);
    }
    Mutant { lacks, entry, falls, schedule }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_names_a_model_that_makes_its_claim() {
        for lacks in Mechanism::ALL {
            let Control { model, falls, .. } = control(*lacks);
            let entry = catalogue::find(model).expect(model);
            assert!(entry.claims().contains(&falls.name()), "{model} does not claim {falls}");
        }
    }
}
