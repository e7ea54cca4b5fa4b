//! How a key may stand, as far as its clients can tell: linearizability as a state.
//!
//! A history is linearizable if some order of its operations explains it, in which each takes
//! effect between its invocation and its return. Instead of searching for an order at the end,
//! follow every possible one from the beginning (Lowe, "Testing for Linearizability", 2017, calls
//! it just-in-time linearization): keep all pairs of a value that the key may have by now, and of
//! the open operations that must have taken effect for it, each with its outcome. When an operation
//! returns, only those remain in which it has taken effect with the outcome that the client saw. A
//! history is linearizable as long as one remains.
//!
//! What remains says all about what may follow: two histories with the same remainder go on to be
//! linearizable or not in the same ways. So this, and not the history, is what a state of a model
//! needs to hold.

use chainring_model::kv::{Op, OpId, Outcome, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How a key may stand.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Linearizations {
    /// The operations that have begun and not ended, and whether a client waits for them.
    open: BTreeMap<OpId, (Op, bool)>,
    /// Closed under one more open operation taking effect.
    worlds: BTreeSet<World>,
}

/// One way in which it may stand.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct World {
    value: Option<Value>,
    /// The open operations that have taken effect, and how; nothing where no client will hear of
    /// it.
    done: BTreeMap<OpId, Option<Outcome>>,
}

impl Default for Linearizations {
    /// A key that is absent.
    fn default() -> Self {
        Linearizations { open: BTreeMap::new(), worlds: BTreeSet::from([World::default()]) }
    }
}

impl Linearizations {
    /// A key that holds a value.
    pub fn holding(value: Value) -> Self {
        let world = World { value: Some(value), ..World::default() };
        Linearizations { worlds: BTreeSet::from([world]), ..Linearizations::default() }
    }

    /// An operation begins: it may take effect from now on.
    pub fn invoke(&mut self, id: OpId, op: Op) {
        self.open.insert(id, (op, true));
        let mut fresh: Vec<_> = self.worlds.iter().cloned().collect();
        while let Some(world) = fresh.pop() {
            let left = self.open.iter().filter(|(id, _)| !world.done.contains_key(id));
            for (id, (op, is_awaited)) in left {
                let (value, outcome) = op.apply(world.value.as_ref());
                let mut next = World { value, done: world.done.clone() };
                next.done.insert(*id, Some(outcome).filter(|_| *is_awaited));
                if self.worlds.insert(next.clone()) {
                    fresh.push(next);
                }
            }
        }
    }

    /// An operation ends with this outcome: it has taken effect, so.
    pub fn end(&mut self, id: OpId, outcome: &Outcome) {
        self.end_as(id, |done| done == outcome);
    }

    /// An operation ends with an outcome of which no more is known than this: it has taken effect,
    /// so.
    pub fn end_as(&mut self, id: OpId, fits: impl Fn(&Outcome) -> bool) {
        self.open.remove(&id);
        let worlds = std::mem::take(&mut self.worlds).into_iter();
        self.worlds = worlds
            .filter_map(|mut world| {
                let done = world.done.remove(&id)?;
                done.as_ref().is_some_and(&fits).then_some(world)
            })
            .collect();
    }

    /// No client waits for an operation any more: it may take effect at any later time, or never.
    pub fn give_up(&mut self, id: OpId) {
        let Some((op, is_awaited)) = self.open.get_mut(&id) else { return };
        *is_awaited = false;
        let is_read = op.is_read(); // whether or when it takes effect makes no difference
        if is_read {
            self.open.remove(&id);
        }
        let worlds = std::mem::take(&mut self.worlds).into_iter();
        let forget = |mut world: World| {
            if is_read {
                world.done.remove(&id);
            } else if let Some(outcome) = world.done.get_mut(&id) {
                *outcome = None;
            }
            world
        };
        self.worlds = worlds.map(forget).collect();
    }

    /// How many operations have begun and not ended. The ways in which the key may stand can be as
    /// many as the orders of these.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Whether what clients saw is linearizable.
    pub fn is_possible(&self) -> bool {
        !self.worlds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stateright::actor::Id;
    use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

    /// [`Op::apply`], as stateright's tester calls it.
    #[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
    struct Register(Option<Value>);

    impl SequentialSpec for Register {
        type Op = Op;
        type Ret = Outcome;

        fn invoke(&mut self, op: &Op) -> Outcome {
            let (after, outcome) = op.apply(self.0.as_ref());
            self.0 = after;
            outcome
        }
    }

    /// A generator of numbers that looks random enough.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (self.0 >> 33) as usize % bound
        }
    }

    fn any_op(dice: &mut Dice) -> Op {
        let value = |dice: &mut Dice| Value::from(["1", "2"][dice.below(2)]);
        match dice.below(9) {
            0..3 => Op::Get,
            3 => Op::Put(value(dice)),
            4 => Op::Increment(1),
            5 => Op::Create(value(dice)),
            6 => Op::Delete,
            7 => Op::Update(value(dice)),
            _ => Op::CompareAndSwap { expected: value(dice), new: value(dice) },
        }
    }

    /// Histories of three clients, with outcomes that are true, or of another state, or unknown: we
    /// and stateright's tester say the same of each beginning of each.
    #[test]
    fn we_judge_as_stateright_does() {
        let (mut legal, mut illegal) = (0, 0);
        for seed in 0..3000 {
            let mut dice = Dice(seed);
            let mut ours = Linearizations::default();
            let mut theirs = LinearizabilityTester::new(Register(None));
            let mut truth = Register(None);
            let mut open: [Option<(OpId, Op, Option<Outcome>)>; 3] = [None, None, None];
            let mut threads = [0; 3];
            for seq in 0..12 {
                let client = dice.below(3);
                let thread = (client, threads[client]);
                match open[client].take() {
                    None => {
                        let gateway = Id::from(client);
                        let id = OpId { gateway, incarnation: 1, lane: 0, seq };
                        let op = any_op(&mut dice);
                        ours.invoke(id, op.clone());
                        theirs.on_invoke(thread, op.clone()).expect("the thread is idle");
                        open[client] = Some((id, op, None));
                    }
                    Some((id, op, None)) if dice.below(3) > 0 => {
                        let lie = dice.below(4) == 0;
                        let other = [None, Some(Value::from("1")), Some(Value::from("2"))];
                        let other = Register(other[dice.below(3)].clone());
                        let mut at = if lie { other } else { truth.clone() };
                        let outcome = at.invoke(&op);
                        if !lie {
                            truth = at;
                        }
                        open[client] = Some((id, op, Some(outcome)));
                    }
                    Some((id, ..)) if dice.below(6) == 0 => {
                        ours.give_up(id);
                        threads[client] += 1;
                    }
                    Some((id, op, outcome)) => {
                        let outcome = outcome.unwrap_or_else(|| truth.invoke(&op));
                        ours.end(id, &outcome);
                        theirs.on_return(thread, outcome).expect("the thread is busy");
                    }
                }
                assert_eq!(ours.is_possible(), theirs.is_consistent(), "{theirs:?}");
            }
            legal += usize::from(ours.is_possible());
            illegal += usize::from(!ours.is_possible());
        }
        assert!(legal > 1000 && illegal > 300, "{legal} legal ones and {illegal} others");
    }
}
