//! Members one by one.

use super::rumours::CONFIRMATIONS;
use super::*;
use crate::membership::msg::{Ack, Compare, Gossip, Ping, Report, Rows, Same, Seek, Tell};
use crate::store::MapStore;
use stateright::actor::Command;

type Disk = MapStore<Key, Row>;
type Commands = Vec<Command<Msg, Timer, (), Disk>>;

const COORDINATOR: usize = 99;

fn id(id: usize) -> Id {
    Id::from(id)
}

fn entry(member: usize, incarnation: u64, status: Status) -> Rumour {
    let node = id(100 + member);
    Rumour { member: id(member), entry: Entry { node, incarnation, status } }
}

fn suspect(by: usize) -> Status {
    Status::Suspect { by: id(by) }
}

/// A member with its state, and how it is spoken to.
struct Running {
    id: Id,
    member: Member<Disk>,
    state: Cow<'static, Option<MemberState<Disk>>>,
}

impl Running {
    fn with(me: usize, seeds: impl IntoIterator<Item = usize>, store: Disk) -> Self {
        let seeds = seeds.into_iter().map(|seed| (id(seed), id(100 + seed))).collect();
        let coordinator = Some(id(COORDINATOR));
        let member = Member::new(id(100 + me), seeds, coordinator, Timeouts::default());
        let state = member.on_start(id(me), &Some(store), &mut Out::new());
        Running { id: id(me), member, state: Cow::Owned(state) }
    }

    fn new(me: usize, seeds: impl IntoIterator<Item = usize>) -> Self {
        let mut store = Disk::default();
        Member::init(&mut store);
        Self::with(me, seeds, store)
    }

    fn state(&self) -> &MemberState<Disk> {
        self.state.as_ref().as_ref().expect("it has a store")
    }

    fn hears(&mut self, src: usize, msg: Msg) -> Commands {
        let mut out = Out::new();
        self.member.on_msg(self.id, &mut self.state, id(src), msg, &mut out);
        out.into_iter().collect()
    }

    fn says(&mut self, src: usize, say: Say, news: Vec<Rumour>) -> Commands {
        self.hears(src, Msg::Gossip(Gossip { say, news }))
    }

    fn is_told(&mut self, src: usize, rumour: Rumour) -> Commands {
        self.says(src, Say::Tell(Tell { rows: vec![rumour] }), Vec::new())
    }

    fn fires(&mut self, timer: Timer) -> Commands {
        let mut out = Out::new();
        self.member.on_timeout(self.id, &mut self.state, &timer, &mut out);
        out.into_iter().collect()
    }

    fn own(&self) -> u64 {
        self.state().table.get(self.id).expect("its own row").incarnation
    }

    fn knows(&self, member: usize) -> Option<Entry> {
        self.state().table.get(id(member)).copied()
    }
}

fn sent(commands: &Commands) -> Vec<(Id, Msg)> {
    let sent = commands.iter().filter_map(|command| match command {
        Command::Send(dst, msg) => Some((*dst, msg.clone())),
        _ => None,
    });
    sent.collect()
}

/// The member that is pinged for itself.
fn pinged(commands: &Commands) -> Option<Id> {
    sent(commands).into_iter().find_map(|(dst, msg)| match msg {
        Msg::Gossip(Gossip { say: Say::Ping(_), .. }) => Some(dst),
        _ => None,
    })
}

fn reports(commands: &Commands) -> Vec<Vec<usize>> {
    let reports = sent(commands).into_iter().filter_map(|(dst, msg)| match msg {
        Msg::Report(Report { gone }) if dst == id(COORDINATOR) => {
            Some(gone.into_iter().map(usize::from).collect())
        }
        _ => None,
    });
    reports.collect()
}

#[test]
fn a_member_without_its_store_refuses_to_run_and_each_start_is_a_new_life() {
    let member = Member::<Disk>::new(id(100), BTreeMap::new(), None, Timeouts::default());
    assert!(member.on_start(id(0), &None, &mut Out::new()).is_none());
    let empty = Some(Disk::default());
    assert!(member.on_start(id(0), &empty, &mut Out::new()).is_none(), "never initialised");
    let mut store = Disk::default();
    Member::init(&mut store);
    for life in 1..4 {
        let mut out = Out::new();
        let state = member.on_start(id(0), &Some(store.clone()), &mut out);
        let saved = out.iter().find_map(|command| match command {
            Command::Save(store) => Some(store.clone()),
            _ => None,
        });
        store = saved.expect("it is saved before anything is said");
        assert_eq!(state.map(|state| state.start), Some(life));
    }
    store.put(Key::Own, Row::Own { incarnation: u64::MAX });
    assert!(member.on_start(id(0), &Some(store), &mut Out::new()).is_none(), "no lives are left");
}

