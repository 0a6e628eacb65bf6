// 500 clients listen in one process when their server crashes and starts again, and then ends as for
// a restart. It fails if they are not all back 5 seconds after the server, or if more than 100 come in
// any 100 ms (B2B-SDK-021). B2B_SDK is the folder of the compiled SDK, B2B_BINARY the server.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { WebSocket } from "ws";

const CLIENTS = 500;
const load = (name) => import(pathToFileURL(join(process.env.B2B_SDK, name)));
const { B2BClient } = await load("index.js");
const { RealServer } = await load("testing/real.js");

let attempts = [];
let live = 0;
let allLive;

/** A WebSocket that counts attempts and open connections. */
class Counted extends WebSocket {
  constructor(...given) {
    super(...given);
    attempts.push(performance.now());
    this.once("open", () => {
      if (++live === CLIENTS) allLive?.();
      this.once("close", () => live--);
    });
  }
}

/** Waits until all clients have a connection. */
const everyone = () =>
  new Promise((resolve, reject) => {
    if (live === CLIENTS) return resolve();
    const limit = setTimeout(() => reject(new Error(`only ${live} clients are live after 60 seconds`)), 60_000);
    allLive = () => (clearTimeout(limit), resolve());
  });

/** Returns the most attempts in any 100 ms. */
function densest(times) {
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while (times[last] - times[first] >= 100) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

const server = await RealServer.start(process.env.B2B_BINARY);
const listeners = [];
try {
  const bots = await server.bots(...Array.from({ length: CLIENTS }, (_, i) => `bot-${i}`));
  for (const { token } of bots) {
    const listener = new B2BClient({ url: server.url, token }).listen({ WebSocket: Counted, transport: "websocket" });
    listeners.push(listener);
    await listener.ready;
  }
  await everyone();
  let failed = false;
  for (const [what, end] of [["a crash", () => server.kill()], ["a restart", () => server.kill("SIGTERM")]]) {
    await sleep(10_500); // the connections are stable, so that the pauses begin from the first again
    attempts = [];
    const ended = performance.now();
    await end();
    await server.restart();
    const started = performance.now();
    await everyone();
    const [down, back, most] = [started - ended, performance.now() - started, densest(attempts)];
    console.log(
      `typescript: ${CLIENTS} clients, after ${what} (the server was away for ${(down / 1_000).toFixed(1)} s): ` +
        `all live ${(back / 1_000).toFixed(1)} s after it came back, ${attempts.length} connects, at most ${most} in any 100 ms`,
    );
    failed ||= back > 5_000 || most > 100;
  }
  process.exitCode = failed ? 1 : 0;
} finally {
  await Promise.all(listeners.map((listener) => listener.close()));
  await server.close();
}
