// Calls every operation of the REST client as ../../testdata/rest.json says, against the server at
// B2B_URL, and checks with the compiler that requests, responses and events have their types.
// B2B_SDK is the folder of the compiled SDK.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { getEventListeners } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";

const { B2B_URL: url, B2B_TOKEN: token, B2B_ADMIN_SECRET: secret, B2B_SDK: sdk } = process.env;
const load = (name) => import(pathToFileURL(join(sdk, name)));
const { Rest, httpTransport, retrying, B2BError, ...root } = await load("index.js");
const operations = await load("gen/rest/operations.js"); // the entry "operations" has iterators, too
const steps = JSON.parse(readFileSync(new URL("../../testdata/rest.json", import.meta.url), "utf8"));
const methodOf = (call) => call[0].toLowerCase() + call.slice(1);

// Runs the steps, and returns the source of a module that uses their values with their types.
async function run() {
  const clients = { anyone: { rest: new Rest(httpTransport({ url })) } };
  const values = { secret };
  const fill = (v) =>
    typeof v === "string" && v.startsWith("$") ? values[v.slice(1)]
    : Array.isArray(v) ? v.map(fill)
    : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(([k, inner]) => [k, fill(inner)]))
    : v;
  const called = new Set(), streams = [], source = [];
  for (const [number, step] of steps.entries()) {
    const name = methodOf(step.call), { rest, headers } = clients[step.as ?? "anyone"];
    const where = `step ${number}: ${step.call}`;
    const fields = fill(step.fields), path = fill(step.with ?? []);
    let response;
    const options = { headers: { ...headers, ...step.headers }, onResponse: (r) => (response = r) };
    const upload = step.upload === undefined ? [] : [new Blob([step.upload], { type: "application/json" })];
    const call = rest[name](...path, ...upload, fields, options);
    called.add(step.call);
    if (step.error !== undefined) {
      const error = await call.then(() => assert.fail(`${where}: no error`), (error) => error);
      assert.ok(error instanceof B2BError, `${where}: ${error.stack}`);
      assert.equal(error.code, step.error, where);
      const Class = root[step.error.toLowerCase().replace(/(?:^|_)(.)/g, (_, c) => c.toUpperCase())];
      assert.equal(error.constructor, Class, where);
      assert.ok(error.status >= 400 && error.message !== "" && error.body.error === error.message, where);
      continue;
    }
    const result = await call.catch((error) => assert.fail(`${where}: ${error.stack}`));
    assert.equal(response.status, step.status ?? 200, where);
    if (name === "subscribe") {
      streams.push(result);
      continue;
    }
    if (step.bytes !== undefined) {
      assert.equal(await result.text(), step.bytes, where);
      continue;
    }
    if (step.contains !== undefined) {
      assert.ok(result.includes(step.contains), where);
      continue;
    }
    if (step.status === 204) {
      assert.equal(result, undefined, where);
      continue;
    }
    const type = `typeof operations.${name}`;
    source.push(`{ // ${where}`);
    if (fields !== undefined) {
      source.push(`  const fields: NonNullable<Parameters<${type}>[${1 + path.length + upload.length}]> = ${JSON.stringify(fields)};`, "  void fields;");
    }
    source.push(`  const result: Awaited<ReturnType<${type}>> = ${JSON.stringify(result)};`, "  void result;", "}");
    for (const [key, at] of Object.entries(step.save ?? {})) {
      values[key] = at.split(".").reduce((v, k) => v[k], result);
      assert.notEqual(values[key], undefined, `${where}: ${at}`);
    }
    for (const [key, at] of Object.entries(step.token ?? {})) {
      clients[key] = { rest: new Rest(httpTransport({ url, token: result[at] })) };
    }
    if (step.cookie !== undefined) {
      const [cookie] = response.headers.getSetCookie().map((line) => line.split(";")[0]);
      clients[step.cookie] = { rest: clients.anyone.rest, headers: { Cookie: cookie } };
    }
  }
  return { called, source, events: await eventsOf(streams) };
}

