// The loop: it takes what is addressed to the bot, has an agent answer, and sends the answer, which
// settles it. It is what `b2b run` does, for an agent in the same program.
import type { B2BClient } from "../client.js";
import { B2BError } from "../error.js";
import type { Bot, FilePart } from "../gen/rest/types.js";
import type { InboxOptions } from "../inbox/inbox.js";
import type { InboxItem } from "../inbox/item.js";
import { cut } from "./page.js";
import { promptOf } from "./prompt.js";

/** How many UTF-16 code units a message has at most, and how many of a longer answer are in it; a file has all. */
const LONGEST = 65_536;
const PREVIEW = 2_000;

/** The codes with which the server would refuse the same answer again. */
const FOR_GOOD = new Set([
  ..."VALIDATION_ERROR NOT_FOUND FORBIDDEN INSUFFICIENT_SCOPE WRITE_PERMISSION_DENIED DM_SEND_BLOCKED JOIN_REQUIRED".split(" "),
  ..."NOT_ASKED THREAD_CLOSED THREAD_TERMINAL PAYLOAD_TOO_LARGE FILE_TOO_LARGE".split(" "),
]);

/** What an agent is to answer. */
export interface Turn {
  /** What happened and what led to it, as a text for a model. */
  readonly prompt: string;
  /** The key of the conversation: one for each thread or channel of the bot. */
  readonly session: string;
  /** The delivery, e.g. to tell others of progress. It is settled with the answer. */
  readonly item: InboxItem;
  /** Is aborted when the answer is not wanted any more: the delivery is lost, or time is up. */
  readonly signal: AbortSignal;
}

/** Returns the final answer of an agent; undefined or an empty text: it says nothing. */
export type Answer = (turn: Turn) => Promise<string | undefined>;

/** Options of the loop. */
export interface RunOptions extends Pick<InboxOptions, "concurrency" | "leaseSeconds" | "kinds" | "threadId" | "signal" | "onError" | "clock"> {
  /** Seconds after which a turn has failed. Default: 900. */
  timeout?: number | undefined;
}

/**
 * Has every delivery of the inbox answered, until the signal is aborted, and then waits for the agents.
 *
 * The answer of the agent is the reply, with which the delivery is settled. If the agent fails, the
 * delivery is given back, with a reason that others can read: it names the class of the error, and
 * nothing of its text.
 */
export async function run(client: B2BClient, answer: Answer, { timeout = 900, ...options }: RunOptions = {}): Promise<void> {
  const me = await client.getMe();
  const onError = options.onError ?? ((error: unknown) => console.error("a worker of the inbox:", error));
  await client.inbox({ ...options, onError, context: true }).run((item) => handle(client, me, answer, item, timeout, onError));
}

async function handle(
  client: B2BClient,
  me: Bot,
  answer: Answer,
  item: InboxItem,
  timeout: number,
  onError: NonNullable<InboxOptions["onError"]>,
): Promise<void> {
  let text: string | undefined;
  try {
    text = await ask(me, answer, item, timeout);
  } catch (error) {
    if (!item.lost) {
      const late = error instanceof Late;
      await item.nack({ reason: late ? error.message : `the agent failed (${error instanceof Error ? error.name : typeof error})` });
      onError(error, item);
    }
    return;
  }
  if (item.lost) {
    return; // another worker does it
  }
  try {
    await respond(client, item, text ?? "");
  } catch (error) {
    const code = error instanceof B2BError ? error.code : "";
    if (item.lost || code === "LEASE_LOST") {
      return;
    }
    const final = FOR_GOOD.has(code);
    await item.nack({ reason: final ? `the reply was not accepted: ${code}` : "the reply could not be sent", final });
    onError(error, item);
  }
}

class Late extends Error {}

/** Milliseconds that an agent has to end when its signal is aborted. */
const GRACE = 2_000;

/** Asks the agent. Its signal is aborted when the delivery is lost or time is up. */
async function ask(me: Bot, answer: Answer, item: InboxItem, timeout: number): Promise<string | undefined> {
  const controller = new AbortController();
  const ended = new Promise<never>((_, reject) => controller.signal.addEventListener("abort", () => reject(controller.signal.reason)));
  ended.catch(() => {}); // the answer may be first
  const timer = setTimeout(() => controller.abort(new Late(`the agent took longer than ${timeout} seconds`)), timeout * 1000);
  const stop = () => item.lost && controller.abort(item.signal.reason); // otherwise the worker stops, and waits for the answer
  item.signal.addEventListener("abort", stop);
  try {
    const session = `${me.id}.${item.thread_id ?? item.channel_id ?? "inbox"}`;
    const turn = { prompt: promptOf(item, me.name), session, item, signal: controller.signal };
    const answering = Promise.resolve(turn).then(answer);
    try {
      return await Promise.race([answering, ended]);
    } catch (error) {
      await Promise.race([answering.catch(() => {}), new Promise((done) => setTimeout(done, GRACE))]);
      throw error;
    }
  } finally {
    clearTimeout(timer);
    item.signal.removeEventListener("abort", stop);
  }
}

/** Sends the answer and settles the delivery. */
async function respond(client: B2BClient, item: InboxItem, given: string): Promise<void> {
  const { event, kind, thread_id, channel_id } = item;
  const text = given.replaceAll("\0", "").trimEnd();
  const silent = !text.trim() || (thread_id !== undefined && text.trim().toUpperCase() === "[SKIP]");
  if (silent || (thread_id === undefined && channel_id === undefined)) {
    return item.ack();
  }
  if (kind === "decision" && event?.type === "decision_asked") {
    try {
      await client.answerDecision(event.decision.id, { answer: text.trim(), request_id: item.settles.lease });
    } catch (error) {
      if (!(error instanceof B2BError && error.code === "DECISION_CLOSED")) {
        throw error;
      } // somebody else was first, or this answer was sent before
    }
    return item.ack();
  }
  if (text.length <= LONGEST) {
    await item.reply(text);
    return;
  }
  const name = "reply.txt";
  const file = await client.uploadFile(text, { name, mime_type: "text/plain", request_id: `${item.settles.lease.slice(0, 48)}.file` });
  const part: FilePart = { type: "file", url: file.url, name, mime_type: "text/plain", size: file.size };
  await item.reply({ content: `${cut(text, PREVIEW)} …\n\n(The file ${name} has all of it.)`, parts: [part] });
}
