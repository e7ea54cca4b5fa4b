//! `INFO`: what a node has to say about itself, in Redis' sections and words.
//!
//! Monitoring knows the lines by name, and a line that is missing reads as zero there, or ends the
//! program. So every section of Redis 7.2 has at least the lines that are asked for, each with what
//! is true here; there is no line for what is not measured. Behind them come the sections of the
//! service.
//!
//! `# Keyspace` counts the keys of the whole cluster. On a ring that is a walk through all of them,
//! and monitoring asks every few seconds: so the count is remembered, and taken again when it is
//! older than a second, and than twenty times what it took; it goes on where no client waits for it
//! any more.

use crate::resp::Lines;
use crate::resp::command::{Call, Command, Does, Done, LOCAL};
use crate::resp::memo::Count;
use crate::resp::service::DynService;
use crate::resp::shared::Shared;
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::{Reply, Words};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) const INFO: Command = Command {
    name: "INFO",
    arity: -1,
    flags: LOCAL,
    group: "server",
    summary: "What this node has to say about itself, in sections: Redis' (Server, Clients, \
              Memory, Persistence, Stats, Replication, CPU, Cluster, Keyspace), Chainring and \
              Transport. `all`, `everything` and `default` are all of them. Keyspace counts the \
              whole cluster's keys, as of a moment ago.",
    differs: Some(("INFO", "`role:master` at every node; no line for what is not measured")),
    arguments: &[Argument::new("section", Kind::Text).optional().many()],
    run: info,
    ..Command::NEW
};

/// The version of Redis whose manners clients may expect.
const REDIS_DIALECT: &str = "7.2.0";

/// How long `INFO` waits for a count of keys that is under way; an older one is told then.
const COUNT_TIME: Duration = Duration::from_millis(500);

/// How old a count may be at least.
const FRESH: Duration = Duration::from_secs(1);

/// How often as long as it takes a count is told again.
const TIMES: u32 = 20;

/// Which sections are wanted.
#[derive(Clone, Debug)]
struct Wanted {
    /// In lower case; empty for all.
    names: Vec<String>,
}

fn info(call: &mut Call<'_>) -> Done {
    let (wanted, local) = (Wanted::of(&call.words[1..]), call.client.local);
    if wanted.has("keyspace") {
        return Does::alone(move |service, shared| async move {
            let keys = count(&service, &shared).await;
            reply(&wanted, &*service, &shared, local, keys)
        });
    }
    Ok(Does::Reply(reply(&wanted, call.service, call.shared, local, None)))
}

impl Wanted {
    /// The arguments of `INFO`.
    fn of(words: &Words<'_>) -> Self {
        let names: Vec<_> =
            words.iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
        let is_all = |name: &String| ["all", "everything", "default"].contains(&&name[..]);
        Wanted { names: if names.iter().any(is_all) { Vec::new() } else { names } }
    }

    fn has(&self, section: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| name.eq_ignore_ascii_case(section))
    }
}

/// How many keys there are, as of a moment ago; `None` where that could not be found out yet.
async fn count(service: &Arc<dyn DynService>, shared: &Arc<Shared>) -> Option<u64> {
    let counted = &shared.memo.counted;
    let mut begins = false;
    counted.send_if_modified(|count| {
        let now = Instant::now();
        let is_due = count.is_none_or(|count| {
            let age = now.duration_since(count.at);
            !count.is_counting && (!count.is_known || age > FRESH.max(TIMES * count.took))
        });
        if is_due {
            begins = true;
            let none = Count { keys: 0, at: now, took: FRESH, is_counting: true, is_known: false };
            count.get_or_insert(none).is_counting = true;
        }
        false // clients that wait wait for the count
    });
    if begins {
        let (service, shared) = (Arc::clone(service), Arc::clone(shared));
        tokio::spawn(async move {
            let at = Instant::now();
            let keys = service.size().await;
            shared.memo.counted.send_modify(|count| {
                let before = count.filter(|count| count.is_known && keys.is_none());
                let (took, is_known) = (at.elapsed(), keys.is_some());
                let keys = keys.unwrap_or_default();
                let new = Count { keys, at, took, is_counting: false, is_known };
                *count = Some(before.map_or(new, |old| Count { is_counting: false, ..old }));
            });
        });
    }
    let mut counts = counted.subscribe();
    let done = counts.wait_for(|count| count.is_some_and(|count| !count.is_counting));
    // Where it takes longer, what was known before is told.
    let _ = tokio::time::timeout(COUNT_TIME, done).await;
    (*counted.borrow()).filter(|count| count.is_known).map(|count| count.keys)
}

