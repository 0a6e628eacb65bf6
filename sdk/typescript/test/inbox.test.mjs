// Workers of an inbox, on the fake server with a clock that tests control, and on the real one.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { FakeClock } from "./fakes.mjs";

const load = (name) => import(pathToFileURL(join(process.env.B2B_SDK, name)));
const { B2BClient, InvalidToken, ValidationError } = await load("index.js");
const { FakeServer } = await load("testing.js");
const { RealServer } = await load("testing/real.js");

/**
 * The bot `agent` with a worker, and `user`. The calls are logged as [what, fields], and what goes wrong
 * as texts. A hook sees each call, and what executes it.
 */
function fixture(options = {}, retry = undefined) {
  const server = new FakeServer();
  const { fetch } = server;
  const calls = [];
  const errors = [];
  const hooks = [];
  server.fetch = async (url, init) => {
    const what = new URL(url).pathname.replace(/^.*\/(\w+)$/, "$1");
    const fields = init.body && JSON.parse(init.body);
    calls.push([what, fields]);
    const go = () => fetch(url, init);
    for (const hook of hooks) {
      const response = await hook(what, go);
      if (response) return response;
    }
    return go();
  };
  const clock = new FakeClock();
  const [agent, user] = [server.client("agent", { retry }), server.client("user")];
  const onError = (error, item) => void errors.push(`${error.code ?? error.message} ${item ? item.kind : "claim"}`);
  const inbox = agent.inbox({ clock, onError, ...options });
  const count = (name) => calls.filter(([what]) => what === name).length;
  const last = (name) => calls.findLast(([what]) => what === name)?.[1];
  return { server, calls, errors, hooks, clock, agent, user, inbox, count, last };
}

const text = ({ event }) => event.message.content;

test("B2B-SDK-042, B2B-SDK-043: a loop gets one after the other, and each is settled when it asks for the next", async () => {
  const { server, user, inbox, count, last } = fixture({ leaseSeconds: 90, kinds: ["direct"], context: true, backlogSeconds: 60 });
  for (const content of ["1", "2", "3"]) await user.send("agent", content);
  const got = [];
  for await (const item of inbox) {
    assert.equal(count("ack"), got.length);
    assert.equal(count("claim"), got.length + 1);
    got.push(`${item.id} ${item.kind} ${item.attempt} ${text(item)} ${item.channel_id} ${item.thread_id}`);
    if (got.length === 3) await item.ack();
    if (got.length === 3) break;
  }
  assert.deepEqual(got, ["2 direct 1 1 channel-000003 undefined", "3 direct 1 2 channel-000003 undefined", "4 direct 1 3 channel-000003 undefined"]);
  assert.equal(count("nack"), 0); // it was answered before the loop was left
  const { request_id, ...fields } = last("claim");
  assert.match(request_id, /^[0-9a-f]{32}$/);
  assert.deepEqual(fields, { max: 1, lease_seconds: 90, wait_seconds: 30, kinds: ["direct"], context: true, backlog_seconds: 60 });
  assert.deepEqual((await server.client("agent").claimInbox()).items, []);
});

test("B2B-SDK-042: a handler gets as many at the same time as the program says, and no more are claimed", async () => {
  const { server, clock, inbox, calls, count } = fixture({ concurrency: 2 });
  for (const name of ["a", "b", "c"]) await server.client(name).send("agent", `from ${name}`);
  const running = new Map();
  let most = 0;
  const work = inbox.run((item) => {
    most = Math.max(most, running.size + 1);
    return new Promise((done) => running.set(text(item), () => (running.delete(text(item)), done())));
  });
  await clock.settled(() => running.size === 2);
  assert.equal(count("claim"), 1);
  running.get("from b")();
  await clock.settled(() => running.has("from c"));
  running.get("from a")();
  await clock.settled(() => count("claim") === 3);
  running.get("from c")();
  await clock.settled(() => count("ack") === 3);
  inbox.stop();
  await work;
  assert.equal(most, 2);
  assert.deepEqual(calls.filter(([what]) => what === "claim").map(([, { max, wait_seconds }]) => [max, wait_seconds]), [[2, 30], [1, 30], [1, 30], [1, 0]]); // the last one was given up
  assert.throws(() => server.client("agent").inbox({ concurrency: 0 }), TypeError);
  assert.throws(() => server.client("agent").inbox({ leaseSeconds: NaN }), TypeError);
});

