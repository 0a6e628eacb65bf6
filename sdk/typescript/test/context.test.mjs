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
