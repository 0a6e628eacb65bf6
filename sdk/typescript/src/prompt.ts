// Renders what is known of a thread as a text for the prompt of an agent.
import { formatThreadLifecycleEvent } from "./lifecycle.js";

/** How much to render: everything that waits, only what was not delivered, or its number. */
export type PromptMode = "full" | "delta" | "summary";

/** Options of a prompt. */
export interface PromptOptions {
  /**
   * Keeps texts of others from looking like lines of the prompt: line breaks become blanks, those of
   * messages and of the context of the thread are followed by four blanks. Default: true.
   */
  escape?: boolean | undefined;
  /**
   * The longest prompt in tokens, estimated as one for 4 bytes of UTF-8; at least 100. The oldest
   * messages, events and artifacts are left out first, and long texts are cut. Default: no limit.
   */
  maxTokens?: number | undefined;
}

/** What a prompt shows of a thread. */
export interface PromptView {
  id: string;
  thread: { topic: string; status: string; tags?: readonly string[] | null; context?: string | null } | undefined;
  participants: readonly { bot_id: string; name?: string; label: string | null }[];
  artifacts: readonly { artifact_key: string; type: string; version: number; title: string | null }[];
  events: readonly { type: string }[];
  messages: readonly PromptMessage[];
  nameOf(id: string): string | undefined;
}

/** What a prompt shows of a message. */
export interface PromptMessage {
  sender_id: string | null;
  sender_name?: string;
  content: string;
  metadata: unknown;
  created_at: number;
}

/** Returns who wrote a message for a person, by its metadata: an object, or its JSON text. */
export function provenance(metadata: unknown): { authored_by?: unknown; owner_name?: unknown } | undefined {
  let value = metadata;
  if (typeof value === "string") {
    try {
      value = JSON.parse(value);
    } catch {
      return undefined; // a text that is not JSON says nothing about its author
    }
  }
  const found = (value as { provenance?: unknown } | null | undefined)?.provenance;
  return typeof found === "object" && found !== null ? found : undefined;
}

const breaks = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/g;
const same = (text: string) => text;

export function renderPrompt(view: PromptView, mode: PromptMode, options: PromptOptions): string {
  const line = options.escape ? (text: string) => text.replace(breaks, " ") : same;
  const block = options.escape ? (text: string) => text.replace(breaks, "\n    ") : same;
  const head: string[] = [];
  if (view.thread) {
    const { topic, status, tags, context } = view.thread;
    head.push(`## Thread: ${line(topic)}`, `Status: ${status} | ID: ${view.id}`);
    if (tags?.length) head.push(`Tags: ${line(tags.join(", "))}`);
    if (context) head.push(`Context: ${block(context)}`);
  } else {
    head.push(`## Thread: ${view.id}`);
  }
  if (view.participants.length > 0) {
    const names = view.participants.map(({ name, bot_id, label }) => (name || bot_id) + (label ? ` (${label})` : ""));
    head.push(`Participants: ${line(names.join(", "))}`);
  }
  const artifacts = view.artifacts.map(({ artifact_key, type, version, title }) => `- **${line(artifact_key)}** (${type}, v${version})${title ? `: ${line(title)}` : ""}`);
  const events = view.events.map((event) => `- ${line(formatThreadLifecycleEvent(event, view.nameOf) ?? event.type)}`);
  const messages = view.messages.map((message) => `[${new Date(message.created_at).toISOString().slice(11, 19)}] ${line(senderOf(message))}: ${block(message.content)}`);
  const ending =
    mode === "summary"
      ? ["", `[${messages.length} new message(s), ${events.length} lifecycle event(s) buffered]`]
      : section(mode === "full" ? "### Messages" : "### New Messages", messages);
  const limit = options.maxTokens === undefined ? Infinity : Math.max(100, options.maxTokens) * 4;
  if (limit === Infinity) {
    return [...head, ...section("### Artifacts", artifacts), ...section("### Lifecycle Events", events), ...ending].join("\n");
  }
  // Half of the limit is enough for the head, an eighth each for artifacts and events.
  const lines = head.map((text) => cut(text, limit / 10));
  lines.push(...within(section("### Artifacts", artifacts), limit / 8), ...within(section("### Lifecycle Events", events), limit / 8));
  return [...lines, ...within(ending, limit - size(lines))].join("\n");
}

function senderOf({ sender_id, sender_name, metadata }: PromptMessage): string {
  const sender = sender_name || sender_id || "system";
  const { authored_by, owner_name } = provenance(metadata) ?? {};
  return authored_by === "human" && typeof owner_name === "string" && owner_name ? `${owner_name} (via ${sender})` : sender;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? ["", title, ...lines] : [];
}

const encoder = new TextEncoder();

/** Returns the number of bytes of lines, each with a line break. */
function size(lines: readonly string[]): number {
  return lines.reduce((sum, text) => sum + encoder.encode(text).length + 1, 0);
}

/** Returns a text, cut so that it has at most so many bytes with its line break. */
function cut(text: string, bytes: number): string {
  if (size([text]) <= bytes) {
    return text;
  }
  const { read } = encoder.encodeInto(text, new Uint8Array(Math.max(0, Math.floor(bytes) - 4)));
  return `${text.slice(0, read)}…`;
}

/** Returns a section with the last lines that fit into so many bytes. */
function within(all: string[], bytes: number): string[] {
  const [blank, title, ...lines] = all as [string, string, ...string[]];
  if (size(all) <= bytes) {
    return all;
  }
  const kept: string[] = [];
  let left = bytes - size([blank, title, `[${lines.length} earlier omitted]`]);
  while (kept.length < lines.length) {
    const next = lines[lines.length - 1 - kept.length]!;
    const fits = size([next]) <= left;
    if (!fits && (kept.length > 0 || left < 20)) {
      break;
    }
    kept.unshift(cut(next, left));
    left -= size([kept[0]!]);
  }
  if (kept.length === 0) {
    return [];
  }
  const omitted = lines.length - kept.length;
  return [blank, title, ...(omitted > 0 ? [`[${omitted} earlier omitted]`] : []), ...kept];
}
