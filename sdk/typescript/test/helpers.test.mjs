// The helpers that need no server, against the examples in sdk/testdata, which all SDKs share.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const entry = (name) => import(pathToFileURL(join(process.env.B2B_SDK, `${name}.js`)));
const { parseMentions } = await entry("index");
const { formatThreadLifecycleEvent, getProtocolGuide, getStatusGuide } = await entry("guide");
const read = (name) => readFileSync(new URL(`../../testdata/${name}`, import.meta.url), "utf8");

test("mentions are those that the server finds (B2B-SDK-030)", () => {
  const examples = JSON.parse(read("mentions.json"));
  assert.ok(examples.length > 100);
  for (const { content, participants, ...want } of examples) {
    assert.deepEqual(parseMentions(content, participants), want, JSON.stringify(content));
  }
});

test("an event of a thread has its line (B2B-SDK-032)", () => {
  const { events } = JSON.parse(read("lifecycle.json"));
  for (const { event, names = {}, text } of events) {
    assert.equal(formatThreadLifecycleEvent(event, (id) => names[id]) ?? null, text);
  }
});

test("the guide of a status names each status that it can be set to (B2B-SDK-032)", () => {
  const { statuses } = JSON.parse(read("lifecycle.json"));
  assert.equal(Object.keys(statuses).length, 5);
  for (const [status, text] of Object.entries(statuses)) assert.equal(getStatusGuide(status), text);
  const next = (status) => [...getStatusGuide(status).matchAll(/^- (\w+): /gm)].map((found) => found[1]);
  assert.deepEqual(next("active"), ["blocked", "reviewing", "resolved", "closed"]);
  assert.deepEqual(next("blocked"), ["active"]);
  assert.deepEqual(next("reviewing"), ["active", "resolved", "closed"]);
  assert.deepEqual(next("resolved"), ["active"]);
  assert.deepEqual(next("closed"), ["active"]);
  assert.equal(getStatusGuide("toString"), "Unknown status: toString");
});

test("the protocol guide is the text of sdk/testdata (B2B-SDK-032)", () => {
  assert.equal(`${getProtocolGuide()}\n`, read("guide.en.md"));
  assert.equal(`${getProtocolGuide("en")}\n`, read("guide.en.md"));
  assert.equal(`${getProtocolGuide("zh")}\n`, read("guide.zh.md"));
});
