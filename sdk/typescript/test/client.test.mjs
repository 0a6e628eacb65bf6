// The client: its retries with a clock and a network that tests control, and its methods against the
// server at B2B_URL.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { FakeClock, misbehavingProxy } from "./fakes.mjs";

const { B2B_URL: url, B2B_TOKEN: token, B2B_SDK: sdk } = process.env;
const { B2BClient, B2BError, Rest, Unavailable, retrying } = await import(pathToFileURL(join(sdk, "index.js")));

const refuse = (status, extra = {}, headers = {}) => () => Response.json({ error: "x", code: { 429: "RATE_LIMITED", 503: "UNAVAILABLE" }[status] ?? "OTHER", ...extra }, { status, headers });
const fails = (code) => () => Promise.reject(Object.assign(new TypeError("fetch failed"), { cause: { code } }));
const works = () => Response.json({ id: "t" });

// Returns a client that gets the responses in turn, its requests, and the pauses between them.
function scripted(responses, options = {}) {
  const clock = new FakeClock();
  const requests = [], pauses = [];
  clock.after = (milliseconds, call) => (pauses.push(milliseconds), (clock.time += milliseconds), queueMicrotask(call), () => {});
  const transport = async (request) => (requests.push(request), responses[requests.length - 1]?.() ?? assert.fail("an attempt too many"));
  return { rest: new Rest(retrying(transport, { clock, ...options })), clock, requests, pauses };
}

test("B2B-SDK-001, B2B-SDK-002: a call is made again with one request_id", async () => {
  const { rest, requests, pauses } = scripted([fails("ECONNRESET"), refuse(502), refuse(503), refuse(504), works]);
  assert.deepEqual(await rest.createThread({ topic: "x" }), { id: "t" });
  const ids = requests.map(({ requestId }) => requestId);
  assert.match(ids[0], /^[0-9a-f]{32}$/);
  assert.deepEqual(ids, Array(5).fill(ids[0]));
  assert.deepEqual(new Set(requests.map(({ body }) => body)).size, 1);
  assert.deepEqual(pauses, [125, 250, 500, 1000]);
  const other = scripted([works]);
  await other.rest.createThread({ topic: "x" });
  assert.notEqual(other.requests[0].requestId, ids[0]);
});

test("B2B-SDK-002: the fifth failure is returned, and other errors at once", async () => {
  const { rest, requests } = scripted(Array(5).fill(refuse(503)));
  await assert.rejects(rest.getMe(), Unavailable);
  assert.equal(requests.length, 5);
  for (const status of [400, 401, 404, 409, 500]) {
    const once = scripted([refuse(status)]);
    await assert.rejects(once.rest.getMe(), { status });
  }
  const turns = scripted([refuse(429, { code: "TURN_LIMIT", turns: 20 })]); // of the codes with 429, it stays
  await assert.rejects(turns.rest.getMe(), ({ code, retryable, body }) => code === "TURN_LIMIT" && !retryable && body.turns === 20);
  const budget = scripted([refuse(429, { code: "BUDGET_EXCEEDED", retry_after: 1 }), works]);
  await budget.rest.getMe();
  const broken = scripted([() => new Response("{")]);
  await assert.rejects(broken.rest.getMe(), { message: "the response is not JSON" });
  const invalid = new B2BClient({ url, token });
  await assert.rejects(invalid.getMe({}, { headers: { A: "b\nc" } }), TypeError);
});

test("B2B-SDK-003: a change without request_id is made again only if it was not executed", async () => {
  const login = (rest) => rest.createTicket();
  for (const first of [refuse(429), fails("ECONNREFUSED")]) {
    await login(scripted([first, works]).rest);
  }
  for (const first of [refuse(502), refuse(503), refuse(504), fails("ECONNRESET"), fails()]) {
    const { rest, requests } = scripted([first]);
    await assert.rejects(login(rest));
    assert.equal(requests.length, 1);
  }
});

