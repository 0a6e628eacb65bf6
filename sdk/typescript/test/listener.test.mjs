// The rules of listeners, with a clock, sockets and responses that tests control.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { FakeClock } from "./fakes.mjs";

const load = (name) => import(pathToFileURL(join(process.env.B2B_SDK, name)));
const { B2BClient, B2BError, BotNotActive, InvalidToken } = await load("index.js");
const { ofClose, ofRefusal, ofStreamEnd } = await load("listen/ends.js");
const { Saver } = await load("listen/positions.js");
const { Lines, Blocks } = await load("listen/sse.js");
const { errorOf } = await load("call.js");

const error = (status, code, extra = {}) => () => Response.json({ error: "x", code, ...extra }, { status });
const message = (n) => ({ type: "message", channel_id: "c", message: { content: String(n) }, sender_name: "s", cursor: `p${n}` });

/** A client without a network: its sockets, and responses that replace the usual ones by path. */
function fixture(options = {}) {
  const clock = new FakeClock();
  const sockets = [];
  const requests = [];
  const respond = { "/hub/api/ws-ticket": () => Response.json({ ticket: "t" }), "/hub/api/me/catchup": () => Response.json({ events: [], has_more: false, stream_cursor: "p0" }) };
  class FakeSocket {
    constructor(url) {
      assert.ok(sockets.every(({ closed }) => closed), "two sockets");
      sockets.push(Object.assign(this, { url, sent: [], closed: false }));
    }
    send = (text) => this.sent.push(JSON.parse(text).type);
    close = () => (this.closed = true);
    open = () => this.onopen({});
    event = (event) => this.onmessage?.({ data: JSON.stringify(event) });
    end = (code, reason = "") => ((this.closed = true), this.onclose?.({ code, reason }));
  }
  const fetch = async (url, { signal }) => {
    const path = new URL(url).pathname;
    requests.push(path);
    return respond[path]?.(signal, url) ?? assert.fail(path);
  };
  const client = new B2BClient({ url: "http://h/hub", token: "t", fetch });
  const pauses = [];
  const listener = client.listen({ clock, WebSocket: FakeSocket, onReconnect: (error, pause) => pauses.push(pause), ...options });
  const socket = async (number) => (await clock.settled(() => sockets.length >= number), sockets[number - 1]);
  return { clock, sockets, socket, requests, respond, listener, pauses };
}

test("B2B-SDK-020: what follows from the end of a connection is in closes.json", () => {
  const { closes, stream_ends, refusals } = JSON.parse(readFileSync(new URL("../../testdata/closes.json", import.meta.url), "utf8"));
  for (const { close, reason = "another reason", action, code } of closes) {
    const end = ofClose(close, reason);
    assert.deepEqual([end.action, action === "stop" ? end.error.code : undefined], [action, code], `${close} ${reason}`);
    if (action === "resync" && reason !== "another reason") assert.equal(end.error.code, reason);
  }
  assert.equal(ofClose(4999, "new").action, "backoff");
  const refused = (code, extra, status = 403) => errorOf(new Response(null, { status }), JSON.stringify({ error: "x", code, ...extra }));
  for (const { error, join_status, action } of refusals) assert.equal(ofRefusal(refused(error, { join_status })).action, action, error);
  for (const { error, action } of stream_ends) assert.equal(ofStreamEnd("error", refused(error)).action, action, error);
  assert.equal(ofRefusal(refused("BOT_NOT_ACTIVE", { join_status: "rejected" })).action, "stop");
  assert.equal(ofRefusal(refused("INVALID_TOKEN", {}, 401)).action, "stop");
  assert.equal(ofRefusal(refused("UNAVAILABLE", {}, 503)).action, "backoff");
  assert.equal(ofRefusal(new TypeError("fetch failed")).action, "backoff");
  assert.equal(ofStreamEnd("resume", refused("UNAVAILABLE", {}, 503)).action, "reconnect");
  assert.equal(ofStreamEnd("resume", refused("UNAVAILABLE", { retry_after: 2 }, 503)).action, "backoff");
  assert.equal(ofStreamEnd("error", refused("CURSOR_EXPIRED", {}, 410)).action, "resync");
});

test("B2B-SDK-012: a listener that starts at the present knows its position before it opens", async () => {
  const { socket, listener, requests } = fixture();
  const first = await socket(1);
  assert.equal(first.url, "ws://h/hub/ws?ticket=t&cursor=p0");
  first.open();
  await listener.ready;
  first.end(4008);
  assert.equal((await socket(2)).url, "ws://h/hub/ws?ticket=t&cursor=p0");
  assert.deepEqual(requests, ["/hub/api/me/catchup", "/hub/api/ws-ticket", "/hub/api/ws-ticket"]);
  await listener.close();
});

