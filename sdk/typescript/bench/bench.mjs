// Measures what the SDK costs: `send` beside the same request by fetch, in turns in one process, and
// how many events a loop over `listen` handles. B2B_SDK is the folder of the compiled SDK.
// Usage: node bench.mjs [CALLS] [EVENTS]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { WebSocket } from "ws";

const [calls = 4_000, events = 200_000] = process.argv.slice(2).map(Number);
const { B2BClient } = await import(pathToFileURL(join(process.env.B2B_SDK, "index.js")));
const server = spawn(process.execPath, [join(import.meta.dirname, "server.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
const [port] = await once(server.stdout, "data");
const url = `http://127.0.0.1:${String(port).trim()}`;
const client = new B2BClient({ url, token: "t" });

async function bare() {
  const response = await fetch(`${url}/api/send`, {
    method: "POST",
    headers: { Authorization: "Bearer t", "Content-Type": "application/json" },
    body: JSON.stringify({ to: "engineering", content: "Ready to start?", request_id: "0123456789abcdef0123456789abcdef" }),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return await response.json();
}
const send = () => client.send("engineering", "Ready to start?");

/** Returns the microseconds of one call, measured over many that follow each other. */
async function time(call, count) {
  const begun = performance.now();
  for (let i = 0; i < count; i++) await call();
  return ((performance.now() - begun) * 1_000) / count;
}
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

try {
  const times = { bare: [], send: [] };
  const rounds = 20;
  for (let round = -2; round < rounds; round++) { // the first two warm up
    const [b, s] = [await time(bare, calls / rounds), await time(send, calls / rounds)];
    if (round >= 0) times.bare.push(b), times.send.push(s);
  }
  const [b, s] = [median(times.bare), median(times.send)];
  console.log(`typescript: send ${s.toFixed(0)} µs, fetch ${b.toFixed(0)} µs: ratio ${(s / b).toFixed(2)}`);

  for (const [name, options] of [["websocket", { WebSocket }], ["sse", { transport: "sse" }]]) {
    const listener = client.listen({ position: "0", ...options });
    let count = -10_000; // the first warm up
    let begun = 0;
    for await (const event of listener) {
      if (event.type !== "thread_message") throw new Error(`an event ${event.type}`);
      if (++count === 0) begun = performance.now();
      if (count === events) break;
    }
    console.log(`typescript: listen ${Math.round(events / ((performance.now() - begun) / 1_000))} events/s (${name})`);
  }
  const before = process.memoryUsage().rss / 2 ** 20;
  let left = 1_000_000;
  for await (const _ of client.listen({ position: "0", WebSocket })) if (--left === 0) break;
  console.log(`typescript: memory ${before.toFixed(0)} MiB, after 1000000 events ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`);
} finally {
  server.kill();
}
