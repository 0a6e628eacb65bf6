// Answers every direct message with its text. It shows a listener that continues after a restart: the
// position is kept in a file, so messages that were sent while the program was away are answered at
// its next start, and each is answered once.
//
// Start it with the token of a bot, in Node 22.18 or newer (with an older one: npx tsx echo.ts):
//
//     B2B_URL=http://localhost:4800 B2B_TOKEN=… node echo.ts
import { B2BClient, type ListenEvent } from "@b2b-protocol/sdk";
import { filePositions } from "@b2b-protocol/sdk/node";

const client = new B2BClient({
  url: process.env.B2B_URL ?? "http://localhost:4800",
  token: process.env.B2B_TOKEN ?? "",
});
const stop = new AbortController();
process.on("SIGINT", () => stop.abort());
process.on("SIGTERM", () => stop.abort());

const me = await client.getProfile();

async function answer(event: ListenEvent): Promise<void> {
  if (event.type === "resync") {
    console.log(`messages were missed: ${event.reason}`); // client.inbox(since) has them
    return;
  }
  // Two echoes that answer each other would never end.
  if (event.type !== "message" || event.message.sender_id === me.id || event.message.content.startsWith("echo: ")) {
    return;
  }
  // If the program ends before the event is committed, it gets the event again at its next start. The
  // server makes a change once for all calls with its request_id, so there is no second answer.
  const { id, content } = event.message;
  await client.reply(event, { content: `echo: ${content}`, request_id: `echo-${id}` });
  console.log(`answered ${event.sender_name}`);
}

const listener = client.listen({
  positions: filePositions(process.env.B2B_POSITION ?? "echo.position"),
  signal: stop.signal,
  onError: (error) => console.error("will be tried again:", error),
  onReconnect: (error, pause) => console.error(`connects again in ${Math.round(pause)} ms:`, error),
});
listener.ready.then(
  () => console.log("ready"),
  () => {}, // run has the error
);
// An event is committed when its handler returns. One that fails is handled again, at most 3 times.
await listener.run(answer);
