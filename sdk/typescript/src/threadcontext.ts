// Gathers what happens in threads until an agent is asked, then hands it over (B2B-SDK-033).
import { parseMentions } from "./mentions.js";
import { provenance, renderPrompt, type PromptMode, type PromptOptions } from "./prompt.js";
import { getStatusGuide } from "./lifecycle.js";

/** Why something was delivered. */
export type MentionReason = "message" | "invite" | "lifecycle" | "flush";

/** What happens to an event of the life of a thread. */
export type LifecycleMode = "deliver" | "buffer" | "ignore";

/** The types of the events of the life of a thread. */
export type LifecycleType = "thread_created" | "thread_updated" | "thread_status_changed" | "thread_artifact" | "thread_participant";

/** The types of the objects that a context handles: those of the wire. */
export interface Shapes {
  thread: { id: string; topic: string; status: string; tags: string[] | null; context: string | null; initiator_id: string | null };
  participant: { bot_id: string; name?: string; label: string | null };
  message: {
    id: string;
    sender_id: string | null;
    sender_name?: string;
    content: string;
    parts: readonly object[];
    mentions?: readonly { bot_id: string }[];
    mention_all?: boolean;
    metadata: unknown;
    created_at: number;
    no_reply?: boolean;
  };
  artifact: { artifact_key: string; type: string; version: number; title: string | null };
  event: { type: LifecycleType };
}

/** What a context asks of a client. */
export interface ContextClient<S extends Shapes> {
  getProfile(): Promise<{ id: string }>;
  getThread(id: string): Promise<S["thread"] & { participants?: S["participant"][] }>;
  listArtifacts?(threadId: string): Promise<S["artifact"][]>;
  /** Without `on` and `off`, give events to the method `handle`. */
  on?(event: string, handler: (event: any) => void): unknown;
  off?(event: string, handler: (event: any) => void): unknown;
  /** Receives the errors of handlers of events that came by `on`. */
  emitError?(error: Error): void;
}

/** Options of a context. */
export interface ContextOptions extends PromptOptions {
  /** The names with which `@name` is a mention. */
  botNames: readonly string[];
  /** The id of the own bot. Default: that of `getProfile`. */
  botId?: string | undefined;
  /** Further texts that count as a mention. */
  triggerPatterns?: readonly RegExp[] | undefined;
  /** The number of messages that are kept for each thread; the oldest fall out. Default: 50. */
  maxBufferSize?: number | undefined;
  /** Whether an invitation to a thread is delivered at once. Default: true. */
  triggerOnInvite?: boolean | undefined;
  lifecycle?:
    | {
        /** The number of events that are kept for each thread; the oldest fall out. Default: 25. */
        maxBufferSize?: number | undefined;
        /** What happens to events by their type. Default: `buffer`; invitations as `triggerOnInvite` says. */
        modes?: Partial<Record<LifecycleType, LifecycleMode>> | undefined;
      }
    | undefined;
  /** The number of threads that are kept; the one that was quiet for the longest falls out. Default: 1000. */
  maxThreads?: number | undefined;
}

/** What is known of a thread, and what waited. */
export interface ContextSnapshot<S extends Shapes> {
  thread: S["thread"];
  participants: S["participant"][];
  newMessages: S["message"][];
  bufferedCount: number;
  /** The newest version of each artifact. */
  artifacts: S["artifact"][];
  /** What happened to the thread, without what a later event makes obsolete. */
  lifecycleEvents: S["event"][];
}

/** A delivery. */
export interface ContextTrigger<S extends Shapes> {
  threadId: string;
  /** The message that mentions, else the last one that waited, else one without id and content. */
  message: S["message"];
  snapshot: ContextSnapshot<S>;
  reason: MentionReason;
}

interface Waiting<T> {
  order: number;
  item: T;
  /** Why it was delivered at once, if it was. */
  reason?: MentionReason | undefined;
}

interface State<S extends Shapes> {
  thread?: S["thread"] | undefined;
  participants?: S["participant"][] | undefined;
  artifacts: Map<string, S["artifact"]>;
  artifactsLoaded: boolean;
  invited: boolean;
  names: Map<string, string>;
  messages: Waiting<S["message"]>[];
  events: Waiting<S["event"]>[];
  /** The time of the last message that was delivered, and the ids at that time. */
  mark: number;
  marked: Set<string>;
  /** The ids of the messages, and the positions of the events, that were delivered lately. */
  delivered: Set<string>;
  /** The end of the last delivery that was asked for. */
  last: Promise<void>;
  /** The number of deliveries that were asked for and have not ended. */
  pending: number;
  /** What a delivery in progress has: nothing later is rendered. */
  upTo: number;
}

