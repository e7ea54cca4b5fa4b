//! `chainring status`: asks every node of a cluster, and says what they know together.

mod report;
mod ring;
mod words;

use crate::cluster::CLUSTER_FILE;
use chainring_runtime::config::{Cluster, NodeConfig, Protocol};
use clap::Args;
use redis::FromRedisValue;
use report::Report;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

pub use ring::RingReport;

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
}

/// How long a node may take to accept a connection, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Where {
    /// The cluster file.
    pub fn file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| self.dir.join(CLUSTER_FILE))
    }

    /// What is in it.
    pub fn read(&self) -> Result<Cluster, String> {
        let file = self.file();
        Cluster::read(&file).map_err(|error| format!("{error} ({})", file.display()))
    }
}

/// Prints the status of a cluster; a failure where no node answers.
pub fn run(args: &StatusArgs) -> Result<ExitCode, String> {
    let cluster = args.cluster.read()?;
    match cluster.protocol {
        Protocol::Chain => {
            print(&Report::of(&cluster, &ask_all(&args.cluster, &cluster)?), args.json);
        }
        Protocol::Ring => {
            print(&RingReport::of(&cluster, &ask_all(&args.cluster, &cluster)?), args.json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &(impl Display + Serialize), json: bool) {
    if json {
        // Numbers, words and lists of them: all have a JSON form.
        say!("{}", serde_json::to_string_pretty(report).unwrap_or_default());
    } else {
        say!("{}", report.to_string().trim_end());
    }
}

/// What a node said of itself, or why it did not.
pub type Answer<T> = Result<T, String>;

/// Asks all nodes at the same time, so that the numbers are of about one moment and the dead delay nobody.
/// An error where none of them answers.
pub fn ask_all<T>(place: &Where, cluster: &Cluster) -> Result<Vec<Answer<T>>, String>
where
    T: DeserializeOwned + Send,
{
    let answers: Vec<Answer<T>> = std::thread::scope(|scope| {
        let asking: Vec<_> =
            cluster.nodes.iter().map(|node| scope.spawn(|| ask(cluster, node))).collect();
        let answers = asking.into_iter().map(|asked| asked.join());
        answers.map(|answer| answer.unwrap_or(Err("asking it failed".to_string()))).collect()
    });
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
