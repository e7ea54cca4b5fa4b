// ioredis and node-redis, through each node: `node.mjs PORT…`.

import assert from "node:assert";
import { createRequire } from "node:module";

// Packages are where the script is run, not where it lies.
const require = createRequire(`${process.cwd()}/`);
const { Redis } = require("ioredis");
const { createClient } = require("redis");
const ports = process.argv.slice(2).map(Number);

async function ioredis(client) {
  assert.equal(await client.set("io", "v"), "OK");
  assert.equal(await client.get("io"), "v");
  assert.equal(await client.incr("io:n"), 1);
  const keys = [];
  for await (const page of client.scanStream({ match: "io*" })) keys.push(...page);
  assert.deepEqual(keys.sort(), ["io", "io:n"]);
  const answers = await client.pipeline().set("io:p", 1).incr("io:p").get("io:p").exec();
  assert.deepEqual(answers, [[null, "OK"], [null, 2], [null, "2"]]);
  assert.equal(await client.del("io", "io:n", "io:p"), 3);
  await client.quit();
}

async function nodeRedis(port, RESP) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP });
  client.on("error", (error) => { throw error; });
  await client.connect();
  assert.equal(await client.set("nr", "v"), "OK");
  assert.equal(await client.get("nr"), "v");
  assert.equal(await client.incr("nr:n"), 1);
  const keys = [];
  for await (const page of client.scanIterator({ MATCH: "nr*" })) keys.push(...[page].flat());
  assert.deepEqual(keys.sort(), ["nr", "nr:n"]);
  // Commands that are sent without waiting are a pipeline.
  const answers = await Promise.all([client.set("nr:p", "1"), client.incr("nr:p"), client.get("nr:p")]);
  assert.deepEqual(answers, ["OK", 2, "2"]);
  assert.equal((await client.clientInfo()).db, 0);
  assert.equal(await client.del(["nr", "nr:n", "nr:p"]), 3);
  await client.close();
}

for (const port of ports) {
  await ioredis(new Redis({ port }));
  await nodeRedis(port, 2);
  await nodeRedis(port, 3);
}
const sentinels = ports.map((port) => ({ host: "127.0.0.1", port }));
await ioredis(new Redis({ sentinels, name: "mymaster" }));
// One that does not live is passed over.
await ioredis(new Redis({ sentinels: [{ host: "127.0.0.1", port: 1 }, ...sentinels], name: "any" }));
