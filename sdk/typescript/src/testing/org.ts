// The org of a fake server: bots, direct messages and the event log.
import type { Event } from "../gen/rest/types.js";
import { Inboxes } from "./inbox.js";
import { Threads } from "./threads.js";

export type Value = Record<string, any>;

/** The first time of the clock: the beginning of 2026. */
const START = 1_767_225_600_000;

/** An error response. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export const missing = (what: string) => new Refusal(404, "NOT_FOUND", `${what} not found`);
export const invalid = (message: string) => new Refusal(400, "VALIDATION_ERROR", message);

/** What the fake server does not have. */
export function unsupported(method: string, path: string[]): Error {
  return Object.assign(new Error(`the fake server has no ${method} /api/${path.join("/")}: use RealServer`), { retryable: false });
}

/** Bots, channels, threads and the event log of one org. */
export class Org {
  readonly id = "org-1";
  now = START;
  tokens = new Map<string, string>();
  /** The events, each with the bots that receive it and its time. */
  readonly log: { receivers: ReadonlySet<string>; event: Event; at: number }[] = [];
  /** Counts what can make a delivery ready. */
  changes = 0;
  keptFrom = 0;
  readonly #bots = new Map<string, Value>();
  readonly #channels = new Map<string, Value>();
  readonly #direct = new Map<string, Value[]>();
  readonly #done = new Map<string, { content: string; result: string }>();
  readonly #threads = new Threads(this);
  readonly #inboxes = new Inboxes(this);
  #count = 0;

  newId(kind: string): string {
    return `${kind}-${String(++this.#count).padStart(6, "0")}`;
  }

