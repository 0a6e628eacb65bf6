// The connection of the client of @b2b-protocol/sdk/hxa, with a server of the test.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { WebSocket, WebSocketServer } from "ws";

const load = (name) => import(pathToFileURL(join(process.env.B2B_SDK, name)));
const { ApiError, HxaConnectClient } = await load("hxa/index.js");
const { Connection } = await load("hxa/connection.js");
const { Emitter } = await load("hxa/emitter.js");

// That of the runtime, where it has one.
const Native = globalThis.WebSocket ?? WebSocket;

async function until(condition) {
  for (const end = performance.now() + 20_000; !condition(); ) {
    if (performance.now() > end) throw new Error("the condition does not hold after 20 seconds");
    await new Promise((done) => setTimeout(done, 2));
  }
}

/** Starts a server below the path /base. upgraded(socket, number) receives each connection. */
async function serve(t, { ticket = () => [200, { ticket: "a+b" }], upgraded = () => {}, upgrade } = {}) {
  const sockets = new WebSocketServer({ noServer: true });
  const seen = { tickets: 0, paths: [], open: new Set(), headers: [] };
  const raw = new Set();
  const server = createServer(async (request, response) => {
    const [status, body] = await ticket(++seen.tickets, request);
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
  });
  server.on("connection", (socket) => raw.add(socket));
  server.on("upgrade", (request, socket, head) => {
    seen.paths.push(request.url);
    seen.headers.push(request.headers);
    if (upgrade) return upgrade(request, socket);
    sockets.handleUpgrade(request, socket, head, (open) => {
      seen.open.add(open);
      open.on("close", () => seen.open.delete(open));
      upgraded(open, seen.paths.length);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const clients = [];
  t.after(() => {
    for (const client of clients) client.disconnect();
    for (const socket of raw) socket.destroy();
    server.close();
  });
  const client = (options = {}) => {
    const made = new HxaConnectClient({ url: `http://127.0.0.1:${server.address().port}/base//`, token: "t", reconnect: { initialDelay: 1, maxDelay: 4 }, ...options });
    clients.push(made);
    const events = [];
    for (const event of ["close", "session_invalidated", "reconnecting", "reconnected", "reconnect_failed", "error"]) {
      made.on(event, (data) => events.push([event, data]));
    }
    return Object.assign(made, { events });
  };
  return { seen, client };
}

for (const kind of ["ws", "native"]) {
  const check = (name, run) =>
    test(`${kind}: ${name}`, async (t) => {
      if (kind === "native") globalThis.WebSocket = Native;
      else delete globalThis.WebSocket;
      await run(t);
    });

  check("frames are emitted under their type, then under *, from the first one on", async (t) => {
    const frames = ["no json", "null", "7", '{"type":"message","n":1}', '{"type":"of_tomorrow"}', '{"n":2}'];
    // The frames are in one packet with the response of the handshake.
    const upgrade = (request, socket) => {
      const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
      socket.write(Buffer.concat([Buffer.from(head), ...frames.flatMap((text) => [Buffer.from([0x81, text.length]), Buffer.from(text)])]));
    };
    const { client, seen } = await serve(t, { upgrade });
    const one = client();
    const got = [];
    const note = (name) => (data) => got.push([name, data]);
    const twice = note("first");
    one.on("message", twice);
    one.on("message", note("second"));
    one.on("message", twice);
    one.on("of_tomorrow", note("new"));
    one.on("*", note("*"));
    const off = note("off");
    one.on("message", off);
    one.off("message", off);
    one.off("never", off);
    await one.connect();
    await one.connect();
    await until(() => got.length === 7);
    const message = { type: "message", n: 1 };
    assert.deepEqual(got, [["*", 7], ["first", message], ["second", message], ["*", message], ["new", { type: "of_tomorrow" }], ["*", { type: "of_tomorrow" }], ["*", { n: 2 }]]);
    assert.deepEqual(seen.paths, ["/base/ws?ticket=a%2Bb"]);
    assert.deepEqual(one.events, []);
  });

  check("what a handler throws is an error, also of an error handler once", async (t) => {
    const { client } = await serve(t, { upgraded: (socket) => socket.send('{"type":"error","message":"m","code":"C"}') });
    const one = client();
    one.on("error", () => {
      throw new Error("swallowed");
    });
    one.on("*", () => {
      throw new Error("thrown");
    });
    await one.connect();
    await until(() => one.events.length === 2);
    assert.deepEqual(one.events[0], ["error", { type: "error", message: "m", code: "C" }]);
    assert.equal(one.events[1][1].message, "thrown");
    one.emitError(new Error("given"));
    assert.equal(one.events[2][1].message, "given");
  });

  check("two connect() at once open one socket", async (t) => {
    const { client, seen } = await serve(t);
    const one = client();
    await Promise.all([one.connect(), one.connect()]);
    await one.connect();
    assert.equal(seen.paths.length, 1);
    one.disconnect();
    await until(() => one.events.length === 1);
    assert.deepEqual(one.events, [["close", { code: 1005, reason: "" }]]);
  });

  check("disconnect() ends a connect() in progress", async (t) => {
    let answer;
    const { client, seen } = await serve(t, { ticket: () => new Promise((done) => (answer = () => done([200, { ticket: "x" }]))) });
    const one = client();
    const connecting = assert.rejects(one.connect(), /WebSocket connection failed: the client was disconnected/);
    await until(() => answer);
    one.disconnect();
    answer();
    await connecting;
    const again = one.connect();
    await until(() => seen.tickets === 2);
    answer();
    await again;
    assert.equal(seen.paths.length, 1);
    assert.deepEqual(one.events, []);
  });

  check("disconnect() and connect() leave one socket", async (t) => {
    const { client, seen } = await serve(t);
    const one = client();
    await one.connect();
    one.disconnect();
    await one.connect();
    await until(() => one.events.length === 1 && seen.open.size === 1);
    await new Promise((done) => setTimeout(done, 30));
    assert.equal(seen.open.size, 1);
    assert.deepEqual([seen.paths.length, one.events], [2, [["close", { code: 1005, reason: "" }]]]);
  });

  check("the first connect() is not made again", async (t) => {
    const { client, seen } = await serve(t, { ticket: () => [403, { error: "no", code: "BOT_NOT_ACTIVE" }] });
    const one = client();
    await assert.rejects(one.connect(), (error) => error instanceof ApiError && error.status === 403 && error.message === "no" && error.body.code === "BOT_NOT_ACTIVE");
    const refused = await serve(t, { upgrade: (_, socket) => socket.end("HTTP/1.1 503 Busy\r\n\r\n") });
    await assert.rejects(refused.client().connect(), kind === "ws" ? /^Error: WebSocket connection failed: Unexpected server response: 503$/ : /^Error: WebSocket connection failed/);
    const silent = await serve(t, { upgrade: () => {} });
    await assert.rejects(silent.client({ timeout: 300 }).connect(), /WebSocket connection failed: no response in time/);
    await assert.rejects((await serve(t, { ticket: () => new Promise(() => {}) })).client({ timeout: 50 }).connect(), { name: "TimeoutError" });
    assert.deepEqual([seen.tickets, one.events], [1, []]);
  });

  check("it connects again with growing pauses, and each attempt has a new ticket", async (t) => {
    const { client, seen } = await serve(t, {
      ticket: (n) => (n > 1 && n < 6 ? [401, { error: "no" }] : [200, { ticket: `t${n}` }]),
      upgraded: (socket, n) => n === 1 && socket.close(4403, "bot_rejected"),
    });
    const one = client();
    await one.connect();
    await until(() => seen.open.size === 1 && seen.paths.length === 2);
    await until(() => one.events.at(-1)[0] === "reconnected");
    assert.deepEqual(one.events, [
      ["close", { code: 4403, reason: "bot_rejected" }],
      ...[1, 2, 4, 4, 4].map((delay, i) => ["reconnecting", { attempt: i + 1, delay }]),
      ["reconnected", { attempts: 5 }],
    ]);
    assert.deepEqual(seen.paths, ["/base/ws?ticket=t1", "/base/ws?ticket=t6"]);
  });

  check("it gives up after maxAttempts, 0 at once", async (t) => {
    for (const maxAttempts of [0, 2]) {
      const { client } = await serve(t, { ticket: (n) => (n > 1 ? [500, {}] : [200, { ticket: "x" }]), upgraded: (socket) => socket.terminate() });
      const one = client({ reconnect: { initialDelay: 1, maxAttempts } });
      await one.connect();
      await until(() => one.events.at(-1)?.[0] === "reconnect_failed");
      assert.deepEqual(one.events[0], ["close", { code: 1006, reason: "" }]);
      assert.deepEqual(one.events.at(-1), ["reconnect_failed", { attempts: maxAttempts }]);
      assert.equal(one.events.length, 2 + maxAttempts);
    }
  });

  check("4002 ends it, and connect() begins again", async (t) => {
    const { client, seen } = await serve(t, { upgraded: (socket, n) => n === 1 && socket.close(4002, "Session revoked") });
    const one = client();
    await one.connect();
    await until(() => one.events.length === 2);
    assert.deepEqual(one.events, [["close", { code: 4002, reason: "Session revoked" }], ["session_invalidated", { code: 4002, reason: "Session revoked" }]]);
    await one.connect();
    assert.equal(seen.paths.length, 2);
  });

  check("1012 is followed at once, but not without end", async (t) => {
    const { client } = await serve(t, { upgraded: (socket, n) => n < 7 && socket.close(1012) });
    const one = client({ reconnect: { initialDelay: 3, maxDelay: 12 } });
    await one.connect();
    await until(() => one.events.filter(([name]) => name === "reconnected").length === 6);
    assert.deepEqual(one.events.filter(([name]) => name === "reconnecting").map(([, { delay }]) => delay), [0, 0, 0, 3, 6, 12]);
  });

  check("without reconnect there is only close, and a handler can connect", async (t) => {
    const { client, seen } = await serve(t, { upgraded: (socket, n) => n < 3 && socket.close(1001, "bye") });
    const one = client({ reconnect: { enabled: false } });
    await one.connect();
    await until(() => one.events.length === 1);
    assert.deepEqual(one.events, [["close", { code: 1001, reason: "bye" }]]);
    const two = client();
    let again = Promise.resolve();
    const connect = () => (again = two.connect());
    two.on("close", connect);
    await two.connect();
    await until(() => two.events.length === 1 && seen.open.size === 1);
    await again;
    two.off("close", connect);
    assert.deepEqual(two.events, [["close", { code: 1001, reason: "bye" }]]);
  });

  check("disconnect() ends the attempts", async (t) => {
    const { client, seen } = await serve(t, { upgraded: (socket) => socket.close(1000) });
    const one = client();
    one.on("reconnecting", () => one.disconnect());
    await one.connect();
    await until(() => one.events.length === 2);
    await new Promise((done) => setTimeout(done, 20));
    assert.deepEqual([seen.tickets, one.events.map(([name]) => name)], [1, ["close", "reconnecting"]]);
  });
}

test("wsOptions are given to ws, also where the runtime has a WebSocket", async (t) => {
  globalThis.WebSocket = class {
    constructor() {
      assert.fail("not used");
    }
  };
  const { client, seen } = await serve(t);
  const one = client({ wsOptions: { headers: { "X-Proxy": "yes" } } });
  await one.connect();
  assert.equal(seen.headers[0]["x-proxy"], "yes");
  delete globalThis.WebSocket;
});

test("a connection that brings nothing is replaced; only pongs of the program are emitted", async (t) => {
  delete globalThis.WebSocket;
  let answers = true;
  const pings = [];
  const emitter = new Emitter();
  const events = [];
  for (const event of ["close", "reconnected", "pong"]) emitter.on(event, (data) => events.push([event, data]));
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  t.after(() => server.close());
  server.on("connection", (socket) => {
    socket.on("message", (data) => {
      pings.push(String(data));
      if (answers) socket.send('{"type":"pong"}');
    });
  });
  await once(server, "listening");
  const connection = new Connection(emitter, { address: async () => `ws://127.0.0.1:${server.address().port}`, reconnect: { initialDelay: 1 }, timeout: 5000, idle: 50 });
  t.after(() => connection.disconnect());
  connection.ping(); // nothing is open
  await connection.connect();
  connection.ping();
  await until(() => pings.length > 5 && events.length > 0);
  assert.deepEqual(events, [["pong", { type: "pong" }]]);
  answers = false;
  await until(() => events.length === 3);
  assert.deepEqual(events.slice(1), [["close", { code: 1006, reason: "" }], ["reconnected", { attempts: 1 }]]);
  assert.deepEqual(new Set(pings), new Set(['{"type":"ping"}']));
});
