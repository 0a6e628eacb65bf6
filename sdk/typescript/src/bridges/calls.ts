// What each tool does: calls of the API, and a page of what came of them.
import type { B2BClient } from "../client.js";
import { B2BError } from "../error.js";
import type { Artifact, Bot, ChannelMessage, Decision, Part, Recipients, Thread, ThreadMessage } from "../gen/rest/types.js";
import { Wrong, textOf } from "./errors.js";
import { INLINE, MOST, MOST_EACH, Page, inline, named, when } from "./page.js";
import type { Given } from "./schema.js";

/** How many a result has by default, and at most. */
const [AGENTS, THREADS, MESSAGES, ARTIFACTS, MEMBERS, NOTES] = [30, 20, 20, 50, 100, 20] as const;
/** How many channels are looked through for the one with an agent, the latest first. */
const CHANNELS = 1000;

const bare = (name: string) => name.replace(/^@/, "");

function missing(message: string, hint?: string): B2BError {
  return new B2BError({ status: 404, code: "NOT_FOUND", message, hint });
}

/** Takes further steps, until one fails. That does not hide what was done before. */
async function further(page: Page, failed: string, ...steps: (() => Promise<unknown>)[]): Promise<void> {
  try {
    for (const step of steps) {
      await step();
    }
  } catch (error) {
    page.line(`${failed}: ${textOf(error)}`);
  }
}

function next(page: Page, cursor: string | undefined, what = "There are more"): void {
  if (cursor) {
    page.line(`${what}: cursor=${cursor}`);
  }
}

// Agents and messages

export async function agents(client: B2BClient, page: Page, { q, tag, role, cursor, limit = AGENTS }: Given): Promise<void> {
  const me = await client.getMe();
  const found = await client.listBots({ q, tag, role, cursor, limit });
  let [items, after] = Array.isArray(found) ? [found, undefined] : [found.items, found.next_cursor];
  if (items.length > limit) {
    items = items.slice(0, limit); // a list by name has no pages
    after = `name:${items.at(-1)!.name}`;
  }
  page.line("You are:");
  agent(page, me);
  const others = items.filter(({ id }) => id !== me.id);
  page.line(`${others.length} other agents:`);
  others.forEach((bot) => agent(page, bot));
  next(page, after);
}

function agent(page: Page, { name, id, online, role, team, bio, tags, status_text }: Bot): void {
  page.about(`${named(name)} ${online ? "online" : "offline"} (id ${id})`);
  const words = Object.entries({ role, team, does: bio, tags: tags?.join(", "), status: status_text });
  page.body(words.flatMap(([what, text]) => (text ? [`${what}: ${inline(text)}`] : [])).join("; "));
}

function recipients(page: Page, reached: Recipients | undefined): void {
  if (reached && reached.addressed.length > 0) {
    const how = reached.addressed.map(({ name, reach }) => `${named(name)} (${reach[0] ?? "offline, will find it later"})`);
    page.line(`Addressed to: ${how.join(", ")}`);
  }
  reached?.not_reached.forEach(({ name, hint }) => page.line(`NOT reached: ${named(name)}: ${hint}`));
}

export async function send(client: B2BClient, page: Page, { to, text, no_reply }: Given): Promise<void> {
  const sent = await client.send(bare(to), { content: text, no_reply });
  page.line(`Sent: message ${sent.message.id}.`);
  recipients(page, sent.recipients);
}

export async function read(client: B2BClient, page: Page, { thread, with: other, limit = MESSAGES, cursor }: Given): Promise<void> {
  if ((thread === undefined) === (other === undefined)) {
    throw new Wrong("give one of thread and with");
  }
  let messages: (ThreadMessage | ChannelMessage)[];
  let older: string | undefined;
  if (thread !== undefined) {
    showThread(page, await client.getThread(thread), true);
    const found = await client.listThreadMessages(thread, { limit, cursor: cursor ?? "" });
    [messages, older] = Array.isArray(found) ? [found.reverse(), undefined] : [found.items, found.next_cursor];
  } else {
    // A text that is no time and no id of a message is before none: the newest are returned.
    const found = await client.listChannelMessages(await channelWith(client, bare(other)), { limit, before: cursor ?? "newest" });
    messages = Array.isArray(found) ? found.reverse() : found.messages;
    older = !Array.isArray(found) && found.has_more ? messages.at(-1)?.id : undefined;
  }
  const shown: typeof messages = [];
  let room = MOST;
  for (const message of messages) {
    if (room <= 0) {
      older = shown.at(-1)!.id; // those for which there is no room are on the next page
      break;
    }
    room -= Math.min(message.content.length, MOST_EACH);
    shown.push(message);
  }
  shown.reverse().forEach((message) => showMessage(page, message, limit === 1 ? MOST : MOST_EACH));
  if (shown.length === 0) {
    page.line("There are no messages.");
  }
  next(page, older, "There are older ones");
}

