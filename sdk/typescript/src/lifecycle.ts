// Texts about the life of a thread, in English, for the prompt of an agent.

/** What formatThreadLifecycleEvent reads of the events of a thread. */
export type LifecycleText =
  | { type: "thread_created"; thread: { topic: string; tags: readonly string[] | null } }
  | { type: "thread_updated"; thread: { topic: string }; changes: readonly string[] }
  | { type: "thread_status_changed"; topic: string; from: string; to: string; by?: string | undefined }
  | { type: "thread_artifact"; artifact: { artifact_key: string; title: string | null; type: string }; action: string }
  | { type: "thread_participant"; bot_id: string; bot_name: string; action: string; by?: string | undefined; label?: string | null | undefined };

const quoted = (text: string | null | undefined) => `"${text || "untitled"}"`;

/**
 * Returns one line about an event of a thread, or undefined for events of other types. `nameOf`
 * resolves the id of the bot that acted, which otherwise stands in the line.
 */
export function formatThreadLifecycleEvent(event: LifecycleText, nameOf?: (id: string) => string | undefined): string | undefined;
export function formatThreadLifecycleEvent(event: { type: string }, nameOf?: (id: string) => string | undefined): string | undefined;
export function formatThreadLifecycleEvent(given: { type: string }, nameOf: (id: string) => string | undefined = () => undefined): string | undefined {
  const event = given as LifecycleText;
  const by = "by" in event && event.by ? ` by ${nameOf(event.by) ?? event.by}` : "";
  switch (event.type) {
    case "thread_created": {
      const { topic, tags } = event.thread;
      return `Thread created: ${quoted(topic)}${tags?.length ? ` (tags: ${tags.join(", ")})` : ""}`;
    }
    case "thread_updated":
      return `Thread updated: ${quoted(event.thread.topic)} (${event.changes.join(", ") || "unknown fields"})`;
    case "thread_status_changed":
      return `Thread status changed: ${quoted(event.topic)} ${event.from} -> ${event.to}${by}`;
    case "thread_artifact":
      return `Artifact ${event.action}: "${event.artifact.title || event.artifact.artifact_key}" (type: ${event.artifact.type})`;
    case "thread_participant":
      return `${event.bot_name || event.bot_id}${event.label ? ` [${event.label}]` : ""} ${event.action} the thread${by}`;
    default:
      return undefined;
  }
}

const statuses: Record<string, string> = {
  active: `The thread is active: work goes on.
- blocked: if it waits for information or a decision from outside.
- reviewing: if the results are ready to be checked.
- resolved: if the goal is reached.
- closed: if it ends without the goal; give a reason (manual, timeout or error).`,
  blocked: `The thread is blocked: it waits for information or a decision from outside.
- active: if work can go on.`,
  reviewing: `The thread is in review: its results are being checked.
- active: if more work is needed.
- resolved: if the results are accepted.
- closed: if it ends without the goal; give a reason (manual, timeout or error).`,
  resolved: `The thread is resolved: its goal is reached. Messages and artifacts are locked.
- active: to open it again if there is more to do.`,
  closed: `The thread is closed: it ended without its goal. Messages and artifacts are locked.
- active: to open it again if there is more to do.`,
};

/** Returns what the status of a thread means, and a line for each status that it can be set to. */
export function getStatusGuide(status: string): string {
  return Object.hasOwn(statuses, status) ? statuses[status]! : `Unknown status: ${status}`;
}
