// The fake server: what it does on demand (B2B-SDK-038), and that it does what the real one does
// (B2B-SDK-037).
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(join(process.env.B2B_SDK, name)));
const { B2BClient, InvalidToken, RateLimited, memoryPositions } = await load("index.js");
const { FakeServer } = await load("testing.js");
const { RealServer } = await load("testing/real.js");

async function messages(listener, count) {
  const out = [];
  for await (const event of listener) {
    if (event.type === "message") out.push(event.message.content);
    if (out.length === count) return out;
  }
}

test("an agent is tested without a server and without waiting", async () => {
  const server = new FakeServer();
  const [agent, user] = [server.client("agent"), server.client("user")];
  const listener = agent.listen();
  await listener.ready;
  await user.send("agent", "What is 6 x 7?");
  const before = server.now;
  for await (const event of listener) {
    if (event.type !== "message") continue;
    server.fail(2, { status: 429, code: "RATE_LIMITED", retryAfter: 3 });
    await agent.reply(event, "42");
    break;
  }
  assert.equal(server.now - before, 6_000);
  assert.deepEqual((await user.inbox(0)).map(({ content }) => content), ["42"]);
});

test("calls are refused and lost on demand", async () => {
  const server = new FakeServer();
  const [a, b] = [server.client("a"), server.client("b")];
  server.lose(2);
  await a.send("b", "once");
  assert.equal((await b.inbox(0)).length, 1);
  server.fail(5, { status: 429, code: "RATE_LIMITED", retryAfter: 1 });
  await assert.rejects(a.getMe({}, { timeout: 0 }), RateLimited);
  server.fail();
  await assert.rejects(server.client("c", { retry: false }).getMe(), { status: 503 });
  await assert.rejects(a.getStats(), /use RealServer/);
  server.invalidate("a");
  await assert.rejects(a.getMe(), InvalidToken);
});

test("listeners lose and double nothing when connections are cut and events are repeated", async () => {
  const server = new FakeServer();
  const [a, b] = [server.client("a"), server.client("b")];
  const listener = b.listen();
  await listener.ready;
  const sent = Array.from({ length: 200 }, (_, i) => `${i}`);
  server.repeat();
  const sending = (async () => {
    for (const content of sent) {
      await a.send("b", content);
      if (Number(content) % 10 === 9) server.drop();
    }
  })();
  assert.deepEqual(await messages(listener, 200), sent);
  await sending;
});

test("positions expire, and credentials end", async () => {
  const server = new FakeServer();
  const [a, b] = [server.client("a"), server.client("b")];
  const positions = memoryPositions();
  positions.save("b2b", "1.0.fake");
  await a.send("b", "old");
  server.expire();
  const listener = b.listen({ positions });
  assert.deepEqual((await listener.next()).value, { type: "resync", reason: "CURSOR_EXPIRED", cursor: "1.2.fake" });
  await listener.ready;
  await a.send("b", "new");
  assert.equal((await listener.next()).value.message.content, "new");
  const waiting = listener.next();
  server.invalidate("b");
  await assert.rejects(waiting, InvalidToken);
});

// Works through an inbox.
async function deliveries(lead, peer, call) {
  const claim = async (fields) => (await call(peer.claimInbox(fields))).items ?? [];
  const settling = ({ id, lease }) => ({ settles: { delivery_id: id, lease } });
  const all = await claim({ max: 100, unordered: true, lease_seconds: 600 }); // from before: of all kinds
  for (const { id, lease } of all) await call(peer.ackDelivery(id, { lease }));
  await call(lead.send("peer", "first"));
  await call(lead.send("peer", "second"));
  await call(lead.send("peer", { content: "for nobody", no_reply: true }));
  const once = { max: 5, lease_seconds: 600, request_id: "claim" };
  const [first] = await claim(once);
  await claim(once); // the same again
  await claim({ max: 5 }); // the second waits for the first
  const answer = { content: "done", request_id: first.lease, ...settling(first) };
  await call(peer.send("lead", answer));
  await call(peer.send("lead", answer));
  await call(peer.send("lead", { content: "again", ...settling(first) }));
  const [second] = await claim({ kinds: ["direct"], lease_seconds: 600 });
  await call(peer.extendDelivery(second.id, { lease: second.lease, lease_seconds: 700 }));
  await call(peer.progressDelivery(second.id, { lease: second.lease, text: "reading", lease_seconds: 700 }));
  await call(peer.nackDelivery(second.id, { lease: second.lease, retry_in_seconds: 0, reason: "busy" }));
  await call(peer.ackDelivery(second.id, { lease: second.lease }));
  const [third] = await claim({ lease_seconds: 600 });
  await call(peer.waitDelivery(third.id, { lease: third.lease, on: "human", reason: "a question", resume_in_seconds: 600 }));
  await claim({});
  await call(lead.send("peer", "it comes back"));
  const [fourth] = await claim({ lease_seconds: 600 });
  await call(peer.nackDelivery(fourth.id, { lease: fourth.lease, final: true }));
  const [fifth] = await claim({ lease_seconds: 600 });
  await call(peer.ackDelivery(fifth.id, { lease: "another" }));
  await call(peer.ackDelivery(fifth.id, { lease: fifth.lease }));
  const thread = await call(lead.createThread({ topic: "Inbox", participants: ["peer"] }));
  const [invitation] = await claim({ lease_seconds: 600, context: true });
  await call(peer.addArtifact(thread.id, { artifact_key: "k", content: "v", ...settling(invitation) }));
  const said = await call(peer.sendThreadMessage(thread.id, "anything else?"));
  await call(lead.sendThreadMessage(thread.id, { content: "no", reply_to: said.id }));
  const [reply] = await claim({ lease_seconds: 600, context: true, thread_id: thread.id });
  await call(peer.updateThread(thread.id, { status: "reviewing", ...settling(reply) }));
  await call(lead.sendThreadMessage(thread.id, "@peer see"));
  await call(lead.sendThreadMessage(thread.id, "@all see"));
  const [mention] = await claim({ max: 5, lease_seconds: 600, context: true });
  await call(peer.sendThreadMessage(thread.id, { content: "seen", ...settling(mention) }));
  const [everybody] = await claim({ max: 5, lease_seconds: 600, context: true });
  await call(peer.ackDelivery(everybody.id, { lease: everybody.lease }));
  await claim({ max: 5 });
  const kinds = [...all, first, second, invitation, reply, mention, everybody].map(({ kind }) => kind);
  assert.deepEqual(new Set(kinds), new Set(["direct", "mention", "reply", "all", "invitation"]));
}