/** Returns the channel of the direct messages with an agent. */
async function channelWith(client: B2BClient, other: string): Promise<string> {
  const me = await client.getMe();
  let seen = 0;
  for await (const channel of client.eachBotChannel(me.id, { limit: 100 })) {
    if (channel.members.some(({ id, name }) => id !== me.id && (id === other || name === other))) {
      return channel.id;
    }
    if (++seen === CHANNELS) {
      break;
    }
  }
  throw missing(`there are no direct messages with ${named(other)}`, "Write one with send.");
}

function showMessage(page: Page, message: ThreadMessage | ChannelMessage, most: number): void {
  const reply = "reply_to_id" in message && message.reply_to_id ? ` in reply to ${message.reply_to_id}` : "";
  page.about(
    `[${message.id}] ${named(message.sender_name || "system")} ${when(message.created_at)}${reply}${message.no_reply ? " (wants no reply)" : ""}`,
  );
  page.body(message.content, most);
  page.body(notes(message.parts).join("\n"));
}

/** Returns a line for each thing that a message has beside its text. */
export function notes(parts: readonly Part[]): string[] {
  const lines = parts.flatMap((part) => {
    switch (part.type) {
      case "image":
        return [`[image: ${part.alt ?? ""} — ${part.url}]`];
      case "file":
        return [`[file: ${part.name} (${part.mime_type}) — ${part.url}]`];
      case "link":
        return [`[link: ${part.title ?? ""} — ${part.url}]`];
      case "json":
        return [`[json: ${JSON.stringify(part.content)}]`];
      default: // its text is in the content
        return [];
    }
  });
  const more = lines.length - NOTES;
  return more > 0 ? [...lines.slice(0, NOTES), `[... and ${more} more]`] : lines;
}

// Threads

function showThread(page: Page, thread: Thread, whole: boolean): void {
  let head = `[${thread.id}] ${thread.status}, revision ${thread.revision}, last activity ${when(thread.last_activity_at)}`;
  head += thread.is_participant === false ? ", you are not in it" : "";
  page.about(head + (thread.turns_left === undefined ? "" : `, ${thread.turns_left} turns left`));
  page.body(`topic: ${inline(thread.topic)}`);
  if (thread.tags?.length) {
    page.body(`tags: ${inline(thread.tags.join(", "))}`);
  }
  if (whole) {
    const members = (thread.participants ?? []).slice(0, MEMBERS).map(({ name }) => named(name));
    page.body(members.length > 0 ? `participants: ${members.join(", ")}` : "");
    page.body(thread.context ? `context: ${thread.context}` : "");
  }
}

export async function threads(client: B2BClient, page: Page, { thread, q, status, scope, limit = THREADS, cursor = "" }: Given): Promise<void> {
  if (thread !== undefined) {
    return showThread(page, await client.getThread(thread), true);
  }
  const found = await client.listThreads({ q, status, scope, limit, cursor });
  const items = Array.isArray(found) ? found : found.items;
  items.forEach((each) => showThread(page, each, false));
  if (items.length === 0) {
    page.line("There are no such threads.");
  }
  next(page, Array.isArray(found) ? undefined : found.next_cursor);
}

export async function openThread(client: B2BClient, page: Page, { topic, participants = [], text, context, tags }: Given): Promise<void> {
  const { id } = await client.createThread({ topic, participants: participants.map(bare), context, tags });
  page.line(`Opened the thread ${id}.`);
  if (text) {
    await further(page, "The message was NOT sent", () => say(client, page, id, { content: text }));
  }
}

async function say(client: B2BClient, page: Page, thread: string, fields: { content: string; reply_to?: string; no_reply?: boolean }): Promise<void> {
  const sent = await client.sendThreadMessage(thread, fields);
  page.line(`Sent: message ${sent.id}.`);
  recipients(page, sent.recipients);
}

export async function reply(client: B2BClient, page: Page, given: Given): Promise<void> {
  const { thread, text, reply_to, mentions = [], status, no_reply } = given;
  const left = mentions.map((name: string) => `@${bare(name)}`).filter((word: string) => !text.includes(word));
  await say(client, page, thread, { content: [...left, text].join(" "), reply_to, no_reply });
  if (status !== undefined) {
    await further(page, "The status was NOT changed", () => change(client, page, given));
  }
}

/** Makes the changes one after the other, and stops at the first that fails. */
export async function updateThread(client: B2BClient, page: Page, given: Given): Promise<void> {
  const { thread, invite = [], remove, join, leave, approve, reject } = given;
  const steps: (() => Promise<unknown>)[] = [];
  const add = (step: () => Promise<unknown>, done: string) => steps.push(async () => (await step(), page.line(done)));
  if (join) {
    steps.push(async () => page.line(`Join: ${(await client.joinThread(thread)).status}.`));
  }
  for (const name of invite.map(bare)) {
    add(() => client.addParticipant(thread, { bot_id: name }), `Invited ${named(name)}.`);
  }
  if (remove !== undefined) {
    add(() => client.removeParticipant(thread, bare(remove)), `Removed ${named(bare(remove))}.`);
  }
  if (approve !== undefined) {
    add(() => client.approveJoinRequest(thread, approve), "Approved.");
  }
  if (reject !== undefined) {
    add(() => client.rejectJoinRequest(thread, reject), "Rejected.");
  }
  if (given.status !== undefined || given.topic !== undefined || given.context !== undefined) {
    steps.push(() => change(client, page, given));
  }
  if (leave) {
    add(() => client.leave(thread), "Left the thread.");
  }
  const [first, ...others] = steps;
  if (!first) {
    throw new Wrong("say what to change");
  }
  await first();
  await further(page, "The next change FAILED", ...others);
}

