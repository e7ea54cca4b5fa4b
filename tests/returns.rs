//! A member of a chain that was away comes back: it takes what it missed, and no more, as long as
//! its tail retains that.

mod harness;

use chainring_client::Connection;
use harness::{Cluster, eventually, role_of};
use std::collections::BTreeMap;

/// How many keys there are before a member goes away.
const KEYS: usize = 3000;

/// How many of them are written again meanwhile; and as many are deleted.
const MISSED: usize = 100;

/// A line of `INFO`, as a number.
fn info(connection: &mut Connection, name: &str) -> u64 {
    let text: String = redis::cmd("INFO").query(connection).expect("an answer");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    number.trim().parse().unwrap_or_else(|_| panic!("{name} is {number:?}"))
}

/// Asks in one batch, and expects an answer to each.
fn all(connection: &mut Connection, commands: impl IntoIterator<Item = Vec<String>>) {
    let mut pipe = redis::pipe();
    for words in commands {
        let mut command = redis::cmd(&words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        pipe.add_command(command).ignore();
    }
    let () = pipe.query(connection).expect("every answer is right");
}

/// Kills a node, writes and deletes keys through another one, starts it again, and waits until it
/// is a member.
fn goes_and_comes_back(cluster: &mut Cluster, victim: usize, model: &mut BTreeMap<String, String>) {
    let set = |key: &String, value: &String| vec!["SET".into(), key.clone(), value.clone()];
    let other = (victim + 1) % 3;
    cluster.kill(victim);
    cluster.until_role(1, victim, "removed");
    let mut connection = cluster.connect(other);
    let (again, gone): (Vec<_>, Vec<_>) =
        model.keys().take(2 * MISSED).cloned().enumerate().partition(|(place, _)| place % 2 == 0);
    let value = format!("written while {victim} was away");
    all(&mut connection, again.iter().map(|(_, key)| set(key, &value)));
    model.extend(again.into_iter().map(|(_, key)| (key, value.clone())));
    for (_, key) in &gone {
        model.remove(key);
    }
    all(&mut connection, gone.iter().map(|(_, key)| vec!["DEL".into(), key.clone()]));
    cluster.restart(victim);
    eventually("it is a member again", || {
        let status = cluster.status(1);
        ["head", "middle", "tail"].contains(&role_of(&status, victim))
    });
    eventually("it has a lease", || {
        let words = cluster.words();
        words.matches("has a lease").count() == 3
    });
}

/// What a node's own copy says: it was taught last, so it is the tail, and answers by itself.
fn has_all(cluster: &Cluster, node: usize, model: &BTreeMap<String, String>) {
    let status = cluster.status(1);
    assert_eq!(role_of(&status, node), "tail");
    let mut connection = cluster.connect(node);
    assert_eq!(info(&mut connection, "keys"), model.len() as u64);
    for keys in model.keys().collect::<Vec<_>>().chunks(500) {
        let found: Vec<Option<String>> =
            redis::cmd("MGET").arg(keys).query(&mut connection).expect("an answer");
        for (key, found) in keys.iter().zip(found) {
            assert_eq!(found.as_ref(), model.get(*key), "{key}");
        }
    }
    let total: u64 = redis::cmd("DBSIZE").query(&mut connection).expect("an answer");
    assert_eq!(total, model.len() as u64);
}

fn filled(cluster: &Cluster) -> BTreeMap<String, String> {
    let model: BTreeMap<_, _> =
        (0..KEYS).map(|number| (format!("key:{number:05}"), number.to_string())).collect();
    let set = |(key, value): (&String, &String)| vec!["SET".into(), key.clone(), value.clone()];
    all(&mut cluster.connect(0), model.iter().map(set));
    model
}

/// Each in turn: the member that came back last teaches the next, by what it retained when it was
/// taught itself.
#[test]
fn a_member_that_was_away_takes_what_it_missed_and_no_more() {
    let mut cluster = Cluster::start(3);
    let mut model = filled(&cluster);
    for victim in [2, 0, 1] {
        goes_and_comes_back(&mut cluster, victim, &mut model);
        has_all(&cluster, victim, &model);
        let mut connection = cluster.connect(victim);
        assert_eq!(info(&mut connection, "returns_caught_up"), 1);
        assert_eq!(info(&mut connection, "returns_begun_anew"), 0);
        let missed = info(&mut connection, "last_return_missed");
        let most = 2 * MISSED as u64 + 10; // what was under way when it was killed
        assert!((2 * MISSED as u64..most).contains(&missed), "it took {missed} entries");
        let log = std::fs::read_to_string(cluster.log_file(victim)).expect("its log");
        assert!(log.contains(&format!(": {missed} entries")), "{log}");
    }
}

/// Where less is retained than was missed, it begins anew, and has the same in the end.
#[test]
fn a_member_that_missed_more_than_is_retained_begins_anew() {
    let mut cluster = Cluster::start(3);
    cluster.stop();
    let text = std::fs::read_to_string(cluster.file()).expect("a file of ours");
    std::fs::write(cluster.file(), format!("retain-bytes = 4096\n{text}")).expect("its file");
    cluster.restart_all();
    let mut model = filled(&cluster);
    goes_and_comes_back(&mut cluster, 2, &mut model);
    has_all(&cluster, 2, &model);
    let mut connection = cluster.connect(2);
    assert_eq!(info(&mut connection, "returns_caught_up"), 0);
    assert_eq!(info(&mut connection, "returns_begun_anew"), 1);
    let log = std::fs::read_to_string(cluster.log_file(2)).expect("its log");
    assert!(log.contains("began anew: the tail does not have all"), "{log}");
    let retained = info(&mut cluster.connect(0), "retained_bytes");
    assert!(retained <= 4096, "{retained} bytes are retained");
}
