//! Chain replication, as the runtime sees it.

mod about;
mod aloud;
mod reform;

use super::{Heard, Lines, Order, Place, Role, StoreOf, System, followers};
use crate::board::{About, Card, Hearing};
use crate::config::{Cluster, NodeConfig};
use crate::front::Front;
use crate::gateway::door::Enquiry;
use crate::resp::{Position, ScanPage};
use crate::status::Learning;
use chainring_model::chain::{
    ChainActor, ChainState, Gateway, GatewayState, Key, Msg, Nested, Place as Progress, Reads,
    Replica, ReplicaState, Report, Row, SCAN_KEYS, Timer, Transfer, View,
};
use chainring_model::coordinator::{self, Coordinator};
use chainring_model::kv::{self, Op, OpId};
use chainring_model::store::Store;
use chainring_runtime::driver::Step;
use stateright::actor::Id;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::Xxh3;

/// Chain replication.
pub(crate) struct ChainSystem;

/// What is shown of an actor of a chain.
#[derive(Default)]
pub(crate) struct Shows {
    /// Of a replica: everything up to here is applied.
    committed: AtomicU64,
    /// Of a replica: everything up to here is received.
    received: AtomicU64,
    /// Of a replica: how many keys it holds.
    keys: AtomicU64,
    /// Of a replica: from which index on it retains what it has committed.
    retained: AtomicU64,
    /// Of a replica: how many bytes that is.
    retained_bytes: AtomicU64,
    /// Of a replica: how often it went on where it was when it came back, since its start.
    went_on: AtomicU64,
    /// Of a replica: how often it began anew when it came back, since its start.
    began_anew: AtomicU64,
    /// Of a replica: how many entries it had missed when it last went on where it was.
    missed: AtomicU64,
    /// Of a replica: whether it may answer reads.
    lease: AtomicBool,
    rest: Mutex<Rest>,
}

/// What changes seldom.
#[derive(Clone, Debug, Default)]
struct Rest {
    /// Of a replica: what it is doing while it is a learner.
    learning: Option<Learning>,
    /// Of a coordinator: whom it has not heard from for too long.
    suspects: Vec<Id>,
    /// Of a coordinator: how many of its suspicions were false.
    wrong: u64,
    /// Of a coordinator: how often it has doubled the silence after which it suspects.
    doubt: u32,
    /// Of a coordinator: who has asked to join.
    joining: Vec<Id>,
    /// Of a coordinator: whether it takes part in a decision that has not been made.
    deciding: bool,
}

/// What an observer of an actor remembers.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Of a replica: what is on the card about learning.
    learning: Option<Learning>,
    /// Of a replica that learns: up to which index it had everything when it went on where it was.
    from: Option<u64>,
    /// Of a coordinator: whom it has heard.
    hearing: Hearing,
}

impl Shows {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        // What is in here is replaced, never changed half.
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// A replica begins, goes on or ends something of that, and has committed so far: what an operator wants to know
    /// of it is logged.
    fn learns(&mut self, learning: Option<Learning>, committed: u64, card: &Card<ChainSystem>) {
        use Learning::{CatchingUp, Copying, Emptying, Resuming};
        let (before, shows) = (self.learning, &card.shows);
        self.learning = learning;
        let actor = usize::from(card.place.id);
        match (before, learning) {
            (_, Some(Resuming)) => self.from = Some(committed),
            (Some(Resuming), Some(CatchingUp)) => {
                shows.went_on.fetch_add(1, Ordering::Relaxed);
                tracing::info!(
                    actor,
                    "comes back with everything up to index {committed}: the tail has what came \
                     since"
                );
            }
            (Some(CatchingUp), None) => {
                if let Some(from) = self.from.take() {
                    let missed = committed.saturating_sub(from);
                    shows.missed.store(missed, Ordering::Relaxed);
                    tracing::info!(actor, "caught up from index {from}: {missed} entries");
                }
            }
            (Some(Resuming), Some(Emptying | Copying)) => {
                shows.began_anew.fetch_add(1, Ordering::Relaxed);
                let from = self.from.take().unwrap_or_default();
                tracing::info!(
                    actor,
                    "began anew: the tail does not have all that came after index {from}, or had \
                     another entry there"
                );
            }
            (None | Some(CatchingUp), Some(Emptying | Copying)) => {
                shows.began_anew.fetch_add(1, Ordering::Relaxed);
                self.from = None;
                tracing::info!(
                    actor,
                    "began anew: it has no committed prefix of the chain's history that it can show"
                );
            }
            _ => {}
        }
    }
}