test("B2B-SDK-004: pauses are random up to a limit that doubles, or what the server says", async () => {
  const { rest, clock, pauses } = scripted([...Array(7).fill(fails()), works], { attempts: 7 });
  clock.random = () => 0.999;
  await rest.getMe();
  assert.deepEqual(pauses.map((ms) => Math.ceil(ms)), [250, 500, 999, 1998, 3996, 7992, 7992]);
  const told = scripted([refuse(429, { retry_after: 2 }), refuse(503, {}, { "Retry-After": "60" }), works]);
  told.clock.random = () => 0.5;
  await told.rest.getMe({}, { timeout: 0 });
  assert.deepEqual(told.pauses, [2200, 66_000]);
  const long = scripted([refuse(429, { retry_after: 61 })]);
  await assert.rejects(long.rest.getMe({}, { timeout: 0 }), { retryAfter: 61 });
  const longer = scripted([refuse(429, { retry_after: 61 }), works], { retryAfterMax: 100 });
  await longer.rest.getMe({}, { timeout: 0 });
});

test("B2B-SDK-005: a pause that is longer than the timeout is not waited for", async () => {
  const { rest, pauses } = scripted([refuse(503, { retry_after: 5 })]);
  await assert.rejects(rest.getMe({}, { timeout: 5_000 }), Unavailable);
  assert.deepEqual(pauses, []);
  const controller = new AbortController();
  const waiting = scripted([refuse(503)]);
  waiting.clock.after = () => (queueMicrotask(() => controller.abort(new Error("enough"))), () => {});
  await assert.rejects(waiting.rest.getMe({}, { signal: controller.signal }), { message: "enough" });
  assert.equal(waiting.requests.length, 1);
});

test("B2B-SDK-041: a call that asks the server to wait has that much more time", async () => {
  const busy = refuse(503, { retry_after: 32 });
  const { rest, pauses } = scripted([busy, works]);
  await rest.acquireLease({ name: "x", wait_seconds: 20 });
  assert.equal(pauses.length, 1);
  await assert.rejects(scripted([busy]).rest.acquireLease({ name: "x" }), Unavailable);
  await assert.rejects(scripted([busy]).rest.acquireLease({ name: "x", wait_seconds: 20 }, { timeout: 30_000 }), Unavailable);
});

test("an error of onResponse is returned, and a body that is cut off is read again", async () => {
  const { rest, requests } = scripted([works]);
  await assert.rejects(rest.getMe({}, { onResponse: () => assert.fail("enough") }), { message: "enough" });
  assert.equal(requests.length, 1);
  const cut = () => new Response(new ReadableStream({ pull: (to) => to.error(new TypeError("terminated")) }));
  assert.deepEqual(await scripted([cut, works]).rest.getMe(), { id: "t" });
});

test("B2B-SDK-006: what cannot work is an error before anything is sent", () => {
  for (const wrong of [undefined, {}, { url }, { token }, { url, token: "" }, { url: "localhost", token }, { url: "ftp://h", token }, { url, token: "a\n" }]) {
    assert.throws(() => new B2BClient(wrong), TypeError, JSON.stringify(wrong));
  }
});

test("a server that is not reached, and a content that is none, are errors that say so", async () => {
  const nowhere = new B2BClient({ url: "http://127.0.0.1:2/hub", token: "sesame", retry: false });
  await assert.rejects(nowhere.getProfile(), (error) => error instanceof TypeError && /^no response from http:\/\/127\.0\.0\.1:2\/hub: ECONNREFUSED\. Is the server running/.test(error.message) && error.cause instanceof Error);
  for (const wrong of [5, 5n, true, () => 1]) {
    await assert.rejects(nowhere.send("a", wrong), { name: "TypeError", message: `the content must be a text or an object with fields, not a ${typeof wrong}` });
    await assert.rejects(nowhere.sendThreadMessage("a", wrong), /the content must be a text/);
  }
});

test("with retry: false, a call is made once and adds no request_id", async () => {
  const bodies = [];
  const fetch = async (_, { body }) => (bodies.push(body), refuse(503)());
  await assert.rejects(new B2BClient({ url, token, retry: false, fetch }).send("a", "b"), Unavailable);
  assert.deepEqual(bodies, ['{"to":"a","content":"b"}']);
});