  /** Returns the token of a bot, which is made if it does not exist. */
  register(name: string): string {
    if (![...this.#bots.values()].some((bot) => bot.name === name)) {
      const empty = { bio: null, role: null, function: null, team: null, tags: null, languages: null, protocols: null, status_text: null, timezone: null, active_hours: null, runtime: null, metadata: null };
      const about = { id: this.newId("bot"), org_id: this.id, name, auth_role: "member", online: false, last_seen_at: this.now, created_at: this.now, version: "1.0.0", join_status: "active" };
      this.#bots.set(about.id, { ...about, ...empty });
    }
    const token = `token-of-${name}`;
    this.tokens.set(token, this.named(name).id);
    return token;
  }

  /** Returns a bot by its id or name. */
  named(name: string): Value {
    return [...this.#bots.values()].find((bot) => bot.id === name || bot.name === name) ?? raise(missing("bot"));
  }

  authenticate(token: string): Value {
    const id = this.tokens.get(token);
    return id === undefined ? raise(new Refusal(401, "INVALID_TOKEN", "unknown token")) : this.#bots.get(id)!;
  }

  position(index = this.log.length): string {
    return `1.${index}.fake`;
  }

  /** Returns how many events are before a position. */
  indexOf(position: string): number {
    const [, index, epoch] = /^1\.(\d+)\.(\w+)$/.exec(position) ?? raise(invalid("cursor: is not a position"));
    if (epoch !== "fake") {
      throw new Refusal(409, "EPOCH_CHANGED", "the position is of another log");
    }
    if (Number(index) > this.log.length) {
      throw new Refusal(409, "CURSOR_AHEAD", "the log has not reached the position");
    }
    if (Number(index) < this.keptFrom) {
      throw new Refusal(410, "CURSOR_EXPIRED", "the events are no longer kept");
    }
    return Number(index);
  }

  /** Adds an event to the log. */
  emit(receivers: Iterable<string>, event: Value): void {
    const stored = JSON.parse(JSON.stringify({ ...event, cursor: this.position(this.log.length + 1) })) as Event;
    this.log.push({ receivers: new Set(receivers), event: stored, at: this.now });
    this.changes++;
  }

  /** Returns a thread that a bot is in. */
  threadFor(bot: Value, id: string): Value | undefined {
    return this.#threads.of(bot, id);
  }

  /** Ends all leases of deliveries. */
  lapse(): void {
    this.#inboxes.lapse();
    this.changes++;
  }

  /** Executes an operation, and returns its JSON. A request_id is executed once. */
  call(bot: Value, method: string, path: string[], { request_id, ...fields }: Value): string {
    if (path[0] === "inbox" && path[1] === "claim") {
      return JSON.stringify(this.#inboxes.execute(bot, method, path.slice(1), { ...fields, request_id })); // repeated, it returns the same leases
    }
    const key = `${bot.id} ${request_id}`;
    const content = JSON.stringify([method, path, fields]);
    const before = request_id ? this.#done.get(key) : undefined;
    if (before && before.content !== content) {
      throw new Refusal(409, "IDEMPOTENCY_KEY_REUSED", "the request_id was used for another request");
    }
    const result = before?.result ?? JSON.stringify(this.#settling(bot, method, path, fields));
    if (request_id) {
      this.#done.set(key, { content, result });
    }
    return result;
  }

  /** Executes an operation, and settles the delivery that it names. */
  #settling(bot: Value, method: string, path: string[], { settles, ...fields }: Value): unknown {
    const delivery = settles && this.#inboxes.find(bot, settles);
    const result = this.#execute(bot, method, path, fields);
    if (delivery) {
      this.#inboxes.settle(bot, delivery);
      this.changes++;
    }
    return result;
  }

  #execute(bot: Value, method: string, path: string[], fields: Value): unknown {
    const [first, id, ...rest] = path;
    if (first === "inbox" && id !== undefined) {
      return this.#inboxes.execute(bot, method, path.slice(1), fields);
    }
    switch (`${method} ${first}`) {
      case "GET me":
        if (id === "catchup" && rest.length === 0) {
          return { events: [], has_more: false, stream_cursor: this.position() };
        }
        return id === undefined ? bot : raise(unsupported(method, path));
      case "GET peers":
        return [...this.#bots.values()].filter((other) => other !== bot);
      case "POST ws-ticket":
        return { ticket: bot.id, expires_in: 30 };
      case "POST send":
        return this.#send(bot, fields);
      case "GET inbox":
        return [...this.#direct.values()]
          .flat()
          .filter((message) => message.sender_id !== bot.id && this.#channels.get(message.channel_id)!.members.includes(bot.id) && message.created_at > Number(fields.since))
          .map((message) => ({ ...this.#withName(message), channel_name: null }))
          .slice(-100);
      case "GET channels":
        return this.#channel(bot, id!, rest, fields);
    }
    return first === "threads" ? this.#threads.execute(bot, method, path.slice(1), fields) : raise(unsupported(method, path));
  }

  #send(bot: Value, fields: Value): Value {
    const other = this.named(fields.to);
    if (other === bot) {
      throw invalid("to: is the sender itself");
    }
    const content = contentOf(fields);
    const members: string[] = [bot.id, other.id];
    let channel = [...this.#channels.values()].find((one) => members.every((member) => one.members.includes(member)));
    if (!channel) {
      const about = { id: this.newId("channel"), org_id: this.id, type: "direct", name: null, created_at: this.now };
      channel = { ...about, members };
      this.#channels.set(about.id, channel);
      this.#direct.set(about.id, []);
      this.emit(members, { type: "channel_created", channel: about, members });
    }
    const message = { id: this.newId("message"), channel_id: channel.id, sender_id: bot.id, ...content, created_at: this.now };
    this.#direct.get(channel.id)!.push(message);
    this.emit(members, { type: "message", channel_id: channel.id, message, sender_name: bot.name });
    return { channel_id: channel.id, message, ts: this.now };
  }

  #channel(bot: Value, id: string, rest: string[], fields: Value): unknown {
    const channel = this.#channels.get(id);
    if (!channel?.members.includes(bot.id)) {
      throw missing("channel");
    }
    if (rest[0] === "messages") {
      return pageOf(this.#direct.get(id)!.map((message) => this.#withName(message)), fields);
    }
    const members = channel.members.map((member: string) => this.#bots.get(member)!);
    return { ...channel, members: members.map(({ id, name, online }: Value) => ({ id, name, online })) };
  }

  #withName(message: Value): Value {
    return { ...message, sender_name: this.#bots.get(message.sender_id)!.name };
  }
}

/** Returns the content of a message that is sent. */
export function contentOf({ content, content_type, parts = [], automatic, no_reply, receipts }: Value): Value {
  const text = content || parts.flatMap((part: Value) => (typeof part.content === "string" ? [part.content] : [])).join(" ");
  if (!text) {
    throw invalid("content: give content or parts");
  }
  const marks = { ...(automatic && { automatic }), ...(no_reply && { no_reply }), ...(receipts && { receipts }) };
  return { content: text, content_type: content_type || "text", parts: parts.length > 0 ? parts : [{ type: "text", content: text }], ...marks };
}

/** Returns the messages that a list by time or by page token has. */
export function pageOf(messages: Value[], { limit = 50, before = "", since = 0, cursor }: Value): unknown {
  const token = cursor || (/^\d+$/.test(before) ? "" : before);
  if (!token && cursor === undefined) {
    return messages.filter(({ created_at }) => created_at > Number(since) && (before === "" || created_at < Number(before))).slice(-Number(limit));
  }
  const older = messages.filter(({ id }) => !token || id < token).reverse();
  const items = older.slice(0, Number(limit));
  const has_more = older.length > items.length;
  return cursor === undefined ? { messages: items, has_more } : { items, has_more, ...(has_more && { next_cursor: items.at(-1)!.id }) };
}

export function raise(error: Error): never {
  throw error;
}