impl System for ChainSystem {
    const NAME: &'static str = "chain";
    const LONGEST_KEY: usize = kv::MAX_KEY_BYTES;
    const IN_TURN: bool = false;

    type Key = Key;
    type Row = Row;
    type Msg = Msg;
    type Timer = Timer;
    type State = ChainState<StoreOf<Self>>;
    type Actor = ChainActor<StoreOf<Self>>;
    type View = View;
    type Shows = Shows;
    type Notes = Notes;
    /// Keys of a replica, and how many it has in all.
    type Page = (Vec<kv::Key>, u64);

    fn actor(place: &Place, cluster: &Cluster, node: &NodeConfig) -> Self::Actor {
        let timeouts = cluster.timeouts.of_chain();
        let chain = place.chain;
        let copies = cluster.copies(chain);
        match place.role {
            // A chain has no members: its file is refused if it names one.
            Role::Replica | Role::Member => {
                let replica = Replica::new(timeouts).retaining(cluster.retains());
                ChainActor::Replica(replica.copies(copies))
            }
            Role::Coordinator => {
                let followers = followers(cluster, chain);
                let coordinator = Coordinator::new(followers, timeouts.views);
                ChainActor::Coordinator(coordinator.copies(copies))
            }
            Role::Gateway => {
                let nearest = (chain == node.chain).then(|| node.replica());
                let door = place.door.unwrap_or(place.id);
                let view = cluster.first_view(chain);
                let gateway = Gateway::new(door, nearest, view, timeouts);
                ChainActor::Gateway(gateway.copies(copies))
            }
        }
    }

    fn stopped() -> Self::State {
        ChainState::Stopped
    }

    fn first_view(cluster: &Cluster, chain: u32) -> View {
        cluster.first_view(chain)
    }

    fn init(role: Role, first: View, store: &mut StoreOf<Self>) {
        match role {
            Role::Replica | Role::Member => Replica::init(store, first),
            Role::Gateway => Gateway::init(store),
            Role::Coordinator => {
                let mut nested = Nested(store.clone());
                Coordinator::init(&mut nested, first);
                *store = nested.0;
            }
        }
    }

    fn stored_view(role: Role, store: &StoreOf<Self>) -> Option<View> {
        match role {
            Role::Replica | Role::Gateway | Role::Member => match store.get(&Key::View) {
                Some(Row::View(view)) => Some(view),
                _ => None,
            },
            Role::Coordinator => match store.get(&Key::Views(coordinator::Key::Decided)) {
                Some(Row::Views(coordinator::Row::Decided(view))) => Some(view),
                _ => None,
            },
        }
    }

    fn can_follow(view: &View, first: &View, known: &dyn Fn(Id) -> bool) -> bool {
        let mut members = view.chain.iter().copied().chain(view.learner());
        view.coordinators == first.coordinators && members.all(known)
    }

    fn view(state: &Self::State) -> Option<&View> {
        match state {
            ChainState::Replica(replica) => Some(&replica.view),
            ChainState::Gateway(gateway) => Some(&gateway.view),
            ChainState::Coordinator(coordinator) => Some(&coordinator.decided),
            ChainState::Script(_) | ChainState::Stopped => None,
        }
    }

    fn words(view: &View, nodes: &dyn Fn(&[Id]) -> String) -> String {
        let learner = view.learner().map(|learner| format!(", learner {}", nodes(&[learner])));
        let word = |copies| format!(", {copies} suffice by an operator's word");
        let allowed = view.allowed.map(word).unwrap_or_default();
        let (members, learner) = (nodes(&view.chain), learner.unwrap_or_default());
        format!("members from head to tail: {members}{learner}{allowed}")
    }

