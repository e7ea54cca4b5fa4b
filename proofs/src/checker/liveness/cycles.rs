//! Which parts of a graph a fair run can stay in for ever.
//!
//! A run that never ends stays, from some step on, in one strongly connected component, and takes
//! some of its edges again and again. Whether it can do that fairly is decided by two questions of
//! the component (Emerson & Lei, "Modalities for Model Checking", 1987):
//!
//! - Is there a deed that is *due* in every state of it, and that no edge of it does or ends? Then
//!   no run stays there: nor in any smaller part, where it is due in every state, too.
//! - Is a message sent by an edge of it, and *possible to receive* in every state of it, and
//!   received by no edge of it? Then a run may still stay in what is left without the edges that
//!   send it. What is left is taken apart again.
//!
//! A component that passes is one that a fair run goes round in: it takes every edge of it again
//! and again. A single state without any edge is asked the same, since a run may end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a step does, as far as fairness goes; deeds are numbered.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Mark {
    /// What it does.
    pub(super) deed: u32,
    /// Whether that was due in the state before.
    pub(super) is_due: bool,
    /// What is over by it: timers that are cancelled, or armed anew.
    pub(super) ends: Vec<u32>,
    /// Which messages it sends, as the deeds that are to receive them.
    pub(super) sends: Vec<u32>,
}

/// A graph whose edges are marked. Of a state, no two edges are of one deed.
#[derive(Default)]
pub(super) struct Net {
    /// Where the edges of each state begin; and where the last one's end.
    pub(super) starts: Vec<usize>,
    /// Where each leads, and its mark.
    pub(super) edges: Vec<(u32, u32)>,
    /// The marks.
    pub(super) marks: Vec<Mark>,
}

/// States that a fair run can visit again and again, and what no edge of it sends.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The states, in order.
    pub(super) states: Vec<u32>,
    lost: BTreeSet<u32>,
}

/// An edge: from where, which mark, to where.
pub(super) type Edge = (u32, u32, u32);

/// What is known of a deed in a part of a graph, or on a cycle.
#[derive(Clone, Copy, Default)]
struct Tally {
    possible: usize,
    due: usize,
    done: bool,
    sent: bool,
}

impl Tally {
    /// Whether it stays undone though it is due all the time.
    fn is_denied(self, states: usize) -> bool {
        self.due == states && !self.done
    }

    /// Whether it is sent again and again and could always be received, and is not.
    fn is_withheld(self, states: usize) -> bool {
        self.sent && self.possible == states && !self.done
    }
}

/// What becomes of a component.
enum Judgement {
    Fair,
    Unfair,
    /// Fair only without the edges that send these.
    Without(BTreeSet<u32>),
}

