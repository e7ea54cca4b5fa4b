"""redis-py, through each node: `redis_py.py PORT…`. Prints its version."""

import sys

import redis
from redis.sentinel import Sentinel


def a_round(port, protocol):
    r = redis.Redis(port=port, protocol=protocol, decode_responses=True)
    assert r.set("py", "v") and r.get("py") == "v"
    assert r.incr("py:n") == 1 and r.incrby("py:n", 41) == 42
    assert sorted(r.scan_iter("py*")) == ["py", "py:n"] and r.dbsize() == 2
    pipeline = r.pipeline(transaction=False)
    pipeline.set("py:p", 1).incr("py:p").get("py:p")
    assert pipeline.execute() == [True, 2, "2"]
    # The library takes these apart by the names of their fields.
    own = r.client_info()
    assert own["db"] == 0 and own["idle"] >= 0 and own["user"] == "default", own
    listed = [client["id"] for client in r.client_list(_type="normal")]
    assert str(own["id"]) in map(str, listed), listed
    assert len(r.client_list(client_id=[str(own["id"])])) == 1
    assert r.client_kill_filter(_id="99999999") == 0
    info = r.info()
    assert info["role"] == "master" and info["loading"] == 0 and info["used_memory"] > 0, info
    assert r.info("replication")["role"] == "master" and r.info("everything")["arch_bits"] == 64
    assert r.command_getkeys("MSET", "a", 1, "b", 2) == ["a", "b"]
    assert "get" in r.command_list() and r.command_count() > 0
    assert r.delete("py", "py:n", "py:p") == 3
    r.mset({f"py:{n}": n for n in range(300)})
    assert r.flushdb() and r.dbsize() == 0 and r.keys() == []


def through_sentinels(ports, lives):
    sentinel = Sentinel([("127.0.0.1", port) for port in ports], socket_timeout=10)
    for name in ("mymaster", "chainring"):
        assert sentinel.discover_master(name) == ("127.0.0.1", lives)
        assert sentinel.discover_slaves(name) == []
    master = sentinel.master_for("mymaster")
    assert master.set("py:s", "v") and master.get("py:s") == b"v" and master.delete("py:s") == 1


def main():
    ports = [int(port) for port in sys.argv[1:]]
    for port in ports:
        for protocol in (2, 3):
            a_round(port, protocol)
    through_sentinels(ports, ports[0])
    # A sentinel that does not live is passed over.
    through_sentinels([1, *reversed(ports)], ports[-1])
    print(redis.__version__)


main()