    fn look(card: &Card<Self>, notes: &mut Notes, step: &Step<'_, Self::Actor>) {
        let shows = &card.shows;
        match step.state {
            ChainState::Replica(replica) => {
                shows.committed.store(replica.committed, Ordering::Relaxed);
                shows.received.store(replica.last(), Ordering::Relaxed);
                shows.keys.store(replica.keys, Ordering::Relaxed);
                shows.lease.store(replica.lease.is_live(), Ordering::Relaxed);
                shows.retained.store(replica.retained, Ordering::Relaxed);
                shows.retained_bytes.store(replica.held.bytes as u64, Ordering::Relaxed);
                let learning = learning(replica.transfer.as_ref());
                if notes.learning != learning {
                    notes.learns(learning, replica.committed, card);
                    shows.rest().learning = learning;
                }
            }
            ChainState::Coordinator(coordinator) => {
                notes.hearing.look(card, step, &coordinator.suspects);
                let deciding = coordinator.accepted.is_some() || coordinator.proposal.is_some();
                let joining = coordinator.reports.iter();
                let joining = joining.filter(|(_, report)| **report == Report::Join);
                let mut rest = shows.rest();
                rest.deciding = deciding;
                (rest.wrong, rest.doubt) = (coordinator.doubt.wrong, coordinator.doubt.level);
                rest.suspects.clear();
                rest.suspects.extend(&coordinator.suspects);
                rest.joining.clear();
                rest.joining.extend(joining.map(|(id, _)| *id));
            }
            ChainState::Gateway(_) | ChainState::Script(_) | ChainState::Stopped => {}
        }
    }

    fn digest(state: &Self::State, step: u64) -> u64 {
        /// How often everything is in it.
        const WHOLE: u64 = 256;
        let mut hasher = Xxh3::new();
        match state {
            ChainState::Replica(ReplicaState {
                store,
                view,
                committed,
                keys,
                window,
                retained,
                held,
                transfer,
                early,
                resent,
                unheard,
                lease,
            }) if !step.is_multiple_of(WHOLE) => {
                let window = (window.iter().next().map(|(index, _)| index), window.last());
                let transfer = (retained, held, transfer);
                let resent = (resent, unheard);
                (store, view, committed, keys, window, transfer, early, resent, lease)
                    .hash(&mut hasher);
            }
            ChainState::Gateway(GatewayState { store, incarnation, view, lanes })
                if !step.is_multiple_of(WHOLE) =>
            {
                (store, incarnation, view, lanes.len()).hash(&mut hasher);
            }
            state => state.hash(&mut hasher),
        }
        hasher.finish()
    }

    fn invoke(id: OpId, key: kv::Key, op: Op, reads: Reads) -> Msg {
        Msg::Invoke { id, key, op, reads }
    }

    fn heard(msg: Msg) -> Option<Heard<Self::Page>> {
        Some(match msg {
            Msg::Opened { incarnation } => Heard::Opened(incarnation),
            Msg::Return { id, outcome } => Heard::Returned(id, outcome),
            Msg::Scanned { ticket, keys, total } => Heard::Listed(ticket, (keys, total)),
            _ => return None,
        })
    }

    /// Each page is as of one moment since it was asked for: see the model, `chain/replica/reads.rs`.
    async fn list(
        front: &Front<Self>,
        Position { part, after }: Position,
        limit: usize,
    ) -> Option<ScanPage> {
        let doors = front.doors();
        let (keys, _) = ask(front, part, after, limit).await?;
        let more = keys.len() >= limit.min(SCAN_KEYS as usize) && limit > 0;
        let next = match keys.last() {
            Some(last) if more => Some(Position { part, after: Some(last.clone()) }),
            _ => (part + 1 < doors.len()).then_some(Position { part: part + 1, after: None }),
        };
        Some(ScanPage { keys, next })
    }

    async fn size(front: &Front<Self>) -> Option<u64> {
        let mut size = 0;
        for part in 0..front.doors().len() {
            size += ask(front, part, None, 0).await?.1;
        }
        Some(size)
    }

    fn order(front: &Front<Self>, order: Order) -> Result<(), String> {
        match order {
            Order::Belong(_) => Err("the members of a chain come and go with their processes: \
                                     start or stop the node"
                .to_string()),
            Order::Reform(epoch, named) => reform::order(front, epoch, &named),
        }
    }

    fn lines(about: &About<Self>) -> Lines {
        about::lines(about)
    }

    fn status(about: &About<Self>, under_way: &[usize]) -> String {
        about::status(about, under_way)
    }

    fn beside(front: &Front<Self>) -> Option<impl Future<Output = ()> + Send + 'static> {
        Some(aloud::tell(front.clone()))
    }
}

