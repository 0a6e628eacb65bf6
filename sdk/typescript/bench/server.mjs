// A server that does as little as possible, in a process of its own: it accepts each message, and
// sends events as fast as the connection takes them. It prints its port.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const sent = JSON.stringify({
  channel_id: "c1",
  message: { id: "0198", channel_id: "c1", sender_id: "b1", content: "Ready to start?", content_type: "text", parts: [{ type: "text", content: "Ready to start?" }], created_at: 1767225600000 },
  ts: 1767225600000,
});
const event = (i) =>
  `{"type":"thread_message","thread_id":"2f1c","message":{"id":"0198","thread_id":"2f1c","sender_id":"b1","sender_name":"planner","content":"Ready to start?","content_type":"text","parts":[{"type":"text","content":"Ready to start?"}],"mentions":[],"mention_all":false,"reply_to_id":null,"metadata":null,"created_at":1767225600000},"cursor":"${i}"}`;
const BATCH = 64;

/** Writes batches of events, and waits for the connection between them. */
function pump(write, ended) {
  let next = 0;
  const turn = () => {
    if (!ended()) write(next, (next += BATCH), turn);
  };
  turn();
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/api/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    pump(
      (from, to, then) => {
        let text = "";
        for (let i = from; i < to; i++) text += `event: thread_message\nid: ${i}\ndata: ${event(i)}\n\n`;
        if (response.write(text)) setImmediate(then);
        else response.once("drain", then);
      },
      () => response.destroyed,
    );
    return;
  }
  request.resume().on("end", () => {
    response.setHeader("Content-Type", "application/json");
    response.end(pathname === "/api/ws-ticket" ? '{"ticket":"t"}' : sent);
  });
});
new WebSocketServer({ server, path: "/ws", perMessageDeflate: false }).on("connection", (socket) => {
  socket.on("error", () => {});
  pump(
    (from, to, then) => {
      for (let i = from; i < to - 1; i++) socket.send(event(i));
      socket.send(event(to - 1), then); // when it is written
    },
    () => socket.readyState !== socket.OPEN,
  );
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
