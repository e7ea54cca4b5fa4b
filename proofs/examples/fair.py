#!/usr/bin/env python3
"""Another checker of what ends: by fixpoints, where chainring-proofs takes components apart.

    cargo run --release -p chainring-proofs --example check -- --ends-graph MODEL "MUTANT" > graph.json
    python3 proofs/examples/fair.py graph.json

It prints of each claim whether a fair run exists on which it stays open. It shares no code with the
checker, and no idea: it is the algorithm of Kesten, Pnueli & Raviv ("Algorithmic Verification of Linear
Temporal Logic Specifications", ICALP '98), which shrinks a set of states until nothing more has to go.
Fairness is of steps here, so its states are the steps of the graph, and one more at each state in which
nothing happens.

Justice (J): for each deed, again and again it is not due, or is done, or is over.
Compassion (P, Q): for each message, if it is sent again and again, then again and again it arrives, or
would change nothing.
"""

import json
import sys
from collections import defaultdict


class Steps:
    """The steps between open states, and what leads to what."""

    def __init__(self, graph, is_open):
        self.marks = graph["marks"]
        self.possible = defaultdict(set)
        self.due = defaultdict(set)
        for origin, _, mark in graph["edges"]:
            deed, is_due, _, _ = self.marks[mark]
            self.possible[deed].add(origin)
            if is_due:
                self.due[deed].add(origin)
        steps = [e for e in graph["edges"] if e[0] in is_open and e[1] in is_open]
        steps += [[state, state, None] for state in is_open]
        self.steps = steps
        self.into = defaultdict(list)
        for number, (_, target, _) in enumerate(steps):
            self.into[target].append(number)
        self.does, self.sends = defaultdict(set), defaultdict(set)
        for number, (_, _, mark) in enumerate(steps):
            if mark is not None:
                deed, _, ends, sends = self.marks[mark]
                for served in [deed, *ends]:
                    self.does[served].add(number)
                for sent in sends:
                    self.sends[sent].add(number)

    def reach(self, left, goal):
        """The steps of `left` from which a step of `goal` can be reached inside `left`, or is one."""
        found = set(goal)
        stack = list(goal)
        seen = set()
        while stack:
            origin = self.steps[stack.pop()][0]
            if origin in seen:
                continue
            seen.add(origin)
            for before in self.into[origin]:
                if before in left and before not in found:
                    found.add(before)
                    stack.append(before)
        return found

    def fair(self):
        """Whether there is a fair run."""
        left = set(range(len(self.steps)))
        while True:
            before = len(left)
            for deed, due in self.due.items():
                does = self.does[deed]
                just = {s for s in left if s in does or self.steps[s][0] not in due}
                left = self.reach(left, just)
            for message, sends in self.sends.items():
                possible, does = self.possible[message], self.does[message]
                met = {s for s in left if s in does or self.steps[s][0] not in possible}
                left = (left - sends) | self.reach(left, met)
            while True:
                begins = {self.steps[s][0] for s in left}
                stay = {s for s in left if self.steps[s][1] in begins}
                if len(stay) == len(left):
                    break
                left = stay
            if len(left) == before:
                return bool(left)


def main():
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            graph = json.load(file)
        for claim, is_open in graph["open"]:
            stalls = Steps(graph, set(is_open)).fair()
            print(f"{name}: {claim}: {'falls' if stalls else 'holds'}")


if __name__ == "__main__":
    main()
