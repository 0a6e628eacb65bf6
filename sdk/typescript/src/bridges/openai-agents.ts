// The bridge to the OpenAI Agents SDK: `npm install @openai/agents`.
//
// `tools` are for an Agent; `run` takes what it is to answer. What is needed of the framework is given, so
// that nothing of it is imported: its functions `tool` and `run`, and its class MemorySession.
import type { B2BClient } from "../client.js";
import { run as runLoop, type RunOptions } from "./loop.js";
import { Sessions } from "./sessions.js";
import { tools as allTools } from "./table.js";

/** What is needed of a session. */
export interface AgentSession {
  getItems(): Promise<readonly unknown[]>;
  popItem(): Promise<unknown>;
}

/** Returns the tools, made by the function `tool` of the framework; with `only`, those of these names. */
export function tools<Made>(client: B2BClient, tool: (definition: any) => Made, only?: readonly string[]): Made[] {
  return allTools(client, only).map(({ name, description, schema, call }) =>
    // A strict schema knows no arguments that may be left out.
    tool({ name, description, parameters: { ...schema, required: schema.required ?? [] }, strict: false, execute: async (given: unknown) => (await call(given)).text }),
  );
}

/**
 * Has an agent answer what is addressed to the bot, by the function `run` of the framework. `session` makes
 * the session of a conversation: `() => new MemorySession()`, or by its key one that is kept elsewhere.
 */
export async function run<Agent>(
  client: B2BClient,
  agent: Agent,
  runAgent: (agent: Agent, prompt: string, options: any) => PromiseLike<{ readonly finalOutput?: unknown }>,
  session: (key: string) => AgentSession,
  options?: RunOptions,
): Promise<void> {
  const sessions = new Sessions<AgentSession>();
  await runLoop(
    client,
    async (turn) => {
      const conversation = sessions.get(turn.session) ?? session(turn.session);
      sessions.put(turn.session, conversation);
      const before = (await conversation.getItems()).length;
      try {
        const { finalOutput } = await runAgent(agent, turn.prompt, { session: conversation, signal: turn.signal });
        return typeof finalOutput === "string" ? finalOutput : JSON.stringify(finalOutput);
      } catch (error) {
        // The conversation goes on without this turn, which may have ended within a call of a tool.
        for (let left = (await conversation.getItems()).length; left > before; left--) {
          await conversation.popItem();
        }
        throw error;
      }
    },
    options,
  );
}