/// Asks a chain for keys: one of its replicas, which answers, or passes it on to the tail.
async fn ask(
    front: &Front<ChainSystem>,
    part: usize,
    after: Option<kv::Key>,
    limit: usize,
) -> Option<(Vec<kv::Key>, u64)> {
    let door = front.doors().get(part)?;
    let gateway = door.gateway();
    let node = &front.about().node;
    let own = (gateway.place.chain == node.chain).then(|| node.replica());
    // The replica of this node where it is a member, and the tail where it is none, or has said nothing: both as far as
    // the gateway knows.
    let whom = |is_first| {
        let view = gateway.view()?;
        own.filter(|own| is_first && view.chain.contains(own)).or(view.tail())
    };
    door.enquire(Ask { whom, after, limit: limit as u32, is_first: true }).await // at most a page's
}

/// A question to whichever replica is the one to ask.
struct Ask<F> {
    whom: F,
    after: Option<kv::Key>,
    limit: u32,
    /// Whether the first is the one to ask next; they take turns.
    is_first: bool,
}

impl<F: Fn(bool) -> Option<Id> + Send> Enquiry<ChainSystem> for Ask<F> {
    type Answer = (Vec<kv::Key>, u64);

    fn ask(&mut self, ticket: u64) -> Vec<(Id, Msg)> {
        let scan = Msg::Scan { ticket, after: self.after.clone(), limit: self.limit };
        let whom = (self.whom)(self.is_first);
        self.is_first = !self.is_first;
        whom.map(|replica| (replica, scan)).into_iter().collect()
    }

    fn take(&mut self, _: Id, page: Self::Answer) -> Option<Self::Answer> {
        Some(page)
    }
}

fn learning(transfer: Option<&Transfer>) -> Option<Learning> {
    match transfer {
        Some(Transfer::Learning { place, .. }) => Some(match place {
            Progress::Emptying => Learning::Emptying,
            Progress::After(_) => Learning::Copying,
            Progress::Done => Learning::CatchingUp,
            Progress::Resuming => Learning::Resuming,
        }),
        Some(Transfer::HandedOver) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::belongs;
    use chainring_runtime::codec::{decode, encode};

    /// A view is written as it was before an operator could allow fewer copies, where none has.
    #[test]
    fn views_are_written_as_before() {
        let old = |learner: Option<(Id, u64)>| {
            let ids = |ids: [usize; 2]| ids.map(Id::from).to_vec();
            encode(&(7_u64, ids([0, 2]), learner, ids([9, 300]))).unwrap()
        };
        for learner in [None, Some((Id::from(4), 6))] {
            let mut view = View::new(7, vec![Id::from(0), Id::from(2)])
                .decided_by(vec![Id::from(9), Id::from(300)]);
            view.learner = learner;
            assert_eq!(encode(&view).unwrap(), old(learner));
            assert_eq!(decode::<View>(&old(learner)).unwrap(), view);
            view.allowed = Some(1);
            assert_eq!(decode::<View>(&encode(&view).unwrap()).unwrap(), view);
        }
    }

    #[test]
    fn a_later_view_of_the_same_chain_belongs_to_it() {
        let node = |id: u32, more: &str| {
            format!(
                "[[node]]\nid = {id}\nudp = \"127.0.0.1:{}\"\nresp = \"127.0.0.1:{}\"\nreplica = {id}\n\
                 gateway = {}\ndoor = {}\n{more}",
                7000 + id,
                8000 + id,
                10 + id,
                20 + id
            )
        };
        let nodes =
            [node(1, "coordinator = 31\n"), node(2, ""), node(3, "joins = true\n")].concat();
        let cluster =
            Cluster::parse(&format!("cluster = 1\nprotocol = \"chain\"\n{nodes}")).unwrap();
        let view = |epoch, chain: &[usize], coordinators: &[usize]| {
            let ids = |ids: &[usize]| ids.iter().copied().map(Into::into).collect();
            View::new(epoch, ids(chain)).decided_by(ids(coordinators))
        };
        for (view, fits) in [
            (view(1, &[1, 2], &[31]), true),
            (view(1, &[2, 1], &[31]), false),
            (view(1, &[1, 2, 3], &[31]), false),
            (view(2, &[2], &[31]), true),
            (view(9, &[2, 3], &[31]), true),
            (view(2, &[2], &[]), false),
            (view(2, &[2], &[32]), false),
            (view(2, &[2, 4], &[31]), false),
        ] {
            assert_eq!(belongs::<ChainSystem>(&view, &cluster, 1), fits, "{view:?}");
        }
    }
}
