// Listening over a WebSocket.
import type { Clock } from "../clock.js";
import { createTicket } from "../gen/rest/operations.js";
import type { Event } from "../gen/rest/types.js";
import type { Transport } from "../transport.js";
import { LARGEST_EVENT, OPENS_WITHIN, tooLarge, Watch, type Connect, type Sink } from "./connection.js";
import { ofClose, ofRefusal, type End } from "./ends.js";

/** What a listener needs of a WebSocket: the global one has it, and that of the package `ws`. */
export interface Socket {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string): void;
  close(): void;
}

export type SocketClass = new (url: string) => Socket;

/** Of the package `ws`: stops and continues reading, and ends without a handshake. */
type Pausable = Socket & { pause?(): void; resume?(): void; terminate?(): void };

/** Frames that answer the client, and are no events. */
const replies = new Set(["pong", "ack", "error"]);

/** Returns what opens connections, each with a new ticket. */
export function overWebSocket(base: string, transport: Transport, clock: Clock, WebSocket: SocketClass): Connect {
  return async (sink, signal) => {
    const start = clock.now();
    let ticket: string;
    try {
      ({ ticket } = await createTicket(transport, {}, { timeout: OPENS_WITHIN, signal }));
    } catch (error) {
      return ofRefusal(error);
    }
    const at = `${base.replace(/^http/, "ws")}/ws?ticket=${encodeURIComponent(ticket)}`;
    const position = sink.position === undefined ? "" : `&cursor=${encodeURIComponent(sink.position)}`;
    const left = Math.max(1, OPENS_WITHIN - (clock.now() - start));
    return new Promise((resolve) => follow(new WebSocket(at + position), left, clock, sink, signal, resolve));
  };
}

/** Passes on what a socket brings, until it ends or is ended. */
function follow(socket: Pausable, opensWithin: number, clock: Clock, { opened, take, room }: Sink, signal: AbortSignal, resolve: (end: End) => void): void {
  let open = false;
  let frames = false;
  let reading = true;
  let watch: Watch | undefined;
  const cancelOpening = clock.after(opensWithin, () => finish(lost("the WebSocket did not open")));

  const finish = (end: End) => {
    cancelOpening();
    watch?.stop();
    signal.removeEventListener("abort", abort);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {}; // that of a socket that is closed before it opens
    (socket.terminate ?? socket.close).call(socket);
    resolve(end);
  };
  const silent = () => finish(lost("nothing arrived for 60 seconds"));
  const lost = (message: string): End => ({ action: "backoff", error: new Error(message), ...(open ? !frames && { broken: "mute" } : { broken: "refused" }) });
  const abort = () => finish({ action: "stop", error: signal.reason });
  const ping = () => socket.send('{"type":"ping"}');

  socket.onopen = () => {
    open = true;
    cancelOpening();
    watch = new Watch(clock, silent, ping);
    ping(); // its reply shows that frames pass
    opened();
  };
  socket.onmessage = ({ data }: { data: unknown }) => {
    frames = true;
    watch?.heard();
    if ((data as string).length > LARGEST_EVENT) {
      return finish(tooLarge());
    }
    let event: Event;
    try {
      event = JSON.parse(data as string) as Event;
    } catch (error) {
      return finish({ action: "backoff", error });
    }
    if (replies.has(event.type) || take(event, (data as string).length) || !reading) {
      return;
    }
    if (!socket.pause || !socket.resume) {
      return finish({ action: "full", error: undefined });
    }
    reading = false;
    watch?.stop();
    socket.pause();
    void room().then(() => {
      reading = true;
      if (watch && !signal.aborted) {
        watch = new Watch(clock, silent, ping);
        socket.resume!();
      }
    });
  };
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
    const silently = code === 1005 || code === 1006; // no close frame of the server
    finish(silently ? lost("the connection was lost") : ofClose(code, String(reason)));
  };
  socket.onerror = () => {
    if (!open) {
      finish(lost("the WebSocket did not open")); // some runtimes have no close event then
    }
  };
  signal.addEventListener("abort", abort);
  if (signal.aborted) {
    abort();
  }
}
