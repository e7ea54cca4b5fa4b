//! A chain is begun anew from older data, where its only member is lost with its disk.
//!
//! Nothing else can bring it back: what the member acknowledged after the others had been left out
//! is on no other disk. So it takes the operator's word twice, whose data it is to be and that the
//! loss is accepted; and it is refused while the member answers, here or at any coordinator of the
//! majority that has to agree.

use super::{AGAIN, PATIENCE, ReformArgs, confirmed};
use crate::cli::status::{self, Chain, NodeOfChain, Role};
use chainring::config::Cluster;
use std::process::ExitCode;
use std::time::Instant;

/// From where, and what is lost.
#[derive(Debug, Eq, PartialEq)]
struct Anew {
    chain: u32,
    epoch: u64,
    lost: u32,
    from: u32,
    committed: u64,
    keys: u64,
}

/// Tells the node to begin the chain anew, and waits for the coordinators' decision.
pub(super) fn run(args: &ReformArgs, cluster: &Cluster, node: u32) -> Result<ExitCode, String> {
    let of_node = cluster.node(node).map_err(|error| error.to_string())?;
    let look = || -> Result<Chain, String> {
        let report = super::chain::look(&args.cluster, cluster)?;
        let chain = report.chains.into_iter().find(|chain| chain.chain == of_node.chain);
        chain.ok_or_else(|| format!("there is no chain {}", of_node.chain))
    };
    let anew = judge(&look()?, node)?;
    let Anew { chain, epoch, lost, from, committed, keys } = &anew;
    say!(
        "chain {chain}, epoch {epoch}: its only member, node {lost}, is to be given up with its data."
    );
    say!(
        "The chain is to begin anew from node {from}: {keys} keys, committed up to index {committed}."
    );
    say!(
        "What was acknowledged after node {from} was left out may be gone. If node {lost} can be started"
    );
    say!("again with its disk, do that instead: nothing is lost then.");
    if !args.yes && !confirmed()? {
        return Err("nothing was changed".to_string());
    }
    let start = Instant::now();
    let mut refused = None;
    while start.elapsed() < PATIENCE {
        refused = status::tell::<()>(of_node, &["BEGINANEW", &epoch.to_string()]).err();
        std::thread::sleep(AGAIN);
        let now = look()?;
        if now.allowed == Some(0) && now.members().any(|member| member.node == Some(node)) {
            say!(
                "begun anew: chain {chain} is at epoch {} with what node {from} had at index {committed}. \
                 Node {lost} was given up: if it comes back, it learns this data.",
                now.epoch
            );
            return Ok(ExitCode::SUCCESS);
        }
        if now.epoch != *epoch {
            return Err(format!(
                "chain {chain} has come to epoch {}: look at it with `chainring status` before you begin it anew",
                now.epoch
            ));
        }
    }
    let refused = refused.map(|why| format!(" (node {from} said: {why})")).unwrap_or_default();
    Err(format!(
        "the coordinators have not decided within {} s: a majority of them has to live, and to hear nothing of node \
         {lost}{refused}",
        PATIENCE.as_secs()
    ))
}

/// What beginning anew means, or why it cannot be.
fn judge(chain: &Chain, from: u32) -> Result<Anew, String> {
    let members: Vec<&NodeOfChain> = chain.members().collect();
    let [member] = members[..] else {
        return Err(format!(
            "chain {} has {} members: give up those that are lost with `chainring reform NODE`, all but one; the \
             last one only is given up with its data",
            chain.chain,
            members.len()
        ));
    };
    let lost = member.node.ok_or("its only member is not in the cluster file")?;
    if member.unreachable.is_none() {
        return Err(format!(
            "node {lost} answers, so its data are not lost: nothing is begun anew"
        ));
    }
    let place = |node: u32| chain.nodes.iter().find(|place| place.node == Some(node));
    let own = place(from).ok_or_else(|| format!("node {from} is not in chain {}", chain.chain))?;
    let Some(replica) = &own.replica else {
        let why = own.unreachable.as_deref().unwrap_or("it does not answer");
        return Err(format!("node {from} cannot be asked: {why}"));
    };
    if own.role == Role::Learner || !replica.whole {
        return Err(format!(
            "node {from} is being taught, or was, so its own data may be gone already, and node {lost}'s are not all there: \
             begin from another node"
        ));
    }
    let newer = chain.nodes.iter().filter(|place| place.role != Role::Learner);
    let newer = newer.filter(|place| {
        let other = place.replica.as_ref().filter(|other| other.whole);
        other.is_some_and(|other| other.committed > replica.committed)
    });
    if let Some(NodeOfChain { node: Some(other), .. }) =
        newer.max_by_key(|place| place.replica.as_ref().map_or(0, |replica| replica.committed))
    {
        return Err(format!("node {other} has newer data than node {from}: begin from that one"));
    }
    Ok(Anew {
        chain: chain.chain,
        epoch: chain.epoch,
        lost,
        from,
        committed: replica.committed,
        keys: replica.keys,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::Replica;

    #[test]
    fn a_chain_begins_anew_only_where_nothing_else_is_left() {
        let place = |node: u32, role, committed: Option<u64>| NodeOfChain {
            node: Some(node),
            actor: node,
            resp: None,
            role,
            unreachable: committed.is_none().then(|| "gone".to_string()),
            version: None,
            replica: committed.map(|committed| Replica {
                epoch: 7,
                lease: None,
                committed,
                lag: None,
                keys: 3,
                learning: None,
                learned: None,
                whole: node != 5,
                wants_to_join: true,
            }),
        };
        let chain = |nodes| Chain {
            chain: 1,
            epoch: 7,
            min_copies: Some(1),
            allowed: None,
            nodes,
            coordinators: Vec::new(),
        };
        let alone = |first, third| {
            chain(vec![
                place(1, Role::HeadAndTail, first),
                place(2, Role::Learner, Some(99)),
                place(3, Role::Removed, Some(40)),
                place(4, Role::Removed, third),
                place(5, Role::Removed, Some(90)),
            ])
        };
        let anew = judge(&alone(None, Some(30)), 3).expect("node 1 is lost");
        assert_eq!((anew.lost, anew.from, anew.committed), (1, 3, 40));
        for (chain, from, why) in [
            (alone(Some(50), None), 3, "node 1 answers"),
            (alone(None, None), 2, "is being taught"),
            (alone(None, None), 4, "cannot be asked: gone"),
            (alone(None, Some(30)), 4, "node 3 has newer data"),
            (alone(None, None), 5, "is being taught, or was"),
            (alone(None, None), 9, "is not in chain 1"),
            (chain(vec![place(1, Role::Head, None), place(2, Role::Tail, None)]), 2, "2 members"),
        ] {
            let said = judge(&chain, from).expect_err("it is refused");
            assert!(said.contains(why), "{said}");
        }
    }
}
