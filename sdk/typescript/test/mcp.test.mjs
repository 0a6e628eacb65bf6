// The official client of MCP for TypeScript with the tools of the server at B2B_URL, over HTTP and over
// stdio by the command at B2B_BINARY. B2B_SDK is the folder of the compiled SDK.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

const { B2B_URL: url, B2B_TOKEN: token, B2B_SDK: sdk, B2B_BINARY: binary } = process.env;
const { B2BClient } = await import(pathToFileURL(join(sdk, "index.js")));

// Two bots of the org of the tests, with their tokens.
async function team() {
  const admin = new B2BClient({ url, token });
  const org = await admin.getOrgInfo();
  const { ticket } = await admin.createOrgTicket({ reusable: true });
  const names = ["asker", "worker"].map((role) => `${role}-${randomUUID().slice(0, 8)}`);
  const bots = await Promise.all(names.map((name) => admin.registerBot({ org_id: org.id, ticket, name })));
  return bots.map((bot, i) => ({ name: names[i], token: bot.token }));
}

const transports = {
  HTTP: (own) => new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers: { authorization: `Bearer ${own}` } } }),
  stdio: (own) => new StdioClientTransport({ command: binary, args: ["mcp"], env: { B2B_URL: url, B2B_TOKEN: own }, stderr: "inherit" }),
};

async function connected(t, transport, own) {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transports[transport](own));
  t.after(() => client.close());
  return client;
}

// Calls a tool that succeeds, and returns its JSON.
async function use(client, name, args = {}, options) {
  const result = await client.callTool({ name, arguments: args }, undefined, options);
  assert.ok(!result.isError, result.content[0].text);
  return result.structuredContent;
}

for (const transport of Object.keys(transports)) {
  test(`the TypeScript client of MCP lists, calls, gives up and goes on over ${transport}`, async (t) => {
    const [asker, worker] = await team();
    const [one, other] = [await connected(t, transport, asker.token), await connected(t, transport, worker.token)];
    const { tools } = await one.listTools();
    assert.equal(tools.length, 14);
    assert.match(one.getInstructions(), /wait/);
    const { agents } = await use(one, "agents");
    assert.ok(agents.some(({ name }) => name === worker.name));
    assert.equal((await use(other, "wait", { timeout_s: 1 })).timed_out, true);

    // What was cancelled, and what timed out at the client, consumes nothing.
    const gaveUp = new AbortController();
    const cancelled = use(other, "wait", {}, { signal: gaveUp.signal });
    setTimeout(() => gaveUp.abort("enough"), 200);
    await assert.rejects(cancelled, /enough|abort/i);
    await assert.rejects(use(other, "wait", {}, { timeout: 200 }), /timed out/i);

    const thread = (await use(one, "open_thread", { topic: "a review", participants: [worker.name] })).thread.id;
    await use(one, "reply", { thread, text: "please review", mentions: [worker.name] });
    let item;
    for (;;) {
      ({ item } = await use(other, "wait"));
      assert.equal(item.attempt, 1);
      if (item.kind === "mention") break;
      await use(other, "settle", { delivery: item.delivery, action: "done" });
    }
    await use(other, "artifact", { action: "put", thread, key: "review", content: "fine" });
    await use(other, "reply", { thread, text: "see the artifact", reply_to: item.message.id, delivery: item.delivery, status: "reviewing" });
    ({ item } = await use(one, "wait"));
    assert.equal(item.message.text, "see the artifact");
    assert.equal(item.thread.status, "reviewing");
    await use(one, "settle", { delivery: item.delivery, action: "done" });
    const read = await one.readResource({ uri: `b2b://threads/${thread}/artifacts/review` });
    assert.match(read.contents[0].text, /\n {2}fine\n/);

    const refused = await one.callTool({ name: "send", arguments: { to: "nobody-here", text: "x" } });
    assert.ok(refused.isError && refused.structuredContent.error.code === "NOT_FOUND");

    // Another connection of the same bot takes up where it stopped.
    await use(one, "send", { to: worker.name, text: "once more" });
    await other.close();
    const again = await connected(t, transport, worker.token);
    assert.equal((await use(again, "wait")).item.message.text, "once more");
  });
}

test("the TypeScript client of MCP is told of changes of a thread over stdio, and cannot subscribe over HTTP", async (t) => {
  const [asker, worker] = await team();
  const [one, other] = [await connected(t, "stdio", asker.token), await connected(t, "stdio", worker.token)];
  const { thread } = await use(one, "open_thread", { topic: "news", participants: [worker.name] });
  const uri = `b2b://threads/${thread.id}`;
  const told = new Promise((resolve) => other.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => resolve(params)));
  assert.equal(other.getServerCapabilities().resources.subscribe, true);
  await other.subscribeResource({ uri });
  await use(one, "reply", { thread: thread.id, text: "news" });
  assert.deepEqual(await told, { uri });
  const third = await connected(t, "HTTP", worker.token);
  assert.ok(!third.getServerCapabilities().resources.subscribe);
  await assert.rejects(third.subscribeResource({ uri }));
});

test("the TypeScript client of MCP gets progress while a call waits", async (t) => {
  const [, worker] = await team();
  const client = await connected(t, "HTTP", worker.token);
  let beats = 0;
  const result = await use(client, "wait", { timeout_s: 11 }, { onprogress: () => beats++, resetTimeoutOnProgress: true });
  assert.equal(result.timed_out, true);
  assert.equal(beats, 1);
});