test("B2B-SDK-042: a lease is extended as long as the program has the delivery, and not longer", async () => {
  const { clock, user, inbox, count, last } = fixture();
  await user.send("agent", "slow");
  for await (const item of inbox) {
    for (const times of [1, 2, 3]) {
      assert.equal(await clock.next(), 20_000);
      await clock.settled(() => count("extend") === times && clock.timers.length === 1);
    }
    assert.equal(last("extend").lease_seconds, 60);
    await item.extend(600);
    await item.progress("half of it");
    assert.deepEqual([last("progress").text, last("progress").lease_seconds], ["half of it", 60]);
    await item.extend(300);
    assert.equal(await clock.next(), 100_000);
    await clock.settled(() => clock.timers.length === 1);
    await item.wait("human", { reason: "a question", resumeIn: 5 });
    assert.equal(clock.timers.length, 0); // an extension would take it up again
    assert.deepEqual([last("wait").on, last("wait").reason, last("wait").resume_in_seconds], ["human", "a question", 5]);
    break;
  }
  assert.deepEqual([count("ack"), count("nack"), count("extend")], [0, 0, 6]);
});

test("B2B-SDK-042: what was put aside and is taken up again is extended and settled", async () => {
  const { clock, user, inbox, count } = fixture();
  await user.send("agent", "x");
  let times = 0;
  for await (const item of inbox) {
    if (++times > 1) break;
    await item.wait("bot");
    await item.extend(60);
    assert.equal(await clock.next(), 20_000);
    await clock.settled(() => count("extend") === 2);
    await user.send("agent", "the second");
  }
  assert.equal(count("ack"), 1);
});

test("B2B-SDK-043: a delivery is given back with the text of the error when its handler fails", async () => {
  const { server, user, inbox, errors, count, last } = fixture();
  await user.send("agent", "x");
  const seen = [];
  await inbox.run((item) => {
    seen.push(item.attempt);
    if (item.attempt === 1) throw new Error("no model\0" + "😀".repeat(600));
    inbox.stop();
  });
  assert.deepEqual(seen, [1, 2]);
  assert.deepEqual([count("nack"), count("ack")], [1, 1]);
  assert.deepEqual([last("nack").retry_in_seconds, last("nack").final], [undefined, undefined]);
  assert.equal(last("nack").reason, "no model" + "😀".repeat(508));
  assert.match(errors[0], /^no model.* direct$/s);
  assert.equal(errors.length, 1);
  assert.equal(server.now - 1_767_225_600_000, 1_000); // the pause of the server
});

test("B2B-SDK-043: what the program answered itself is not answered again, whatever follows", async () => {
  const { user, inbox, errors, count, last } = fixture();
  for (const content of ["reply", "ack", "nack", "wait"]) await user.send("agent", content);
  await inbox.run(async (item) => {
    if (text(item) === "reply") await item.reply("yes");
    if (text(item) === "ack") await item.ack();
    if (text(item) === "nack") await item.nack({ final: true, reason: "cannot" });
    if (text(item) === "wait") {
      await item.wait("bot");
      inbox.stop();
    }
    throw new Error(`after ${text(item)}`);
  });
  assert.deepEqual([count("send") - 4, count("ack"), count("nack"), count("wait")], [1, 1, 1, 1]);
  assert.deepEqual([last("nack").final, last("nack").reason], [true, "cannot"]);
  assert.deepEqual(errors, ["reply", "ack", "nack", "wait"].map((what) => `after ${what} direct`));
});

test("B2B-SDK-043: a delivery is given back to be handed out at once when the loop is left", async () => {
  const { agent, user, inbox, last, clock } = fixture();
  await user.send("agent", "x");
  for await (const _ of inbox) break;
  assert.equal(last("nack").retry_in_seconds, 0);
  await assert.rejects(async () => {
    for await (const _ of inbox) throw new Error("in the loop");
  }, /in the loop/);
  assert.equal(last("nack").retry_in_seconds, 0);
  assert.equal((await agent.claimInbox()).items[0].attempt, 3);
  assert.equal(clock.timers.length, 0);
});

test("B2B-SDK-043: what comes when the worker is stopped is given back, and a handler that stops as it was told", async () => {
  const { agent, user, inbox, hooks, errors, last, count } = fixture();
  await user.send("agent", "x");
  hooks.push(async (what, go) => {
    if (what !== "claim") return undefined;
    const response = await go();
    inbox.stop();
    return response;
  });
  await inbox.run(() => assert.fail("it was handed on"));
  assert.deepEqual([last("nack").retry_in_seconds, count("nack"), count("ack")], [0, 1, 0]);
  hooks.pop();
  const stop = new AbortController();
  const other = agent.inbox({ signal: stop.signal, onError: (error) => errors.push(error) });
  await other.run(({ signal }) => new Promise((_, reject) => (signal.addEventListener("abort", () => reject(signal.reason)), stop.abort())));
  assert.deepEqual([last("nack").retry_in_seconds, count("nack"), errors.length], [0, 2, 0]);
  for await (const _ of agent.inbox({ signal: stop.signal })) assert.fail("the worker is stopped");
});

