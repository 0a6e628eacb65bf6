// Tests against the server at B2B_URL, with the bot token B2B_TOKEN. B2B_SDK is the folder of
// the compiled SDK.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, openAsBlob, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { execFileSync } from "node:child_process";

const { B2B_URL: url, B2B_TOKEN: token, B2B_SDK: sdk } = process.env;
const { Files, FilesError } = await import(pathToFileURL(join(sdk, "files.js")));
const files = new Files({ url: url + "/", token });

test("a download returns the uploaded bytes", async () => {
  for (const size of [0, 1, 65_536, 3_000_001]) {
    const data = new Uint8Array(Buffer.concat([Buffer.from("bytes: "), randomBytes(size)]).subarray(0, size));
    const file = await files.upload(data, { name: "naïve 表.csv", type: "text/csv" });
    assert.equal(file.name, "naïve 表.csv");
    assert.equal(file.mime_type, "text/csv");
    assert.equal(file.size, size);
    assert.deepEqual(await files.info(file.url), file);
    assert.deepEqual(await files.info(file.id), file);
    assert.deepEqual(new Uint8Array(await (await files.download(file.url)).arrayBuffer()), data);
  }
});

// A folder that is removed after the test.
function folderOf(t) {
  const folder = mkdtempSync(join(tmpdir(), "b2b-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("upload accepts text, buffers, files and blobs", async (t) => {
  const path = join(folderOf(t), "data.json");
  writeFileSync(path, '{"a": 1}');
  for (const [data, options, want] of [
    ["text", { name: "a" }, { name: "a", mime_type: "text/plain", size: 4 }],
    [new TextEncoder().encode("text").buffer, { name: "a" }, { name: "a", mime_type: "text/plain", size: 4 }],
    [new File(["{}"], "own.json", { type: "application/json" }), {}, { name: "own.json", mime_type: "application/json", size: 2 }],
    [new File(["{}"], "own.json", { type: "application/json" }), { name: "other", type: "text/csv" }, { name: "other", mime_type: "text/csv", size: 2 }],
    [await openAsBlob(path), { name: "data.json", type: "application/json" }, { name: "data.json", mime_type: "application/json", size: 8 }],
  ]) {
    const { name, mime_type, size } = await files.upload(data, options);
    assert.deepEqual({ name, mime_type, size }, want);
  }
  await assert.rejects(files.upload(new Blob(["x"])), TypeError);
});

test("download of a range", async () => {
  const { url: at } = await files.upload("0123456789", { name: "digits" });
  for (const [range, want, status] of [[{ start: 3 }, "3456789", 206], [{ start: 3, end: 4 }, "34", 206], [{ end: 0 }, "0", 206], [{}, "0123456789", 200]]) {
    const answer = await files.download(at, range);
    assert.equal(answer.status, status);
    assert.equal(await answer.text(), want);
  }
  await assert.rejects(files.download(at, { start: 10 }), { status: 416, code: "RANGE_NOT_SATISFIABLE" });
});

test("errors have a code", async () => {
  const requestId = randomUUID();
  const first = await files.upload("one", { name: "a", requestId });
  assert.deepEqual(await files.upload("one", { name: "a", requestId }), first);
  await assert.rejects(files.upload("other", { name: "a", requestId }), { status: 409, code: "IDEMPOTENCY_KEY_REUSED" });
  await assert.rejects(files.upload("<svg/>", { name: "a" }), (err) => err instanceof FilesError && err.code === "UNSUPPORTED_MEDIA_TYPE" && err.message !== "");
  await assert.rejects(files.download("/api/files/none"), { status: 404, code: "NOT_FOUND" });
  await assert.rejects(files.info("../../api/me"), { status: 404, code: "NOT_FOUND" });
  await assert.rejects(new Files({ url }).info(first.id), { status: 401, code: "AUTH_REQUIRED" });
  await assert.rejects(new Files({ url, fetch: async () => new Response("<html>", { status: 502 }) }).info("x"), { status: 502, code: "" });
  for (const [body, message] of [["null", "the server responded with status 429"], ['{"error":5,"retry_after":-1}', "the server responded with status 429"]]) {
    const failed = new Files({ url, fetch: async () => new Response(body, { status: 429, headers: { "Retry-After": "9" } }) }).info("x");
    await assert.rejects(failed, { name: "B2BError", message, status: 429, code: "", retryAfter: 9 });
  }
  await assert.rejects(files.download(first.id, { signal: AbortSignal.abort() }), { name: "AbortError" });
});

test("errors are those of the client", async () => {
  const { B2BError, NotFound } = await import(pathToFileURL(join(sdk, "index.js")));
  assert.equal(FilesError, B2BError);
  await assert.rejects(files.info("none"), NotFound);
});

test("a download fails when the connection ends too early", async () => {
  const cut = async () =>
    new Response(new ReadableStream({ start: (c) => (c.enqueue(new Uint8Array(3)), c.error(new Error("cut off"))) }), { status: 200 });
  await assert.rejects((await new Files({ url, fetch: cut }).download("x")).arrayBuffer());
});

test("the example of the documentation", (t) => {
  const page = readFileSync(new URL("../../../docs/use/files.md", import.meta.url), "utf8");
  const lines = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, text]) => text).filter((text) => text.includes("sdk/files"));
  assert.equal(lines.length, 1);
  const folder = folderOf(t);
  writeFileSync(join(folder, "report.csv"), "a,b\n1,2\n");
  const at = pathToFileURL(join(sdk, "files.js")).href;
  writeFileSync(join(folder, "lines.mjs"), lines[0].replace("@b2b-protocol/sdk/files", at).replace("http://localhost:4800", url));
  execFileSync(process.execPath, ["lines.mjs"], { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
  assert.equal(readFileSync(join(folder, "copy.csv"), "utf8"), "a,b\n1,2\n");
});