impl Net {
    /// The edges of a state.
    pub(super) fn edges_of(&self, state: u32) -> &[(u32, u32)] {
        let state = state as usize;
        &self.edges[self.starts[state]..self.starts[state + 1]]
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn mark(&self, mark: u32) -> &Mark {
        &self.marks[mark as usize]
    }

    fn is_kept(&self, mark: u32, lost: &BTreeSet<u32>) -> bool {
        lost.is_empty() || !self.mark(mark).sends.iter().any(|sent| lost.contains(sent))
    }

    /// The part with the earliest state in which a fair run can stay while all is `open`, if there
    /// is any.
    pub(super) fn fair_part(&self, open: &[bool]) -> Option<Part> {
        let all = (0..self.len() as u32).filter(|state| open[*state as usize]).collect();
        let mut left = vec![Part { states: all, lost: BTreeSet::new() }];
        let mut search = Search::new(self.len());
        let mut best: Option<Part> = None;
        while let Some(part) = left.pop() {
            for states in search.components(self, &part) {
                let lost = part.lost.clone();
                match self.judge(&search.of, &states, &lost) {
                    Judgement::Unfair => {}
                    Judgement::Fair => {
                        if best.as_ref().is_none_or(|best| states[0] < best.states[0]) {
                            best = Some(Part { states, lost });
                        }
                    }
                    Judgement::Without(more) => {
                        let lost = lost.union(&more).copied().collect();
                        left.push(Part { states, lost });
                    }
                }
            }
        }
        best
    }

    /// Whether a run can stay in a component fairly; `of` says which component each state is in.
    fn judge(&self, of: &[u32], states: &[u32], lost: &BTreeSet<u32>) -> Judgement {
        let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
        let here = of[states[0] as usize];
        for state in states {
            for (to, mark) in self.edges_of(*state) {
                let is_inside = of[*to as usize] == here && self.is_kept(*mark, lost);
                self.count(&mut tallies, *mark, is_inside);
            }
        }
        if tallies.values().any(|tally| tally.is_denied(states.len())) {
            return Judgement::Unfair;
        }
        let withheld = tallies.iter().filter(|(_, tally)| tally.is_withheld(states.len()));
        let withheld: BTreeSet<_> = withheld.map(|(deed, _)| *deed).collect();
        if withheld.is_empty() { Judgement::Fair } else { Judgement::Without(withheld) }
    }

    /// Counts an edge that is possible, and perhaps taken.
    fn count(&self, tallies: &mut BTreeMap<u32, Tally>, mark: u32, is_taken: bool) {
        let Mark { deed, is_due, ends, sends } = self.mark(mark);
        let tally = tallies.entry(*deed).or_default();
        tally.possible += 1;
        tally.due += usize::from(*is_due);
        if is_taken {
            tally.done = true;
            for ended in ends {
                tallies.entry(*ended).or_default().done = true;
            }
            for sent in sends {
                tallies.entry(*sent).or_default().sent = true;
            }
        }
    }

    /// A fair cycle through the first state of a fair part, as short as can easily be had. It has
    /// no edges where nothing happens any more.
    pub(super) fn cycle(&self, part: &Part) -> Vec<Edge> {
        let start = part.states[0];
        let mut path: Vec<Edge> = Vec::new();
        loop {
            let end = path.last().map_or(start, |(_, _, to)| *to);
            let mut cycle = path.clone();
            cycle.extend(
                self.way(part, end, |at, edge| edge.is_none() && at == start).unwrap_or_default(),
            );
            let Some(unmet) = self.unmet(start, &cycle) else { return cycle };
            let serves = |state: u32, edge: Option<(u32, u32)>| match edge {
                None => !self.asks(state, unmet),
                Some((_, mark)) => {
                    let Mark { deed, ends, .. } = self.mark(mark);
                    *deed == unmet.0 || ends.contains(&unmet.0)
                }
            };
            match self.way(part, end, serves) {
                Some(more) if !more.is_empty() => path.extend(more),
                _ => return cycle, // a fair part has a way
            }
        }
    }

    /// Whether a deed is due in a state, or, if that is not what matters, possible.
    fn asks(&self, state: u32, (asked, matters): (u32, bool)) -> bool {
        let asks = |mark: u32| {
            let Mark { deed, is_due, .. } = self.mark(mark);
            *deed == asked && (*is_due || !matters)
        };
        self.edges_of(state).iter().any(|(_, mark)| asks(*mark))
    }

    /// What a cycle leaves undone that it must not, and whether that is because it is due.
    fn unmet(&self, start: u32, cycle: &[Edge]) -> Option<(u32, bool)> {
        let states: BTreeSet<u32> = cycle.iter().map(|(from, ..)| *from).chain([start]).collect();
        let taken: BTreeSet<_> = cycle.iter().map(|(from, mark, _)| (*from, *mark)).collect();
        let mut tallies = BTreeMap::new();
        for state in &states {
            for (_, mark) in self.edges_of(*state) {
                self.count(&mut tallies, *mark, taken.contains(&(*state, *mark)));
            }
        }
        let mut unmet = tallies
            .iter()
            .filter(|(_, tally)| tally.is_denied(states.len()) || tally.is_withheld(states.len()));
        unmet.next().map(|(deed, tally)| (*deed, tally.is_denied(states.len())))
    }

    /// The shortest way inside a part to a state, or through an edge, that is wanted.
    fn way(
        &self,
        part: &Part,
        from: u32,
        wanted: impl Fn(u32, Option<(u32, u32)>) -> bool,
    ) -> Option<Vec<Edge>> {
        let is_inside = |state: &u32| part.states.binary_search(state).is_ok();
        let mut before: BTreeMap<u32, Edge> = BTreeMap::new();
        let mut queue = VecDeque::from([from]);
        let back = |before: &BTreeMap<u32, Edge>, mut at: u32| {
            let mut way = Vec::new();
            while at != from {
                let edge = before[&at];
                way.push(edge);
                at = edge.0;
            }
            way.reverse();
            way
        };
        while let Some(state) = queue.pop_front() {
            if wanted(state, None) {
                return Some(back(&before, state));
            }
            for (to, mark) in self.edges_of(state) {
                if !is_inside(to) || !self.is_kept(*mark, &part.lost) {
                    continue;
                }
                if wanted(state, Some((*to, *mark))) {
                    let mut way = back(&before, state);
                    way.push((state, *mark, *to));
                    return Some(way);
                }
                if *to != from && !before.contains_key(to) {
                    before.insert(*to, (state, *mark, *to));
                    queue.push_back(*to);
                }
            }
        }
        None
    }
}

/// Tarjan's search for strongly connected components ("Depth-first search and linear graph
/// algorithms", 1972), without recursion.
struct Search {
    /// In which order states were found, in this search; 0 for those that were not.
    found: Vec<u32>,
    low: Vec<u32>,
    /// Which component, or part that is still to be searched, each state is in.
    of: Vec<u32>,
    next: u32,
}

impl Search {
    fn new(states: usize) -> Self {
        Search { found: vec![0; states], low: vec![0; states], of: vec![0; states], next: 1 }
    }