// The admin of the tests, and another bot of its org.
async function bots(options) {
  const admin = new B2BClient({ url, token, ...options });
  const org = await admin.getOrgInfo();
  const { ticket } = await admin.createOrgTicket({ reusable: true });
  const name = `peer-${randomUUID().slice(0, 8)}`;
  const registered = await admin.registerBot({ org_id: org.id, ticket, name });
  return { admin, name, peer: new B2BClient({ url, token: registered.token, ...options }), id: registered.bot_id };
}

test("the short names do what they say", async () => {
  const { admin, peer, name, id } = await bots();
  const me = await admin.getProfile();
  const { channel_id, message } = await admin.send(name, "hello");
  await admin.send(name, { parts: [{ type: "text", content: "more" }] });
  assert.equal((await peer.inbox(0))[0].content, "hello");
  assert.equal((await peer.reply({ type: "message", channel_id, message, sender_name: "x" }, "hi")).channel_id, channel_id);
  assert.equal((await admin.reply(message, "to the other, not to me")).channel_id, channel_id);
  assert.equal((await admin.getMessages(channel_id, { limit: 1 })).length, 1);
  const thread = await admin.createThread({ topic: `topic ${name}` });
  assert.equal((await admin.invite(thread.id, name, "reviewer")).label, "reviewer");
  const first = await admin.sendThreadMessage(thread.id, "first");
  const reply = await peer.reply({ type: "thread_message", thread_id: thread.id, message: first }, { content: "second", metadata: { a: 1 } });
  assert.deepEqual([reply.reply_to_id, reply.metadata], [first.id, { a: 1 }]);
  assert.equal((await peer.getThreadMessages(thread.id)).length, 2);
  assert.deepEqual((await peer.searchThreads(name)).items.map((found) => found.id), [thread.id]);
  await admin.addArtifact(thread.id, { artifact_key: "k", content: "v1" });
  assert.equal((await peer.getArtifactVersions(thread.id, "k")).length, 1);
  await peer.leave(thread.id);
  assert.deepEqual((await admin.getThread(thread.id)).participants.map(({ bot_id }) => bot_id), [me.id]);
  const file = await admin.uploadFile(new TextEncoder().encode("abc"), "a.txt");
  for (const input of [file.id, file.url]) {
    assert.deepEqual(await peer.downloadFile(input), { data: new TextEncoder().encode("abc"), contentType: "text/plain" });
  }
  await assert.rejects(peer.downloadFile(file.id, { maxBytes: 2 }), { code: "FILE_TOO_LARGE" });
  assert.equal(admin.getFileUrl("a/b"), `${url}/api/files/a%2Fb`);
  assert.ok((await peer.catchup({ since: 0 })).events.length > 0);
  assert.ok((await peer.catchupCount({ since: 0 })).total > 0);
  assert.equal((await peer.rename(`${name}-2`)).name, `${name}-2`);
  assert.equal((await admin.setBotRole(id, "admin")).auth_role, "admin");
  const scoped = await peer.createToken({ scopes: ["read"] });
  await peer.revokeToken(scoped.id);
  await assert.rejects(new B2BClient({ url, token: scoped.token }).getProfile(), B2BError);
});

test("B2B-SDK-001: responses that are lost double no message", async () => {
  const { name, peer } = await bots();
  let attempts = 0;
  const proxy = await misbehavingProxy(url, (socket, upstream) => {
    socket.pipe(upstream);
    upstream.once("data", (data) => {
      if (attempts++ % 4 < 3) {
        socket.destroy(); // the server has made the change
      } else {
        socket.end(data);
      }
    });
    return false;
  });
  try {
    const sender = new B2BClient({ url: proxy.url, token, retry: { initial: 1 } });
    for (const content of ["1", "2", "3"]) await sender.send(name, content);
  } finally {
    proxy.close();
  }
  assert.equal(attempts, 12);
  assert.deepEqual((await peer.inbox(0)).map(({ content }) => content), ["1", "2", "3"]);
});