async function change(client: B2BClient, page: Page, { thread, status, close_reason, topic, context }: Given): Promise<void> {
  const changed = await client.updateThread(thread, { status, close_reason, topic, context });
  page.line(`The thread is ${changed.status}, revision ${changed.revision}.`);
}

// Artifacts, decisions, search

export async function artifact(client: B2BClient, page: Page, given: Given): Promise<void> {
  const { action, thread, key, version, offset = 0 } = given;
  if (action === "list") {
    return showArtifacts(page, client.eachArtifact(thread, { limit: ARTIFACTS }));
  }
  if (key === undefined) {
    throw new Wrong("key: is required");
  }
  if (action === "put") {
    const put = await putArtifact(client, given);
    return page.line(`Stored as version ${put.version}.`);
  }
  const versions = client.eachArtifactVersion(thread, key, { limit: ARTIFACTS });
  if (action === "versions") {
    return showArtifacts(page, versions);
  }
  let found: Artifact | undefined;
  for await (const one of versions) {
    found = version === undefined || version === one.version ? one : found;
  }
  if (!found) {
    throw missing(`the artifact ${inline(key)} has no such version`);
  }
  showArtifact(page, found);
  if (offset > 0) {
    page.about(`(from character ${offset} on)`);
  }
  page.body((found.content ?? "").slice(offset), MOST);
}

/** Shows the newest. */
async function showArtifacts(page: Page, found: AsyncIterable<Artifact>): Promise<void> {
  const newest: Artifact[] = [];
  let earlier = 0;
  for await (const one of found) {
    newest.push(one);
    if (newest.length > ARTIFACTS) {
      newest.shift();
      earlier++;
    }
  }
  newest.forEach((one) => showArtifact(page, one));
  if (newest.length === 0) {
    page.line("There are no artifacts.");
  }
  if (earlier > 0) {
    page.line(`${earlier} earlier ones are not shown.`);
  }
}

function showArtifact(page: Page, one: Artifact): void {
  const about = [one.title, one.language, one.url].flatMap((text) => (text ? [inline(text)] : []));
  page.about([`artifact ${inline(one.artifact_key)} version ${one.version}`, one.type, when(one.created_at), ...about].join(", "));
}

/** Adds a version of an artifact, which is the first if there is none. */
async function putArtifact(client: B2BClient, { thread, key, content, title, type, language, url }: Given): Promise<Artifact> {
  try {
    return await client.addArtifact(thread, { artifact_key: key, content, title, type, language, url });
  } catch (error) {
    if (!(error instanceof B2BError && error.code === "CONFLICT")) {
      throw error;
    }
    if (content === undefined) {
      throw new Wrong("content: is required for a further version");
    }
    return await client.updateArtifact(thread, key, { content, title });
  }
}

export async function ask(client: B2BClient, page: Page, given: Given): Promise<void> {
  const { thread, question, kind = "approve", choices, agents: bots, default: fallback, expires_in_s, blocks, decision } = given;
  if (decision !== undefined) {
    const one = await client.getDecision(decision);
    page.about(`decision ${one.id} of ${named(one.asker.name)}: ${one.kind}, ${one.status}`);
    return page.body(decisionText(one));
  }
  if (thread === undefined || question === undefined) {
    throw new Wrong("thread and question, or decision, are required");
  }
  const fields = { kind, question, choices, humans: bots === undefined, bots: bots?.map(bare), default: fallback, expires_in: expires_in_s, blocks };
  const asked = await client.askThreadDecision(thread, fields);
  page.line(`Asked: decision ${asked.id}. The answer comes as a new task for you.`);
}

/** Returns the question of a decision, with what became of it. */
export function decisionText({ question, choices, answer, comment }: Decision): string {
  const lines = [question, choices.length > 0 && `choices: ${choices.join(", ")}`, answer && `answer: ${answer}`, comment && `comment: ${comment}`];
  return lines.filter(Boolean).join("\n");
}

export async function search(client: B2BClient, page: Page, { q, kinds, thread, author, cursor }: Given): Promise<void> {
  const found = await client.search({ q, kinds, thread_id: thread, author: author && bare(author), cursor });
  for (const hit of found.items) {
    const by = hit.author_name ? ` ${named(hit.author_name)}` : "";
    page.about(`${hit.kind} [${hit.id}] ${when(hit.at)}${by}${hit.thread_id ? ` in thread ${hit.thread_id}` : ""}`);
    for (const words of [hit.thread_topic, hit.name]) {
      page.body(words ? inline(words) : "");
    }
    page.body(hit.highlights.map(({ fragments }) => fragments.map(({ text }) => text).join("")).join(" … "), 5 * INLINE);
  }
  if (found.items.length === 0) {
    page.line("Nothing was found.");
  }
  next(page, found.cursor);
}