#[test]
fn a_suspicion_is_refuted_at_once_and_saved_first() {
    let mut member = Running::new(0, [1, 2]);
    let commands = member.is_told(1, entry(0, 1, suspect(2)));
    assert_eq!(member.own(), 2);
    assert!(matches!(commands[0], Command::Save(_)), "{commands:?}");
    let Command::Send(to, Msg::Gossip(Gossip { news, .. })) = &commands[1] else {
        panic!("{commands:?}")
    };
    assert_eq!((*to, news[0]), (id(1), entry(0, 2, Status::Alive)));
    assert!(member.is_told(1, entry(0, 1, Status::Dead)).is_empty(), "of an earlier life");
    member.is_told(1, entry(0, 7, Status::Dead));
    assert_eq!(member.own(), 8, "a life that it has forgotten is over too");
}

#[test]
fn whatever_strangers_send_is_survived() {
    let mut member = Running::new(0, [1, 2]);
    let before = member.state().table.clone();
    assert!(member.is_told(1, entry(0, u64::MAX, Status::Dead)).is_empty());
    assert_eq!(member.own(), 1, "there is no life after the last one");
    let long = vec![entry(1, 9, Status::Dead); PART + 1];
    assert!(member.says(1, Say::Tell(Tell { rows: long.clone() }), Vec::new()).is_empty());
    let number = Number { start: u64::MAX, round: u64::MAX };
    assert!(member.says(1, Say::Ping(Ping { origin: id(1), number }), long).is_empty());
    for (from, until) in [(5, Some(5)), (5, Some(0)), (usize::MAX, None)] {
        let (from, until) = (id(from), until.map(id));
        member.says(1, Say::Compare(Compare { start: 0, from, until, digest: 7 }), Vec::new());
        member.says(1, Say::Rows(Rows { start: 1, from, until, rows: Vec::new() }), Vec::new());
        member.says(1, Say::Same(Same { start: 1, until }), Vec::new());
    }
    member.says(1, Say::Ack(Ack { origin: id(0), target: id(1), number }), Vec::new());
    member.says(1, Say::Seek(Seek { target: id(usize::MAX), number }), Vec::new());
    member.hears(1, Msg::Leave);
    assert_eq!(member.state().table, before);
    member.is_told(1, entry(1, u64::MAX, suspect(2)));
    for _ in 0..100 {
        member.fires(Timer::Probe);
    }
    assert_eq!(member.knows(1).map(|entry| entry.status), Some(Status::Dead));
}

#[test]
fn everybody_is_asked_once_in_each_pass_in_another_order() {
    let orders = |me: usize| {
        let mut member = Running::new(me, 0..20);
        let mut pass = || {
            let mut asked = Vec::new();
            for _ in 0..19 {
                let target = pinged(&member.fires(Timer::Probe)).expect("somebody is asked");
                asked.push(target);
                let number = Number { start: 1, round: member.state().round };
                let say = Say::Ack(Ack { origin: id(me), target, number });
                member.says(usize::from(target), say, Vec::new());
            }
            asked
        };
        let passes = [pass(), pass()];
        for pass in &passes {
            let once: BTreeSet<_> = pass.iter().collect();
            assert_eq!(once.len(), 19);
            assert!(!once.contains(&id(me)));
        }
        passes
    };
    let (one, other) = (orders(3), orders(4));
    assert_ne!(one[0], one[1]);
    assert_ne!(one[0], other[0]);
    assert_eq!(one, orders(3), "and the same order every time");
}

#[test]
fn a_silent_member_is_asked_again_then_suspect_then_dead_and_reported() {
    let mut member = Running::new(0, [1, 2, 3, 4, 5]);
    let target = pinged(&member.fires(Timer::Probe)).expect("somebody is asked");
    for helpers in [3, 3] {
        let commands = member.fires(Timer::Wait);
        assert_eq!(pinged(&commands), Some(target));
        let seeks = sent(&commands)
            .into_iter()
            .filter(|(_, msg)| matches!(msg, Msg::Gossip(Gossip { say: Say::Seek(_), .. })));
        assert_eq!(seeks.count(), helpers);
    }
    assert!(member.fires(Timer::Wait).is_empty(), "often enough");
    let told = sent(&member.fires(Timer::Probe));
    let heard = told.iter().any(
        |(dst, msg)| matches!(msg, Msg::Gossip(Gossip { say: Say::Tell(_), .. }) if *dst == target),
    );
    assert!(heard, "the suspect hears of it");
    let status = |member: &Running| member.knows(usize::from(target)).expect("a row").status;
    assert_eq!(status(&member), suspect(0));
    while !status(&member).is_gone() {
        let next = pinged(&member.fires(Timer::Probe)).expect("somebody is asked");
        let number = Number { start: 1, round: member.state().round };
        let say = Say::Ack(Ack { origin: id(0), target: next, number });
        member.says(usize::from(next), say, Vec::new());
        assert!(member.state().round < 20, "it is dead after a while");
    }
    let node = 100 + usize::from(target);
    assert_eq!(reports(&member.fires(Timer::Report)), [[node]], "again and again");
    let again = entry(usize::from(target), 2, Status::Alive);
    let commands = member.is_told(usize::from(target), again);
    assert_eq!(reports(&commands), [Vec::<usize>::new()], "nobody is gone any more");
    assert!(member.fires(Timer::Report).is_empty());
}

