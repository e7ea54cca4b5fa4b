//! `chainring status`: asks every node of a cluster, and says what they know together.

mod report;
mod words;

use crate::cluster::CLUSTER_FILE;
use chainring_runtime::config::{Cluster, NodeConfig};
use chainring_runtime::status::NodeStatus;
use clap::Args;
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Which cluster to ask, and how to say it.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// The cluster file.
    #[arg(long, conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Where `chainring cluster` has put the cluster file.
    #[arg(long, default_value = "chainring-data")]
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How long a node may take to accept a connection, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints the status of a cluster; a failure where no node answers.
pub fn run(args: &StatusArgs) -> Result<ExitCode, String> {
    let file = args.config.clone().unwrap_or_else(|| args.dir.join(CLUSTER_FILE));
    let cluster = Cluster::read(&file).map_err(|error| format!("{error} ({})", file.display()))?;
    let answers = ask_all(&cluster);
    if answers.iter().all(Result::is_err) {
        return Err(format!(
            "no node of the cluster in {} answers; of node {}: {}",
            file.display(),
            cluster.nodes[0].id, // a cluster file without nodes is refused
            answers.into_iter().find_map(Result::err).unwrap_or_default()
        ));
    }
    let report = Report::of(&cluster, &answers);
    if args.json {
        // Numbers, words and lists of them: all have a JSON form.
        say!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        say!("{}", report.to_string().trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks all nodes at the same time, so that the numbers are of about one moment and the dead delay nobody.
fn ask_all(cluster: &Cluster) -> Vec<Result<NodeStatus, String>> {
    std::thread::scope(|scope| {
        let asking: Vec<_> =
            cluster.nodes.iter().map(|node| scope.spawn(|| ask(cluster, node))).collect();
        let answers = asking.into_iter().map(|asked| asked.join());
        answers.map(|answer| answer.unwrap_or(Err("asking it failed".to_string()))).collect()
    })
}

/// Asks one node.
fn ask(cluster: &Cluster, node: &NodeConfig) -> Result<NodeStatus, String> {
    let asked = || -> redis::RedisResult<String> {
        let client = redis::Client::open(format!("redis://{}/", node.resp))?;
        let mut connection = client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        redis::cmd("CHAINRING").arg("STATUS").query(&mut connection)
    };
    let text = asked().map_err(|error| format!("it does not answer at {}: {error}", node.resp))?;
    let status: NodeStatus = serde_json::from_str(&text)
        .map_err(|error| format!("what answers at {} is no such node: {error}", node.resp))?;
    if (status.cluster, status.node) != (cluster.cluster, node.id) {
        return Err(format!(
            "at {} answers node {} of cluster {}",
            node.resp, status.node, status.cluster
        ));
    }
    Ok(status)
}
