//! `chainring forget`: removes from the cluster file what a wrong `join` has put there.

use crate::cli::file::read_text;
use crate::cli::join::{base_of, lock};
use crate::cli::status::{self, Answer, Report, Where};
use chainring::config::{self, Cluster, NodeConfig, Protocol};
use clap::Args;
use std::process::ExitCode;

/// Which node.
#[derive(Args, Debug)]
pub struct ForgetArgs {
    /// The node's number.
    id: u32,
    #[command(flatten)]
    cluster: Where,
}

/// Removes a node from the cluster file, if it is certain that it is no member.
pub fn run(args: &ForgetArgs) -> Result<ExitCode, String> {
    let (file, id) = (args.cluster.file(), args.id);
    let base = base_of(&file);
    let _lock = lock(base)?;
    let (text, cluster) = read_text(&file)?;
    let node = cluster.node(id).map_err(|error| error.to_string())?;
    let without = Cluster::forget(&text, id)?;
    is_no_member(&cluster, node)?;
    config::write(&file, &without)
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    say!(
        "node {id} is not in {} any more, and its numbers are never given out again.",
        file.display()
    );
    say!(
        "nodes that run with this file know it within a second; copy it to machines that have their own."
    );
    let directory = node.directory(base);
    if directory.exists() {
        say!("What is in {} is nobody's: remove it.", directory.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes certain of it, by a majority of the coordinators, which would know.
fn is_no_member(cluster: &Cluster, node: &NodeConfig) -> Result<(), String> {
    let id = node.id;
    if status::tell::<String>(node, &["STATUS"]).is_ok() {
        return Err(format!(
            "node {id} runs, at {}: stop it first, and wait until `chainring status` shows it outside",
            node.resp
        ));
    }
    let seen = match cluster.protocol {
        Protocol::Chain => of_chain(cluster, node),
        Protocol::Ring => of_ring(cluster, node),
    };
    let Seen { asked, of, member, deciding } = seen;
    if member {
        return Err(format!(
            "node {id} is a member of {}, or about to be one: it cannot be forgotten. `chainring status` \
             shows when it is outside",
            cluster.name_of(node.chain)
        ));
    }
    if deciding {
        return Err(
            "the coordinators decide about the members at this moment: try again".to_string()
        );
    }
    if asked * 2 <= of {
        return Err(format!(
            "{asked} of {of} coordinators answer, and a majority has to say that node {id} is no member: start \
             their nodes first"
        ));
    }
    Ok(())
}

/// What the coordinators know of a node.
struct Seen {
    asked: usize,
    of: usize,
    member: bool,
    deciding: bool,
}

fn of_chain(cluster: &Cluster, node: &NodeConfig) -> Seen {
    let report = Report::of(cluster, &status::ask_each(cluster));
    let chain = report.chains.iter().find(|chain| chain.chain == node.chain);
    let place = chain.and_then(|chain| chain.nodes.iter().find(|it| it.node == Some(node.id)));
    let coordinators = chain.map_or(&[][..], |chain| &chain.coordinators);
    Seen {
        asked: coordinators.iter().filter(|one| one.reachable).count(),
        of: coordinators.len(),
        member: place.is_some_and(|place| place.role.is_in_view()),
        deciding: coordinators.iter().any(|one| one.deciding),
    }
}

fn of_ring(cluster: &Cluster, node: &NodeConfig) -> Seen {
    let answers: Vec<Answer<_>> = status::ask_each(cluster);
    let report = status::RingReport::of(cluster, &answers);
    let place = report.nodes.iter().find(|place| place.node == Some(node.id));
    Seen {
        asked: report.coordinators.iter().filter(|one| one.reachable).count(),
        of: report.coordinators.len(),
        member: place.is_some_and(|place| place.is_in_view() || place.wants_to_join),
        deciding: report.coordinators.iter().any(|one| one.deciding),
    }
}
