// The programs in sdk/typescript/examples compile strictly, and those that receive webhooks do what
// they say. build/docsrun runs the agents.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { cpSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { compile, programFolder } from "./installed.mjs";

const { B2B_SDK: sdk, B2B_BINARY: binary } = process.env;
const here = dirname(fileURLToPath(import.meta.url));
const load = (name) => import(pathToFileURL(join(sdk, name)));
const { B2BClient } = await load("index.js");
const { RealServer } = await load("testing/real.js");

let folder, server;
const cleanups = [];
before(async () => {
  process.env.B2B_WEBHOOK_ALLOW = "127.0.0.1";
  [server] = await Promise.all([
    RealServer.start(binary),
    (async () => {
      folder = programFolder({ after: (f) => cleanups.push(f) });
      cpSync(join(here, "../examples"), folder, { recursive: true });
      compile(folder);
    })(),
  ]);
});
after(async () => {
  await server?.close();
  for (const cleanup of cleanups) cleanup();
});

const clientOf = ({ token }) => new B2BClient({ url: server.url, token });

/** Waits for what a function returns, until it is not undefined. */
async function eventually(what, get) {
  for (const end = performance.now() + 60_000; performance.now() < end; await new Promise((done) => setTimeout(done, 20))) {
    const value = await get();
    if (value !== undefined) return value;
  }
  assert.fail(`${what}: not after 60 seconds`);
}

/** Starts a program for webhooks, and returns its URL and what it handled; it fails as often as asked. */
async function receiver(t, program) {
  const { webhookApp } = await import(pathToFileURL(join(folder, `${program}.js`)));
  const state = { handled: [], failures: 0 };
  const app = webhookApp(["an older secret", "hush"], async (event) => {
    if (state.failures-- > 0) throw new Error("the handler failed");
    state.handled.push(event);
  });
  app.onError?.((_, c) => c.body(null, 500)); // Hono: without the message in the output
  app.set?.("env", "test"); // Express: the same
  const { createServer } = await import("node:http");
  const listening = createServer(
    typeof app.fetch !== "function"
      ? app
      : async (request, response) => {
          const parts = [];
          for await (const part of request) parts.push(part);
          const { status } = await app.fetch(new Request(`http://localhost${request.url}`, { method: request.method, headers: Object.entries(request.headers), body: Buffer.concat(parts) }));
          response.writeHead(status).end();
        },
  );
  await new Promise((done) => listening.listen(0, "127.0.0.1", done));
  t.after(() => listening.close());
  return Object.assign(state, { url: `http://127.0.0.1:${listening.address().port}/webhook` });
}

for (const program of ["webhook-express", "webhook-hono"]) {
  test(`${program} verifies requests and handles each delivery once (B2B-SDK-034, B2B-SDK-035)`, async (t) => {
    const app = await receiver(t, program);
    const post = async (id, body, headers = {}, secret = "hush") => {
      const stamp = String(Math.floor(Date.now() / 1000));
      const mac = createHmac("sha256", secret).update(`${id}.${stamp}.${body}`).digest("base64");
      const signed = { "content-type": "application/json", "webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": `v1,${mac}` };
      return (await fetch(app.url, { method: "POST", body, headers: { ...signed, ...headers } })).status;
    };
    const body = '{"webhook_version":"1","type":"message","text":"ünï"}';
    app.failures = 1;
    assert.equal(await post("d1", body), 500);
    assert.equal(await post("d1", body), 204, "it is sent again after a failure");
    assert.equal(await post("d1", body), 204);
    assert.equal(await post("d2", body, {}, "an older secret"), 204);
    assert.equal(await post("d3", body, {}, "of another"), 401);
    assert.equal(await post("d4", body, { "webhook-signature": "" }), 401);
    const time = String(Date.now());
    const hub = createHmac("sha256", "hush").update(`${time}.${body}`).digest("hex");
    assert.equal(await post("d5", body, { "webhook-signature": "", "x-hub-timestamp": time, "x-hub-signature-256": `sha256=${hub}` }), 204);
    assert.deepEqual(app.handled, [JSON.parse(body), JSON.parse(body), JSON.parse(body)]);

    // What the server sends.
    const [admin] = await server.bots("admin");
    const client = clientOf(admin);
    const [{ id: org_id }, { ticket }] = await Promise.all([client.getOrgInfo(), client.createOrgTicket()]);
    await client.registerBot({ org_id, ticket, name: "hooked", webhook_url: app.url, webhook_secret: "hush" });
    await client.send("hooked", "over a webhook");
    const event = await eventually("the webhook", () => app.handled[3]);
    assert.equal(event.message.content, "over a webhook");
  });
}
