// Listeners against the server at B2B_URL, through a proxy that misbehaves, over both transports.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { misbehavingProxy } from "./fakes.mjs";

const { B2B_URL: url, B2B_TOKEN: token, B2B_SDK: sdk, B2B_BINARY: binary } = process.env;
const { B2BClient, InvalidToken, memoryPositions } = await import(pathToFileURL(join(sdk, "index.js")));
const { RealServer } = await import(pathToFileURL(join(sdk, "testing/real.js")));

// Pauses between connections last no time; everything else takes what it takes.
const impatient = { now: () => performance.now(), random: () => 0, after: (ms, call) => ((timer) => () => clearTimeout(timer))(setTimeout(call, ms)) };
// Pauses of a tenth of a second, while a server starts.
const impatientAfterRefusal = { ...impatient, after: (ms, call) => impatient.after(Math.max(ms, 20), call) };
const transports = ["websocket", "sse"];

// Returns a new bot of the org of the tests, with a client at another address if one is given.
async function newBot(at = url) {
  const admin = new B2BClient({ url, token });
  const [{ id: org_id }, { ticket }] = await Promise.all([admin.getOrgInfo(), admin.createOrgTicket()]);
  const name = `bot-${randomUUID().slice(0, 8)}`;
  const { token: own } = await admin.registerBot({ org_id, ticket, name });
  return { name, token: own, client: new B2BClient({ url: at, token: own }) };
}

// Takes the texts of so many direct messages.
async function texts(listener, count, each = () => {}) {
  const out = [];
  for await (const event of listener) {
    if (event.type !== "message") continue;
    out.push(event.message.content);
    each(out.length);
    if (out.length === count) break;
  }
  return out;
}

const numbers = (count, first = 0) => Array.from({ length: count }, (_, i) => String(first + i));

// Sends direct messages in order, from as many senders as the rate limit needs.
async function sendAll(to, contents) {
  const sender = new B2BClient({ url, token });
  for (const content of contents) await sender.send(to, content);
}

await new B2BClient({ url, token }).updateOrgSettings({ messages_per_minute_per_bot: 1_000_000 });

for (const transport of transports) {
  test(`${transport}: a listener delivers what happens after it is ready`, { timeout: 60_000 }, async () => {
    const { name, client } = await newBot();
    const listener = client.listen({ transport });
    await listener.ready;
    await sendAll(name, numbers(5));
    assert.deepEqual(await texts(listener, 5), numbers(5));
    assert.equal((await listener.next()).done, true);
  });

  test(`${transport}: B2B-SDK-011: a later listener continues after the last committed event`, { timeout: 60_000 }, async () => {
    const { name, client } = await newBot();
    const positions = memoryPositions();
    const first = client.listen({ transport, positions });
    await first.ready;
    await sendAll(name, numbers(6));
    assert.deepEqual(await texts(first, 3), numbers(3)); // the third was not committed
    const second = client.listen({ transport, positions, commit: "manual" });
    const got = [];
    for await (const event of second) {
      if (event.type !== "message") continue;
      got.push(event.message.content);
      if (got.length === 2) second.commit(event);
      if (got.length === 4) break;
    }
    assert.deepEqual(got, numbers(4, 2));
    assert.equal(second.position, await positions.load("b2b"));
    assert.deepEqual(await texts(client.listen({ transport, positions }), 2), numbers(2, 4));
  });

  test(`${transport}: B2B-SDK-010: connections that are cut anywhere lose and double nothing`, { timeout: 60_000 }, async () => {
    const { name, token } = await newBot();
    let connections = 0;
    let passed = 0;
    const proxy = await misbehavingProxy(url, (socket, upstream) => {
      connections++;
      let left = 3_000 + ((connections * 7919) % 9_000);
      socket.pipe(upstream);
      upstream.on("data", (data) => {
        left -= data.length;
        passed += data.length;
        if (left > 0) return socket.write(data);
        socket.end(data.subarray(0, data.length + left)); // in the middle of a frame
        upstream.destroy();
      });
      return false;
    });
    try {
      const listener = new B2BClient({ url: proxy.url, token }).listen({ transport, clock: impatient });
      await listener.ready;
      const sending = sendAll(name, numbers(1_000));
      assert.deepEqual(await texts(listener, 1_000), numbers(1_000));
      await sending;
    } finally {
      proxy.close();
    }
    assert.ok(connections > 20, `${connections} connections, ${passed} bytes`);
  });
}

