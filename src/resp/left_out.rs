//! What is left out on purpose: the commands of Redis 7.2 that are not here, and why.
//!
//! A client that sends one of these is told that it is no mistake of its own, and where to read on;
//! anything else that is not in the table of commands is unknown, in Redis' words.

use super::wire::Reply;
use std::fmt::Write;

/// Commands that are left out for one reason.
struct Group {
    /// What they are, as the subject of a sentence.
    what: &'static str,
    /// Why, or what to do instead.
    instead: &'static str,
    names: &'static [&'static str],
}

const GROUPS: &[Group] = &[
    Group {
        what: "transactions",
        instead: "Every command on one key is atomic and linearizable; `SET … IFEQ` is compare-and-swap. No \
                  operation spans keys.",
        names: &["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "MSETNX"],
    },
    Group {
        what: "expiry",
        instead: "Keys stay until they are deleted.",
        names: &[
            "EXPIRE",
            "EXPIREAT",
            "EXPIRETIME",
            "PEXPIRE",
            "PEXPIREAT",
            "PEXPIRETIME",
            "PERSIST",
            "TTL",
            "PTTL",
            "SETEX",
            "PSETEX",
            "GETEX",
        ],
    },
    Group {
        what: "operations on parts of a string",
        instead: "Read the value and write it with `SET … IFEQ`. GETDEL has no such way: \
                  a write between GET and DEL is deleted unseen.",
        names: &[
            "APPEND",
            "GETDEL",
            "GETRANGE",
            "SETRANGE",
            "SUBSTR",
            "INCRBYFLOAT",
            "LCS",
            "BITCOUNT",
            "BITFIELD",
            "BITFIELD_RO",
            "BITOP",
            "BITPOS",
            "GETBIT",
            "SETBIT",
        ],
    },
    Group {
        what: "other types than strings",
        instead: "A value is a string of bytes.",
        names: &[
            "LPUSH",
            "RPUSH",
            "LPUSHX",
            "RPUSHX",
            "LPOP",
            "RPOP",
            "LLEN",
            "LRANGE",
            "LINDEX",
            "LINSERT",
            "LPOS",
            "LREM",
            "LSET",
            "LTRIM",
            "LMOVE",
            "LMPOP",
            "RPOPLPUSH",
            "BLPOP",
            "BRPOP",
            "BLMOVE",
            "BLMPOP",
            "BRPOPLPUSH",
            "HSET",
            "HGET",
            "HMSET",
            "HMGET",
            "HGETALL",
            "HDEL",
            "HEXISTS",
            "HINCRBY",
            "HINCRBYFLOAT",
            "HKEYS",
            "HVALS",
            "HLEN",
            "HRANDFIELD",
            "HSCAN",
            "HSETNX",
            "HSTRLEN",
            "SADD",
            "SREM",
            "SMEMBERS",
            "SISMEMBER",
            "SMISMEMBER",
            "SCARD",
            "SPOP",
            "SRANDMEMBER",
            "SMOVE",
            "SSCAN",
            "SDIFF",
            "SDIFFSTORE",
            "SINTER",
            "SINTERCARD",
            "SINTERSTORE",
            "SUNION",
            "SUNIONSTORE",
            "ZADD",
            "ZREM",
            "ZCARD",
            "ZCOUNT",
            "ZSCORE",
            "ZMSCORE",
            "ZINCRBY",
            "ZRANGE",
            "ZRANGEBYLEX",
            "ZRANGEBYSCORE",
            "ZRANGESTORE",
            "ZREVRANGE",
            "ZREVRANGEBYLEX",
            "ZREVRANGEBYSCORE",
            "ZRANK",
            "ZREVRANK",
            "ZREMRANGEBYLEX",
            "ZREMRANGEBYRANK",
            "ZREMRANGEBYSCORE",
            "ZLEXCOUNT",
            "ZPOPMAX",
            "ZPOPMIN",
            "ZMPOP",
            "BZPOPMAX",
            "BZPOPMIN",
            "BZMPOP",
            "ZRANDMEMBER",
            "ZSCAN",
            "ZDIFF",
            "ZDIFFSTORE",
            "ZINTER",
            "ZINTERCARD",
            "ZINTERSTORE",
            "ZUNION",
            "ZUNIONSTORE",
            "XADD",
            "XREAD",
            "XREADGROUP",
            "XRANGE",
            "XREVRANGE",
            "XLEN",
            "XDEL",
            "XTRIM",
            "XACK",
            "XAUTOCLAIM",
            "XCLAIM",
            "XGROUP",
            "XINFO",
            "XPENDING",
            "XSETID",
            "PFADD",
            "PFCOUNT",
            "PFMERGE",
            "PFDEBUG",
            "PFSELFTEST",
            "GEOADD",
            "GEODIST",
            "GEOHASH",
            "GEOPOS",
            "GEORADIUS",
            "GEORADIUSBYMEMBER",
            "GEORADIUS_RO",
            "GEORADIUSBYMEMBER_RO",
            "GEOSEARCH",
            "GEOSEARCHSTORE",
            "SORT",
            "SORT_RO",
        ],
    },
    Group {
        what: "operations that move or copy keys",
        instead: "Each key is by itself; read one and write the other.",
        names: &[
            "RENAME",
            "RENAMENX",
            "COPY",
            "MOVE",
            "SWAPDB",
            "DUMP",
            "RESTORE",
            "RESTORE-ASKING",
            "MIGRATE",
            "OBJECT",
            "RANDOMKEY",
            "TOUCH",
            "WAIT",
            "WAITAOF",
        ],
    },
    Group {
        what: "messages between clients",
        instead: "A node pushes nothing.",
        names: &[
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "PSUBSCRIBE",
            "PUNSUBSCRIBE",
            "SSUBSCRIBE",
            "SUNSUBSCRIBE",
            "PUBLISH",
            "SPUBLISH",
            "PUBSUB",
            "MONITOR",
            "CLIENT|TRACKING",
            "CLIENT|TRACKINGINFO",
            "CLIENT|CACHING",
            "CLIENT|GETREDIR",
        ],
    },
    Group {
        what: "scripts and modules",
        instead: "What an operation means is what the model says, and nothing is added to that at run time.",
        names: &[
            "EVAL",
            "EVALSHA",
            "EVAL_RO",
            "EVALSHA_RO",
            "SCRIPT",
            "FUNCTION",
            "FCALL",
            "FCALL_RO",
            "MODULE",
        ],
    },
    Group {
        what: "Redis' own means of replication, storage and diagnosis",
        instead: "Nodes replicate, store and fail over by themselves: see `CHAINRING STATUS`, `INFO` and \
                  `SENTINEL`. `CONFIG SET` knows the settings of a connection.",
        names: &[
            "REPLICAOF",
            "SLAVEOF",
            "FAILOVER",
            "PSYNC",
            "SYNC",
            "REPLCONF",
            "ASKING",
            "READONLY",
            "READWRITE",
            "SAVE",
            "BGSAVE",
            "BGREWRITEAOF",
            "LASTSAVE",
            "SHUTDOWN",
            "DEBUG",
            "SLOWLOG",
            "LATENCY",
            "MEMORY",
            "ACL",
            "LOLWUT",
            "TIME",
            "CONFIG|REWRITE",
            "CONFIG|RESETSTAT",
            "CLIENT|PAUSE",
            "CLIENT|UNPAUSE",
            "CLIENT|UNBLOCK",
        ],
    },
];

/// The reply to a command that is left out; `None` for one that is not known.
pub(super) fn reply(name: &[u8], container: Option<&str>) -> Option<Reply> {
    let full = container.map_or_else(Vec::new, |name| [name.as_bytes(), b"|"].concat());
    let full = [&full, name].concat();
    let group = GROUPS.iter().find_map(|group| {
        let name = group.names.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(&full))?;
        Some((group.what, name.replace('|', " ")))
    });
    group.map(|(what, name)| {
        Reply::Error(
            format!("ERR {what} are not supported: {name} is left out on purpose, see COMMANDS.md")
                .replace("expiry are", "expiry is")
                .into(),
        )
    })
}