    /// The strongly connected components of a part, each in the order of its states.
    fn components(&mut self, net: &Net, part: &Part) -> Vec<Vec<u32>> {
        let here = self.next;
        self.next += 1;
        for state in &part.states {
            self.of[*state as usize] = here;
            self.found[*state as usize] = 0;
        }
        let mut components = Vec::new();
        let (mut stack, mut count) = (Vec::new(), 0);
        for root in &part.states {
            if self.found[*root as usize] == 0 {
                self.search(net, part, here, *root, (&mut stack, &mut count), &mut components);
            }
        }
        components
    }

    fn search(
        &mut self,
        net: &Net,
        part: &Part,
        here: u32,
        root: u32,
        (stack, count): (&mut Vec<u32>, &mut u32),
        components: &mut Vec<Vec<u32>>,
    ) {
        let mut calls: Vec<(u32, usize)> = Vec::new();
        let mut enter = Some(root);
        loop {
            if let Some(state) = enter.take() {
                *count += 1;
                (self.found[state as usize], self.low[state as usize]) = (*count, *count);
                stack.push(state);
                calls.push((state, net.starts[state as usize]));
            }
            let Some((state, edge)) = calls.last_mut() else { return };
            let (from, end) = (*state as usize, net.starts[*state as usize + 1]);
            while *edge < end {
                let (to, mark) = net.edges[*edge];
                *edge += 1;
                let to = to as usize;
                if self.of[to] != here || !net.is_kept(mark, &part.lost) {
                    continue; // elsewhere, or in a component that is whole
                }
                if self.found[to] == 0 {
                    enter = Some(to as u32);
                    break;
                }
                self.low[from] = self.low[from].min(self.found[to]);
            }
            if enter.is_some() {
                continue;
            }
            calls.pop();
            if let Some((caller, _)) = calls.last() {
                let caller = *caller as usize;
                self.low[caller] = self.low[caller].min(self.low[from]);
            }
            if self.low[from] == self.found[from] {
                components.push(self.cut(stack, from as u32));
            }
        }
    }

    /// A component is whole: everything on the stack down to its root.
    fn cut(&mut self, stack: &mut Vec<u32>, root: u32) -> Vec<u32> {
        let mut states = Vec::new();
        while let Some(state) = stack.pop() {
            self.of[state as usize] = self.next;
            states.push(state);
            if state == root {
                break;
            }
        }
        self.next += 1;
        states.sort_unstable();
        states
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph of edges: from, to, deed, whether it is due, what it sends.
    fn net(states: u32, edges: &[(u32, u32, u32, bool, &[u32])]) -> Net {
        let mut net = Net::default();
        for state in 0..states {
            net.starts.push(net.edges.len());
            for (_, to, deed, is_due, sends) in edges.iter().filter(|edge| edge.0 == state) {
                net.edges.push((*to, net.marks.len() as u32));
                let (ends, sends) = (Vec::new(), sends.to_vec());
                net.marks.push(Mark { deed: *deed, is_due: *is_due, ends, sends });
            }
        }
        net.starts.push(net.edges.len());
        net
    }

    fn stays(net: &Net, open: &[bool]) -> Option<(Vec<u32>, usize)> {
        let part = net.fair_part(open)?;
        let cycle = net.cycle(&part);
        assert_eq!(net.unmet(part.states[0], &cycle), None);
        Some((part.states, cycle.len()))
    }

    #[test]
    fn what_is_due_is_done() {
        // 0 goes round for ever, unless what leads to 1 is due.
        for is_due in [false, true] {
            let net = net(2, &[(0, 0, 0, true, &[]), (0, 1, 1, is_due, &[])]);
            let stays = stays(&net, &[true, false]);
            assert_eq!(stays, (!is_due).then_some((vec![0], 1)));
        }
        // It is due now and then only: weak fairness asks nothing.
        let edges: [(u32, u32, u32, bool, &[u32]); 3] =
            [(0, 1, 0, true, &[]), (1, 0, 0, true, &[]), (0, 2, 1, true, &[])];
        assert_eq!(stays(&net(3, &edges), &[true, true, false]), Some((vec![0, 1], 2)));
    }

    #[test]
    fn what_is_sent_again_and_again_arrives() {
        // 0 sends message 1 again and again, by deed 0.
        let sending = net(2, &[(0, 0, 0, true, &[1]), (0, 1, 1, false, &[])]);
        assert_eq!(stays(&sending, &[true, false]), None);
        // 0 has sent it once, and does not again.
        let silent = net(2, &[(0, 0, 0, true, &[]), (0, 1, 1, false, &[])]);
        assert_eq!(stays(&silent, &[true, false]), Some((vec![0], 1)));
        // It is not sent on every way round: the way that sends nothing is the one to stay on.
        let edges: [(u32, u32, u32, bool, &[u32]); 6] = [
            (0, 1, 0, false, &[2]),
            (1, 0, 1, false, &[]),
            (0, 0, 3, true, &[]),
            (0, 2, 2, false, &[]),
            (1, 2, 2, false, &[]),
            (1, 1, 3, true, &[]),
        ];
        assert_eq!(stays(&net(3, &edges), &[true, true, false]), Some((vec![0], 1)));
    }

    #[test]
    fn what_arrives_where_it_does_nothing_has_arrived() {
        // The message that 0 sends would lead from 0 to 2, and at 1 it changes nothing.
        let edges: [(u32, u32, u32, bool, &[u32]); 3] =
            [(0, 1, 0, true, &[1]), (1, 0, 0, true, &[]), (0, 2, 1, false, &[])];
        assert_eq!(stays(&net(3, &edges), &[true, true, false]), Some((vec![0, 1], 2)));
    }

    /// Small graphs at random, against a search of all sets of edges: one that holds together, and
    /// leaves nothing undone, is what a fair run goes round in.
    #[test]
    fn all_sets_of_edges_say_the_same() {
        let mut seed = 1_u32;
        let mut dice = |sides: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % sides
        };
        let mut stalled = 0;
        for _ in 0..3000 {
            let states = 1 + dice(4);
            let mut edges: Vec<(u32, u32, u32, bool, Vec<u32>)> = Vec::new();
            for _ in 0..dice(9) {
                let (from, to, deed) = (dice(states), dice(states), dice(4));
                let sends = if dice(3) == 0 { vec![dice(4)] } else { Vec::new() };
                if !edges.iter().any(|(other, _, of, ..)| (*other, *of) == (from, deed)) {
                    edges.push((from, to, deed, dice(2) == 0, sends));
                }
            }
            let edges: Vec<_> = (edges.iter())
                .map(|(from, to, deed, due, sends)| (*from, *to, *deed, *due, &sends[..]))
                .collect();
            let net = net(states, &edges);
            let open: Vec<_> = (0..states).map(|_| dice(4) > 0).collect();
            let found = stays(&net, &open).is_some();
            assert_eq!(found, is_there_a_way(&net, &open), "{edges:?} {open:?}");
            stalled += u32::from(found);
        }
        assert!((300..2700).contains(&stalled), "{stalled}");
    }

