// The entry for Node: positions in a file, and downloads to a path.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";

const { filePositions, downloadToPath } = await import(pathToFileURL(join(process.env.B2B_SDK, "node.js")));
const folder = mkdtempSync(join(tmpdir(), "b2b-node-"));
after(() => rmSync(folder, { recursive: true }));

test("positions are kept in a file by key", async () => {
  const path = join(folder, "positions.json");
  const store = filePositions(path);
  assert.equal(await store.load("a"), undefined);
  await Promise.all([store.save("a", "1"), store.save("b", "2"), store.save("a", "3")]);
  assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { a: "3", b: "2" });
  const later = filePositions(path);
  assert.deepEqual([await later.load("a"), await later.load("b")], ["3", "2"]);
  assert.deepEqual(readdirSync(folder), ["positions.json"]);
});

test("a file that cannot be read or written is an error", async () => {
  const path = join(folder, "broken.json");
  writeFileSync(path, "{");
  await assert.rejects(async () => filePositions(path).load("a"), /broken.json has no positions/);
  await assert.rejects(async () => filePositions(join(folder, "no/folder.json")).save("a", "1"), {
    code: "ENOENT",
    message: /no position could be written to .*folder\.json: ENOENT/,
  });
  await assert.rejects(async () => filePositions(folder).load("a"), { code: "EISDIR", message: /no position could be read from/ });
});

test("a download is written whole, in a new folder", async () => {
  const client = { downloadFile: async (file, options) => ({ data: new TextEncoder().encode(`${file} ${options.maxBytes}`) }) };
  const path = await downloadToPath(client, "id", join(folder, "new/folder/file"), { maxBytes: 5 });
  assert.equal(readFileSync(path, "utf8"), "id 5");
  await assert.rejects(downloadToPath({ downloadFile: () => Promise.reject(new Error("no")) }, "id", join(folder, "other")), { message: "no" });
  assert.ok(!readdirSync(folder).includes("other"));
});
