//! `chainring reform`: gives up nodes that will never come back, of a ring, or of a chain that has
//! too few copies left.

mod anew;
mod chain;

use crate::cli::status::{self, Answer, RingReport, Where};
use chainring::config::{Cluster, Protocol};
use chainring::status::RingNodeStatus;
use clap::Args;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What to give up.
#[derive(Args, Debug)]
pub struct ReformArgs {
    /// Of a ring, the lost replicas of this range: where it ends, as `chainring status` says it, or
    /// the first digits. Of a chain, the number of a node.
    #[arg(value_name = "RANGE|NODE")]
    range: Option<String>,
    /// Every node that is gone, in all ranges, or of all chains.
    #[arg(long, conflicts_with = "range")]
    all: bool,
    /// Of a chain whose only member is lost with its disk: begin it anew from the older data of
    /// this node.
    #[arg(long, value_name = "NODE", conflicts_with_all = ["range", "all"], requires = "accept_loss")]
    from: Option<u32>,
    /// What was acknowledged after that node was left out may be gone.
    #[arg(long, requires = "from")]
    accept_loss: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    cluster: Where,
}

/// How long the coordinators may take to decide.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often they are told, and looked at.
const AGAIN: Duration = Duration::from_millis(500);

/// Tells the coordinators to give up the nodes that are gone, and waits for their decision.
pub fn run(args: &ReformArgs) -> Result<ExitCode, String> {
    let cluster = args.cluster.read()?;
    match (cluster.protocol, args.from) {
        (Protocol::Ring, Some(_)) => {
            return Err(
                "--from is of chains; a ring gives up nodes: `chainring reform --all`".to_string()
            );
        }
        (Protocol::Chain, Some(node)) => return anew::run(args, &cluster, node),
        _ => {}
    }
    if cluster.protocol != Protocol::Ring {
        return chain::run(args, &cluster);
    }
    if !args.all && args.range.is_none() {
        return Err(
            "nothing is given up unless you say what: `chainring reform --all`, or a range that \
                    `chainring status` names"
                .to_string(),
        );
    }
    let before = look(&args.cluster, &cluster)?;
    if let Some(why) = before.cannot_judge() {
        return Err(format!(
            "nothing is given up, since a majority of the coordinators has to be asked: {why}"
        ));
    }
    if before.without_majority == 0 {
        return Err(format!(
            "every range has a majority, as far as a majority of the coordinators was told, so nobody has to be given \
             up (they hold these to be gone: {})",
            list(&before.suspects())
        ));
    }
    let (nodes, replicas) = match &args.range {
        Some(range) => who_is_gone(&before, range)?,
        None => (before.suspects(), Vec::new()),
    };
    let gone = list(&nodes);
    say!(
        "{} of {} ranges have no majority; to be given up are: {gone}.",
        before.without_majority,
        before.ranges
    );
    say!(
        "If any of them can be started again, do that instead: its disk has what was acknowledged."
    );
    say!(
        "A reform gives them up for good, in every range. A write that only they had is LOST, although it was"
    );
    say!(
        "acknowledged, and clients that reach only them go on reading old values until they hear of it."
    );
    for (node, why) in &before.unasked {
        say!("Node {node} could not be asked: {why}");
    }
    if !args.yes && !confirmed()? {
        return Err("nothing was given up".to_string());
    }
    let epoch = before.epoch.to_string();
    let order: Vec<_> =
        ["REFORM", &epoch].into_iter().chain(replicas.iter().map(String::as_str)).collect();
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        for node in &cluster.nodes {
            // One that cannot be told need not be: the others tell the same coordinators.
            let _ = status::tell::<()>(node, &order);
        }
        std::thread::sleep(AGAIN);
        let now = look(&args.cluster, &cluster)?;
        if now.epoch > before.epoch {
            say!("given up: {gone}. The ring is at epoch {} and fetches what is left;", now.epoch);
            say!("`chainring status` shows how far it is.");
            return Ok(ExitCode::SUCCESS);
        }
    }
    Err(format!(
        "the coordinators have not decided within {} s: a majority of them has to live",
        PATIENCE.as_secs()
    ))
}

/// The nodes that are gone of a range's replicas, and those replicas, as the coordinators are told.
fn who_is_gone(ring: &RingReport, range: &str) -> Result<(Vec<u32>, Vec<String>), String> {
    let wanted = range.to_ascii_lowercase();
    let mut matching = ring.lost_ranges.iter().filter(|lost| lost.upto.starts_with(&wanted));
    let Some(found) = matching.next() else {
        return Err(format!(
            "no range without a majority ends at `{range}`; these are the first: {}",
            ring.names_of_lost()
        ));
    };
    if matching.next().is_some() {
        return Err(format!(
            "several ranges without a majority begin with `{range}`: say more digits"
        ));
    }
    // To name no node is to give up all that are gone.
    if found.gone.is_empty() {
        return Err(format!(
            "the range that ends at `{}` has everyone who holds it, and waits for newcomers: `chainring status` \
             shows when others take their place",
            found.upto
        ));
    }
    let places = ring.nodes.iter().filter(|place| found.gone.contains(&place.actor));
    let nodes = places.filter_map(|place| place.node).collect();
    Ok((nodes, found.gone.iter().map(u32::to_string).collect()))
}

fn look(place: &Where, cluster: &Cluster) -> Result<RingReport, String> {
    let answers: Vec<Answer<RingNodeStatus>> = status::ask_all(place, cluster)?;
    Ok(RingReport::of(cluster, &answers))
}

fn confirmed() -> Result<bool, String> {
    say!("Type `give up` to go on:");
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| format!("cannot read what you typed: {error}; say --yes in scripts"))?;
    Ok(line.trim() == "give up")
}

fn list(nodes: &[u32]) -> String {
    if nodes.is_empty() {
        return "nobody".to_string();
    }
    let nodes: Vec<_> = nodes.iter().map(|node| format!("node {node}")).collect();
    nodes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring::status::RingLostStatus;

    #[test]
    fn a_range_names_those_it_has_lost_and_never_nobody() {
        let lost = |upto: &str, gone: &[u32]| RingLostStatus {
            upto: upto.to_string(),
            gone: gone.to_vec(),
        };
        let ring = RingReport {
            cluster: 1,
            epoch: 7,
            stable: false,
            replicas: 3,
            ranges: 4,
            ranges_moving: 1,
            ranges_left: 1,
            without_majority: 3,
            lost_ranges: vec![lost("0a1", &[3, 4]), lost("0a2", &[4, 5]), lost("0b", &[])],
            unasked: Default::default(),
            judged: true,
            claimed: 0,
            copies_missing: 0,
            links: Default::default(),
            nodes: Vec::new(),
            coordinators: Vec::new(),
        };
        let named = |range| who_is_gone(&ring, range).map(|(_, replicas)| replicas);
        assert_eq!(named("0A1"), Ok(vec!["3".to_string(), "4".to_string()]));
        assert!(named("0a").is_err_and(|why| why.contains("say more digits")));
        assert!(named("0b").is_err_and(|why| why.contains("waits for newcomers")));
        assert!(named("c").is_err_and(|why| why.contains("0a1, 0a2, 0b")));
    }
}