// Does what agents do, and returns all results and events with names in place of ids and times.
async function script(lead, peer) {
  const results = [];
  const listener = peer.listen();
  await listener.ready;
  const call = async (result) => (results.push(await result.catch(({ status, code }) => ({ status, code }))), results.at(-1));
  await call(lead.send("peer", "hello"));
  const { channel_id } = results[0];
  await call(peer.getChannel(channel_id));
  await call(peer.listChannelMessages(channel_id));
  await call(peer.inbox(0));
  await call(lead.send("nobody", "hello"));
  await call(lead.send("lead", "hello"));
  const thread = await call(lead.createThread({ topic: "T", tags: ["x"], context: { a: 1 } }));
  await call(peer.sendThreadMessage(thread.id, "not yet"));
  await call(lead.invite(thread.id, "peer", "reviewer"));
  const message = await call(lead.sendThreadMessage(thread.id, { content: "@peer look", metadata: { n: 1 } }));
  await call(peer.reply(message, "done, @all"));
  await call(lead.listThreadMessages(thread.id));
  await call(lead.listThreadMessages(thread.id, { cursor: "", limit: 1 }));
  await call(lead.addArtifact(thread.id, { artifact_key: "k", content: "v1" }));
  await call(lead.addArtifact(thread.id, { artifact_key: "k", content: "v1" }));
  await call(peer.updateArtifact(thread.id, "k", { content: "v2", title: "Title" }));
  await call(peer.listArtifacts(thread.id));
  await call(peer.listArtifactVersions(thread.id, "k"));
  await call(lead.updateThread(thread.id, { status: "blocked", expected_revision: 99 }));
  await call(lead.updateThread(thread.id, { status: "reviewing" }));
  await call(lead.updateThread(thread.id, { status: "blocked" }));
  await call(lead.updateThread(thread.id, { status: "resolved" }));
  await call(lead.sendThreadMessage(thread.id, "too late"));
  await call(lead.updateThread(thread.id, { status: "active" }));
  await call(lead.getThread(thread.id));
  await call(lead.listThreads());
  await call(lead.leave(thread.id));
  await call(lead.joinThread(thread.id));
  await call(lead.joinThread(thread.id));
  await deliveries(lead, peer, call);
  await call(lead.send("peer", "end"));
  const events = [];
  for await (const { cursor, ...event } of listener) {
    if (event.type !== "bot_online") events.push(event);
    if (event.message?.content === "end") break;
  }
  const names = new Map();
  const normal = (key, value) => {
    if (key === "lease" || key === "delivery_id") return normal("of_id", value);
    if (key === "online" || key === "last_seen_at" || key === "recipients") return undefined;
    if (/_at$|^ts$/.test(key)) return value === null ? null : "time";
    if (typeof value === "string" && /(^|_)(id|by|cursor)$/.test(key)) {
      if (!names.has(value)) names.set(value, `id ${names.size}`);
      return names.get(value);
    }
    if (key === "members" && typeof value?.[0] === "string") return value.map((id) => normal("id", id)).sort();
    return value;
  };
  return { results: JSON.parse(JSON.stringify(results, normal)), events: JSON.parse(JSON.stringify(events, normal)) };
}

test("the fake server does what the real one does", { timeout: 60_000 }, async () => {
  const fake = new FakeServer();
  const real = await RealServer.start(process.env.B2B_BINARY);
  try {
    const clients = (await real.bots("lead", "peer")).map(({ token }) => new B2BClient({ url: real.url, token }));
    const want = await script(...clients);
    const got = await script(fake.client("lead"), fake.client("peer"));
    want.results.forEach((result, i) => assert.deepEqual(got.results[i], result, `call ${i}`));
    assert.deepEqual(got.events, want.events);
  } finally {
    await real.close();
  }
});
