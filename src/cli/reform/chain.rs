//! Gives up members of a chain for want of which it has fewer copies than it is to keep.
//!
//! The coordinators of a chain leave members out by themselves, as long as `min-copies` are left.
//! Beyond that they wait for the members that are gone, whose disks have what was acknowledged. An
//! operator that knows these to be lost says so.

use super::{AGAIN, PATIENCE, ReformArgs, confirmed, list};
use crate::cli::status::{self, Answer, Chain, Report, Where};
use chainring::config::Cluster;
use chainring::status::NodeStatus;
use std::process::ExitCode;
use std::time::Instant;

/// Which members of a chain to give up.
#[derive(Debug, Eq, PartialEq)]
struct Lost {
    chain: u32,
    epoch: u64,
    nodes: Vec<u32>,
    actors: Vec<u32>,
    left: Vec<u32>,
}

/// Tells the coordinators to go on without members that are gone, and waits for their decision.
pub(super) fn run(args: &ReformArgs, cluster: &Cluster) -> Result<ExitCode, String> {
    let named = match &args.range {
        Some(node) => Some(node.parse().map_err(|_| format!("`{node}` is no number of a node"))?),
        None if args.all => None,
        None => {
            return Err("nobody is given up unless you say whom: the number of a node, or `--all`"
                .to_string());
        }
    };
    let report = look(&args.cluster, cluster)?;
    let lost = match named {
        Some(node) => vec![one(&report, node)?],
        None => all(&report)?,
    };
    for Lost { chain, nodes, left, .. } in &lost {
        say!("chain {chain}: to be given up are: {}; left are: {}.", list(nodes), list(left));
    }
    say!(
        "If any of them can be started again, do that instead: with its disk there are more copies."
    );
    say!("The chain then goes on with those that are left, and what it acknowledges is on their");
    say!("disks only, until others have joined.");
    if !args.yes && !confirmed()? {
        return Err("nobody was given up".to_string());
    }
    for lost in &lost {
        give_up(&args.cluster, cluster, lost)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn give_up(place: &Where, cluster: &Cluster, lost: &Lost) -> Result<(), String> {
    let (epoch, actors) = (lost.epoch.to_string(), lost.actors.iter().map(u32::to_string));
    let order = ["REFORM".to_string(), epoch].into_iter().chain(actors).collect::<Vec<_>>();
    let order: Vec<_> = order.iter().map(String::as_str).collect();
    let start = Instant::now();
    let mut refused = None;
    while start.elapsed() < PATIENCE {
        for node in cluster.nodes_of(lost.chain) {
            // One that cannot be told need not be: the others tell the same coordinators.
            refused = status::tell::<()>(node, &order).err().or(refused);
        }
        std::thread::sleep(AGAIN);
        let now = look(place, cluster)?;
        let Some(chain) = now.chains.iter().find(|chain| chain.chain == lost.chain) else { break };
        if !chain.members().any(|member| lost.actors.contains(&member.actor)) {
            say!(
                "given up: {}. Chain {} is at epoch {}; `chainring status` shows how it is.",
                list(&lost.nodes),
                lost.chain,
                chain.epoch
            );
            return Ok(());
        }
        if chain.epoch != lost.epoch {
            return Err(format!(
                "chain {} has come to epoch {} with {} in it: look at it with `chainring status`, and say \
                 again whom to give up",
                lost.chain,
                chain.epoch,
                list(&lost.nodes)
            ));
        }
    }
    let refused = refused.map(|why| format!(" (one said: {why})")).unwrap_or_default();
    Err(format!(
        "the coordinators have not decided within {} s: a majority of them has to live{refused}",
        PATIENCE.as_secs()
    ))
}

pub(super) fn look(place: &Where, cluster: &Cluster) -> Result<Report, String> {
    let answers: Vec<Answer<NodeStatus>> = status::ask_all(place, cluster)?;
    Ok(Report::of(cluster, &answers))
}

/// The named node, which has to be a member that does not answer.
fn one(report: &Report, node: u32) -> Result<Lost, String> {
    for chain in &report.chains {
        let Some(member) = chain.members().find(|member| member.node == Some(node)) else {
            continue;
        };
        if member.unreachable.is_none() {
            return Err(format!("node {node} answers, so it is not gone: stop it first"));
        }
        return lost(chain, |actor| actor == member.actor);
    }
    Err(format!("node {node} is a member of no chain, as `chainring status` shows"))
}

/// In each chain the members that do not answer, and that all coordinators which can be asked
/// suspect.
fn all(report: &Report) -> Result<Vec<Lost>, String> {
    let mut found = Vec::new();
    for chain in &report.chains {
        let gone: Vec<_> = chain.members().filter(|member| is_gone(chain, member)).collect();
        if !gone.is_empty() {
            found.push(lost(chain, |actor| gone.iter().any(|member| member.actor == actor))?);
        }
    }
    if found.is_empty() {
        return Err(
            "every member answers, or some coordinator hears it, so nobody has to be given up"
                .to_string(),
        );
    }
    Ok(found)
}

fn is_gone(chain: &Chain, member: &status::NodeOfChain) -> bool {
    let mut asked = chain.coordinators.iter().filter(|it| it.reachable).peekable();
    let suspects = |node: u32| {
        asked.peek().is_some() && asked.all(|coordinator| coordinator.suspects.contains(&node))
    };
    member.unreachable.is_some() && member.node.is_some_and(suspects)
}

fn lost(chain: &Chain, is_lost: impl Fn(u32) -> bool) -> Result<Lost, String> {
    let nodes = |lost: bool| {
        let members = chain.members().filter(|member| is_lost(member.actor) == lost);
        members.filter_map(|member| member.node).collect::<Vec<_>>()
    };
    let actors = chain.members().map(|member| member.actor).filter(|actor| is_lost(*actor));
    let (left, actors) = (nodes(false), actors.collect());
    if left.is_empty() {
        return Err(format!(
            "no member of chain {} is left: start one of {} again, for nobody else has what was acknowledged (where \
             the only one is lost with its disk: `chainring reform --from NODE --accept-loss`)",
            chain.chain,
            list(&nodes(true))
        ));
    }
    Ok(Lost { chain: chain.chain, epoch: chain.epoch, nodes: nodes(true), actors, left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::{Coordinator, NodeOfChain, Role};

    fn place(node: u32, role: Role, answers: bool) -> NodeOfChain {
        let unreachable = (!answers).then(|| "gone".to_string());
        NodeOfChain {
            node: Some(node),
            actor: node + 10,
            resp: None,
            role,
            unreachable,
            version: None,
            replica: None,
        }
    }

    #[test]
    fn only_members_that_are_gone_are_given_up_and_never_all() {
        let coordinator = |node, reachable, suspects: &[u32]| Coordinator {
            node,
            actor: node + 30,
            reachable,
            epoch: None,
            suspects: suspects.to_vec(),
            deciding: false,
            false_suspicions: 0,
        };
        let report = |nodes, coordinators| Report {
            cluster: 1,
            links: Default::default(),
            chains: vec![Chain {
                chain: 1,
                epoch: 7,
                min_copies: Some(2),
                allowed: None,
                nodes,
                coordinators,
            }],
        };
        let decide = |suspects| vec![coordinator(1, true, suspects), coordinator(2, false, &[])];
        let nodes = |first| {
            vec![
                place(1, Role::Head, first),
                place(2, Role::Tail, false),
                place(3, Role::Removed, false),
            ]
        };
        let expected = Lost { chain: 1, epoch: 7, nodes: vec![2], actors: vec![12], left: vec![1] };
        let gone = report(nodes(true), decide(&[2]));
        assert_eq!(all(&gone), Ok(vec![expected]));
        assert!(one(&gone, 2).is_ok() && one(&gone, 3).is_err_and(|why| why.contains("no chain")));
        assert!(one(&gone, 1).is_err_and(|why| why.contains("answers")));
        let heard = report(nodes(true), decide(&[]));
        assert!(all(&heard).is_err_and(|why| why.contains("hears it")));
        let nobody = report(nodes(false), decide(&[1, 2]));
        assert!(all(&nobody).is_err_and(|why| why.contains("no member of chain 1 is left")));
    }
}
