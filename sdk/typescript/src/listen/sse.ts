// Listening to server-sent events.
import { errorOf } from "../call.js";
import type { Clock } from "../clock.js";
import { subscribe } from "../gen/rest/operations.js";
import type { Event, SubscribeRequest } from "../gen/rest/types.js";
import type { Transport } from "../transport.js";
import { LARGEST_EVENT, OPENS_WITHIN, tooLarge, Watch, type Connect } from "./connection.js";
import { ofRefusal, ofStreamEnd } from "./ends.js";

/** Returns what opens streams. */
export function overSse(transport: Transport, clock: Clock, filter: Pick<SubscribeRequest, "types" | "thread_ids" | "channel_ids">): Connect {
  return async (sink, signal) => {
    const controller = new AbortController(); // ends this stream
    const abort = () => controller.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const dead = () => controller.abort(new Error("nothing arrived for 60 seconds"));
    let watch: Watch | undefined;
    try {
      const response = await subscribe(transport, { ...filter, cursor: sink.position }, { timeout: OPENS_WITHIN, signal: controller.signal });
      sink.opened();
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      controller.signal.addEventListener("abort", () => void reader.cancel().catch(() => {}));
      const lines = new Lines();
      const blocks = new Blocks();
      watch = new Watch(clock, dead);
      for (let piece; !(piece = await reader.read()).done; ) {
        watch.heard();
        if (lines.kept + blocks.kept + piece.value.length > LARGEST_EVENT) {
          return tooLarge();
        }
        for (const line of lines.split(piece.value)) {
          const block = blocks.add(line);
          if (!block) {
            continue;
          }
          if (block.event === "resume" || block.event === "error") {
            return ofStreamEnd(block.event, errorOf(new Response(null, { status: 503 }), block.data));
          }
          if (!sink.take(JSON.parse(block.data) as Event, block.data.length)) {
            watch.stop();
            await sink.room();
            signal.throwIfAborted();
            watch = new Watch(clock, dead);
          }
        }
      }
      controller.signal.throwIfAborted();
      return { action: "backoff", error: new Error("the stream ended") };
    } catch (error) {
      return signal.aborted ? { action: "stop", error: signal.reason } : ofRefusal(error);
    } finally {
      watch?.stop();
      signal.removeEventListener("abort", abort);
      controller.abort(); // what is left of the stream
    }
  };
}

/** An event of the stream. */
interface Block {
  event: string;
  data: string;
}

/** Splits text into lines, whatever pieces it comes in. */
export class Lines {
  #rest: string[] = [];
  /** How many characters of a line without an end it has. */
  kept = 0;

  split(piece: string): string[] {
    const lines = piece.split("\n");
    const last = lines.pop()!;
    if (lines.length === 0) {
      this.#rest.push(last);
      this.kept += last.length;
      return lines;
    }
    lines[0] = this.#rest.join("") + lines[0]!;
    this.#rest = [last];
    this.kept = last.length;
    return lines;
  }
}

/** Reads the lines of events. */
export class Blocks {
  #event = "";
  #data: string[] = [];
  /** How many characters of an event without an end it has. */
  kept = 0;

  /** Adds a line, and returns the event that it ends, if it ends one. */
  add(line: string): Block | undefined {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text !== "") {
      const colon = text.indexOf(":");
      const value = text.slice(colon + (text[colon + 1] === " " ? 2 : 1));
      if (text.startsWith("event:")) {
        this.#event = value;
      } else if (text.startsWith("data:")) {
        this.#data.push(value);
        this.kept += value.length;
      }
      return undefined;
    }
    const block = this.#data.length > 0 ? { event: this.#event, data: this.#data.join("\n") } : undefined;
    this.#event = "";
    this.#data = [];
    this.kept = 0;
    return block;
  }
}
