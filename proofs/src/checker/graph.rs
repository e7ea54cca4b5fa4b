//! The whole state graph of a small model, and what can be asked of a graph only.
//!
//! stateright's checkers judge states, and forget how they are connected. Whether a system can get
//! trapped is a question about connections: from every reachable state, is there *some* way to a
//! state in which every script is finished (AG EF in CTL)? Where messages can be lost for good,
//! that is what sending again is for. This is not liveness: a way out need not be taken.
//!
//! This module shares no code with stateright's checkers, so that its count of states checks
//! theirs.

use crate::checker::run::{Report, Trace, Verdict};
use crate::claim::Claim;
use stateright::{Expectation, Model};
use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::Instant;

/// A state graph, in the order of a breadth-first search.
pub struct Graph<W: Model> {
    /// Every reachable state, with its predecessors, and the first way to it.
    nodes: Vec<Node<W>>,
    edges: usize,
}

struct Node<W: Model> {
    state: W::State,
    depth: usize,
    /// The first predecessor, the action that leads from it, and the action's place among its
    /// actions.
    parent: Option<(usize, W::Action, usize)>,
    predecessors: Vec<usize>,
}

impl<W: Model> Graph<W>
where
    W::State: Clone + Debug + Hash + PartialEq,
    W::Action: Clone + Debug + PartialEq,
{
    /// Visits every state. States are told apart by 64 bits of hash, as stateright does.
    pub fn of(model: &W) -> Self {
        let mut nodes: Vec<Node<W>> = Vec::new();
        let mut known: HashMap<u64, usize> = HashMap::new();
        let mut queue = VecDeque::new();
        let mut edges = 0;
        for state in model.init_states() {
            if let Entry::Vacant(vacant) = known.entry(digest(&state)) {
                queue.push_back(*vacant.insert(nodes.len()));
                nodes.push(Node { state, depth: 1, parent: None, predecessors: Vec::new() });
            }
        }
        while let Some(from) = queue.pop_front() {
            let mut actions = Vec::new();
            model.actions(&nodes[from].state, &mut actions);
            for (place, action) in actions.into_iter().enumerate() {
                let Some(state) = model.next_state(&nodes[from].state, action.clone()) else {
                    continue;
                };
                edges += 1;
                match known.entry(digest(&state)) {
                    Entry::Occupied(to) => nodes[*to.get()].predecessors.push(from),
                    Entry::Vacant(vacant) => {
                        queue.push_back(*vacant.insert(nodes.len()));
                        let depth = nodes[from].depth + 1;
                        let parent = Some((from, action, place));
                        nodes.push(Node { state, depth, parent, predecessors: vec![from] });
                    }
                }
            }
        }
        Graph { nodes, edges }
    }

    /// Every reachable state.
    pub fn states(&self) -> impl Iterator<Item = &W::State> {
        self.nodes.iter().map(|node| &node.state)
    }

    /// Which states have a way to one for which `goal` holds.
    fn can_reach(&self, goal: impl Fn(&W::State) -> bool) -> Vec<bool> {
        let mut can: Vec<_> = self.states().map(goal).collect();
        let mut queue: VecDeque<_> = (0..can.len()).filter(|node| can[*node]).collect();
        while let Some(to) = queue.pop_front() {
            for from in &self.nodes[to].predecessors {
                if !std::mem::replace(&mut can[*from], true) {
                    queue.push_back(*from);
                }
            }
        }
        can
    }

    /// The first way to a state.
    fn trace(&self, model: &W, mut node: usize) -> Trace {
        let (mut steps, mut path) = (Vec::new(), Vec::new());
        while let Some((parent, action, place)) = &self.nodes[node].parent {
            steps.push(model.format_action(action));
            path.push(place.to_string());
            node = *parent;
        }
        path.push(node.to_string());
        steps.reverse();
        path.reverse();
        Trace { steps, path: path.join("/") }
    }
}

/// Judges every property of a model, and that it can always reach what is called `finished`.
pub fn run<W: Model>(model: &W, finished: impl Fn(&W, &W::State) -> bool) -> Report
where
    W::State: Clone + Debug + Hash + PartialEq,
    W::Action: Clone + Debug + PartialEq,
{
    let start = Instant::now();
    let graph = Graph::of(model);
    let mut properties = Vec::new();
    for property in model.properties() {
        let sought = match property.expectation {
            Expectation::Always => false,
            Expectation::Sometimes => true,
            Expectation::Eventually => continue, // the question below is stronger
        };
        let found = graph.states().position(|state| (property.condition)(model, state) == sought);
        let trace = found.map(|node| graph.trace(model, node));
        properties.push(Verdict::new(property.name, property.expectation, trace, true));
    }
    let can_finish = graph.can_reach(|state| finished(model, state));
    let trapped = can_finish.iter().position(|can| !can);
    let trace = trapped.map(|node| graph.trace(model, node));
    properties.push(Verdict::new(Claim::CanFinish.name(), Expectation::Always, trace, true));
    Report {
        name: String::new(),
        configuration: String::new(),
        exhaustive: true,
        unique_states: graph.nodes.len(),
        states: graph.edges + 1,
        depth: graph.nodes.iter().map(|node| node.depth).max().unwrap_or(0),
        seconds: start.elapsed().as_secs_f64(),
        properties,
    }
}

fn digest(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
