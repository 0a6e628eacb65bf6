// The threads of a fake server.
import { parseMentions } from "../mentions.js";
import { contentOf, invalid, missing, pageOf, raise, Refusal, unsupported, type Org, type Value } from "./org.js";

/** The statuses that a thread can be set to, by its status. */
const NEXT: Record<string, string[]> = {
  active: ["blocked", "reviewing", "resolved", "closed"],
  blocked: ["active"],
  reviewing: ["active", "resolved", "closed"],
  resolved: ["active"],
  closed: ["active"],
};

interface State {
  thread: Value;
  members: Map<string, Value>;
  said: Value[];
  /** The messages since the last progress. */
  turns: number;
  artifacts: Map<string, Value[]>;
}

export class Threads {
  readonly #org: Org;
  readonly #all = new Map<string, State>();

  constructor(org: Org) {
    this.#org = org;
  }

  /** Returns a thread that a bot is in. */
  of(bot: Value, id: string): Value | undefined {
    const state = this.#all.get(id);
    return state?.members.has(bot.id) ? state.thread : undefined;
  }

  /** Executes an operation below /api/threads. */
  execute(bot: Value, method: string, path: string[], fields: Value): unknown {
    const [id, what, ...rest] = path;
    if (id === undefined) {
      return method === "GET" ? this.#list(bot, fields) : this.#create(bot, fields);
    }
    const state = this.#all.get(id) ?? raise(missing("thread"));
    const { thread, members } = state;
    if (!members.has(bot.id) && what !== "join") {
      throw new Refusal(403, "JOIN_REQUIRED", "the bot is not in the thread");
    }
    if (method !== "GET" && fields.status === undefined && ["resolved", "closed"].includes(thread.status)) {
      throw new Refusal(409, "THREAD_CLOSED", "the thread is terminal");
    }
    switch (`${method} ${what ?? ""}`) {
      case "GET ":
        return { ...thread, participant_count: members.size, participants: [...members.values()], turns: state.turns };
      case "PATCH ":
        return this.#update(bot, state, fields);
      case "GET messages":
        return pageOf(state.said, fields);
      case "POST messages":
        return this.#say(bot, state, fields);
      case "POST join":
        return this.#join(bot, state);
      case "POST participants":
        return this.#invite(bot, state, fields);
      case "DELETE participants":
        return this.#remove(bot, state, rest[0]!);
    }
    return what === "artifacts" ? this.#artifact(bot, state, method, rest, fields) : raise(unsupported(method, ["threads", ...path]));
  }

  #list(bot: Value, { status }: Value): unknown {
    const own = [...this.#all.values()].filter(({ thread, members }) => members.has(bot.id) && (status === undefined || status === thread.status));
    return own.reverse().map(({ thread, members, turns }) => ({ ...thread, participant_count: members.size, turns }));
  }

  #create(bot: Value, fields: Value): Value {
    if (!fields.topic) {
      throw invalid("topic: is required");
    }
    const others = (fields.participants ?? []).map((name: string) => this.#org.named(name));
    const text = (value: unknown) => (value == null || typeof value === "string" ? (value ?? null) : JSON.stringify(value));
    const { now } = this.#org;
    const thread = {
      id: this.#org.newId("thread"),
      org_id: this.#org.id,
      topic: fields.topic,
      tags: fields.tags?.length > 0 ? fields.tags : null,
      status: "active",
      initiator_id: bot.id,
      channel_id: fields.channel_id ?? null,
      close_reason: null,
      context: text(fields.context),
      permission_policy: text(fields.permission_policy),
      visibility: fields.visibility ?? "public",
      join_policy: fields.join_policy ?? "open",
      revision: 1,
      created_at: now,
      updated_at: now,
      last_activity_at: now,
      resolved_at: null,
    };
    const state: State = { thread, members: new Map(), said: [], turns: 0, artifacts: new Map() };
    this.#all.set(thread.id, state);
    for (const one of [bot, ...others]) {
      state.members.set(one.id, this.#member(one, null));
    }
    this.#emit(state, { type: "thread_created", thread });
    for (const member of state.members.values()) {
      this.#joined(state, member, bot.id);
    }
    return thread;
  }

  #member(bot: Value, label: string | null): Value {
    return { bot_id: bot.id, name: bot.name, online: false, label, joined_at: this.#org.now };
  }

  #joined(state: State, { bot_id, name }: Value, by: string, label?: Value): void {
    this.#emit(state, { type: "thread_participant", thread_id: state.thread.id, bot_id, bot_name: name, action: "joined", by, ...label });
  }

