//! The ring, as the runtime sees it.

mod about;
mod lists;
mod log;
mod reform;
mod repairs;

use super::{Heard, Lines, Order, Place, Role, StoreOf, System, followers};
use crate::board::{About, Card, Hearing};
use crate::config::{Cluster, NodeConfig};
use crate::front::Front;
use crate::resp::{Position, ScanPage};
use chainring_model::chain::Reads;
use chainring_model::coordinator::{self, Coordinator};
use chainring_model::kv::{self, Op, OpId};
use chainring_model::membership::{self, Member};
use chainring_model::ring::{
    self, Gateway, GatewayState, Key, Msg, Nested, Node, NodeState, Report, RingActor, RingState,
    Row, Timer, View,
};
use chainring_model::store::Store;
use chainring_runtime::driver::{Event, Step};
use stateright::actor::Id;
use std::collections::BTreeSet;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::Xxh3;

/// A quorum ring.
pub(crate) struct RingSystem;

/// What is shown of an actor of a ring.
#[derive(Default)]
pub(crate) struct Shows {
    /// Of a node: how many ranges it has still to fetch.
    left: AtomicU64,
    rest: Mutex<Rest>,
    /// Of a node: what comparing with its other replicas has found.
    repairs: Mutex<repairs::Repairs>,
}

/// What is remembered of an actor's steps.
#[derive(Default)]
pub(crate) struct Notes {
    /// Of a member: whom it has heard.
    hearing: Hearing,
    operations: log::Notes,
    round: repairs::Round,
    /// Of a coordinator: in which epoch it has said whom it would give up.
    gave_up_in: Option<u64>,
}

impl Notes {
    /// A coordinator may have said whom it would give up: the log has it once an epoch.
    fn tell_of_giving_up(
        &mut self,
        step: &Step<'_, RingActor<StoreOf<RingSystem>>>,
        view: &View,
        rest: &Rest,
    ) {
        let epoch = view.epoch;
        let is_due = matches!(
            step.event,
            Event::Timeout { timer: Timer::Views(coordinator::Timer::GiveUp) }
        );
        if !is_due || self.gave_up_in.replace(epoch) == Some(epoch) {
            return;
        }
        let (ranges, gone) = (view.without_majority(&rest.gone).len(), &rest.gone);
        tracing::warn!(
            epoch,
            ranges,
            ?gone,
            "ranges have been without a majority for as long as `reform-after` says, so this coordinator would give \
             up those who are gone; if a majority of the coordinators would, what only they had is lost"
        );
    }
}

/// What a coordinator has been told, or a member has found.
#[derive(Clone, Debug, Default)]
struct Rest {
    /// Who is gone, as far as anyone has reported, or this member knows.
    gone: BTreeSet<Id>,
    /// Of a member: how many it holds to be there.
    alive: usize,
    /// Who wants to be a member.
    joining: BTreeSet<Id>,
    /// Who wants to be none.
    leaving: BTreeSet<Id>,
    /// Whether it takes part in a decision that has not been made.
    deciding: bool,
}