test("B2B-SDK-012: a listener finds the present whatever the clock of its machine says", async (t) => {
  t.mock.method(Date, "now", () => 0.5); // as without a battery
  const { socket, listener, respond } = fixture();
  let since;
  respond["/hub/api/me/catchup"] = (_, url) => {
    since = Number(new URL(url).searchParams.get("since"));
    return Response.json({ events: [], has_more: false, stream_cursor: "p0" });
  };
  await socket(1);
  assert.ok(Number.isInteger(since) && since > Date.UTC(2100, 0), `since=${since} lists what happened, and has no position`);
  await listener.close();
});

test("B2B-SDK-011, B2B-SDK-013: an event is committed when the next is asked for; one without a position never", async () => {
  const saves = [];
  const positions = { load: () => undefined, save: (key, position) => void saves.push([key, position]) };
  const { socket, listener } = fixture({ positions, key: "k" });
  const one = await socket(1);
  one.open();
  one.event(message(1));
  one.event({ type: "bot_online", bot: { id: "b", name: "n" } });
  one.event({ type: "of_the_future", some: "thing", cursor: "p2" });
  assert.equal((await listener.next()).value.cursor, "p1");
  assert.equal(listener.position, undefined);
  assert.equal((await listener.next()).value.type, "bot_online");
  assert.equal(listener.position, "p1");
  assert.deepEqual((await listener.next()).value, { type: "of_the_future", some: "thing", cursor: "p2" });
  assert.equal(listener.position, "p1");
  await listener.return();
  assert.deepEqual(saves, [["k", "p1"]]);
});

test("with manual commits, only commit moves the position, and never back", async () => {
  const { socket, listener } = fixture({ commit: "manual" });
  const one = await socket(1);
  one.open();
  [1, 2, 3].forEach((n) => one.event(message(n)));
  const events = [(await listener.next()).value, (await listener.next()).value, (await listener.next()).value];
  assert.equal(listener.position, undefined);
  listener.commit(events[1]);
  listener.commit(events[0]);
  assert.equal(listener.position, "p2");
  assert.throws(() => listener.commit({ ...events[2] }), TypeError);
  await listener.close();
});

test("positions are saved one at a time, the newest last; a store that fails is not ignored", async () => {
  const saves = [];
  let release;
  const saver = new Saver({ load: () => undefined, save: (_, position) => (saves.push(position), new Promise((done) => (release = done))) }, "k", assert.fail);
  saver.set("a");
  await new Promise(setImmediate);
  saver.set("b");
  saver.set("c");
  release();
  await new Promise(setImmediate);
  release();
  await saver.flush();
  assert.deepEqual(saves, ["a", "c"]);
  const broken = { load: () => undefined, save: () => Promise.reject(new Error("disk full")) };
  const { socket, listener } = fixture({ positions: broken });
  const one = await socket(1);
  one.open();
  one.event(message(1));
  await listener.next();
  await assert.rejects(listener.next(), { message: "disk full" });
  const loading = fixture({ positions: { load: () => Promise.reject(new Error("no disk")), save() {} } });
  await assert.rejects(loading.listener.next(), { message: "no disk" });
  await assert.rejects(loading.listener.ready, { message: "no disk" });
});

test("B2B-SDK-021: pauses grow with failures in a row, and begin again after ten seconds of life", async () => {
  const { clock, socket, listener, pauses } = fixture();
  clock.random = () => 0.999;
  for (let number = 1; number <= 7; number++) {
    const one = await socket(number);
    one.open();
    one.event({ type: "pong" });
    one.end(1012, "Service restart");
    await clock.next();
  }
  const stable = await socket(8);
  stable.open();
  stable.event({ type: "pong" });
  clock.time += 10_000;
  stable.end(1001);
  await clock.next();
  await socket(9);
  assert.deepEqual(pauses.map(Math.round), [999, 1998, 3996, 7992, 15_984, 29_970, 29_970, 999]);
  await listener.close();
});

test("B2B-SDK-021: a second reconnect within ten seconds is a failure, and the first connection is retried", async () => {
  const { clock, socket, listener, pauses } = fixture();
  (await socket(1)).open();
  (await socket(1)).end(4008);
  (await socket(2)).open();
  (await socket(2)).end(4008);
  await clock.next();
  await socket(3);
  assert.deepEqual(pauses, [0, 500]);
  await listener.close();
});

