// The inboxes of a fake server.
import { Refusal, unsupported, type Org, type Value } from "./org.js";

/** Handed out so often, a delivery is dead. Milliseconds of the pause after the first attempt, and at most. */
const ATTEMPTS = 5;
const FIRST_PAUSE = 1_000;
const MOST_PAUSE = 300_000;
/** How much a context has of messages and artifacts. */
const MOST = 50;

interface Delivery {
  /** The index of its event in the log. */
  index: number;
  kind: string;
  /** The thread or channel. */
  scope: string;
  state: "queued" | "leased" | "waiting" | "failed" | "dead";
  attempt: number;
  /** Leased: when the lease ends. Others: when it is ready. */
  due: number;
  lease?: string | undefined;
  /** The request_id of the claim. */
  by?: string | undefined;
  progress?: string | undefined;
  waits_for?: string | undefined;
  reason?: string | undefined;
}

interface Inbox {
  /** How much of the log it has. */
  at: number;
  deliveries: Delivery[];
  /** The index of the event that was settled last, by thread or channel. */
  settled: Map<string, number>;
}

const lost = () => new Refusal(409, "LEASE_LOST", "the delivery is not yours any more: its lease has ended, or it is settled");

export class Inboxes {
  readonly #org: Org;
  readonly #all = new Map<string, Inbox>();

  constructor(org: Org) {
    this.#org = org;
  }