// Reads events until each type was received that the steps cause. Only the type bot_online needs a
// WebSocket connection.
async function eventsOf(streams) {
  const types = readFileSync(join(sdk, "gen/rest/types.d.ts"), "utf8").match(/^export type Event = (.*);$/m)[1].split(" | ");
  const missing = new Set(types.map((t) => t.replace(/Event$/, "").replace(/(?<!^)[A-Z]/g, "_$&").toLowerCase()));
  assert.ok(missing.delete("bot_online"));
  const events = [];
  const readers = streams.map((response) => response.body.pipeThrough(new TextDecoderStream()).getReader());
  const read = async (reader) => {
    for (let text = "", piece; !(piece = await reader.read()).done; ) {
      text += piece.value;
      for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
        const data = text.slice(0, end).split("\n").filter((line) => line.startsWith("data:"));
        if (data.length > 0) {
          events.push(JSON.parse(data.map((line) => line.slice(5)).join("\n")));
          missing.delete(events.at(-1).type);
        }
      }
      if (missing.size === 0) await Promise.all(readers.map((reader) => reader.cancel()));
    }
  };
  const timer = setTimeout(() => readers.map((reader) => reader.cancel()), 30_000);
  await Promise.all(readers.map(read));
  clearTimeout(timer);
  assert.deepEqual([...missing], [], "types of events that did not arrive");
  return events;
}

// Checks modules that use the compiled SDK with the compiler.
function compile(modules) {
  const folder = mkdtempSync(join(sdk, "check-"));
  const files = Object.entries(modules).map(([name, text]) => (writeFileSync(join(folder, `${name}.mts`), text), `${name}.mts`));
  const paths = { "@b2b-protocol/sdk": [join(sdk, "index.d.ts")], "@b2b-protocol/sdk/*": [join(sdk, "*.d.ts"), join(sdk, "*/index.d.ts")] };
  const options = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, module: "nodenext", target: "es2022", lib: ["es2022", "dom"], types: [], paths };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files }));
  const tsc = createRequire(new URL("../package.json", import.meta.url)).resolve("typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "--project", folder], { stdio: "pipe" });
}

test("every operation responds with its type", async () => {
  const { called, source, events } = await run();
  const all = Object.keys(operations).filter((name) => typeof operations[name] === "function");
  const uncalled = all.filter((name) => ![...called].some((call) => methodOf(call) === name));
  assert.deepEqual(uncalled, [], "operations that no step of rest.json calls");
  assert.deepEqual(Object.keys(new Rest(() => {})).length, 0, "methods are not enumerable");
  source.push(...events.map((event) => `{ const event: Event = ${JSON.stringify(event)}; void event; }`));
  const imports = ['import type * as operations from "@b2b-protocol/sdk/operations";', 'import type { Event } from "@b2b-protocol/sdk";'];
  const wrong = ['const e: Event = { type: "bot_renamed", bot_id: "a", old_name: "b", new_name: null };', "void e;"];
  try {
    compile({ responses: [...imports, ...source].join("\n") });
  } catch (error) {
    assert.fail(error.stdout.toString());
  }
  assert.throws(() => compile({ wrong: [...imports, ...wrong].join("\n") }), (error) => /'null' is not assignable/.test(error.stdout.toString()));
});

test("the entry for Connect has every message and service", async () => {
  const connect = await load("gen/connect.js");
  for (const file of readdirSync(join(sdk, "gen/b2b/v1")).filter((name) => name.endsWith("_pb.js"))) {
    for (const name of Object.keys(await load(`gen/b2b/v1/${file}`))) {
      assert.ok(name in connect, name);
    }
  }
  assert.equal(connect.ThreadService.typeName, "b2b.v1.ThreadService");
});

test("a path value cannot name another path", async () => {
  const paths = [];
  const rest = new Rest(async (request) => (paths.push(request.path), Response.json({})));
  await rest.getBot("a/b?c#d %é..");
  assert.deepEqual(paths, ["/api/bots/a%2Fb%3Fc%23d%20%25%C3%A9.."]);
  for (const value of ["", ".", "..", undefined, null, 5]) {
    await assert.rejects(rest.getBot(value), TypeError);
  }
});