#[test]
fn reports_name_nodes_as_soon_as_they_are_gone() {
    let mut member = Running::new(0, [1, 2]);
    let commands = member.is_told(1, entry(2, 1, Status::Dead));
    assert_eq!(reports(&commands), [[102]]);
    assert!(matches!(commands[0], Command::Save(_)), "{commands:?}");
    assert_eq!(reports(&member.is_told(2, entry(1, 1, Status::Left))), [[101, 102]]);
    let again = Running::with(0, [1, 2], member.state().store.clone());
    assert_eq!(usize::from(*again.state().gone().first().expect("two are")), 101, "durably");
    assert_eq!(again.state().alive().collect::<Vec<_>>(), [id(0)]);
}

#[test]
fn tombstones_outlive_stale_rows_and_restarts_and_give_way_to_a_new_life() {
    let mut member = Running::new(0, [1, 2]);
    member.is_told(1, entry(2, 3, Status::Dead));
    for stale in [entry(2, 3, Status::Alive), entry(2, 3, suspect(1)), entry(2, 2, Status::Left)] {
        assert!(member.is_told(1, stale).is_empty());
    }
    let mut member = Running::with(0, [1, 2], member.state().store.clone());
    assert!(member.is_told(1, entry(2, 3, Status::Alive)).is_empty());
    member.is_told(2, entry(2, 4, Status::Alive));
    assert_eq!(member.knows(2), Some(entry(2, 4, Status::Alive).entry));
}

#[test]
fn those_who_confirm_a_suspicion_shorten_it() {
    let member = Running::new(0, 0..100);
    let patience = |by| member.member.patience(logarithm(100), 100, by);
    let times: Vec<_> = (1..6).map(patience).collect();
    assert_eq!(times, [21, 14, 10, 7, 7]);
    assert_eq!(member.member.patience(logarithm(2), 2, 1), 2, "nobody could confirm");
    let mut member = Running::new(0, 0..10);
    for by in [3, 4, 3, 5, 6, 7] {
        member.is_told(by, entry(2, 1, suspect(by)));
    }
    assert_eq!(member.state().suspicions[&id(2)].by.len(), 1 + CONFIRMATIONS);
}

#[test]
fn news_is_bounded_told_least_first_and_not_for_ever() {
    let mut member = Running::new(0, 0..200);
    for gone in 100..140 {
        member.is_told(1, entry(gone, 1, Status::Dead));
    }
    let ping = Say::Ping(Ping { origin: id(1), number: Number { start: 1, round: 1 } });
    let mut told: BTreeMap<Id, u32> = BTreeMap::new();
    let mut messages = 0;
    while !member.state().rumours.is_empty() {
        messages += 1;
        let answer = sent(&member.says(1, ping.clone(), Vec::new()));
        let [(_, Msg::Gossip(Gossip { news, .. }))] = &answer[..] else { panic!("{answer:?}") };
        assert!(news.len() <= NEWS + 2);
        assert_eq!((news[0].member, news[1].member), (id(0), id(1)));
        for rumour in &news[2..] {
            *told.entry(rumour.member).or_default() += 1;
        }
        let (least, most) = (told.values().min(), told.values().max());
        assert!(told.len() < 40 || most.zip(least).is_some_and(|(most, least)| most - least <= 1));
    }
    let enough = 3 * logarithm(200);
    assert!(told.len() == 40 && told.values().all(|times| *times == enough), "{told:?}");
    assert_eq!(messages, (40 * enough as usize).div_ceil(NEWS));
}