test("B2B-SDK-043: what a claim took that was given up is given back", async () => {
  const { user, inbox, hooks, errors, last, count } = fixture();
  await user.send("agent", "x");
  hooks.push(async (what, go) => {
    if (what !== "claim") return undefined;
    hooks.pop();
    await go();
    inbox.stop();
    throw new TypeError("the response is lost");
  });
  await inbox.run(() => assert.fail("it was handed on"));
  assert.deepEqual([last("claim").wait_seconds, last("nack").retry_in_seconds, count("nack"), count("ack"), errors.length], [0, 0, 1, 0, 0]);
});

test("B2B-SDK-044: a reply is sent where the event happened, settles the delivery, and is one message", async () => {
  const { server, agent, user, inbox, last, count } = fixture({ unordered: true });
  const thread = await user.createThread({ topic: "T", participants: ["agent"] });
  const { id } = await user.sendThreadMessage(thread.id, "@agent look");
  await user.send("agent", "hello");
  const seen = [];
  for await (const item of inbox) {
    seen.push(item.kind);
    server.lose(2);
    const sent = await item.reply(item.kind === "mention" ? { content: "seen", metadata: { n: 1 } } : "thanks");
    const { request_id, settles } = last(item.kind === "direct" ? "send" : "messages");
    assert.deepEqual(settles, { delivery_id: item.id, lease: request_id });
    assert.deepEqual(await item.reply(item.kind === "mention" ? { content: "seen", metadata: { n: 1 } } : "thanks"), sent);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, ["invitation", "mention", "direct"]);
  const said = await user.listThreadMessages(thread.id);
  assert.deepEqual(said.map(({ content, reply_to_id }) => [content, reply_to_id]), [["@agent look", null], ["thanks", null], ["seen", id]]);
  assert.deepEqual((await user.inbox(0)).map(({ content }) => content), ["thanks"]);
  assert.deepEqual([count("ack"), count("nack")], [0, 0]);
  assert.deepEqual((await agent.claimInbox({ unordered: true })).items, []);
});

test("B2B-SDK-044: a reply without an event goes to its thread or channel, and one without both is an error", async () => {
  const { user, inbox, hooks, last } = fixture({ unordered: true });
  const thread = await user.createThread({ topic: "T", participants: ["agent"] });
  await user.send("agent", "1");
  await user.send("agent", "2");
  let left = 0;
  hooks.push(async (what, go) => {
    if (what !== "claim") return undefined;
    const { items } = await (await go()).json();
    const [{ event: _, ...item }] = items;
    left++;
    return Response.json({ items: [left < 3 ? item : { ...item, channel_id: undefined }] });
  });
  for await (const item of inbox) {
    assert.equal(item.event, undefined);
    if (left === 3) {
      await assert.rejects(item.reply("where?"), /has no thread and no channel/);
      await item.ack();
      break;
    }
    await item.reply("anyway");
  }
  assert.equal(last("messages").content, "anyway");
  assert.deepEqual((await user.listThreadMessages(thread.id)).map(({ content }) => content), ["anyway"]);
  assert.equal((await user.inbox(0))[0].content, "anyway");
});

test("B2B-SDK-044: a reply that is refused leaves the delivery with the program", async () => {
  const { server, user, inbox, clock, count, errors } = fixture();
  await user.send("agent", "x");
  for await (const item of inbox) {
    server.fail(1, { status: 400, code: "VALIDATION_ERROR" });
    await assert.rejects(item.reply("no"), ValidationError);
    assert.equal(await clock.next(), 20_000);
    await clock.settled(() => count("extend") === 1);
    await item.reply("yes");
    break;
  }
  assert.deepEqual((await user.inbox(0)).map(({ content }) => content), ["yes"]);
  assert.deepEqual([errors.length, count("nack")], [0, 0]);
});

test("what the program settles with the field settles is not lost", async () => {
  const { user, agent, inbox, clock, errors, count } = fixture();
  const thread = await user.createThread({ topic: "T", participants: ["agent"] });
  await user.sendThreadMessage(thread.id, "@agent go");
  let items = 0;
  await inbox.run(async (item) => {
    const { settles } = item;
    await agent.addArtifact(thread.id, { artifact_key: `k${items++}`, content: "v", settles });
    if (items === 1) {
      await clock.next(); // LEASE_LOST, since it is settled
      await clock.settled(() => count("extend") === 1 && clock.timers.length === 0);
    } else {
      inbox.stop();
    }
    assert.equal(item.lost, false);
  });
  assert.deepEqual([errors, count("ack"), (await agent.claimInbox()).items], [[], 1, []]);
});