test("B2B-SDK-021: a refusal waits for the time that the server gives, up to a minute; a dead credential ends the listener", async () => {
  const { clock, socket, listener, respond, pauses } = fixture();
  const [ticket, refusals] = [respond["/hub/api/ws-ticket"], [error(429, "RATE_LIMITED", { retry_after: 7 }), error(403, "ORG_SUSPENDED"), error(503, "UNAVAILABLE", { retry_after: 3 }), error(429, "RATE_LIMITED", { retry_after: 1e9 }), () => Promise.reject(new TypeError("fetch failed"))]];
  respond["/hub/api/ws-ticket"] = () => (refusals.shift() ?? ticket)();
  for (let i = 0; i < 5; i++) await clock.next();
  await socket(1);
  assert.deepEqual(pauses.map(Math.round), [7_700, 33_000, 3_300, 66_000, 8_000]);
  (await socket(1)).open();
  (await socket(1)).event(message(1));
  (await socket(1)).end(4403, "bot_rejected");
  assert.equal((await listener.next()).value.cursor, "p1"); // before the error
  await assert.rejects(listener.next(), BotNotActive);
  assert.equal((await listener.next()).done, true);
  const refused = fixture();
  refused.respond["/hub/api/me/catchup"] = error(401, "INVALID_TOKEN");
  await assert.rejects(refused.listener.next(), InvalidToken);
});

test("B2B-SDK-023: a socket that does not open in 10 seconds, or is silent for 60, is replaced", async () => {
  const { clock, socket, listener, pauses } = fixture({ transport: "websocket" });
  await socket(1);
  await clock.settled(() => clock.timers.length === 1);
  assert.equal(await clock.next(), 10_000);
  await clock.next(); // the pause
  const two = await socket(2);
  two.open();
  two.event({ type: "pong" });
  assert.equal(await clock.next(), 25_000);
  assert.equal(await clock.next(), 25_000);
  two.event({ type: "pong" });
  assert.deepEqual(two.sent, ["ping", "ping", "ping"]);
  const heard = clock.now();
  while (!two.closed) await clock.next();
  assert.equal(clock.now(), heard + 60_000);
  await clock.settled(() => pauses.length === 2);
  await listener.close();
});

test("B2B-SDK-024: after two sockets without a frame, or a refused one, it is server-sent events", async () => {
  for (const refused of [true, false]) {
    const { clock, socket, listener, respond, requests } = fixture();
    let stream;
    respond["/hub/api/events"] = () => new Response(new ReadableStream({ start: (controller) => (stream = controller) }));
    for (let number = 1; number <= (refused ? 1 : 2); number++) {
      const one = await socket(number);
      if (!refused) one.open();
      one.end(1006);
      await clock.next();
    }
    await clock.settled(() => stream);
    stream.enqueue(new TextEncoder().encode(`: hi\n\nid: p1\nevent: message\ndata: ${JSON.stringify(message(1))}\n\n`));
    assert.equal((await listener.next()).value.cursor, "p1");
    assert.equal(requests.at(-1), "/hub/api/events");
    await listener.close();
  }
});

test("B2B-SDK-040: an event that is too large ends the connection, also if its line has no end", async () => {
  const errors = [];
  const piece = new Uint8Array(1 << 20).fill(120);
  for (const begin of ["data: ", "data: x\n"]) {
    const { clock, listener, respond } = fixture({ transport: "sse", onReconnect: (error) => errors.push(error) });
    let streams = 0, pulled = 0, ended = false;
    respond["/hub/api/events"] = () => {
      const text = (text) => new TextEncoder().encode(text);
      const large = {
        start: (controller) => controller.enqueue(text(begin)),
        pull: (controller) => controller.enqueue(++pulled % 8 === 0 && begin.endsWith("\n") ? text("\ndata: ") : piece),
        cancel: () => (ended = true),
      };
      const usual = { start: (controller) => controller.enqueue(text(`data: ${JSON.stringify(message(1))}\n\n`)) };
      return new Response(new ReadableStream(streams++ === 0 ? large : usual));
    };
    const next = listener.next();
    await clock.settled(() => ended);
    await clock.settled(() => clock.timers.length > 0);
    await clock.next();
    assert.equal((await next).value.cursor, "p1");
    assert.ok(pulled < 90);
    assert.equal(errors.pop().code, "EVENT_TOO_LARGE");
    await listener.close();
  }
  const { clock, socket, listener } = fixture({ transport: "websocket", onReconnect: (error) => errors.push(error) });
  const one = await socket(1);
  one.open();
  one.onmessage({ data: " ".repeat(2 ** 26 + 1) });
  assert.ok(one.closed);
  await clock.settled(() => errors.length > 0);
  assert.equal(errors.pop().code, "EVENT_TOO_LARGE");
  await listener.close();
});

