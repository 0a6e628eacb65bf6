// Time, chance and a network for tests that wait for nothing.
import { createServer, connect } from "node:net";

/** A clock that stands still until it is advanced. It returns the numbers of chance in turn. */
export class FakeClock {
  time = 0;
  timers = [];
  chances = [];

  now = () => this.time;
  random = () => this.chances.shift() ?? 0.5;
  after(milliseconds, call) {
    const timer = { at: this.time + milliseconds, call };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Waits until a timer waits, advances to the next one, and returns by how many milliseconds. */
  async next() {
    await this.settled(() => this.timers.length > 0);
    const timer = this.timers.reduce((a, b) => (b.at < a.at ? b : a));
    const passed = timer.at - this.time;
    this.time = timer.at;
    this.timers.splice(this.timers.indexOf(timer), 1);
    timer.call();
    return passed;
  }

  /** Waits in real time until a condition holds. */
  async settled(condition) {
    for (const end = performance.now() + 20_000; !condition(); ) {
      if (performance.now() > end) throw new Error("the condition does not hold after 20 seconds");
      await new Promise((done) => setImmediate(done));
    }
  }
}

/**
 * Starts a proxy in front of a server. A connection is passed on as on(socket, upstream) says: it may
 * listen to both and destroy them. Returns the URL and what ends the proxy.
 */
export async function misbehavingProxy(target, on) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  const server = createServer((socket) => {
    const upstream = connect(Number(port), hostname);
    for (const one of [socket, upstream]) {
      open.add(one);
      one.on("error", () => {}).on("close", () => (open.delete(one), socket.destroy(), upstream.destroy()));
    }
    if (on(socket, upstream) !== false) {
      socket.pipe(upstream);
      upstream.pipe(socket);
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const cut = () => open.forEach((socket) => socket.destroy());
  return { url: `http://127.0.0.1:${server.address().port}`, cut, open, close: () => (server.close(), cut()) };
}