    fn is_there_a_way(net: &Net, open: &[bool]) -> bool {
        let is_open = |state: &u32| open[*state as usize];
        let states: Vec<u32> = (0..open.len() as u32).filter(is_open).collect();
        let mut all: Vec<Edge> = Vec::new();
        for from in &states {
            let edges = net.edges_of(*from).iter().filter(|(to, _)| is_open(to));
            all.extend(edges.map(|(to, mark)| (*from, *mark, *to)));
        }
        let is_fair = |start: u32, edges: &[Edge]| net.unmet(start, edges).is_none();
        let reaches = |edges: &[Edge], from: u32, to: u32| {
            let mut found = BTreeSet::from([from]);
            for _ in edges {
                let next = edges.iter().filter(|(from, ..)| found.contains(from));
                let next: Vec<_> = next.map(|(.., to)| *to).collect();
                found.extend(next);
            }
            found.contains(&to)
        };
        let holds_together = |edges: &[Edge]| {
            let mut pairs =
                edges.iter().flat_map(|one| edges.iter().map(move |other| (one, other)));
            pairs.all(|((.., from), (to, ..))| reaches(edges, *from, *to))
        };
        states.iter().any(|state| is_fair(*state, &[]))
            || (1..1_u32 << all.len()).any(|set| {
                let edges = all.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1);
                let edges: Vec<Edge> = edges.map(|(_, edge)| *edge).collect();
                holds_together(&edges) && is_fair(edges[0].0, &edges)
            })
    }

    #[test]
    fn a_run_may_end() {
        let dead = net(2, &[(0, 1, 0, true, &[])]);
        assert_eq!(stays(&dead, &[true, true]), Some((vec![1], 0)));
        assert_eq!(stays(&dead, &[true, false]), None);
    }

    #[test]
    fn a_cycle_does_all_that_is_due_on_it() {
        // Two ways round from 0; what is due is done on the longer one only.
        let edges: [(u32, u32, u32, bool, &[u32]); 5] = [
            (0, 0, 0, false, &[]),
            (0, 1, 1, true, &[]),
            (1, 2, 2, true, &[]),
            (2, 0, 3, true, &[]),
            (0, 3, 4, false, &[]),
        ];
        assert_eq!(stays(&net(4, &edges), &[true, true, true, false]), Some((vec![0, 1, 2], 3)));
    }
}
