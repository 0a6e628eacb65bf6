// The iterators of lists that come in pages: with made-up pages, and against the server at B2B_URL.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const { B2B_URL: url, B2B_TOKEN: token, B2B_SDK: sdk } = process.env;
const { Rest, httpTransport } = await import(pathToFileURL(join(sdk, "index.js")));
const entry = (id) => ({ id, created_at: id });

// Returns a client that gets one page after the other, and the paths that it asks for.
function serving(...pages) {
  const paths = [];
  const rest = new Rest(async ({ path }) => {
    const [body, link] = pages[paths.push(path) - 1] ?? assert.fail(`a page too many: ${path}`);
    return Response.json(body, { headers: link === undefined ? {} : { Link: link } });
  });
  return { rest, paths };
}

async function ids(list) {
  const out = [];
  for await (const { id } of list) out.push(id);
  return out;
}

test("a bare list continues by its header Link", async () => {
  const { rest, paths } = serving([[entry(1), entry(2)], '<?cursor=5%7Ca+b&limit=2>; rel="next"'], [[entry(3)]]);
  assert.deepEqual(await ids(rest.eachPeer({ limit: 2 })), [1, 2, 3]);
  assert.deepEqual(paths, ["/api/peers?limit=2", "/api/peers?limit=2&cursor=5%7Ca+b"]);
});

test("a page that is an object continues by its token", async () => {
  const { rest, paths } = serving(
    [{ items: [entry(1)], has_more: true, next_cursor: "a&b" }, '<?cursor=other>; rel="next"'],
    [{ items: [], has_more: true, next_cursor: "c" }],
    [{ items: [entry(2)], has_more: false, next_cursor: "d" }],
  );
  assert.deepEqual(await ids(rest.eachThread({ q: "x y", cursor: "" })), [1, 2]);
  assert.deepEqual(paths, ["/api/threads?q=x+y&cursor=", "/api/threads?q=x+y&cursor=a%26b", "/api/threads?q=x+y&cursor=c"]);
  const tickets = serving([{ items: [entry(1)], cursor: "t" }], [{ items: [entry(2)] }]);
  assert.deepEqual(await ids(tickets.rest.eachOrgTicket()), [1, 2]);
  assert.deepEqual(tickets.paths, ["/api/org/tickets", "/api/org/tickets?cursor=t"]);
});

test("a list without tokens continues at an offset", async () => {
  const { rest, paths } = serving([{ items: [entry(1), entry(2)], has_more: true }], [{ items: [entry(3)], has_more: false }]);
  assert.deepEqual(await ids(rest.eachOrgSession({ limit: 2, offset: 4 })), [1, 2, 3]);
  assert.deepEqual(paths[1], "/api/org/sessions?limit=2&offset=6");
});

test("messages are the newest first, down to since", async () => {
  const { rest, paths } = serving([[entry(5), entry(6)]], [{ messages: [entry(4), entry(3), entry(2)], has_more: true }]);
  assert.deepEqual(await ids(rest.eachChannelMessage("c", { since: 2 })), [6, 5, 4, 3]);
  assert.deepEqual(paths, ["/api/channels/c/messages?since=2", "/api/channels/c/messages?since=2&before=5"]);
  assert.deepEqual(await ids(serving([[]]).rest.eachChannelMessage("c")), []);
});

test("a token that repeats ends the list", async () => {
  const { rest } = serving([[entry(1)], '<?cursor=a>; rel="next"'], [[entry(2)], '<?cursor=a>; rel="next"']);
  assert.deepEqual(await ids(rest.eachPeer()), [1, 2]);
});

test("pages are read only when their entries are", async () => {
  const { rest, paths } = serving([[entry(1)], '<?cursor=a>; rel="next"']);
  for await (const { id } of rest.eachPeer()) {
    assert.equal(id, 1);
    break;
  }
  assert.equal(paths.length, 1);
  assert.throws(() => rest.eachArtifact(".."), TypeError);
  const controller = new AbortController();
  const cancelled = serving([[entry(1)], '<?cursor=a>; rel="next"']).rest.eachPeer({}, { signal: controller.signal });
  await cancelled.next();
  controller.abort(new Error("enough"));
  await assert.rejects(cancelled.next(), { message: "enough" });
});

test("iterators return each entry of the server once", async () => {
  const rest = new Rest(httpTransport({ url, token }));
  const topic = randomUUID();
  const threads = [];
  for (let i = 0; i < 5; i++) threads.push((await rest.createThread({ topic })).id);
  assert.deepEqual(await ids(rest.eachThread({ q: topic, limit: 2 })), threads.toReversed());
  const sent = [];
  for (let i = 0; i < 7; i++) sent.push((await rest.sendThreadMessage(threads[0], { content: `${i}` })).id);
  assert.deepEqual(await ids(rest.eachThreadMessage(threads[0], { limit: 3 })), sent.toReversed());
  assert.deepEqual(await ids(rest.eachThreadMessage(threads[0])), sent.toReversed());
  for (const key of ["a", "b", "c"]) await rest.addArtifact(threads[0], { artifact_key: key });
  const keys = [];
  for await (const { artifact_key } of rest.eachArtifact(threads[0], { limit: 1 })) keys.push(artifact_key);
  assert.deepEqual(keys.sort(), ["a", "b", "c"]);
});