test("B2B-SDK-010, B2B-SDK-022: a server that is killed loses nothing; another log is a resync", { timeout: 120_000 }, async () => {
  const server = await RealServer.start(binary);
  const elsewhere = await RealServer.start(binary);
  try {
    const [{ token: admin }, { token: peer }] = await server.bots("admin", "peer");
    const positions = memoryPositions();
    const listeners = transports.map((transport) => new B2BClient({ url: server.url, token: peer }).listen({ transport, positions, key: transport, clock: impatientAfterRefusal }));
    await Promise.all(listeners.map(({ ready }) => ready));
    const sender = new B2BClient({ url: server.url, token: admin, retry: { attempts: 60, initial: 100, max: 200 } });
    const sending = (async () => {
      for (const content of numbers(300)) await sender.send("peer", content);
    })();
    let killed;
    const restart = (count) => {
      if (count !== 100 || killed) return;
      killed = server.kill().then(() => server.restart());
    };
    const got = await Promise.all(listeners.map((listener) => texts(listener, 300, restart)));
    await sending;
    await killed;
    assert.deepEqual(got, [numbers(300), numbers(300)]);

    const [lead, member] = await elsewhere.bots("lead", "peer");
    for (const transport of transports) {
      const listener = new B2BClient({ url: elsewhere.url, token: member.token }).listen({ transport, position: await positions.load(transport), positions });
      const { value } = await listener.next();
      assert.deepEqual([value.type, value.reason], ["resync", "EPOCH_CHANGED"]);
      await listener.ready;
      await new B2BClient({ url: elsewhere.url, token: lead.token }).send("peer", "after");
      assert.deepEqual(await texts(listener, 1), ["after"]);
    }
  } finally {
    await Promise.all([server.close(), elsewhere.close()]);
  }
});

test("B2B-SDK-024: where upgrades fail, a listener uses server-sent events", { timeout: 60_000 }, async () => {
  const { name, token } = await newBot();
  let upgrades = 0;
  const proxy = await misbehavingProxy(url, (socket, upstream) => {
    socket.on("data", (data) => {
      if (String(data).startsWith("GET /ws?")) {
        upgrades++;
        return socket.end("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
      }
      upstream.write(data);
    });
    upstream.pipe(socket);
    return false;
  });
  try {
    const listener = new B2BClient({ url: proxy.url, token }).listen({ clock: impatient });
    await listener.ready;
    await sendAll(name, numbers(3));
    assert.deepEqual(await texts(listener, 3), numbers(3));
    assert.equal(upgrades, 1);
  } finally {
    proxy.close();
  }
});

for (const transport of transports) {
  test(`${transport}: B2B-SDK-020: a credential that ends stops the listener with a typed error`, { timeout: 60_000 }, async () => {
    const { client } = await newBot();
    const scoped = await client.createToken({ scopes: ["read"] });
    const listener = new B2BClient({ url, token: scoped.token }).listen({ transport });
    await listener.ready;
    await client.revokeToken(scoped.id);
    await assert.rejects(async () => {
      for await (const _ of listener);
    }, InvalidToken);
    await assert.rejects(new B2BClient({ url, token: scoped.token }).listen({ transport }).next(), InvalidToken);
  });
}

test("B2B-SDK-015: repeated frames are dropped, and a flood ends and resumes the connection", { timeout: 60_000 }, async () => {
  const { name, client } = await newBot();
  let sockets = 0, doubled = 0;
  class Doubling extends WebSocket {
    number = ++sockets;
    set onmessage(handler) {
      super.onmessage = handler && ((event) => (handler(event), super.onmessage && (doubled++, handler(event))));
    }
  }
  const listener = client.listen({ transport: "websocket", WebSocket: Doubling, onReconnect: assert.fail });
  await listener.ready;
  await sendAll(name, numbers(1_100)); // more than the queue has
  assert.deepEqual(await texts(listener, 1_100), numbers(1_100));
  assert.ok(doubled > 1_000 && sockets === 2, `${doubled} frames of ${sockets} sockets`);
});