  /** Executes an operation below /api/inbox. */
  execute(bot: Value, method: string, path: string[], fields: Value): unknown {
    const [id, what] = path;
    if (method === "POST" && id === "claim" && what === undefined) {
      return { items: this.#claim(bot, fields) };
    }
    if (method !== "POST" || !["ack", "nack", "extend", "progress", "wait"].includes(what ?? "")) {
      throw unsupported(method, ["inbox", ...path]);
    }
    const delivery = this.find(bot, { delivery_id: id!, lease: fields.lease });
    this.#org.changes++;
    if (what === "ack") {
      this.settle(bot, delivery);
      return { settled: true };
    }
    this.#answer(delivery, what!, fields);
    return this.#out(delivery);
  }

  /** Returns the delivery that a lease is for. */
  find(bot: Value, { delivery_id, lease }: Value): Delivery {
    const delivery = this.#all.get(bot.id)?.deliveries.find(({ index }) => String(index + 1) === delivery_id);
    if (delivery?.lease === undefined || delivery.lease !== lease) {
      throw lost();
    }
    return delivery;
  }

  settle(bot: Value, delivery: Delivery): void {
    const inbox = this.#all.get(bot.id)!;
    inbox.deliveries = inbox.deliveries.filter((one) => one !== delivery);
    inbox.settled.set(delivery.scope, Math.max(delivery.index, inbox.settled.get(delivery.scope) ?? -1));
  }

  /** Ends all leases, as if their workers were late. */
  lapse(): void {
    for (const { deliveries } of this.#all.values()) {
      deliveries.filter(({ state }) => state === "leased").forEach((delivery) => this.#again(delivery, "the lease ended without an answer"));
    }
  }

  #answer(delivery: Delivery, what: string, fields: Value): void {
    const { now } = this.#org;
    const { lease_seconds = 60, resume_in_seconds = 86_400, retry_in_seconds, reason, final } = fields;
    if (what === "wait") {
      const attempt = delivery.attempt - (delivery.state === "leased" ? 1 : 0);
      Object.assign(delivery, { state: "waiting", attempt, due: now + resume_in_seconds * 1000, waits_for: fields.on, reason, progress: undefined });
      return;
    }
    delivery.attempt += delivery.state === "waiting" ? 1 : 0;
    if (what === "nack") {
      this.#again(delivery, reason || undefined, retry_in_seconds);
      if (final) {
        Object.assign(delivery, { state: "failed", due: 0 });
      }
      return;
    }
    const { progress } = delivery;
    Object.assign(delivery, { state: "leased", due: now + lease_seconds * 1000, waits_for: undefined, reason: undefined, progress: what === "progress" ? fields.text : progress });
  }

  /** Queues a delivery again, or makes it dead. */
  #again(delivery: Delivery, reason: string | undefined, seconds?: number): void {
    const dead = delivery.attempt >= ATTEMPTS;
    const pause = seconds === undefined ? Math.min(MOST_PAUSE, FIRST_PAUSE * 2 ** (delivery.attempt - 1)) : seconds * 1000;
    const ready = { state: dead ? "dead" : "queued", due: dead ? 0 : this.#org.now + pause };
    Object.assign(delivery, { ...ready, lease: undefined, by: undefined, progress: undefined, waits_for: undefined, reason });
  }

  /** Hands out what is ready. A claim that waits lets the time pass until something is, if that is soon enough. */
  #claim(bot: Value, { request_id, wait_seconds = 0, ...fields }: Value): Value[] {
    const inbox = this.#deliver(bot, fields.backlog_seconds);
    const before = inbox.deliveries.filter(({ by }) => by !== undefined && by === request_id);
    const taken = before.length > 0 ? before : this.#ready(inbox, fields);
    if (taken.length === 0) {
      const due = Math.min(...inbox.deliveries.filter(({ state, due }) => /queued|waiting/.test(state) && due > this.#org.now).map(({ due }) => due));
      if (due <= this.#org.now + wait_seconds * 1000) {
        this.#org.now = due;
        return this.#claim(bot, { request_id, wait_seconds: 0, ...fields });
      }
    }
    const { lease_seconds = 60 } = fields;
    return taken.map((delivery) => {
      if (delivery.state !== "leased") {
        const lease = this.#org.newId("lease");
        const empty = { progress: undefined, waits_for: undefined, reason: undefined };
        Object.assign(delivery, { ...empty, state: "leased", attempt: delivery.attempt + 1, due: this.#org.now + lease_seconds * 1000, lease, by: request_id });
      }
      const { cursor: _, ...event } = this.#org.log[delivery.index]!.event as Value;
      const context = fields.context && delivery.kind !== "direct" ? { context: this.#context(bot, inbox, delivery) } : {};
      return { ...this.#out(delivery), event, ...context };
    });
  }

  /** Returns deliveries that are ready: the first of each thread or channel, unless several may be handed out. */
  #ready({ deliveries }: Inbox, { max = 1, kinds, thread_id, unordered }: Value): Delivery[] {
    const { now } = this.#org;
    for (const delivery of deliveries.filter(({ state, due }) => state === "waiting" && due <= now)) {
      Object.assign(delivery, { state: "queued", due: 0, lease: undefined });
    }
    const heads = new Map<string, Delivery>();
    for (const delivery of deliveries.filter(({ state }) => state === "queued" || state === "leased")) {
      const head = heads.get(delivery.scope);
      if (!head || (delivery.state === "leased" && head.state !== "leased")) {
        heads.set(delivery.scope, delivery);
      }
    }
    const open = (scope: string) => heads.get(scope)!.state === "queued" && heads.get(scope)!.due <= now;
    const found = deliveries.filter(
      ({ state, due, kind, scope }) =>
        state === "queued" && (unordered ? due <= now : open(scope)) && (!kinds?.length || kinds.includes(kind)) && (thread_id === undefined || scope === thread_id),
    );
    const first = found.filter(({ scope }, i) => unordered || found.findIndex((one) => one.scope === scope) === i);
    return first.slice(0, max);
  }

  /** Brings the inbox of a bot to the end of the log. The first time it begins some time before now. */
  #deliver(bot: Value, backlog = 86_400): Inbox {
    const { log, now } = this.#org;
    let inbox = this.#all.get(bot.id);
    if (!inbox) {
      const from = log.findIndex(({ at }) => at > now - backlog * 1000);
      inbox = { at: from < 0 ? log.length : from, deliveries: [], settled: new Map() };
      this.#all.set(bot.id, inbox);
    }
    for (; inbox.at < log.length; inbox.at++) {
      const event = log[inbox.at]!.event as Value;
      const kind = log[inbox.at]!.receivers.has(bot.id) && kindOf(event, bot.id);
      if (!kind) {
        continue;
      }
      const scope = event.thread_id ?? event.channel_id;
      for (const one of inbox.deliveries.filter((one) => one.scope === scope && one.state === "waiting")) {
        Object.assign(one, { state: "queued", due: 0, lease: undefined });
      }
      inbox.deliveries.push({ index: inbox.at, kind, scope, state: "queued", attempt: 0, due: 0 });
    }
    return inbox;
  }

  #out({ index, kind, scope, state, attempt, due, lease, progress, waits_for, reason }: Delivery): Value {
    const { at } = this.#org.log[index]!;
    const where = kind === "direct" ? { channel_id: scope } : { thread_id: scope };
    const out = { id: String(index + 1), kind, state, attempt, ...where, created_at: at, ...(due > 0 && { due_at: due }), lease, progress, waits_for, reason };
    return JSON.parse(JSON.stringify(out)) as Value;
  }

  /** Returns the thread, and what happened in it since the bot last settled something there. */
  #context(bot: Value, { settled }: Inbox, { scope }: Delivery): Value | undefined {
    const since = this.#org.log.slice((settled.get(scope) ?? -1) + 1).map(({ event }) => event as Value);
    const messages = since.filter(({ type, thread_id }) => type === "thread_message" && thread_id === scope).map(({ message }) => message as Value);
    const changed = new Map<string, Value>();
    for (const { artifact } of since.filter(({ type, thread_id }) => type === "thread_artifact" && thread_id === scope)) {
      changed.delete(artifact.artifact_key);
      changed.set(artifact.artifact_key, { ...artifact, content: null });
    }
    const thread = this.#org.threadFor(bot, scope);
    return thread && { thread, messages: messages.slice(-MOST), more_messages: messages.length > MOST, artifacts: [...changed.values()].slice(0, MOST) };
  }
}

/** Returns why an event is addressed to a bot that receives it, if it is (B2B-DLV-002). */
function kindOf({ type, message, bot_id, action, by }: Value, bot: string): string | undefined {
  if (type === "thread_participant") {
    return action === "joined" && bot_id === bot && by !== bot ? "invitation" : undefined;
  }
  if (!message || message.no_reply || message.sender_id === bot) {
    return undefined;
  }
  if (type === "message") {
    return "direct";
  }
  if ((message.mentions as Value[]).some((mentioned) => mentioned.bot_id === bot)) {
    return "mention";
  }
  return message.reply_to_message?.sender_id === bot ? "reply" : message.mention_all ? "all" : undefined;
}