test("B2B-SDK-045: the program is told at once that a delivery is lost, and the worker goes on", async () => {
  const { server, user, inbox, clock, errors, count } = fixture();
  await user.send("agent", "x");
  const seen = [];
  await inbox.run(async (item) => {
    seen.push(item.attempt);
    if (item.attempt === 2) {
      assert.equal(item.lost, false);
      return inbox.stop();
    }
    server.lapse();
    const lost = new Promise((done) => item.signal.addEventListener("abort", done));
    await clock.next();
    await lost;
    assert.equal(item.lost, true);
    assert.equal(item.signal.reason.code, "LEASE_LOST");
    const before = count("send");
    await assert.rejects(item.reply("too late"), { code: "LEASE_LOST" });
    assert.equal(count("send"), before);
  });
  assert.deepEqual(seen, [1, 2]);
  assert.deepEqual(errors, ["LEASE_LOST direct"]);
  assert.deepEqual([count("ack"), count("nack")], [1, 0]);
});

test("B2B-SDK-045: an answer of the program for a lost delivery tells it, too", async () => {
  const { server, user, inbox, errors, count } = fixture();
  await user.send("agent", "x");
  for await (const item of inbox) {
    if (item.attempt === 2) break;
    server.lapse();
    await assert.rejects(item.reply("too late"), { code: "LEASE_LOST" });
    assert.deepEqual([item.lost, item.signal.aborted], [true, true]);
  }
  assert.deepEqual([errors, count("ack"), await user.inbox(0)], [["LEASE_LOST direct"], 0, []]);
});

test("B2B-SDK-045: a loss that the worker finds when it settles is reported", async () => {
  const { server, user, inbox, errors } = fixture();
  await user.send("agent", "x");
  for await (const item of inbox) {
    if (item.attempt === 2) break;
    server.lapse();
  }
  assert.deepEqual(errors, ["LEASE_LOST direct"]);
});

test("B2B-SDK-045: a delivery is lost when its lease could not be extended in time", async () => {
  const { user, inbox, hooks, clock, errors, count } = fixture({}, false);
  await user.send("agent", "x");
  let broken = true;
  hooks.push((what) => {
    if (what === "extend" && broken) throw new TypeError("no network");
  });
  for await (const item of inbox) {
    await clock.next();
    await clock.settled(() => clock.timers.length === 1);
    broken = false; // works again in time
    await clock.next();
    await clock.settled(() => count("extend") === 2 && clock.timers.length === 1);
    const extended = clock.time;
    assert.deepEqual([item.lost, extended < 60_000], [false, true]);
    broken = true;
    while (!item.lost) {
      await clock.next();
      await clock.settled(() => clock.timers.length === 1 || item.lost);
    }
    assert.equal(clock.time, extended + 60_000);
    assert.equal(item.signal.reason.code, "LEASE_LOST");
    break;
  }
  assert.deepEqual([errors, count("ack"), count("nack")], [["LEASE_LOST direct"], 0, 0]);
});

test("B2B-SDK-046: a claim that fails is made again after a pause, with the same request_id", async () => {
  const { server, user, inbox, clock, calls, errors, hooks } = fixture();
  await user.send("agent", "x");
  clock.chances = [0.5, 0.5, 0, 0.25];
  server.fail(2);
  server.fail(1, { status: 429, code: "RATE_LIMITED", retryAfter: 7 });
  server.fail(1, { status: 503, retryAfter: 600 });
  hooks.push(async (what, go) => {
    if (what !== "claim" || claims().length !== 5) return undefined;
    await go();
    throw new TypeError("the response is lost");
  });
  const claims = () => calls.filter(([what]) => what === "claim");
  const got = inbox[Symbol.asyncIterator]();
  const first = got.next();
  const pauses = [];
  for (let i = 0; i < 5; i++) pauses.push(await clock.next());
  assert.deepEqual(pauses, [500, 1_000, 7_000, 63_000, 8_000]);
  const { value: item } = await first;
  assert.equal(item.attempt, 1); // that of the lost response
  assert.equal(new Set(claims().map(([, { request_id }]) => request_id)).size, 1);
  assert.equal(await clock.next(), 0); // its lease began before
  await clock.settled(() => calls.at(-1)[0] === "extend");
  const next = got.next();
  await clock.settled(() => claims().length === 7);
  assert.equal(new Set(claims().map(([, { request_id }]) => request_id)).size, 2);
  inbox.stop();
  assert.equal((await next).done, true);
  assert.deepEqual(errors.length, 5);
});

