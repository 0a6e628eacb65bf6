// An agent that sends or listens, for the tests of faults. Its settings are in the environment; its
// argument is the folder of the compiled SDK.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const sdk = pathToFileURL(`${process.argv[2]}/`);
const { B2BClient } = await import(new URL("index.js", sdk));
const { filePositions } = await import(new URL("node.js", sdk));

const { env } = process;
const client = new B2BClient({ url: env.B2B_URL, token: env.B2B_TOKEN, retry: { attempts: 30 }, timeout: 20_000 });
const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);

if (env.B2B_CLOCK) { // the time of day of this process moves back and forth
  const now = Date.now;
  let skew = 0;
  Date.now = () => now() + skew;
  const jump = () => (skew = Math.random() < 0.5 ? -now() : Math.floor((Math.random() - 0.5) * 2e9)); // to 1970, or by days
  jump();
  setInterval(jump, 100).unref();
}

async function listen() {
  const packaged = env.B2B_TRANSPORT === "ws" && createRequire(new URL("../../../sdk/typescript/package.json", import.meta.url))("ws");
  const listener = client.listen({
    position: env.B2B_POSITION,
    positions: filePositions(env.B2B_POSITIONS),
    key: "listener",
    transport: env.B2B_TRANSPORT === "sse" ? "sse" : "auto",
    ...(packaged && { WebSocket: packaged }),
    ...(env.B2B_VERBOSE && { onReconnect: (error, pause) => console.error(error, pause) }),
  });
  process.on("SIGTERM", () => void listener.close());
  for await (const event of listener) {
    const position = event.cursor ?? "-";
    switch (event.type) {
      case "message":
        say("event", position, event.message.content);
        break;
      case "resync":
        say("resync", position, event.reason);
        break;
      default:
        say("other", position, event.type);
    }
  }
}

async function send() {
  const [start, end] = [Number(env.B2B_FROM), Number(env.B2B_UNTIL)];
  for (let n = start; n < end; n++) {
    // Half of the sends have the request_id of this program, which repeats them; the others that of the SDK.
    const own = n % 2 === 1 || n === end - 1;
    say("sending", n);
    for (;;) {
      try {
        await client.send(env.B2B_TO, { content: String(n), content_type: "text", ...(own && { request_id: `${env.B2B_SEED}-${n}` }) });
        say("sent", n);
        break;
      } catch (error) {
        console.error(n, error);
        if (!own) {
          say("failed", n);
          break;
        }
      }
    }
  }
}

await (env.B2B_ROLE === "listen" ? listen() : send());
process.exit();
