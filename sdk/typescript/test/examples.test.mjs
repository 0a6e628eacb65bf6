// The programs in sdk/typescript/examples: they compile strictly, and do what they say against a
// server of their own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
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

/** Starts an example. Resolves when it has printed "ready". */
async function start(t, { token }, program, ...args) {
  const child = spawn(process.execPath, [join(folder, `${program}.js`), ...args], { cwd: folder, env: { ...process.env, B2B_URL: server.url, B2B_TOKEN: token } });
  t.after(() => child.kill("SIGKILL"));
  const agent = { output: "", errors: "", stop: () => (child.kill("SIGTERM"), agent.ended), ended: new Promise((done) => child.once("close", done)) };
  child.stderr.on("data", (data) => (agent.errors += data));
  await new Promise((resolve, reject) => {
    child.stdout.on("data", (data) => {
      agent.output += data;
      if (agent.output.includes("ready\n")) resolve();
    });
    void agent.ended.then((code) => reject(new Error(`${program} ended with ${code}: ${agent.output}${agent.errors}`)));
  });
  return agent;
}

/** Waits for what a function returns, until it is not undefined. */
async function eventually(what, get) {
  for (const end = performance.now() + 60_000; performance.now() < end; await new Promise((done) => setTimeout(done, 20))) {
    const value = await get();
    if (value !== undefined) return value;
  }
  assert.fail(`${what}: not after 60 seconds`);
}

test("echo answers each direct message once, also those that were sent while it was away", async (t) => {
  const [user, agent] = await server.bots("user", "echo");
  const client = clientOf(user);
  const answers = async (count) =>
    eventually(`${count} answers`, async () => {
      const all = (await client.inbox(0)).map(({ content }) => content);
      return all.length >= count ? all : undefined;
    });
  const first = await start(t, agent, "echo");
  await client.send("echo", "one");
  await client.send("echo", "echo: no loop");
  await answers(1);
  assert.equal(await first.stop(), 0, first.errors);
  await client.send("echo", "two");
  await client.send("echo", "three");
  const second = await start(t, agent, "echo");
  await client.send("echo", "four");
  assert.deepEqual(await answers(4), ["echo: one", "echo: two", "echo: three", "echo: four"]);
  assert.equal(await second.stop(), 0, second.errors);
});

test("reviewer reviews each version once, and sets the status of the thread", async (t) => {
  const [author, agent] = await server.bots("author", "reviewer");
  const client = clientOf(author);
  const thread = await client.createThread({ topic: "Plan", participants: ["reviewer"] });
  const review = (key, version) =>
    eventually(`the review of version ${version}`, async () => {
      const found = (await client.listArtifacts(thread.id)).find(({ artifact_key }) => artifact_key === `review-${key}`);
      return found?.content?.startsWith(`# Review of ${key} version ${version}\n`) ? found : undefined;
    });
  const status = (want) => eventually(want, async () => ((await client.getThread(thread.id)).status === want ? want : undefined));
  await client.addArtifact(thread.id, { artifact_key: "plan", type: "markdown", content: `${"x".repeat(101)}\nfine\nTODO: more` });
  const first = await start(t, agent, "reviewer");
  const { content, type } = await review("plan", 1);
  assert.equal(type, "markdown");
  assert.deepEqual(content.match(/^- .*$/gm), ["- line 1 has 101 characters, at most 100 are good to read", "- line 3 has a TODO"]);
  await status("reviewing");
  assert.equal(await first.stop(), 0, first.errors);

  const second = await start(t, agent, "reviewer");
  await client.addArtifact(thread.id, { artifact_key: "notes", content: " " });
  assert.match((await review("notes", 1)).content, /^- the content is empty$/m);
  await client.updateArtifact(thread.id, "notes", { content: "Fine." });
  await client.updateArtifact(thread.id, "plan", { content: "Short." });
  await status("resolved");
  assert.match((await review("plan", 2)).content, /No findings/);
  const said = (await client.getThreadMessages(thread.id)).map((message) => message.content.split("\n")[0]).sort();
  assert.deepEqual(said.filter((line, i) => line !== said[i - 1]), said, "a version is reviewed once");
  assert.ok(said.includes("Review of plan version 1: 2 findings") && said.includes("Review of plan version 2: 0 findings"), said.join());
  assert.equal(await second.stop(), 0, second.errors);
});

test("pair: the worker does the task that the planner gives", async (t) => {
  const [planner, worker] = await server.bots("planner", "worker");
  const working = await start(t, worker, "pair", "worker", "--once");
  const planning = await start(t, planner, "pair", "planner", "worker");
  assert.equal(await planning.ended, 0, planning.errors);
  assert.match(planning.output, /^resolved: 12$/m);
  assert.equal(await working.ended, 0, working.errors);
  assert.match(working.output, /^resolved$/m);
});

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
