// The tools: their names, words and schemas, which every bridge hands to its framework. Names and words
// are those of the MCP server. A tool never settles a delivery: that is for the loop.
import type { B2BClient } from "../client.js";
import * as calls from "./calls.js";
import { textOf } from "./errors.js";
import { Page } from "./page.js";
import { checked, choice, flag, integer, listed, object, text, type Given, type JsonSchema } from "./schema.js";

export type { JsonSchema, Property } from "./schema.js";

/** What a tool says to the model. */
export interface ToolResult {
  text: string;
  /** Whether nothing was done; the text then begins with the stable code of the error. */
  failed: boolean;
}

/** A tool, for any framework. */
export interface Tool {
  name: string;
  /** For the model: what it does, and when to use it. */
  description: string;
  /** The JSON Schema of its arguments. */
  schema: JsonSchema;
  /** Calls it with the arguments of the model. It never rejects. */
  call(given: unknown): Promise<ToolResult>;
}

interface Entry {
  name: string;
  description: string;
  schema: JsonSchema;
  make(client: B2BClient, page: Page, given: Given): Promise<void>;
}

const STATUSES = ["active", "blocked", "reviewing", "resolved", "closed"];
const REASONS = ["manual", "timeout", "error"];

const TABLE: Entry[] = [
  {
    name: "agents",
    description: "Says who you are and which agents are there, with what they do. Use it before you write to somebody: names must be exact.",
    schema: object({
      q: text("words in bio, role or function"),
      tag: text("a tag that they have"),
      role: text("their role"),
      limit: integer("how many, 30 by default", 1, 100),
      cursor: text("next of an earlier result"),
    }),
    make: calls.agents,
  },
  {
    name: "send",
    description:
      "Sends a direct message to one agent. For work of several agents, or with documents, use open_thread. " +
      "The answer comes later, as a new task for you: do not wait for it.",
    schema: object(
      {
        to: text("name or id of the agent"),
        text: text("the message (Markdown)"),
        no_reply: flag("true if no answer is wanted, as for thanks: it wakes nobody"),
      },
      "to",
      "text",
    ),
    make: calls.send,
  },
  {
    name: "read",
    description: "Reads messages, oldest first: of a thread, or your direct messages with an agent. Give one of thread and with.",
    schema: object({
      thread: text("id of a thread"),
      with: text("name or id of an agent: your direct messages with it"),
      limit: integer("how many messages, 20 by default; one message is shown in full with 1", 1, 100),
      cursor: text("next of an earlier result: older messages"),
    }),
    make: calls.read,
  },
  {
    name: "threads",
    description: "Lists your threads, the most recently active first, searches them by topic, or shows one. Messages are read with read.",
    schema: object({
      thread: text("id: only this thread, with participants and context"),
      q: text("words of the topic"),
      status: choice("", ...STATUSES),
      scope: choice("mine (default), or org: also public threads you could join", "mine", "org"),
      limit: integer("how many, 20 by default", 1, 50),
      cursor: text("next of an earlier result"),
    }),
    make: calls.threads,
  },
  {
    name: "open_thread",
    description:
      "Opens a thread: a conversation of several agents with a status and documents. Use it for a task; look for one with " +
      "threads first. Mention (@name) in text whom you want to act.",
    schema: object(
      {
        topic: text("what it is about, one line"),
        participants: listed("names or ids of agents"),
        text: text("the first message (Markdown); @name wakes a participant"),
        context: text("background that everybody in it should know"),
        tags: listed(""),
      },
      "topic",
    ),
    make: calls.openThread,
  },
  {
    name: "reply",
    description:
      "Posts a message to a thread in which you take part, and can set the status of the thread with it. Only mentioned agents " +
      "and the author of reply_to are woken. Put long results into artifact. " +
      "Not for answering what you were asked: your final answer is sent without a tool.",
    schema: object(
      {
        thread: text("id of the thread"),
        text: text("the message (Markdown)"),
        reply_to: text("id of the message that it answers: its author is woken"),
        mentions: listed("names of participants who shall act; all for everybody"),
        status: choice("the new status: reviewing if results are to be checked, blocked if you need a person, resolved if the goal is reached", ...STATUSES),
        close_reason: choice("with the status closed", ...REASONS),
        no_reply: flag("true if no answer is wanted, as for reports: it wakes nobody"),
      },
      "thread",
      "text",
    ),
    make: calls.reply,
  },
  {
    name: "update_thread",
    description: "Changes a thread without a message: its status, topic or context, who takes part, requests to join. To say something with it, use reply.",
    schema: object(
      {
        thread: text("id of the thread"),
        status: choice("", ...STATUSES),
        close_reason: choice("with the status closed", ...REASONS),
        topic: text(""),
        context: text(""),
        invite: listed("names or ids of agents to add"),
        remove: text("name or id of an agent to remove"),
        join: flag("true: join it yourself"),
        leave: flag("true: leave it"),
        approve: text("id of a request to join"),
        reject: text("id of a request to join"),
      },
      "thread",
    ),
    make: calls.updateThread,
  },
  {
    name: "artifact",
    description:
      "Reads and writes the versioned documents (artifacts) of a thread: results, reports, code. Each put is a version; none is " +
      "lost. Use it for what others shall work on or check, and a message to tell them.",
    schema: object(
      {
        action: choice("list, get (the content), versions, put (new, or the next version)", "list", "get", "versions", "put"),
        thread: text("id of the thread"),
        key: text("its name in the thread, such as report"),
        version: integer("get: default is the newest", 1),
        offset: integer("get: characters to skip, to read on what was left out", 0),
        content: text("put: the whole text"),
        type: choice("put, for a new one", "text", "markdown", "json", "code", "file", "link"),
        title: text("put"),
        language: text("put: of code"),
        url: text("put: of a link or file"),
      },
      "action",
      "thread",
    ),
    make: calls.artifact,
  },
  {
    name: "ask",
    description:
      "Asks people (or agents) of a thread for a decision: before what cannot be undone, costs, or is not yours to decide. " +
      "The answer comes later, as a new task for you; with decision, it shows what became of it.",
    schema: object({
      thread: text("where"),
      question: text("with all that is needed to decide"),
      kind: choice("approve (yes or no, default), choose, input (free text)", "approve", "choose", "input"),
      choices: listed("choose: the answers"),
      agents: listed("participants who may answer, instead of people"),
      default: text("the answer if nobody gives one in time"),
      expires_in_s: integer("when it expires", 1),
      blocks: flag("the thread is blocked until it is decided"),
      decision: text("id of one that was asked: only show it"),
    }),
    make: calls.ask,
  },
  {
    name: "search",
    description:
      "Searches all messages, threads, artifacts, agents and files that you may read, the newest first. Look here for what is " +
      "known before you ask somebody.",
    schema: object(
      {
        q: text("words, all of which must occur; quotes make a phrase"),
        kinds: listed("default: all", "message", "thread", "artifact", "bot", "file"),
        thread: text("only in this thread"),
        author: text("only by this agent"),
        cursor: text("next of an earlier result"),
      },
      "q",
    ),
    make: calls.search,
  },
];

/** Returns the tools, which call the API as the bot of the client; with `only`, those of these names. */
export function tools(client: B2BClient, only?: readonly string[]): Tool[] {
  const unknown = only?.find((name) => !TABLE.some((entry) => entry.name === name));
  if (unknown !== undefined) {
    throw new TypeError(`there is no tool ${unknown}`);
  }
  return TABLE.filter(({ name }) => !only || only.includes(name)).map(({ name, description, schema, make }) => ({
    name,
    description,
    schema,
    async call(given) {
      const page = new Page();
      try {
        await make(client, page, checked(schema, given));
        return { text: page.text(), failed: false };
      } catch (error) {
        return { text: textOf(error), failed: true };
      }
    },
  }));
}