/// The reply to `INFO`.
fn reply(
    wanted: &Wanted,
    service: &dyn DynService,
    shared: &Shared,
    local: SocketAddr,
    keys: Option<u64>,
) -> Reply {
    let mut sections = vec![
        ("Server".to_string(), server(shared, local)),
        ("Clients".to_string(), clients(shared)),
        ("Memory".to_string(), memory()),
        ("Persistence".to_string(), persistence()),
        ("Stats".to_string(), stats(shared)),
        ("Replication".to_string(), replication(shared)),
        ("CPU".to_string(), cpu()),
        ("Modules".to_string(), Vec::new()),
        ("Errorstats".to_string(), Vec::new()),
        ("Cluster".to_string(), lines(&[("cluster_enabled", "0")])),
        ("Keyspace".to_string(), keyspace(keys)),
    ];
    sections.extend(service.info());
    let mut text = String::new();
    for (section, lines) in sections.into_iter().filter(|(section, _)| wanted.has(section)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str(&format!("# {section}\r\n"));
        for (name, value) in lines {
            text.push_str(&format!("{name}:{value}\r\n"));
        }
    }
    Reply::Verbatim(text)
}

fn lines(of: &[(&str, &str)]) -> Lines {
    of.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn line(name: &str, value: impl ToString) -> (String, String) {
    (name.to_string(), value.to_string())
}

fn server(shared: &Shared, local: SocketAddr) -> Lines {
    let uptime = shared.started.elapsed().as_secs();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let os = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let os = format!("{} {} {}", std::env::consts::OS, os.trim(), std::env::consts::ARCH);
    let executable = std::env::current_exe().unwrap_or_default();
    vec![
        line("redis_version", REDIS_DIALECT),
        line("redis_mode", "standalone"),
        line("chainring_version", env!("CARGO_PKG_VERSION")),
        line("os", os),
        line("arch_bits", usize::BITS),
        line("multiplexing_api", "epoll"),
        line("process_id", std::process::id()),
        line("run_id", shared.memo.run()),
        line("tcp_port", local.port()),
        line("server_time_usec", now.as_micros()),
        line("uptime_in_seconds", uptime),
        line("uptime_in_days", uptime / (24 * 60 * 60)),
        line("executable", executable.display()),
    ]
}

fn clients(shared: &Shared) -> Lines {
    let mut all = vec![line("connected_clients", shared.connected())];
    all.extend(lines(&[("cluster_connections", "0")]));
    all.push(line("maxclients", shared.limits.connections));
    all.push(line("mem_clients", shared.budget.used()));
    all.extend(lines(&[
        ("blocked_clients", "0"),
        ("tracking_clients", "0"),
        ("pubsub_clients", "0"),
        ("watching_clients", "0"),
    ]));
    all
}

/// What the process holds. (Pages of the store that the system keeps in memory count as resident,
/// and not as used.)
fn memory() -> Lines {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let system = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let of = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024)
    };
    let figures = [
        ("used_memory", of(&status, "RssAnon")),
        ("used_memory_rss", of(&status, "VmRSS")),
        ("used_memory_peak", of(&status, "VmHWM")),
        ("total_system_memory", of(&system, "MemTotal")),
    ];
    let mut all = Vec::new();
    for (name, bytes) in figures {
        // Where there is no such file the line is missing: it is no zero.
        let Some(bytes) = bytes else { continue };
        all.extend([line(name, bytes), line(&format!("{name}_human"), people(bytes))]);
    }
    all.extend(lines(&[("maxmemory", "0"), ("maxmemory_human", "0B")]));
    all.extend(lines(&[("maxmemory_policy", "noeviction"), ("mem_allocator", "mimalloc")]));
    all
}

/// A number of bytes as Redis shows it to people.
fn people(bytes: u64) -> String {
    let units = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];
    match units.iter().find(|(_, power)| bytes >= 1 << power) {
        Some((unit, power)) => format!("{:.2}{unit}", bytes as f64 / (1_u64 << power) as f64),
        None => format!("{bytes}B"),
    }
}

