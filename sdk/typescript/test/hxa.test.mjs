// The entry @b2b-protocol/sdk/hxa: a program that was written for the SDK of HXA-Connect, with only
// the line of its import changed, against the server at B2B_URL; and what it sends and renders.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import { play } from "./context.mjs";
import { compile, programFolder, run } from "./installed.mjs";

const { B2B_URL: url, B2B_TOKEN: token, B2B_SDK: sdk } = process.env;
const here = dirname(fileURLToPath(import.meta.url));
const hxa = await import(pathToFileURL(join(sdk, "hxa/index.js")));
const { cases } = JSON.parse(readFileSync(join(here, "../../testdata/threadcontext.json"), "utf8"));

test("it exports the values of the old SDK", () => {
  assert.deepEqual(Object.keys(hxa).sort(), ["ApiError", "DownloadError", "HxaConnectClient", "ThreadContext", "formatThreadLifecycleEvent", "getProtocolGuide"]);
});

test("a program for the old SDK compiles and runs when only its import is changed", (t) => {
  const folder = programFolder(t);
  const source = readFileSync(join(here, "hxa/program.ts"), "utf8");
  const changed = source.replace('"@coco-xyz/hxa-connect-sdk"', '"@b2b-protocol/sdk/hxa"');
  assert.notEqual(changed, source);
  writeFileSync(join(folder, "program.ts"), changed);
  const compilerOptions = { strict: true, target: "es2022", lib: ["es2022", "dom"], module: "nodenext", types: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
  compile(folder);
  assert.match(run(folder, { HXA_URL: url, HXA_TOKEN: token, HXA_FOLDER: folder }, "program.js"), /the program ran to its end/);
  assert.deepEqual(readdirSync(join(folder, "new")), ["t.csv"], "no temporary file is left");
  // 53 types are imported, each once.
  assert.equal(new Set(source.match(/^  type \w+,$/gm)).size, 53);
});

test("it exports the types of the old SDK, and no others", () => {
  const declarations = join(sdk, "hxa/index.d.ts");
  const program = readFileSync(join(here, "hxa/program.ts"), "utf8");
  const imported = [...program.match(/^import \{.*?^\}/ms)[0].matchAll(/^  (?:type )?(\w+),$/gm)].map(([, name]) => name);
  const source = ts.createProgram([declarations], { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: [], noLib: true });
  const module = source.getTypeChecker().getSymbolAtLocation(source.getSourceFile(declarations));
  const exported = source.getTypeChecker().getExportsOfModule(module).map(({ name }) => name);
  assert.equal(exported.length, 6 + 53);
  assert.deepEqual(exported.sort(), imported.sort());
});

/** Starts a server that notes requests and responds with status and body. */
async function noting(t, status = 200, body = "{}", headers = {}) {
  const seen = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    seen.push([request.method, request.url, request.headers.authorization, request.headers["x-org-id"], request.headers["content-type"], text]);
    response.writeHead(status, headers).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { seen, base: `http://127.0.0.1:${server.address().port}` };
}

test("requests are those of the old SDK", async (t) => {
  const { seen, base } = await noting(t);
  const client = new hxa.HxaConnectClient({ url: `${base}/hub//`, token: "tok", orgId: "org" });
  const json = "application/json";
  const check = async (call, method, path, body) => {
    await call;
    assert.deepEqual(seen.pop(), [method, `/hub/api${path}`, "Bearer tok", "org", body === undefined ? undefined : json, body === undefined ? "" : JSON.stringify(body)]);
  };
  await check(client.send("bob", "", { content_type: "", parts: [] }), "POST", "/send", { to: "bob", parts: [] });
  await check(client.getMessages("c", { before: "m", limit: 2 }), "GET", "/channels/c/messages?limit=2&before=m");
  await check(client.inbox(0), "GET", "/inbox?since=0");
  await check(client.createThread({ topic: "t", context: "c", visibility: "private" }), "POST", "/threads", { topic: "t", context: "c" });
  await check(client.listThreads({ status: "" }), "GET", "/threads");
  await check(client.searchThreads(""), "GET", "/threads?q=&scope=org");
  await check(client.updateThread("t", { topic: "x", other: 1 }), "PATCH", "/threads/t", { topic: "x", other: 1 });
  await check(client.sendThreadMessage("t", "", { metadata: null, reply_to: "", parts: [] }), "POST", "/threads/t/messages", { parts: [], metadata: null });
  await check(client.invite("t", "bob"), "POST", "/threads/t/participants", { bot_id: "bob" });
  await check(client.joinThread("t"), "POST", "/threads/t/join", {});
  await check(client.addArtifact("t", "k", { type: "text", title: null }), "POST", "/threads/t/artifacts", { artifact_key: "k", type: "text", title: null });
  await check(client.getArtifactVersions("t", "a/b c"), "GET", "/threads/t/artifacts/a%2Fb%20c/versions");
  await check(client.catchup({ since: 1, cursor: "", limit: 3 }), "GET", "/me/catchup?since=1&limit=3");
  await check(client.createOrgTicket(), "POST", "/org/tickets");
  await check(client.createOrgTicket({ expires_in: 0 }), "POST", "/org/tickets", { expires_in: 0 });
  await check(client.rotateOrgSecret(), "POST", "/org/rotate-secret");
  await check(client.getThread("a/b?c"), "GET", "/threads/a%2Fb%3Fc");
  await hxa.HxaConnectClient.register(`${base}/hub/`, "o", { ticket: "k" }, "n", { name: "m", extra: 1 });
  assert.deepEqual(seen.pop(), ["POST", "/hub/api/auth/register", undefined, undefined, json, '{"org_id":"o","ticket":"k","name":"m","extra":1}']);
});

test("results and errors are those of the old SDK", async (t) => {
  const client = async (...given) => new hxa.HxaConnectClient({ url: (await noting(t, ...given)).base, token: "t", timeout: 60_000 });
  assert.equal(await (await client(204, "")).getProfile(), undefined);
  assert.deepEqual(await (await client(200, '{"of_tomorrow":1}')).getProfile(), { of_tomorrow: 1 });
  await assert.rejects((await client(200, "no json")).getProfile(), SyntaxError);
  await assert.rejects((await client(502, "<html>")).getProfile(), { name: "ApiError", message: "HTTP 502", status: 502, body: null });
  await assert.rejects((await client(429, '{"error":"slow","retry_after":3}')).getProfile(), { message: "slow", status: 429, body: { error: "slow", retry_after: 3 } });
  await assert.rejects(new hxa.HxaConnectClient({ url: "http://127.0.0.1:2", token: "t" }).getProfile(), (error) => error instanceof TypeError && error.message === "fetch failed" && error.cause instanceof Error);
  const chunked = await client(200, "12345678", { "Transfer-Encoding": "chunked", "Content-Type": "text/plain; charset=x" });
  assert.deepEqual((await chunked.downloadFile("f", { maxBytes: 8 })).contentType, "text/plain");
  await assert.rejects(chunked.downloadFile("f", { maxBytes: 7 }), { name: "DownloadError", code: "FILE_TOO_LARGE" });
  const empty = await (await client(200, "")).downloadFile({ url: "/x" });
  assert.deepEqual([empty.size, empty.contentType], [0, "application/octet-stream"]);
  await assert.rejects(chunked.downloadFile("f", { signal: AbortSignal.abort(new Error("stop")) }), { message: "stop" });
});

test("the token goes only to the server, unless it is asked for", async (t) => {
  const [own, other] = [await noting(t), await noting(t)];
  const client = new hxa.HxaConnectClient({ url: `${own.base}/hub`, token: "t", orgId: "o" });
  await client.downloadFile({ url: "/api/files/1" });
  await client.downloadFile({ url: `${own.base}/x` });
  await client.downloadFile({ url: `${own.base}/x` }, { includeAuth: false });
  await client.downloadFile({ url: `${other.base}/x` });
  await client.downloadFile({ url: `${other.base}/x` }, { includeAuth: true });
  assert.deepEqual(own.seen.map(([, path, ...auth]) => [path, ...auth.slice(0, 2)]), [["/hub/api/files/1", "Bearer t", "o"], ["/x", "Bearer t", "o"], ["/x", undefined, undefined]]);
  assert.deepEqual(other.seen.map(([, , ...auth]) => auth.slice(0, 2)), [[undefined, undefined], ["Bearer t", "o"]]);
  const near = await noting(t, 302, "", { Location: "/b" });
  await assert.rejects(new hxa.HxaConnectClient({ url: near.base, token: "t" }).downloadFile("f"), { name: "TypeError", message: "fetch failed" });
  const far = await noting(t, 307, "", { Location: `${other.base}/moved` });
  await new hxa.HxaConnectClient({ url: far.base, token: "t", orgId: "o" }).downloadFile("f");
  assert.deepEqual([far.seen[0].slice(2, 4), other.seen.at(-1).slice(1, 4)], [["Bearer t", "o"], ["/moved", undefined, undefined]]);
  assert.ok(near.seen.length > 1 && near.seen.every(([, , ...auth]) => auth[0] === "Bearer t"));
});

for (const example of cases.filter(({ only }) => only !== "sdk")) {
  test(`ThreadContext: ${example.name}`, () =>
    play(hxa.ThreadContext, example, async (_, client, event) => {
      client.emit(event.type, event);
      await new Promise((done) => setImmediate(done)); // the deliveries of the example have ended
    }));
}

test("ThreadContext: deliveries can overlap, and lose nothing", async () => {
  const handlers = {};
  const client = { getProfile: async () => ({ id: "me" }), getThread: async () => ({ id: "t1", participants: [] }), on: (type, handler) => (handlers[type] = handler), off: (type) => delete handlers[type] };
  const context = new hxa.ThreadContext(client, { botNames: ["echo"] });
  const got = [];
  const ends = [];
  context.onMention(async ({ snapshot }) => {
    got.push(snapshot.newMessages.map(({ id }) => id));
    await new Promise((done) => ends.push(done));
  });
  await context.start();
  assert.deepEqual(Object.keys(handlers).sort(), ["thread_artifact", "thread_created", "thread_message", "thread_participant", "thread_status_changed", "thread_updated"]);
  const settled = () => new Promise((done) => setImmediate(done));
  const say = async (id, content) => {
    handlers.thread_message({ type: "thread_message", thread_id: "t1", message: { id, sender_id: "b", content, parts: [], metadata: null, created_at: 1 } });
    await settled();
  };
  await say("m1", "@echo");
  await say("m2", "@echo");
  await say("m3", "plain");
  assert.deepEqual(got, [["m1"], ["m1", "m2"]]);
  for (const end of ends) end();
  await settled();
  assert.equal(context.getBufferSize("t1"), 1);
  context.stop();
  assert.deepEqual(handlers, {});
});
