"""Valkey GLIDE, through each node: `valkey_glide.py PORT…`."""

import asyncio
import sys

from glide import Batch, GlideClient, GlideClientConfiguration, NodeAddress


async def a_round(port):
    addresses = [NodeAddress("127.0.0.1", port)]
    # In milliseconds, for machines that do other work, too.
    configuration = GlideClientConfiguration(addresses, request_timeout=20_000)
    client = await GlideClient.create(configuration)
    assert await client.set("glide", "v") == "OK" and await client.get("glide") == b"v"
    assert await client.incr("glide:n") == 1
    cursor, keys = b"0", []
    while True:
        cursor, page = await client.scan(cursor, match="glide*", count=100)
        keys += page
        if cursor == b"0":
            break
    assert sorted(keys) == [b"glide", b"glide:n"], keys
    batch = Batch(is_atomic=False)
    batch.set("glide:p", "1")
    batch.incr("glide:p")
    batch.get("glide:p")
    assert await client.exec(batch, raise_on_error=True) == ["OK", 2, b"2"]
    assert b"role:master" in await client.info()
    assert await client.delete(["glide", "glide:n", "glide:p"]) == 3
    await client.close()


async def main():
    for port in sys.argv[1:]:
        await a_round(int(port))


asyncio.run(main())
