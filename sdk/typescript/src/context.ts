// The context of threads for agents: an entry of its own, beside the client.
import type {
  Artifact,
  Thread,
  ThreadArtifactEvent,
  ThreadCreatedEvent,
  ThreadMessage,
  ThreadParticipant,
  ThreadParticipantEvent,
  ThreadStatusChangedEvent,
  ThreadUpdatedEvent,
} from "./gen/rest/types.js";
import { ContextCore, type ContextClient, type ContextOptions, type ContextSnapshot, type ContextTrigger } from "./threadcontext.js";

export type { LifecycleMode, LifecycleType, MentionReason } from "./threadcontext.js";
export type { PromptMode, PromptOptions } from "./prompt.js";

/** The events of the life of a thread. */
export type LifecycleEvent = ThreadCreatedEvent | ThreadUpdatedEvent | ThreadStatusChangedEvent | ThreadArtifactEvent | ThreadParticipantEvent;

interface Wire {
  thread: Thread;
  participant: ThreadParticipant;
  message: ThreadMessage;
  artifact: Artifact;
  event: LifecycleEvent;
}

export type ThreadContextClient = ContextClient<Wire>;
export type ThreadContextOptions = ContextOptions;
export type ThreadSnapshot = ContextSnapshot<Wire>;
export type MentionTrigger = ContextTrigger<Wire>;

/**
 * Gathers the messages and events of threads, and hands them to an agent when it is mentioned or
 * invited. Give it the events of a listener: `client.run((event) => context.handle(event))`.
 *
 * Deliveries of one thread follow each other. Each has what came until it was asked for, and nothing
 * is delivered twice; what a handler failed for waits on until the next delivery.
 */
export class ThreadContext extends ContextCore<Wire> {
  constructor(client: ThreadContextClient, options: ThreadContextOptions) {
    super(client, options, false);
  }
}
