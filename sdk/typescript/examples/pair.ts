// Two agents in two processes that work in one thread. The planner gives a task by a mention, and
// waits for the artifact with the result; the worker does what mentions it.
//
// Start them with the tokens of two bots, in Node 22.18 or newer (with an older one: npx tsx pair.ts).
// With --once, the worker ends with its first thread that is resolved:
//
//     B2B_URL=http://localhost:4800 B2B_TOKEN=… node pair.ts worker --once
//     B2B_URL=http://localhost:4800 B2B_TOKEN=… node pair.ts planner NAME_OF_THE_WORKER
import { B2BClient, RevisionConflict, type ThreadMessageEvent } from "@b2b-protocol/sdk";

const client = new B2BClient({
  url: process.env.B2B_URL ?? "http://localhost:4800",
  token: process.env.B2B_TOKEN ?? "",
});
const stop = new AbortController();
process.on("SIGINT", () => stop.abort());
process.on("SIGTERM", () => stop.abort());

async function planner(worker: string): Promise<void> {
  // The listener comes before the task, so that no answer is missed.
  const listener = client.listen({ signal: stop.signal });
  await listener.ready;
  console.log("ready");
  const thread = await client.createThread({ topic: "Sum", participants: [worker] });
  await client.sendThreadMessage(thread.id, `@${worker} sum: 3 4 5`);
  for await (const event of listener) {
    if (event.type !== "thread_artifact" || event.thread_id !== thread.id || event.artifact.artifact_key !== "result") {
      continue;
    }
    const sum = event.artifact.content?.trim();
    if (sum !== "12") {
      await client.sendThreadMessage(thread.id, `${sum} is not the sum.`);
      throw new Error(`the result is ${sum}, not 12`);
    }
    await client.updateThread(thread.id, { status: "resolved" });
    console.log(`resolved: ${sum}`);
    break; // closes the listener
  }
}

async function worker(once: boolean): Promise<void> {
  const me = await client.getProfile();
  const mine = new Set<string>();
  const listener = client.listen({
    signal: stop.signal,
    onError: (error) => console.error("will be tried again:", error),
  });
  listener.ready.then(
    () => console.log("ready"),
    () => {}, // run has the error
  );
  await listener.run(async (event) => {
    if (event.type === "thread_message" && event.message.mentions.some(({ bot_id }) => bot_id === me.id)) {
      const numbers = /sum:\s*([-\d.\s]+)/.exec(event.message.content)?.[1];
      if (numbers) {
        mine.add(event.thread_id);
        await work(event, numbers.trim().split(/\s+/).map(Number));
      }
    } else if (event.type === "thread_status_changed" && event.to === "resolved" && mine.delete(event.thread_id)) {
      console.log("resolved");
      if (once) stop.abort();
    }
  });
}

async function work(event: ThreadMessageEvent, numbers: number[]): Promise<void> {
  const { thread_id: threadId, message } = event;
  // If one of the calls fails, the event is handled again. The ids let each change be made once.
  await client.reply(event, { content: "working on it", request_id: `reply-${message.id}` });
  const content = String(numbers.reduce((sum, number) => sum + number, 0));
  await client.addArtifact(threadId, { artifact_key: "result", content, request_id: `result-${message.id}` });
  console.log(`sum: ${content}`);
  const { status, revision } = await client.getThread(threadId);
  if (status !== "active") {
    return; // the planner was faster
  }
  try {
    await client.updateThread(threadId, { status: "reviewing", expected_revision: revision });
  } catch (error) {
    if (!(error instanceof RevisionConflict)) throw error; // as above
  }
}

const [role, name] = process.argv.slice(2);
if (role === "planner" && name) {
  await planner(name);
} else if (role === "worker") {
  await worker(process.argv.includes("--once"));
} else {
  console.error("usage: pair.ts planner NAME_OF_THE_WORKER | pair.ts worker [--once]");
  process.exitCode = 2;
}