test("B2B-SDK-022: a lost position is a resync item in its place", async () => {
  const { socket, listener, respond } = fixture();
  const one = await socket(1);
  one.open();
  one.event(message(1));
  respond["/hub/api/me/catchup"] = () => Response.json({ events: [], has_more: false, stream_cursor: "p9" });
  one.end(4009, "CURSOR_EXPIRED");
  const two = await socket(2);
  assert.match(two.url, /cursor=p9$/);
  two.open();
  two.event(message(10));
  assert.equal((await listener.next()).value.cursor, "p1");
  assert.deepEqual((await listener.next()).value, { type: "resync", reason: "CURSOR_EXPIRED", cursor: "p9" });
  assert.equal((await listener.next()).value.cursor, "p10");
  assert.equal(listener.position, "p9");
  await listener.close();
});

test("B2B-SDK-014: a handler that fails gets the event again, and then the next one", async () => {
  const { clock, socket, listener } = fixture({ onError: (error, event) => errors.push([error.message, event.cursor]) });
  const errors = [], handled = [];
  const running = listener.run(async ({ cursor }) => {
    handled.push(cursor);
    if (cursor === "p1") throw new Error("no");
    if (cursor === "p3") await listener.close();
  });
  const one = await socket(1);
  one.open();
  [1, 2, 3].forEach((n) => one.event(message(n)));
  for (let i = 1; i <= 3; i++) {
    await clock.settled(() => errors.length === i);
    clock.timers = clock.timers.filter(({ at }) => at < clock.time + 10_000); // not the watch
    await clock.next();
  }
  await running;
  assert.deepEqual(handled, ["p1", "p1", "p1", "p1", "p2", "p3"]);
  assert.deepEqual(errors, Array(4).fill(["no", "p1"]));
  assert.equal(listener.position, "p3");
});

test("B2B-SDK-016: close ends everything at once, wherever the listener is", async () => {
  const never = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const places = {
    "reads its position": ({ respond }) => (respond["/hub/api/me/catchup"] = never),
    "gets its ticket": ({ respond }) => (respond["/hub/api/ws-ticket"] = never),
    "opens its socket": ({ socket }) => socket(1),
    listens: async ({ socket }) => (await socket(1)).open(),
    waits: async ({ socket, clock }) => ((await socket(1)).end(1012), clock.settled(() => clock.timers.length === 1)),
    "is blocked": async ({ socket }) => {
      const one = await socket(1);
      one.open();
      for (let n = 1; !one.closed; n++) one.event(message(n));
    },
  };
  for (const [place, reach] of Object.entries(places)) {
    const controller = new AbortController();
    const all = fixture({ signal: controller.signal });
    await reach(all);
    await new Promise(setImmediate);
    const waiting = place === "is blocked" ? undefined : all.listener.next();
    if (place === "listens") controller.abort();
    await all.listener.close();
    if (waiting) assert.equal((await waiting).done, true, place);
    assert.equal((await all.listener.next()).done, true, place);
    assert.ok(all.sockets.every(({ closed }) => closed), place);
    assert.deepEqual(all.clock.timers, [], place);
  }
});

test("only the types that were asked for are delivered", async () => {
  const { socket, listener } = fixture({ types: ["message"] });
  const one = await socket(1);
  one.open();
  one.event({ type: "bot_renamed", bot_id: "b", old_name: "x", new_name: "y", cursor: "p1" });
  one.event(message(2));
  assert.equal((await listener.next()).value.cursor, "p2");
  one.end(4008);
  assert.match((await socket(2)).url, /cursor=p2$/);
  await listener.close();
  assert.throws(() => fixture({ transport: "websocket", threadIds: ["t"] }), TypeError);
});

test("server-sent events are read from pieces of any size", () => {
  const text = ": c\r\n\r\nid: 1\r\nevent: a\r\ndata: {\"x\":\r\ndata: 1}\r\n\r\nevent:b\ndata:é: y\n\ndata: cut";
  for (let size = 1; size <= text.length; size++) {
    const lines = new Lines(), blocks = new Blocks(), out = [];
    for (let at = 0; at < text.length; at += size) {
      for (const line of lines.split(text.slice(at, at + size))) {
        const block = blocks.add(line);
        if (block) out.push(block);
      }
    }
    assert.deepEqual(out, [{ event: "a", data: '{"x":\n1}' }, { event: "b", data: "é: y" }]);
  }
});