const lifecycleTypes: readonly LifecycleType[] = ["thread_created", "thread_updated", "thread_status_changed", "thread_artifact", "thread_participant"];
const maxDelivered = 256;

export class ContextCore<S extends Shapes> {
  readonly #client: ContextClient<S>;
  readonly #options: ContextOptions;
  /** Behaves as the SDK of HXA-Connect where that differs. */
  readonly #legacy: boolean;
  readonly #states = new Map<string, State<S>>();
  readonly #handlers: ((trigger: ContextTrigger<S>) => void | Promise<void>)[] = [];
  readonly #names: RegExp[];
  readonly #tokens: { bot_id: string; name: string }[];
  #botId: string | undefined;
  #identifying: Promise<string> | undefined;
  #order = 0;
  /** Removes the listeners; undefined: not started. */
  #listening: (() => void) | undefined;
  #starting: Promise<void> | undefined;

  constructor(client: ContextClient<S>, options: ContextOptions, legacy: boolean) {
    this.#client = client;
    this.#options = options;
    this.#legacy = legacy;
    this.#botId = options.botId || undefined;
    const quoted = (name: string) => name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    this.#tokens = legacy ? [] : options.botNames.map((name) => ({ bot_id: name, name }));
    this.#names = legacy
      ? options.botNames.map((name) => new RegExp(`@${quoted(name)}\\b`, "i"))
      : options.botNames.filter((name) => name && !/^[\w-]+$/.test(name)).map((name) => new RegExp(`(?<![\\w-])@${quoted(name)}(?=[\\s\\p{P}]|$)`, "iu"));
  }

  /** Adds a handler of deliveries. Several are called one after the other. */
  onMention(handler: (trigger: ContextTrigger<S>) => void | Promise<void>): void {
    this.#handlers.push(handler);
  }