  #emit({ members }: State, event: Value): void {
    this.#org.emit(members.keys(), event);
  }

  #join(bot: Value, state: State): Value {
    if (state.members.has(bot.id)) {
      return { status: "already_joined" };
    }
    state.members.set(bot.id, this.#member(bot, null));
    state.thread.revision++;
    this.#joined(state, state.members.get(bot.id)!, bot.id);
    return { status: "joined", joined_at: this.#org.now };
  }

  #invite(bot: Value, state: State, fields: Value): Value {
    const other = this.#org.named(fields.bot_id);
    const label = fields.label ?? null;
    if (!state.members.has(other.id)) {
      state.members.set(other.id, this.#member(other, label));
      state.thread.revision++;
      this.#joined(state, state.members.get(other.id)!, bot.id, { label });
    } else if (fields.label !== undefined) {
      throw new Refusal(409, "CONFLICT", "the bot is a participant, and its label cannot be changed");
    }
    const { bot_id, label: given, joined_at } = state.members.get(other.id)!;
    return { thread_id: state.thread.id, bot_id, label: given, joined_at };
  }

  #remove(bot: Value, state: State, name: string): Value {
    const other = this.#org.named(name);
    this.#emit(state, { type: "thread_participant", thread_id: state.thread.id, bot_id: other.id, bot_name: other.name, action: "left", by: bot.id });
    state.members.delete(other.id);
    state.thread.revision++;
    return { ok: true };
  }

  #update(bot: Value, state: State, { expected_revisions, ...fields }: Value): Value {
    const { thread } = state;
    const before = thread.status;
    const { status = before } = fields;
    if (status !== before && !NEXT[before]!.includes(status)) {
      throw new Refusal(400, "INVALID_TRANSITION", `a thread that is ${before} cannot become ${status}`);
    }
    if (expected_revisions && !expected_revisions.includes(thread.revision)) {
      throw new Refusal(409, "REVISION_CONFLICT", `the thread has revision ${thread.revision}`);
    }
    const changes = ["status", "close_reason", "context", "topic", "permission_policy"].filter((key) => fields[key] !== undefined);
    for (const key of changes) {
      thread[key] = fields[key];
    }
    thread.updated_at = this.#org.now;
    thread.revision += Math.max(1, changes.length);
    if (status !== before) {
      state.turns = 0;
      thread.resolved_at = status === "resolved" ? this.#org.now : null;
      this.#emit(state, { type: "thread_status_changed", thread_id: thread.id, topic: thread.topic, from: before, to: status, by: bot.id });
    }
    if (fields.status === "resolved") {
      changes.splice(1, 0, "resolved_at");
    }
    this.#emit(state, { type: "thread_updated", thread, changes });
    return thread;
  }

  #say(bot: Value, state: State, fields: Value): Value {
    const content = contentOf(fields);
    const participants = [...state.members.values()] as { bot_id: string; name: string }[];
    const { mentions, mention_all } = parseMentions(content.content, participants);
    const to = fields.reply_to ? (state.said.find(({ id }) => id === fields.reply_to) ?? raise(missing("message"))) : undefined;
    const preview = to && { id: to.id, sender_id: to.sender_id, sender_name: to.sender_name, content: to.content, created_at: to.created_at };
    const message = {
      id: this.#org.newId("message"),
      thread_id: state.thread.id,
      sender_id: bot.id,
      sender_name: bot.name,
      ...content,
      mentions,
      mention_all,
      reply_to_id: fields.reply_to ?? null,
      ...(preview && { reply_to_message: preview }),
      metadata: fields.metadata ?? null,
      created_at: this.#org.now,
    };
    state.thread.last_activity_at = this.#org.now;
    state.said.push(message);
    state.turns++;
    this.#emit(state, { type: "thread_message", thread_id: state.thread.id, message });
    return message;
  }

  #artifact(bot: Value, state: State, method: string, path: string[], fields: Value): unknown {
    const { thread, artifacts } = state;
    if (method === "GET" && path.length === 0) {
      return [...artifacts.values()].map((versions) => versions.at(-1));
    }
    const key = path[0] ?? fields.artifact_key;
    const versions = artifacts.get(key) ?? [];
    if (method === "POST" && versions.length > 0) {
      throw new Refusal(409, "CONFLICT", "the artifact exists");
    }
    if (method !== "POST" && versions.length === 0) {
      throw missing("artifact");
    }
    if (method === "GET") {
      return versions;
    }
    const { type, title, content, language, url, mime_type } = { type: "text", title: null, content: null, language: null, url: null, mime_type: null, ...versions.at(-1), ...fields };
    const { now } = this.#org;
    const about = { id: this.#org.newId("artifact"), thread_id: thread.id, artifact_key: key, type, title, content, language, url, mime_type };
    const artifact = { ...about, contributor_id: bot.id, version: versions.length + 1, format_warning: false, created_at: now, updated_at: now };
    artifacts.set(key, [...versions, artifact]);
    state.turns = 0;
    thread.last_activity_at = now;
    this.#emit(state, { type: "thread_artifact", thread_id: thread.id, artifact, action: method === "POST" ? "added" : "updated" });
    return artifact;
  }
}
