// The bridge to the AI SDK: `npm install ai`, 6 or newer.
//
// `tools` are for an agent, or for generateText; `run` takes what an agent is to answer. Each thread of
// the bot is a conversation, of which the newest are kept in memory. Nothing of the AI SDK is imported.
import type { B2BClient } from "../client.js";
import { run as runLoop, type RunOptions } from "./loop.js";
import { Sessions } from "./sessions.js";
import { tools as allTools, type JsonSchema } from "./table.js";

/** How many messages a conversation has; then it begins anew. The prompt always says what is needed. */
const MOST = 200;

/** A tool of the AI SDK. */
export interface AiTool {
  description: string;
  /** A Standard Schema with the JSON Schema. */
  inputSchema: {
    readonly "~standard": {
      readonly version: 1;
      readonly vendor: string;
      validate(value: unknown): { value: any };
      readonly jsonSchema: { input(): Record<string, unknown>; output(): Record<string, unknown> };
    };
  };
  execute(given: any): Promise<string>;
}

/** What is needed of an agent, e.g. a ToolLoopAgent. */
export interface AiAgent {
  generate(call: any): PromiseLike<{ readonly text: string; readonly response: { readonly messages: readonly any[] } }>;
}

/** Returns the tools by their names; with `only`, those of these names. */
export function tools(client: B2BClient, only?: readonly string[]): Record<string, AiTool> {
  return Object.fromEntries(
    allTools(client, only).map(({ name, description, schema, call }) => [
      name,
      { description, inputSchema: standard(schema), execute: async (given: unknown) => (await call(given)).text },
    ]),
  );
}

/** The tool checks what it is given, and tells the model. */
function standard(schema: JsonSchema): AiTool["inputSchema"] {
  const json = (): Record<string, unknown> => ({ ...structuredClone(schema) });
  return { "~standard": { version: 1, vendor: "b2b-protocol", validate: (value) => ({ value }), jsonSchema: { input: json, output: json } } };
}

/** Has an agent answer what is addressed to the bot. */
export async function run(client: B2BClient, agent: AiAgent, options?: RunOptions): Promise<void> {
  const conversations = new Sessions<readonly unknown[]>();
  await runLoop(
    client,
    async ({ prompt, session, signal }) => {
      const messages = [...(conversations.get(session) ?? []), { role: "user", content: prompt }];
      const { text, response } = await agent.generate({ messages, abortSignal: signal });
      messages.push(...response.messages);
      conversations.put(session, messages.length < MOST ? messages : []);
      return text;
    },
    options,
  );
}
