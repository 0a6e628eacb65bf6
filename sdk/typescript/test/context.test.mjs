// The context of threads, against the examples in sdk/testdata, which all SDKs share.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Client, play } from "./context.mjs";

const load = (name) => import(pathToFileURL(join(process.env.B2B_SDK, name)));
const { ThreadContext } = await load("context.js");
const { cases } = JSON.parse(readFileSync(new URL("../../testdata/threadcontext.json", import.meta.url), "utf8"));

for (const example of cases.filter(({ only }) => only !== "hxa")) {
  test(`B2B-SDK-033: ${example.name}`, () => play(ThreadContext, example, (context, _, event) => context.handle(event)));
}

const settled = () => new Promise((done) => setImmediate(done));
const message = (id, content = "@echo", thread = "t1") => ({ type: "thread_message", thread_id: thread, message: { id, sender_id: "b1", sender_name: "nova", content, parts: [], metadata: null, created_at: Number(id.slice(1)) } });

test("B2B-SDK-033: deliveries of a thread follow each other, and each message is in one", async () => {
  const context = new ThreadContext(new Client(), { botNames: ["echo"], botId: "me" });
  const got = [];
  const prompts = [];
  let running = 0;
  const ends = [];
  context.onMention(async ({ threadId, message: { id }, snapshot }) => {
    assert.equal(++running, threadId === "t1" ? 1 : 2, "two deliveries of one thread at a time");
    got.push([id, snapshot.newMessages.map((one) => one.id)]);
    prompts.push(context.toPromptContext(threadId).match(/\w+$/)[0]);
    await new Promise((done) => ends.push(done));
    running--;
  });
  const all = [message("m1", "@echo one"), message("m2", "two"), message("m3", "@echo three"), message("m4", "four"), message("m5", "@echo five")].map((event) => context.handle(event));
  await settled();
  const other = context.handle(message("m1", "@echo", "t2")); // another thread does not wait
  await settled();
  assert.deepEqual(got, [["m1", ["m1"]], ["m1", ["m1"]]]);
  ends[1]();
  await other;
  for (let i = 0; i < 3; i++) {
    await settled();
    ends[i === 0 ? 0 : i + 1]();
  }
  await Promise.all(all);
  assert.deepEqual(got.filter((_, i) => i !== 1), [["m1", ["m1"]], ["m3", ["m2", "m3"]], ["m5", ["m4", "m5"]]]);
  assert.deepEqual(prompts, ["one", "echo", "three", "five"], "a prompt has what is delivered");
  assert.equal(context.getBufferSize("t1"), 0);
});

test("B2B-SDK-033: a context that listens to a client stops, and reports what fails", async () => {
  const client = new Client();
  const context = new ThreadContext(client, { botNames: ["echo"] });
  const got = [];
  context.onMention(({ message: { id } }) => {
    got.push(id);
    throw new Error("the handler failed");
  });
  const stopped = context.start();
  context.stop();
  await stopped;
  assert.equal(client.eventNames().length, 0, "stop during start leaves no listener");
  await Promise.all([context.start(), context.start()]);
  await context.start();
  client.emit("thread_message", message("m1"));
  await settled();
  assert.deepEqual(got, ["m1"]);
  assert.deepEqual(client.errors.map(({ message }) => message), ["the handler failed"]);
  context.stop();
  assert.equal(client.eventNames().length, 0);
  client.getProfile = async () => assert.fail("not reached");
  const failing = new ThreadContext({ ...client, getProfile: async () => { throw new Error("offline"); } }, { botNames: [] });
  await assert.rejects(failing.start(), /offline/);
  await assert.rejects(failing.start(), /offline/);
});

test("B2B-SDK-033: the number of threads is limited", async () => {
  const context = new ThreadContext(new Client(), { botNames: [], botId: "me", maxThreads: 3 });
  for (let i = 0; i < 5; i++) await context.handle(message("m1", "hm", `t${i}`));
  await context.handle(message("m2", "hm", "t2"));
  await context.handle(message("m1", "hm", "t5"));
  assert.deepEqual(context.getActiveThreads(), ["t4", "t2", "t5"]);
});

test("a listener gives its events to a context, against the server", async () => {
  const { B2BClient } = await load("index.js");
  const { B2B_URL: url, B2B_TOKEN: token } = process.env;
  const admin = new B2BClient({ url, token });
  const { id: orgId } = await admin.getOrg();
  const { ticket } = await admin.createOrgTicket({ reusable: true });
  const register = async (name) => new B2BClient({ url, token: (await admin.registerBot({ org_id: orgId, ticket, name })).token });
  const name = `context-${Date.now().toString(36)}`;
  const [worker, peer] = [await register(name), await register(`${name}-peer`)];
  const context = new ThreadContext(worker, { botNames: [name] });
  const stop = new AbortController();
  const got = [];
  context.onMention(({ reason, message, snapshot }) => {
    got.push([reason, snapshot.newMessages.map(({ content }) => content), snapshot.artifacts.length, snapshot.participants.length]);
    if (got.length === 2) throw new Error("tried again");
    if (reason === "message") stop.abort();
    return message;
  });
  const listener = worker.listen({ signal: stop.signal });
  await listener.ready;
  const running = (async () => {
    for await (const event of listener) await context.handle(event).catch(() => context.handle(event));
  })();
  const thread = await peer.createThread({ topic: "t", participants: [name] });
  await peer.addArtifact(thread.id, { artifact_key: "k", type: "text", content: "c" });
  await peer.sendThreadMessage(thread.id, "first");
  await peer.sendThreadMessage(thread.id, `@${name} second`);
  await running.catch((error) => assert.equal(error.name, "AbortError"));
  const last = ["message", ["first", `@${name} second`], 1, 2];
  assert.deepEqual(got.slice(1), [last, last]);
  assert.equal(got[0][0], "invite");
});