test("a request has the fields where the server reads them", async () => {
  const requests = [];
  const rest = new Rest(async (request) => (requests.push(request), Response.json({})));
  await rest.updateThread("t", { topic: "x", context: null, close_reason: undefined, expected_revision: 0, expected_revisions: [3, 4] });
  assert.equal(requests[0].headers["If-Match"], '"0", "3", "4"');
  assert.equal(requests[0].body, '{"topic":"x","context":null}');
  await rest.updateThread("t", { topic: "x" }, { timeout: 7, headers: { A: "b" } });
  const { signal, ...request } = requests[1];
  assert.deepEqual(request, { method: "PATCH", path: "/api/threads/t", headers: { "Content-Type": "application/json", A: "b" }, body: '{"topic":"x"}' });
  assert.ok(signal instanceof AbortSignal);
  await rest.subscribe({ types: ["message", "bot_online"], cursor: "5", thread_ids: undefined });
  assert.deepEqual({ ...requests[2], signal }, { method: "GET", path: "/api/events?types=message%2Cbot_online", headers: { "Last-Event-ID": "5" }, stream: true, signal });
  await assert.rejects(rest.uploadFile(new Blob(["x"])), TypeError);
  for (const wrong of [NaN, Infinity]) { // JSON would have null
    await assert.rejects(rest.createThread({ topic: "x", context: { deep: [wrong] } }), TypeError);
    await assert.rejects(rest.listThreads({ limit: wrong }), TypeError);
  }
  assert.equal(requests.length, 3);
});

test("changes have the request_id of the caller, or of a transport that retries", async () => {
  const requests = [];
  const transport = async (request) => (requests.push(request), Response.json({}));
  const rest = new Rest(Object.assign((request) => transport(request), { retry: { newRequestId: () => "new", clock: { now: () => 0 } } }));
  await rest.createThread({ topic: "x" });
  await rest.createThread({ topic: "x", request_id: "" });
  await rest.createThread({ topic: "x", request_id: "own" });
  await rest.deleteToken("t");
  await rest.uploadFile(new Blob(["x"]), { name: "n" });
  await rest.updateThread("t", { topic: "x", expected_revision: 1 });
  assert.deepEqual(requests.map(({ requestId }) => requestId), ["new", "new", "own", "new", "new", "new"]);
  assert.equal(requests[0].body, '{"topic":"x","request_id":"new"}');
  assert.equal(requests[3].path, "/api/me/tokens/t?request_id=new");
  assert.equal(requests[4].body.get("request_id"), "new");
  requests.length = 0;
  await rest.listThreads();
  await rest.createTicket(); // the schema has none
  await new Rest(transport).createThread({ topic: "x" });
  assert.deepEqual(requests.map(({ requestId, body }) => [requestId, body]), [[undefined, undefined], [undefined, "{}"], [undefined, '{"topic":"x"}']]);
});

test("an error response is an error of the catalogue, or a B2BError", async () => {
  const respond = (body, init) => new Rest(async () => new Response(body, init));
  const caught = (rest) => rest.getMe().then(() => assert.fail("no error"), (error) => error);
  const limited = await caught(respond('{"error":"slow down","code":"RATE_LIMITED","hint":"wait","retry_after":3,"more":1}', { status: 429 }));
  assert.ok(limited instanceof root.RateLimited && limited instanceof Error);
  assert.deepEqual({ ...limited, body: limited.body }, { status: 429, code: "RATE_LIMITED", hint: "wait", retryAfter: 3, retryable: true, body: { error: "slow down", code: "RATE_LIMITED", hint: "wait", retry_after: 3, more: 1 }, name: "RateLimited" });
  assert.equal(String(limited), "RateLimited: slow down");
  const proxy = await caught(respond("<h1>Bad gateway</h1>", { status: 502, headers: { "Retry-After": "9" } }));
  assert.equal(proxy.constructor, B2BError);
  assert.deepEqual([proxy.name, proxy.code, proxy.status, proxy.retryAfter, proxy.retryable, proxy.body], ["B2BError", "", 502, 9, true, "<h1>Bad gateway</h1>"]);
  const newer = await caught(respond('{"error":"x","code":"toString"}', { status: 400 }));
  assert.deepEqual([newer.constructor, newer.code, newer.retryable], [B2BError, "toString", false]);
  assert.equal((await caught(respond("<h1>Log in</h1>"))).message, "the response is not JSON");
  assert.equal((await caught(respond('{"error":"x","code":"NEWER"}', { status: 503 }))).retryable, true);
  const degraded = respond('{"status":"degraded"}', { status: 503 });
  assert.deepEqual(await degraded.getHealth(), { status: "degraded" });
  await assert.rejects(respond('{"error":"busy","code":"UNAVAILABLE"}', { status: 503 }).getHealth(), root.Unavailable);
});

