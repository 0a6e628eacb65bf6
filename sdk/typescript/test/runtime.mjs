// Uses the SDK as programs do, for any runtime: Node, Deno, Bun. It takes the ES modules and then the
// CommonJS modules. The environment is that of the other tests.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const { B2B_URL: url, B2B_TOKEN: token, B2B_SDK: sdk } = process.env;
const require = createRequire(import.meta.url);
const kinds = {
  import: (name) => import(pathToFileURL(join(sdk, `${name}.js`)).href),
  require: async (name) => require(join(sdk, "cjs", `${name}.js`)),
};
for (const [kind, load] of Object.entries(kinds)) {
  const { B2BClient, NotFound } = await load("index");
  const { filePositions } = await load("node");
  const { FakeServer } = await load("testing");
  const folder = await mkdtemp(join(tmpdir(), "b2b-"));
  const client = new B2BClient({ url, token });
  const listener = client.listen({ positions: filePositions(join(folder, "positions.json")), signal: AbortSignal.timeout(60_000) });
  try {
    await listener.ready;
    const { id } = await client.createThread({ topic: "runtime" });
    const data = new Blob(["runtime"], { type: "text/plain" });
    const file = await client.uploadFile(data, { name: "runtime.txt" });
    for await (const event of listener) {
      if (event.type === "thread_created" && event.thread.id === id) {
        break;
      }
    }
    assert.deepEqual((await client.downloadFile(file.id)).data, new TextEncoder().encode("runtime"));
    await assert.rejects(client.getThread("none"), NotFound);
  } finally {
    listener.close();
    await rm(folder, { recursive: true });
  }
  const fake = new FakeServer();
  const [agent, user] = [fake.client("agent"), fake.client("user")];
  await agent.send("user", "Hello");
  assert.deepEqual((await user.inbox(0)).map(({ content }) => content), ["Hello"]);
  console.log(`${kind}: ${process.versions.bun ? "Bun" : process.versions.deno ? "Deno" : "Node"} runs the SDK`);
}