test("B2B-SDK-046: an error that ends a listener ends the worker, and so does a wrong request", async () => {
  for (const [failure, Class] of [[{ status: 401, code: "INVALID_TOKEN" }, InvalidToken], [{ status: 400, code: "VALIDATION_ERROR" }, ValidationError]]) {
    const { server, inbox } = fixture();
    server.fail(2, failure);
    await assert.rejects(inbox.run(() => {}), Class);
    server.fail(1, failure);
    await assert.rejects(server.client("agent").inbox()[Symbol.asyncIterator]().next(), Class);
  }
  const { user, inbox } = fixture({
    onError: () => {
      throw new Error("of onError");
    },
  });
  await user.send("agent", "x");
  await assert.rejects(inbox.run(() => Promise.reject(new Error("of the handler"))), /of onError/);
});

test("B2B-SDK-046: a worker that is stopped ends when its handlers have, and they can answer", async () => {
  const { server, user, inbox, clock, count } = fixture({ concurrency: 2 });
  await user.send("agent", "x");
  let finish;
  let ended = false;
  const work = inbox.run(async (item) => {
    await new Promise((done) => (finish = done));
    assert.equal(item.signal.aborted, true);
    await item.reply("done");
  });
  void work.then(() => (ended = true));
  await clock.settled(() => finish !== undefined && count("claim") === 2);
  inbox.stop();
  assert.equal(await clock.next(), 20_000); // the lease is kept meanwhile
  await clock.settled(() => count("extend") === 1);
  assert.equal(ended, false);
  finish();
  await work;
  assert.deepEqual((await user.inbox(0)).map(({ content }) => content), ["done"]);
  assert.equal(server.now > 0 && count("claim"), 3); // the last one asks what the one before took
});

test("the old name inbox(since) lists direct messages", async () => {
  const { user, agent } = fixture();
  await user.send("agent", "x");
  assert.deepEqual((await agent.inbox(0)).map(({ content }) => content), ["x"]);
});

test("B2B-SDK-042, B2B-SDK-043, B2B-SDK-044, B2B-SDK-045: a worker and the real server", { timeout: 120_000 }, async () => {
  const real = await RealServer.start(process.env.B2B_BINARY);
  try {
    const clients = (await real.bots("agent", "user", "other")).map(({ token }) => new B2BClient({ url: real.url, token }));
    const [agent, user, other] = clients;
    const clock = new FakeClock();
    const errors = [];
    const inbox = agent.inbox({ clock, concurrency: 2, context: true, onError: (error) => errors.push(error.code ?? error.message) });
    const thread = await user.createThread({ topic: "T", participants: ["agent"] });
    await user.sendThreadMessage(thread.id, "@agent one");
    await user.sendThreadMessage(thread.id, "@agent two");
    await other.send("agent", "three");
    const log = [];
    let extended = false;
    await inbox.run(async (item) => {
      const said = item.event.message?.content;
      log.push(`${item.kind} ${said} ${item.attempt}`);
      if (item.kind === "direct") {
        const due = async () => (await agent.listDeliveries()).items.find(({ id }) => id === item.id).due_at;
        const before = await due();
        while ((await due()) <= before) await clock.next();
        extended = true;
        return void (await item.reply("3"));
      }
      if (said === "@agent one" && item.attempt === 1) throw new Error("once");
      if (said === "@agent two") {
        await clock.settled(() => extended);
        await agent.addArtifact(thread.id, { artifact_key: "k", content: "v", settles: item.settles });
        return inbox.stop();
      }
      assert.ok(item.context.thread.id === thread.id && item.context.messages.length > 0);
      return void (await item.reply("yes"));
    });
    assert.deepEqual(log.filter((line) => !line.startsWith("direct")), ["invitation undefined 1", "mention @agent one 1", "mention @agent one 2", "mention @agent two 1"]);
    assert.deepEqual(errors, ["once"]);
    const said = (await user.listThreadMessages(thread.id)).filter(({ sender_name }) => sender_name === "agent");
    assert.deepEqual(said.map(({ content, reply_to_id }) => [content, reply_to_id !== null]), [["yes", false], ["yes", true]]);
    assert.deepEqual((await other.inbox(0)).map(({ content }) => content), ["3"]);
    assert.deepEqual((await agent.listDeliveries()).items, []);
  } finally {
    await real.close();
  }
});