test("the wait before a retry is a number of seconds, or undefined", async () => {
  const waitOf = (body, header) =>
    new Rest(async () => new Response(body, { status: 429, headers: header === undefined ? {} : { "Retry-After": header } })).getMe().catch((error) => error.retryAfter);
  for (const [header, want] of [["7", 7], ["1.5", 1.5], ["0", 0], ["", undefined], ["-5", undefined], ["NaN", undefined], ["Infinity", undefined], ["1e999", undefined], ["9".repeat(400), undefined], ["0x10", undefined], ["soon", undefined], ["Wed, 21 Oct 2015 07:28:00 GMT", 0]]) {
    assert.equal(await waitOf("", header), want, header);
  }
  const wait = await waitOf("", new Date(Date.now() + 3_600_000).toUTCString());
  assert.ok(wait > 3_000 && wait <= 3_600, wait);
  for (const [body, want] of [["3", 3], ["-3", 9], ["1e999", 9], ["true", 9], ['"3"', 9], ["null", 9]]) {
    assert.equal(await waitOf(`{"error":"x","code":"RATE_LIMITED","retry_after":${body}}`, "9"), want, body);
  }
});

test("no error has a secret", async () => {
  const texts = async (call) => {
    try {
      await call();
    } catch (error) {
      assert.ok(error instanceof TypeError, error.stack);
      return inspect(error, { depth: 9, showHidden: true });
    }
    assert.fail("no error");
  };
  const { Files } = await load("files.js");
  for (const Client of [(options) => new Rest(httpTransport(options)).getMe(), (options) => new Files(options).info("x")]) {
    for (const wrong of ["", "sesame\n", "sesame\r\nA: b", "sesame é", "sesame \u0100"]) {
      assert.doesNotMatch(await texts(() => Client({ url, token: wrong })), /sesame/);
    }
    for (const wrong of ["http://u:sesame@h", "http://sesame@h", "http://u:sesame@:x", "ftp://u:sesame@h", "http://h/?key=sesame", "http://h/#sesame"]) {
      assert.doesNotMatch(await texts(() => Client({ url: wrong, token })), /sesame/);
    }
  }
  const rest = new Rest(httpTransport({ url, token }));
  assert.doesNotMatch(await texts(() => rest.getMe({}, { headers: { Cookie: "a=sesame\nb" } })), /sesame/);
  assert.doesNotMatch(await texts(() => rest.subscribe({ cursor: "sesame\nb" })), /sesame/);
  const cut = new Rest(async () => new Response('{"token":"sesame"'));
  const error = await cut.getMe().then(() => assert.fail("no error"), (error) => error);
  assert.equal(error.body, '{"token":"sesame"');
  assert.doesNotMatch(inspect(error) + JSON.stringify(error), /sesame/);
  assert.doesNotMatch(inspect([rest, httpTransport({ url, token }), new Files({ url, token })], { depth: 9, showHidden: true }), new RegExp(token));
});

// Serves handle until use has ended.
async function serving(handle, use) {
  const server = createServer(handle);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a redirect is an error, and nothing goes to where it points", async () => {
  const seen = [];
  await serving((request, response) => (seen.push(request.url), response.end("{}")), async (other) => {
    let status;
    await serving((request, response) => (request.resume(), response.writeHead(status, { Location: other + request.url }).end()), async (at) => {
      const { Files } = await load("files.js");
      for (status of [301, 302, 303, 307, 308]) {
        const error = { status, message: "the response is a redirect: the URL is not that of the server" };
        await assert.rejects(new Rest(httpTransport({ url: at, token })).login({ type: "super_admin", admin_secret: secret }), error);
        await assert.rejects(new Rest(httpTransport({ url: at, token })).getFile("x"), error);
        await assert.rejects(new Files({ url: at, token }).info("x"), error);
      }
    });
  });
  assert.deepEqual(seen, []);
});

test("a call that fails after the headers ends its response", async () => {
  let closed;
  const ended = new Promise((done) => (closed = done));
  const never = (request, response) => (response.on("close", closed), response.writeHead(200).write("{"));
  await serving(never, async (at) => {
    const fail = () => {
      throw new Error("enough");
    };
    await assert.rejects(new Rest(httpTransport({ url: at, timeout: 0 })).getMe({}, { onResponse: fail }), { message: "enough" });
    let timer;
    const late = new Promise((_, fail) => (timer = setTimeout(fail, 5_000, new Error("the response is still open"))));
    await Promise.race([ended, late]); // before the garbage collector ends it
    clearTimeout(timer);
  });
});