impl Shows {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        // What is in here is replaced, never changed half.
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repairs(&self) -> MutexGuard<'_, repairs::Repairs> {
        // Numbers that are right each by itself.
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl System for RingSystem {
    const NAME: &'static str = "ring";
    const LONGEST_KEY: usize = ring::MAX_KEY_BYTES;
    const IN_TURN: bool = true;

    type Key = Key;
    type Row = Row;
    type Msg = Msg;
    type Timer = Timer;
    type State = RingState<StoreOf<Self>>;
    type Actor = RingActor<StoreOf<Self>>;
    type View = View;
    type Shows = Shows;
    type Notes = Notes;
    type Page = lists::Page;

    fn actor(place: &Place, cluster: &Cluster, node: &NodeConfig) -> Self::Actor {
        let timeouts = cluster.timeouts.of_ring();
        let recent = cluster.ring.recent;
        match place.role {
            Role::Replica => RingActor::Node(Node::new(recent, timeouts)),
            Role::Member => {
                let seeds = cluster.nodes.iter();
                let seeds = seeds.filter_map(|node| Some((node.member()?, node.replica())));
                let (seeds, timeouts) = (seeds.collect(), membership::Timeouts::default());
                let of = node.replica();
                RingActor::Member(Member::new(of, seeds, node.coordinator(), timeouts))
            }
            Role::Coordinator => {
                let followers = followers(cluster, place.chain);
                let give_up = cluster.ring.gives_up_after();
                let timeouts = coordinator::Timeouts { give_up, ..timeouts.views };
                RingActor::Coordinator(Coordinator::new(followers, timeouts))
            }
            Role::Gateway => {
                let doors = place.door.into_iter().collect();
                RingActor::Gateway(Gateway::new(doors, recent, timeouts))
            }
        }
    }

    fn stopped() -> Self::State {
        RingState::Stopped
    }

    fn first_view(cluster: &Cluster, _: u32) -> View {
        cluster.first_ring()
    }

    fn init(role: Role, first: View, store: &mut StoreOf<Self>) {
        match role {
            Role::Replica => Node::init(store, first),
            Role::Gateway => Gateway::init(store, first),
            Role::Member => {
                let mut nested = Nested(store.clone());
                Member::init(&mut nested);
                *store = nested.0;
            }
            Role::Coordinator => {
                let mut nested = Nested(store.clone());
                Coordinator::init(&mut nested, first);
                *store = nested.0;
            }
        }
    }

    fn stored_view(role: Role, store: &StoreOf<Self>) -> Option<View> {
        match role {
            Role::Member => None,
            Role::Replica | Role::Gateway => match store.get(&Key::View) {
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
        view.coordinators == first.coordinators
            && [&view.old, &view.new].iter().all(|ring| ring.replicas == first.old.replicas)
            && view.members().into_iter().all(known)
    }

    fn view(state: &Self::State) -> Option<&View> {
        match state {
            RingState::Node(node) => Some(&node.view),
            RingState::Gateway(gateway) => Some(&gateway.view),
            RingState::Coordinator(coordinator) => Some(&coordinator.decided),
            RingState::Member(_)
            | RingState::Oracle(_)
            | RingState::Script(_)
            | RingState::Stopped => None,
        }
    }

    fn words(view: &View, nodes: &dyn Fn(&[Id]) -> String) -> String {
        let named = |ids: BTreeSet<Id>| nodes(&ids.into_iter().collect::<Vec<_>>());
        let (old, new) = (named(view.old.members()), named(view.new.members()));
        if view.is_stable() {
            return format!("stable: {old}");
        }
        let lost = view.lost.iter().copied().collect::<BTreeSet<_>>();
        let given_up =
            if lost.is_empty() { String::new() } else { format!(", given up: {}", named(lost)) };
        format!("joint: from {old} to {new}{given_up}")
    }

    fn look(card: &Card<Self>, notes: &mut Notes, step: &Step<'_, Self::Actor>) {
        match step.state {
            RingState::Node(node) => {
                card.shows.left.store(node.transfers.len() as u64, Ordering::Relaxed);
                notes.round.look(step, node, &mut card.shows.repairs());
                notes.operations.node(step);
            }
            RingState::Gateway(_) => notes.operations.gateway(step),
            RingState::Coordinator(coordinator) => {
                let deciding = coordinator.accepted.is_some() || coordinator.proposal.is_some();
                let mut rest = Rest { deciding, ..Rest::default() };
                for (src, report) in &coordinator.reports {
                    match report {
                        Report::Join => drop(rest.joining.insert(*src)),
                        Report::Leave => drop(rest.leaving.insert(*src)),
                        Report::Members { gone } => rest.gone.extend(gone),
                        Report::Stabilized { .. }
                        | Report::Reform { .. }
                        | Report::GiveUp { .. } => {}
                    }
                }
                notes.tell_of_giving_up(step, &coordinator.decided, &rest);
                *card.shows.rest() = rest;
            }
            RingState::Member(member) => {
                let (alive, gone) = (member.alive().count(), member.gone());
                notes.hearing.look(card, step, &gone);
                let mut rest = card.shows.rest();
                (rest.alive, rest.gone) = (alive, gone);
            }
            RingState::Oracle(_) | RingState::Script(_) | RingState::Stopped => {}
        }
    }

    fn digest(state: &Self::State, step: u64) -> u64 {
        /// How often everything is in it.
        const WHOLE: u64 = 256;
        let mut hasher = Xxh3::new();
        match state {
            RingState::Node(NodeState { store, view, floors, transfers, sweeping, walk })
                if !step.is_multiple_of(WHOLE) =>
            {
                let transfers = (transfers.len(), transfers.first_key_value());
                (store, view.epoch, floors, transfers, sweeping.len(), walk).hash(&mut hasher);
            }
            RingState::Gateway(GatewayState { store, incarnation, view, n, lanes })
                if !step.is_multiple_of(WHOLE) =>
            {
                (store, incarnation, view.epoch, n, lanes.len()).hash(&mut hasher);
            }
            state => state.hash(&mut hasher),
        }
        hasher.finish()
    }

    /// Every read is a quorum's, whatever the client's policy.
    fn invoke(id: OpId, key: kv::Key, op: Op, _: Reads) -> Msg {
        Msg::Invoke { id, key, op }
    }

    fn heard(msg: Msg) -> Option<Heard<lists::Page>> {
        Some(match msg {
            Msg::Opened { incarnation } => Heard::Opened(incarnation),
            Msg::Return { id, outcome } => Heard::Returned(id, outcome),
            Msg::Scanned { epoch, ticket, rows, upto } => {
                Heard::Listed(ticket, lists::Page { epoch, rows, upto })
            }
            _ => return None,
        })
    }

    async fn list(front: &Front<Self>, from: Position, limit: usize) -> Option<ScanPage> {
        lists::list(front, from, limit).await
    }

    async fn size(front: &Front<Self>) -> Option<u64> {
        lists::size(front).await
    }

    fn order(front: &Front<Self>, order: Order) -> Result<(), String> {
        let about = front.about();
        let door = front.doors().first().ok_or("the node has no gateway")?; // every node has one
        let view = door.gateway().view().ok_or("the node's gateway has not started")?;
        if view.coordinators.is_empty() {
            return Err("this ring has no coordinators, so its members are fixed".to_string());
        }
        let report = match order {
            Order::Belong(false) if view.old.has(about.node.replica()) && !view.can_spare_one() => {
                return Err(cannot_spare(&view));
            }
            Order::Belong(wanted) => {
                door.send(about.node.replica(), Msg::Belong { wanted });
                return Ok(());
            }
            Order::Reform(epoch, _) if epoch != view.epoch => {
                return Err(format!(
                    "the ring's view is of epoch {}, not {epoch}: look at it again before you give \
                     anybody up",
                    view.epoch
                ));
            }
            Order::Reform(epoch, named) if named.is_empty() => {
                Report::Reform { epoch, lost: view.old.members() }
            }
            Order::Reform(epoch, named) => {
                let lost: BTreeSet<_> = named.iter().map(|id| Id::from(*id as usize)).collect();
                if let Some(stranger) = lost.difference(&view.old.members()).next() {
                    return Err(format!("{stranger} is the replica of no member of the ring"));
                }
                Report::Reform { epoch, lost }
            }
        };
        reform::report(door, &view, &report);
        Ok(())
    }

    fn lines(about: &About<Self>) -> Lines {
        about::lines(about)
    }

    fn status(about: &About<Self>, under_way: &[usize]) -> String {
        about::status(about, under_way)
    }

    fn beside(_: &Front<Self>) -> Option<impl Future<Output = ()> + Send + 'static> {
        None::<std::future::Ready<()>>
    }
}

/// Why nobody can leave.
fn cannot_spare(view: &View) -> String {
    let (members, replicas) = (view.old.members().len(), view.old.replicas);
    if members == 1 {
        return "this is the only node of the ring, and has everything: a ring of none keeps nothing"
            .to_string();
    }
    format!(
        "a ring of {members} nodes that keeps {replicas} copies of each key cannot lose one of them: let another \
         node join first (`chainring join`, and start it), wait until `chainring status` shows it as a \
         member, and say `leave` again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring_model::ring::Ring;
    use chainring_runtime::codec::{MAX_MESSAGE_WEIGHT, decode, decode_message, encode};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[test]
    fn the_rings_of_a_stable_view_are_one_in_memory() {
        let ring = |members: std::ops::Range<usize>| Ring::of(members.map(Id::from));
        let again = |view: &View| {
            let read: View = decode(&encode(view).unwrap()).unwrap();
            assert_eq!(read, *view);
            Arc::ptr_eq(&read.old.tokens, &read.new.tokens)
        };
        assert!(again(&View::stable(1, ring(0..10))));
        assert!(!again(&View::joint(2, ring(0..10), ring(1..10))));
    }

    /// The largest that nodes send.
    #[test]
    fn honest_messages_are_light_enough() {
        let tokens = |from: u64| {
            let members = (0..100 * 4096_u64).map(|n| {
                let token = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(from);
                (token, Id::from((n % 100) as usize))
            });
            members.collect::<BTreeMap<_, _>>()
        };
        let mut view =
            View::joint(2, Ring::of((0..100).map(Id::from)), Ring::of((1..101).map(Id::from)));
        (view.old.tokens, view.new.tokens) = (tokens(0).into(), tokens(1).into());
        let bytes = encode(&view).unwrap();
        let (read, weight) = decode_message::<View>(&bytes).unwrap();
        assert!(read == view && weight < MAX_MESSAGE_WEIGHT / 2, "{weight} of {}", bytes.len());
    }
}
