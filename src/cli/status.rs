//! `chainring status`: asks every node of a cluster, and says what they know together.

mod links;
mod report;
mod ring;
mod verdict;
mod words;

use crate::cli::file::{CLUSTER_FILE, read};
use chainring::config::{Cluster, NodeConfig, Protocol};
use chainring::tell;
use clap::{Args, ValueEnum};
use redis::FromRedisValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use verdict::{State, Verdict};

pub use report::{Chain, NodeOfChain, Report, Role};
#[cfg(test)]
pub use report::{Coordinator, Replica};
pub use ring::{NodeOfRing, RingReport};

/// Which cluster.
#[derive(Args, Debug)]
pub struct Where {
    /// The cluster file.
    #[arg(long, conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Where `chainring cluster` has put the cluster file.
    #[arg(long, default_value = "chainring-data")]
    dir: PathBuf,
}

/// Which cluster to ask, and how to say it.
#[derive(Args, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    cluster: Where,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Ask again until it is so, and then print it; see --timeout.
    #[arg(long, value_name = "STATE")]
    wait: Option<Wanted>,
    /// How many seconds --wait waits; what is so by then is printed, and its exit code returned.
    #[arg(long, requires = "wait", default_value_t = 60)]
    timeout: u32,
    /// Print it again every second, until Ctrl-C.
    #[arg(long, conflicts_with = "wait")]
    watch: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    /// That nothing is missing.
    Healthy,
    /// That clients are served.
    Serving,
}

/// The exit code where a cluster cannot be asked about: its file cannot be read.
const UNKNOWN: u8 = 3;

/// How often a cluster is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a node may take to accept a connection, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Where {
    /// The cluster file.
    pub fn file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| self.dir.join(CLUSTER_FILE))
    }

    /// What is in it.
    pub fn read(&self) -> Result<Cluster, String> {
        read(&self.file())
    }
}

/// A report with its verdict, which is said first.
#[derive(Serialize)]
struct Said<R> {
    verdict: Verdict,
    #[serde(flatten)]
    report: R,
}

impl<R: Display + Serialize> Said<R> {
    fn text(&self, json: bool) -> String {
        if json {
            // Numbers, words and lists of them: all have a JSON form.
            return serde_json::to_string_pretty(self).unwrap_or_default();
        }
        format!("{}\n{}", self.verdict, self.report.to_string().trim_end())
    }
}

/// Prints the status of a cluster; the exit code is the verdict's.
pub fn run(args: &StatusArgs) -> Result<ExitCode, String> {
    let cluster = match args.cluster.read() {
        Ok(cluster) => cluster,
        Err(why) => {
            tell::complain(format_args!("chainring: {why}"));
            return Ok(ExitCode::from(UNKNOWN));
        }
    };
    let start = Instant::now();
    loop {
        let (state, text) = look(&cluster, args.json);
        let is_late = start.elapsed() >= Duration::from_secs(args.timeout.into());
        let is_over = match args.wait {
            Some(Wanted::Healthy) => state == State::Healthy || is_late,
            Some(Wanted::Serving) => state < State::Down || is_late,
            None => true,
        };
        if args.watch && std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            say!("\x1b[2J\x1b[H{text}");
        } else if args.watch || is_over {
            say!("{text}");
        }
        if is_over && !args.watch {
            return Ok(state.code());
        }
        std::thread::sleep(AGAIN);
    }
}

/// How a cluster is at this moment, in a word and in full.
fn look(cluster: &Cluster, json: bool) -> (State, String) {
    match cluster.protocol {
        Protocol::Chain => {
            let report = Report::of(cluster, &ask_each(cluster));
            let verdict = report.verdict(cluster);
            (verdict.state, Said { verdict, report }.text(json))
        }
        Protocol::Ring => {
            let report = RingReport::of(cluster, &ask_each(cluster));
            let verdict = report.verdict();
            (verdict.state, Said { verdict, report }.text(json))
        }
    }
}

/// What a node said of itself, or why it did not.
pub type Answer<T> = Result<T, String>;

/// Asks all nodes at the same time, so that the numbers are of about one moment and dead nodes
/// delay no others.
pub fn ask_each<T: DeserializeOwned + Send>(cluster: &Cluster) -> Vec<Answer<T>> {
    std::thread::scope(|scope| {
        let asking: Vec<_> =
            cluster.nodes.iter().map(|node| scope.spawn(|| ask(cluster, node))).collect();
        let answers = asking.into_iter().map(|asked| asked.join());
        answers.map(|answer| answer.unwrap_or(Err("asking it failed".to_string()))).collect()
    })
}

/// The same, and an error where none of them answers.
pub fn ask_all<T>(place: &Where, cluster: &Cluster) -> Result<Vec<Answer<T>>, String>
where
    T: DeserializeOwned + Send,
{
    let answers = ask_each(cluster);
    if answers.iter().all(Result::is_err) {
        return Err(format!(
            "no node of the cluster in {} answers; of node {}: {}",
            place.file().display(),
            cluster.nodes[0].id, // a cluster file without nodes is refused
            answers.into_iter().find_map(Result::err).unwrap_or_default()
        ));
    }
    Ok(answers)
}

/// Says `CHAINRING` and these words to a node.
pub fn tell<T: FromRedisValue>(node: &NodeConfig, words: &[&str]) -> Result<T, String> {
    let told = || -> redis::RedisResult<T> {
        let mut connection = chainring_client::connect(node.resp, PATIENCE)?;
        redis::cmd("CHAINRING").arg(words).query(&mut connection)
    };
    told().map_err(|error| match error.detail() {
        Some(why) if error.code() == Some("ERR") => why.to_string(),
        _ => format!("it does not answer at {}: {error}", node.resp),
    })
}

/// Asks one node.
fn ask<T: DeserializeOwned>(cluster: &Cluster, node: &NodeConfig) -> Answer<T> {
    let text: String = tell(node, &["STATUS"])?;
    let stranger = |error| format!("what answers at {} is no such node: {error}", node.resp);
    let status: Value = serde_json::from_str(&text).map_err(stranger)?;
    if status["cluster"] != cluster.cluster || status["node"] != node.id {
        return Err(format!(
            "at {} answers node {} of cluster {}",
            node.resp, status["node"], status["cluster"]
        ));
    }
    serde_json::from_value(status).map_err(stranger)
}