test("B2B-SDK-039: a response that is too large is an error of its own, and is not read", async () => {
  const text = JSON.stringify({ name: "x".repeat(10_000) });
  let sent, closed;
  const respond = {
    length: (response, status) => response.writeHead(status, { "Content-Length": text.length }).end(text),
    pieces: (response, status) => (response.writeHead(status).write(text), response.end()),
    compressed: (response, status) => response.writeHead(status, { "Content-Encoding": "gzip" }).end(gzipSync(text)),
  };
  const handle = (request, response) => respond[request.url.slice(1).split("/")[0]](response, Number(request.headers["x-status"]));
  await serving(handle, async (at) => {
    for (const way of Object.keys(respond)) {
      for (const status of [200, 400]) {
        const headers = { "X-Status": String(status) };
        const get = (maxResponseBytes) => new Rest(httpTransport({ url: `${at}/${way}`, maxResponseBytes })).getMe({}, { headers });
        await assert.rejects(get(10_000), { name: "ResponseTooLarge", code: "RESPONSE_TOO_LARGE", status, message: /10000 bytes/ }, way);
        const whole = status === 200 ? get(text.length) : get(undefined).catch(({ body }) => body);
        assert.equal((await whole).name.length, 10_000, way);
      }
    }
  });
  // A response without an end is ended.
  const endless = (request, response) => {
    sent = 0;
    const more = () => {
      while (!closed && sent++ < 500 && response.write("x".repeat(10_000)));
    };
    response.on("close", () => (closed = true)).on("drain", more);
    more();
  };
  await serving(endless, async (at) => {
    const rest = new Rest(retrying(httpTransport({ url: at, maxResponseBytes: 100_000 })));
    await assert.rejects(rest.getMe(), { code: "RESPONSE_TOO_LARGE" });
  });
  assert.ok(sent < 500);
});

test("a timeout is a number of milliseconds", async () => {
  const rest = new Rest(httpTransport({ url, token }));
  for (const wrong of [NaN, -1]) {
    await assert.rejects(rest.getMe({}, { timeout: wrong }), TypeError);
  }
  for (const timeout of [0, Infinity, 2 ** 31, 1e12]) {
    await new Rest(async () => (await new Promise((done) => setTimeout(done, 20)), Response.json({}))).getMe({}, { timeout });
  }
});

test("a call ends in time, or when it is cancelled", async () => {
  const server = createServer((request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("data: {}"); // and never ends
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const at = `http://127.0.0.1:${server.address().port}`;
  const rest = new Rest(httpTransport({ url: at, timeout: 100 }));
  await assert.rejects(rest.getMe(), { name: "TimeoutError" });
  await assert.rejects(new Rest(httpTransport({ url: at })).getMe({}, { timeout: 1 }), { name: "TimeoutError" });
  await assert.rejects(rest.getMe({}, { signal: AbortSignal.abort(new Error("enough")) }), { message: "enough" });
  const controller = new AbortController();
  const stream = await rest.subscribe({}, { signal: controller.signal });
  await new Promise((done) => setTimeout(done, 200)); // longer than the timeout
  const reader = stream.body.getReader();
  assert.ok((await reader.read()).value.length > 0);
  const rest2 = reader.read();
  controller.abort(new Error("enough"));
  await assert.rejects(rest2, { message: "enough" });
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  const long = new AbortController(); // one signal for many streams
  const cancelled = await rest.subscribe({}, { signal: long.signal });
  assert.equal(getEventListeners(long.signal, "abort").length, 1);
  await cancelled.body.cancel();
  assert.equal(getEventListeners(long.signal, "abort").length, 0);
  server.closeAllConnections();
  server.close();
  for (const wrong of ["", "localhost:4800", "ftp://localhost"]) {
    assert.throws(() => httpTransport({ url: wrong }), TypeError);
  }
});

test("a transport sends its token, org and base path", async () => {
  const seen = [];
  const rest = new Rest(httpTransport({ url: " http://h/hub// \n", token, orgId: "o", fetch: async (...args) => (seen.push(args), Response.json({})) }));
  await rest.getMe();
  assert.equal(seen[0][0], "http://h/hub/api/me");
  assert.deepEqual(seen[0][1].headers, { Authorization: `Bearer ${token}`, "X-Org-Id": "o" });
});