  /** Listens to the events of the client. Fails if the own id cannot be fetched; then it may be called again. */
  start(): Promise<void> {
    if (this.#listening) {
      return Promise.resolve();
    }
    const starting: Promise<void> = (this.#starting ??= this.#identify().then(
      () => {
        if (this.#starting === starting) {
          this.#starting = undefined;
          this.#listen();
        }
      },
      (error: unknown) => {
        if (this.#starting === starting) {
          this.#starting = undefined;
        }
        throw error;
      },
    ));
    return starting;
  }

  /** Stops listening. What waits is kept. */
  stop(): void {
    this.#starting = undefined;
    this.#listening?.();
    this.#listening = undefined;
  }

  /** Delivers what waits in a thread, if anything does. */
  flush(threadId: string): Promise<void> {
    const state = this.#states.get(threadId);
    return state && state.messages.length + state.events.length > 0 ? this.#deliver(threadId, state, "flush") : Promise.resolve();
  }

  /** Returns the number of messages that wait in a thread. */
  getBufferSize(threadId: string): number {
    return this.#states.get(threadId)?.messages.length ?? 0;
  }

  /** Returns the number of events that wait in a thread. */
  getLifecycleBufferSize(threadId: string): number {
    return this.#states.get(threadId)?.events.length ?? 0;
  }

  /** Returns the ids of the threads in which something waits, those with messages first. */
  getActiveThreads(): string[] {
    const all = [...this.#states];
    return [...all.filter(([, state]) => state.messages.length > 0), ...all.filter(([, state]) => state.messages.length === 0 && state.events.length > 0)].map(([id]) => id);
  }

  /** Returns what the status of a thread means, and which one can follow. */
  getStatusGuide(status: string): string {
    return getStatusGuide(status);
  }

  /** Returns what is known of a thread, and what waits in it, as a text for a prompt. */
  toPromptContext(threadId: string, mode: PromptMode = "full", options: PromptOptions = {}): string {
    const state = this.#states.get(threadId) ?? emptyState<S>();
    const { messages, events } = this.#waiting(state, state.upTo);
    const shown = mode === "delta" ? messages.filter(({ created_at, id }) => created_at > state.mark || (created_at === state.mark && !state.marked.has(id))) : messages;
    return renderPrompt(
      {
        id: threadId,
        thread: state.thread,
        participants: state.participants ?? [],
        artifacts: [...state.artifacts.values()],
        events,
        messages: shown,
        nameOf: (id) => (this.#legacy ? undefined : state.names.get(id)),
      },
      mode,
      { escape: options.escape ?? this.#options.escape ?? !this.#legacy, maxTokens: options.maxTokens ?? this.#options.maxTokens },
    );
  }

  /**
   * Takes in an event. The promise ends with the delivery that the event causes, if any, and fails as
   * its handler did: then all that was delivered waits on, and the same event can be given again. An
   * event that was taken in before changes nothing; those of other types are ignored.
   */
  async handle(event: { type: string }): Promise<void> {
    if (this.#botId === undefined) {
      await this.#identify();
    }
    await this.#take(event);
  }

  /** Takes in an event. It does not wait before the event is in its buffer. */
  #take(event: any): Promise<void> | undefined {
    if (event.type === "thread_message") {
      return this.#takeMessage(event.thread_id, event.message);
    }
    if (lifecycleTypes.includes(event.type)) {
      return this.#takeEvent(event);
    }
    if (event.type === "resync" || event.type === "reconnected") {
      this.#refresh();
    }
    return undefined;
  }

  #takeMessage(threadId: string, message: S["message"]): Promise<void> | undefined {
    if (message.sender_id === this.#botId && provenance(message.metadata)?.authored_by !== "human") {
      return undefined;
    }
    const state = this.#state(threadId);
    if (message.sender_id && message.sender_name) {
      state.names.set(message.sender_id, message.sender_name);
    }
    let order = ++this.#order;
    const waiting = this.#legacy ? undefined : state.messages.find(({ item }) => item.id === message.id);
    if (waiting) {
      order = waiting.order;
    } else if (!this.#legacy && state.delivered.has(message.id)) {
      return undefined;
    } else {
      keep(state.messages, { order, item: message }, this.#options.maxBufferSize ?? 50);
    }
    const asks = (this.#legacy || message.no_reply !== true) && this.#mentions(message);
    return asks ? this.#deliver(threadId, state, "message", message, order) : undefined;
  }

  #mentions(message: S["message"]): boolean {
    if (message.mention_all === true || message.mentions?.some(({ bot_id }) => bot_id === this.#botId)) {
      return true;
    }
    const texts = message.parts?.map((part) => part as { type?: unknown; content?: unknown }).filter(({ content }) => typeof content === "string");
    const text = [message.content, ...(texts ?? []).map(({ content }) => content)].join(" ");
    if (this.#tokens.length > 0 && parseMentions(text, this.#tokens).mentions.length > 0) {
      return true;
    }
    return [...this.#names, ...(this.#options.triggerPatterns ?? [])].some((pattern) => {
      pattern.lastIndex = 0;
      return pattern.test(text);
    });
  }

  #takeEvent(event: any): Promise<void> | undefined {
    const threadId: string = event.thread?.id ?? event.thread_id;
    const type = event.type as LifecycleType;
    if (!this.#legacy && type === "thread_participant" && event.action === "left" && event.bot_id === this.#botId) {
      this.#states.delete(threadId); // no event of this thread comes again
      return undefined;
    }
    const state = this.#state(threadId);
    if (!this.#legacy && event.cursor !== undefined) {
      const waiting = state.events.find(({ item }) => (item as { cursor?: unknown }).cursor === event.cursor);
      if (waiting || state.delivered.has(event.cursor)) {
        return waiting?.reason && this.#deliver(threadId, state, waiting.reason, undefined, waiting.order);
      }
    }
    const mode = this.#modeOf(event, state);
    this.#learn(event, state);
    if (mode === "ignore") {
      return undefined;
    }
    const order = ++this.#order;
    const reason = mode === "deliver" ? (type === "thread_created" || this.#invites(event) ? "invite" : "lifecycle") : undefined;
    keep(state.events, { order, item: event, reason }, this.#options.lifecycle?.maxBufferSize ?? 25);
    return reason && this.#deliver(threadId, state, reason, undefined, order);
  }

  /** Reports whether an event is the invitation of the own bot to a thread that exists. */
  #invites(event: any): boolean {
    return !this.#legacy && event.type === "thread_participant" && event.action === "joined" && event.bot_id === this.#botId && event.by !== this.#botId;
  }

  #modeOf(event: any, state: State<S>): LifecycleMode {
    const set = this.#options.lifecycle?.modes?.[event.type as LifecycleType];
    const invite = (this.#options.triggerOnInvite ?? true) ? "deliver" : "buffer";
    if (event.type === "thread_created") {
      const own = !this.#legacy && event.thread.initiator_id === this.#botId;
      const known = state.invited; // the participants that follow a creation are no second invitation
      state.invited = true;
      return own || (known && !this.#legacy) ? (set === "ignore" ? set : "buffer") : (set ?? invite);
    }
    if (this.#invites(event) && !state.invited) {
      state.invited = true;
      return set ?? invite;
    }
    return set ?? "buffer";
  }

  /** Updates what is known of the thread. */
  #learn(event: any, state: State<S>): void {
    switch (event.type as LifecycleType) {
      case "thread_created":
      case "thread_updated":
        state.thread = event.thread;
        break;
      case "thread_status_changed":
        if (state.thread) {
          state.thread = { ...state.thread, status: event.to, topic: event.topic ?? state.thread.topic };
        }
        break;
      case "thread_artifact":
        if (this.#legacy || !(state.artifacts.get(event.artifact.artifact_key)?.version! > event.artifact.version)) {
          state.artifacts.set(event.artifact.artifact_key, event.artifact);
        }
        break;
      case "thread_participant": {
        state.names.set(event.bot_id, event.bot_name);
        const others = state.participants?.filter(({ bot_id }) => bot_id !== event.bot_id);
        if (others && event.action === "joined") {
          const before = state.participants!.find(({ bot_id }) => bot_id === event.bot_id);
          others.push({ ...(before ?? { thread_id: event.thread_id, joined_at: Date.now(), online: true }), bot_id: event.bot_id, name: event.bot_name, label: event.label ?? before?.label ?? null } as S["participant"]);
        }
        state.participants = others;
      }
    }
  }

  /** Has threads loaded again, since events were missed. */
  #refresh(): void {
    if (this.#legacy) {
      return;
    }
    for (const state of this.#states.values()) {
      state.thread = state.participants = undefined;
      state.artifactsLoaded = false;
    }
  }

  /** Delivers what waits now. Without legacy, deliveries of a thread follow each other, and each has what was there when it was asked for. */
  #deliver(threadId: string, state: State<S>, reason: MentionReason, message?: S["message"], order = this.#order): Promise<void> {
    if (this.#legacy) {
      return this.#run(threadId, state, reason, message, order);
    }
    state.pending++;
    const done = state.last.then(async () => {
      try {
        state.upTo = order;
        await this.#run(threadId, state, reason, message, order);
      } finally {
        state.pending--;
        state.upTo = Infinity;
      }
    });
    state.last = done.catch(() => undefined); // the caller of handle, flush or the client receives it
    return done;
  }

  #waiting(state: State<S>, upTo: number) {
    const messages = state.messages.filter(({ order }) => order <= upTo).map(({ item }) => item);
    return { messages, events: coalesce(state.events.filter(({ order }) => order <= upTo).map(({ item }) => item)) };
  }

  async #run(threadId: string, state: State<S>, reason: MentionReason, message: S["message"] | undefined, upTo: number): Promise<void> {
    const { messages, events } = this.#waiting(state, upTo);
    if (!this.#legacy && (message ? !messages.includes(message) && !messages.some(({ id }) => id === message.id) : messages.length + events.length === 0)) {
      return; // an earlier delivery had it, or it fell out
    }
    const taken = new Set<unknown>([...state.messages, ...state.events].filter(({ order }) => order <= upTo));
    const positions = state.events.filter((waiting) => taken.has(waiting)).flatMap(({ item }) => (item as { cursor?: string }).cursor ?? []);
    await this.#load(threadId, state);
    const snapshot: ContextSnapshot<S> = {
      thread: state.thread ? { ...state.thread } : ({ id: threadId, topic: "unknown" } as S["thread"]),
      participants: (state.participants ?? []).map((participant) => ({ ...participant })),
      newMessages: messages,
      bufferedCount: messages.length,
      artifacts: [...state.artifacts.values()],
      lifecycleEvents: events,
    };
    const trigger: ContextTrigger<S> = { threadId, message: message ?? messages.at(-1) ?? this.#placeholder(threadId), snapshot, reason };
    for (const handler of [...this.#handlers]) {
      try {
        await handler(trigger);
      } catch (error) {
        if (!this.#legacy) {
          throw error;
        }
        this.#report(error);
      }
    }
    state.messages = state.messages.filter((waiting) => !taken.has(waiting));
    state.events = state.events.filter((waiting) => !taken.has(waiting));
    const newest = messages.at(-1);
    if (newest) {
      state.mark = newest.created_at;
      state.marked = new Set(messages.filter(({ created_at }) => created_at === newest.created_at).map(({ id }) => id));
    }
    if (!this.#legacy) {
      for (const key of [...messages.map(({ id }) => id), ...positions]) {
        state.delivered.add(key);
      }
      for (const id of state.delivered) {
        if (state.delivered.size <= maxDelivered) break;
        state.delivered.delete(id);
      }
    }
  }

  /** Loads what is not known of a thread. What cannot be loaded is tried again at the next delivery. */
  async #load(threadId: string, state: State<S>): Promise<void> {
    if (!state.thread || !state.participants) {
      try {
        const { participants, ...thread } = await this.#client.getThread(threadId);
        state.thread = thread as S["thread"];
        state.participants = participants ?? [];
        for (const { bot_id, name } of state.participants) {
          if (name) state.names.set(bot_id, name);
        }
      } catch {
        // The delivery has a thread that says so: its topic is "unknown".
      }
    }
    if (!this.#legacy && !state.artifactsLoaded && this.#client.listArtifacts) {
      try {
        for (const artifact of await this.#client.listArtifacts(threadId)) {
          if (!(state.artifacts.get(artifact.artifact_key)?.version! > artifact.version)) {
            state.artifacts.set(artifact.artifact_key, artifact);
          }
        }
        state.artifactsLoaded = true;
      } catch {
        // The delivery has the artifacts that came with events.
      }
    }
  }

  #placeholder(threadId: string): S["message"] {
    const message = { id: "", thread_id: threadId, sender_id: null, content: "", content_type: "text", parts: [], metadata: null, created_at: Date.now() };
    return (this.#legacy ? message : { ...message, sender_name: "", mentions: [], mention_all: false, reply_to_id: null }) as S["message"];
  }

  #identify(): Promise<string> {
    if (this.#botId !== undefined) {
      return Promise.resolve(this.#botId);
    }
    return (this.#identifying ??= (async () => {
      try {
        return (this.#botId = (await this.#client.getProfile()).id);
      } finally {
        this.#identifying = undefined;
      }
    })());
  }

  #listen(): void {
    const { on, off } = this.#client;
    if (!on || !off) {
      throw new TypeError("the client has no methods on and off: give its events to the method handle");
    }
    const listener = (event: any) => {
      this.#take(event)?.catch((error) => this.#report(error));
    };
    const refresh = () => this.#refresh();
    const types = ["thread_message", ...lifecycleTypes];
    for (const type of types) on.call(this.#client, type, listener);
    if (!this.#legacy) on.call(this.#client, "reconnected", refresh);
    this.#listening = () => {
      for (const type of types) off.call(this.#client, type, listener);
      if (!this.#legacy) off.call(this.#client, "reconnected", refresh);
    };
  }

  #report(error: unknown): void {
    this.#client.emitError?.(error instanceof Error ? error : new Error(String(error)));
  }

  #state(threadId: string): State<S> {
    let state = this.#states.get(threadId);
    if (!state) {
      state = emptyState<S>();
    } else if (!this.#legacy) {
      this.#states.delete(threadId); // the Map has the one that was quiet for the longest first
    } else {
      return state;
    }
    this.#states.set(threadId, state);
    const max = this.#options.maxThreads ?? (this.#legacy ? Infinity : 1000);
    for (const [id, { pending }] of this.#states) {
      if (this.#states.size <= max) break;
      if (pending === 0 && id !== threadId) this.#states.delete(id);
    }
    return state;
  }
}

function emptyState<S extends Shapes>(): State<S> {
  return {
    artifacts: new Map(),
    artifactsLoaded: false,
    invited: false,
    names: new Map(),
    messages: [],
    events: [],
    mark: -Infinity,
    marked: new Set(),
    delivered: new Set(),
    last: Promise.resolve(),
    pending: 0,
    upTo: Infinity,
  };
}

function keep<T>(list: T[], item: T, max: number): void {
  list.push(item);
  list.splice(0, Math.max(0, list.length - max));
}

/** Returns events without those that a later one makes obsolete. */
function coalesce<E extends { type: LifecycleType }>(events: readonly E[]): E[] {
  const latest = new Map<string, any>();
  for (const event of events as readonly any[]) {
    const key = `${event.type} ${event.bot_id ?? event.artifact?.artifact_key ?? ""}`;
    const before = event.type === "thread_updated" ? latest.get(key)?.changes : undefined;
    latest.set(key, before ? { ...event, changes: [...new Set([...before, ...event.changes])] } : event);
  }
  const order: readonly string[] = ["thread_created", "thread_updated", "thread_status_changed", "thread_participant", "thread_artifact"];
  return [...latest.values()].sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
}