/// The list in COMMANDS.md of what is left out, and why.
pub(super) fn table() -> String {
    let mut list = String::from("| left out | why, and what to do | commands |\n|---|---|---|\n");
    for Group { what, instead, names } in GROUPS {
        let names: Vec<_> = names.iter().map(|name| name.replace('|', " ")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(list, "| {what} | {instead} | {} |", names.join(", "));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::commands::COMMANDS;

    #[test]
    fn the_list_names_nothing_that_is_there_and_nothing_twice() {
        let names = || GROUPS.iter().flat_map(|group| group.names);
        for name in names() {
            assert!(COMMANDS.iter().all(|command| command.name != *name), "{name} is there");
            assert_eq!(names().filter(|other| *other == name).count(), 1, "{name} is named twice");
            assert!(reply(name.as_bytes(), None).is_some());
        }
    }

    #[test]
    fn what_is_left_out_says_so() {
        let words = |name: &str, container| match reply(name.as_bytes(), container) {
            Some(Reply::Error(text)) => text.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            words("expire", None),
            "ERR expiry is not supported: EXPIRE is left out on purpose, see COMMANDS.md"
        );
        assert!(words("pause", Some("CLIENT")).contains("CLIENT PAUSE is left out"));
        assert_eq!(reply(b"WAT", None), None);
    }
}