/// Lets two members talk until they have nothing more to say.
fn talk(one: &mut Running, other: &mut Running, begins: Commands) -> usize {
    let mut under_way: Vec<_> =
        sent(&begins).into_iter().map(|(dst, msg)| (one.id, dst, msg)).collect();
    let mut messages = 0;
    while let Some((src, dst, msg)) = under_way.pop() {
        let receiver = if dst == one.id { &mut *one } else { &mut *other };
        if receiver.id != dst {
            continue; // to another member
        }
        messages += 1;
        let answers = receiver.hears(usize::from(src), msg);
        under_way.extend(sent(&answers).into_iter().map(|(to, msg)| (dst, to, msg)));
    }
    messages
}

#[test]
fn a_newcomer_learns_all_rows_at_once_and_then_compares_parts_in_turn() {
    let mut seed = Running::new(0, 0..100);
    for gone in 50..60 {
        seed.is_told(1, entry(gone, 4, Status::Dead));
    }
    let mut newcomer = Running::new(200, [0]);
    let begins = newcomer.fires(Timer::Exchange);
    let messages = talk(&mut newcomer, &mut seed, begins);
    let rows = |member: &Running| member.state().table.clone();
    assert_eq!(rows(&newcomer), rows(&seed));
    assert!(!newcomer.state().exchange.is_joining);
    assert!(messages < 15, "{messages}");
    let parts: Vec<_> = (0..5)
        .map(|_| {
            newcomer.fires(Timer::Exchange);
            usize::from(newcomer.state().exchange.from)
        })
        .collect();
    assert_eq!(parts, [32, 64, 96, 0, 32]);
}

#[test]
fn a_newcomer_goes_on_where_an_answer_was_lost() {
    let mut seed = Running::new(0, 0..100);
    let mut newcomer = Running::new(200, [0]);
    let compare = |commands: &Commands| match &sent(commands)[..] {
        [(_, Msg::Gossip(Gossip { say: Say::Compare(Compare { from, .. }), .. }))] => {
            usize::from(*from)
        }
        other => panic!("{other:?}"),
    };
    let begins = newcomer.fires(Timer::Exchange);
    assert_eq!(compare(&begins), 0);
    let rows = sent(&seed.hears(200, sent(&begins)[0].1.clone()));
    assert_eq!(compare(&newcomer.hears(0, rows[0].1.clone())), 32);
    assert!(newcomer.hears(0, rows[0].1.clone()).is_empty(), "a duplicate");
    assert_eq!(compare(&newcomer.fires(Timer::Exchange)), 32);
}

#[test]
fn tables_are_compared_with_the_dead_every_other_time() {
    let mut member = Running::new(3, 0..6);
    member.is_told(0, entry(4, 1, Status::Dead));
    member.is_told(0, entry(1, 1, Status::Left));
    let partners: Vec<_> =
        (0..6).map(|_| usize::from(sent(&member.fires(Timer::Exchange))[0].0)).collect();
    assert_eq!(partners, [5, 4, 0, 4, 2, 4], "those who have left are left alone");
}

#[test]
fn leaving_is_final_until_the_next_start() {
    let mut member = Running::new(0, [1, 2]);
    let commands = member.hears(0, Msg::Leave);
    assert_eq!(reports(&commands), [[100]]);
    assert_eq!(sent(&commands).len(), 3, "a report, and those who hear of it first");
    assert_eq!(member.knows(0), Some(entry(0, 1, Status::Left).entry));
    member.is_told(1, entry(0, 5, Status::Alive));
    assert_eq!(member.knows(0), Some(entry(0, 6, Status::Left).entry), "in whatever life");
    let again = Running::with(0, [1, 2], member.state().store.clone());
    assert_eq!(again.knows(0), Some(entry(0, 7, Status::Alive).entry));
}

#[test]
fn help_keeps_nothing_in_mind() {
    let mut helper = Running::new(1, [0, 2]);
    let before = helper.state().clone();
    let number = Number { start: 1, round: 5 };
    let asked = sent(&helper.says(0, Say::Seek(Seek { target: id(2), number }), Vec::new()));
    let ask = |msg: &Msg| match msg {
        Msg::Gossip(Gossip { say: Say::Ping(ping), .. }) => ping.origin == id(0),
        _ => false,
    };
    assert!(asked.len() == 1 && asked[0].0 == id(2) && ask(&asked[0].1), "{asked:?}");
    let answer = Say::Ack(Ack { origin: id(0), target: id(2), number });
    let passed = sent(&helper.says(2, answer.clone(), Vec::new()));
    assert_eq!(passed.iter().map(|(dst, _)| *dst).collect::<Vec<_>>(), [id(0)]);
    assert!(helper.says(7, answer, Vec::new()).is_empty(), "it is the target that answers");
    assert_eq!(*helper.state(), before);
}