/// What is acknowledged is on disk; there are no snapshots, and nothing is loaded before a node
/// serves.
fn persistence() -> Lines {
    lines(&[
        ("loading", "0"),
        ("async_loading", "0"),
        ("rdb_changes_since_last_save", "0"),
        ("rdb_bgsave_in_progress", "0"),
        ("rdb_last_bgsave_status", "ok"),
        ("aof_enabled", "1"),
        ("aof_rewrite_in_progress", "0"),
        ("aof_rewrite_scheduled", "0"),
        ("aof_last_write_status", "ok"),
    ])
}

fn stats(shared: &Shared) -> Lines {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let commands = load(&shared.commands);
    let mut all = vec![
        line("total_connections_received", load(&shared.connections)),
        line("total_commands_processed", commands),
        line("instantaneous_ops_per_sec", shared.memo.commands_a_second(commands)),
        line("total_net_input_bytes", load(&shared.bytes_in)),
        line("total_net_output_bytes", load(&shared.bytes_out)),
        line("rejected_connections", load(&shared.rejected)),
        line("evicted_clients", shared.budget.closed()),
    ];
    // Keys neither expire nor are evicted, and there is nothing to subscribe to.
    let nothing = ["expired_keys", "evicted_keys", "pubsub_channels", "pubsub_patterns"];
    all.extend(nothing.map(|name| line(name, 0)));
    all
}

/// Every node takes reads and writes of every key, so each is a master to clients, and none has
/// replicas to which they could go instead. Which node replicates what is in the sections behind.
fn replication(shared: &Shared) -> Lines {
    let mut all = lines(&[
        ("role", "master"),
        ("connected_slaves", "0"),
        ("master_failover_state", "no-failover"),
    ]);
    all.push(line("master_replid", shared.memo.run()));
    all.extend(lines(&[
        ("master_replid2", "0000000000000000000000000000000000000000"),
        ("master_repl_offset", "0"),
        ("second_repl_offset", "-1"),
        ("repl_backlog_active", "0"),
        ("repl_backlog_size", "0"),
        ("repl_backlog_first_byte_offset", "0"),
        ("repl_backlog_histlen", "0"),
    ]));
    all
}

/// Processor time, from the kernel's count of it.
fn cpu() -> Lines {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name of the program, which may have spaces in it, and ends with a bracket.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = rustix::param::clock_ticks_per_second().max(1) as f64;
    let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / ticks);
    let figures = [
        ("used_cpu_sys", seconds(12)),
        ("used_cpu_user", seconds(11)),
        ("used_cpu_sys_children", seconds(14)),
        ("used_cpu_user_children", seconds(13)),
    ];
    let figures = figures.into_iter();
    figures.filter_map(|(name, seconds)| Some(line(name, format!("{:.6}", seconds?)))).collect()
}

fn keyspace(keys: Option<u64>) -> Lines {
    match keys {
        Some(keys @ 1..) => vec![line("db0", format!("keys={keys},expires=0,avg_ttl=0"))],
        Some(0) | None => Vec::new(), // as Redis has it of an empty one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn sections_are_chosen_by_name_whatever_the_case() {
        let wanted = |words: &[&'static str]| {
            let words: Vec<Cow<'_, [u8]>> =
                words.iter().map(|word| Cow::Borrowed(word.as_bytes())).collect();
            Wanted::of(&words)
        };
        assert!(wanted(&[]).has("CPU") && wanted(&[]).has("keyspace"));
        assert!(wanted(&["wat", "EVERYTHING"]).has("Keyspace"));
        let two = wanted(&["cpu", "Replication"]);
        assert!(two.has("CPU") && two.has("Replication") && !two.has("Server"));
        assert!(!two.has("keyspace"));
    }

    #[test]
    fn figures_of_the_process_are_there_and_are_not_zero() {
        let figure = |lines: Lines, wanted: &str| {
            let line = lines.into_iter().find(|(name, _)| name == wanted);
            line.unwrap_or_else(|| panic!("{wanted} is missing")).1
        };
        assert!(figure(memory(), "used_memory").parse::<u64>().unwrap() > 100_000);
        assert!(figure(memory(), "used_memory_rss").parse::<u64>().unwrap() > 100_000);
        assert!(figure(cpu(), "used_cpu_user").parse::<f64>().unwrap() >= 0.0);
        assert_eq!(people(1_572_864), "1.50M");
        assert_eq!(people(1023), "1023B");
    }
}
