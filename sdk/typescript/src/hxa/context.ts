import { ContextCore } from "../threadcontext.js";
import type { EventHandler } from "./emitter.js";
import type { Artifact, Thread, ThreadLifecycleEvent, ThreadLifecycleEventMode, ThreadLifecycleEventType, ThreadParticipant, WireThreadMessage } from "./types.js";

export interface ThreadLifecycleOptions {
  /** The number of events that are kept for each thread. Default: 25. */
  maxBufferSize?: number;
  /** What happens to events by their type. Default: `buffer`; `thread_created` as `triggerOnInvite` says. */
  modes?: Partial<Record<ThreadLifecycleEventType, ThreadLifecycleEventMode>>;
}

export interface ThreadContextOptions {
  /** The names with which `@name` is a mention. */
  botNames: string[];
  /** The id of the own bot. Default: that of `getProfile`. */
  botId?: string;
  /** Further texts that count as a mention. */
  triggerPatterns?: RegExp[];
  /** The number of messages that are kept for each thread. Default: 50. */
  maxBufferSize?: number;
  /** Whether `thread_created` is delivered. Default: true. */
  triggerOnInvite?: boolean;
  lifecycle?: ThreadLifecycleOptions;
}

export interface ThreadSnapshot {
  thread: Thread;
  participants: ThreadParticipant[];
  newMessages: WireThreadMessage[];
  bufferedCount: number;
  artifacts: Artifact[];
  lifecycleEvents: ThreadLifecycleEvent[];
}

export interface MentionTrigger {
  threadId: string;
  message: WireThreadMessage;
  snapshot: ThreadSnapshot;
  reason: "message" | "invite" | "lifecycle" | "flush";
}

/** What a context asks of a client. */
interface Client {
  getProfile(): Promise<{ id: string }>;
  getThread(id: string): Promise<any>;
  on(event: string, handler: EventHandler): unknown;
  off(event: string, handler: EventHandler): unknown;
  emitError?(error: any): void;
}

interface Wire {
  thread: Thread;
  participant: ThreadParticipant;
  message: WireThreadMessage;
  artifact: Artifact;
  event: ThreadLifecycleEvent;
}

/**
 * The context of threads as in the SDK of HXA-Connect: deliveries of a thread can overlap, and one
 * whose handler fails is over. That of `@b2b-protocol/sdk/context` does better.
 */
export class ThreadContext extends ContextCore<Wire> {
  constructor(client: Client, options: ThreadContextOptions) {
    super(client, options, true);
  }
}
