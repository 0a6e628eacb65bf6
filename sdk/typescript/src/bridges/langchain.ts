// The bridge to LangChain.js and LangGraph.js: `npm install langchain @langchain/core`.
//
// `tools` are for createAgent or bindTools; `run` takes what such an agent, or any other graph with
// `messages` in its state, is to answer. With a checkpointer, each thread of the bot is a conversation of
// the graph. The function `tool` of the framework is given, so that nothing of it is imported.
import type { B2BClient } from "../client.js";
import { run as runLoop, type RunOptions } from "./loop.js";
import { Sessions } from "./sessions.js";
import { tools as allTools } from "./table.js";

/** What is needed of an agent. */
export interface GraphAgent {
  invoke(state: any, config?: any): PromiseLike<{ readonly messages: readonly unknown[] }>;
}

/** What is used of the graph of an agent that keeps conversations. */
interface Graph {
  checkpointer?: { deleteThread(id: string): Promise<void> } | boolean | undefined;
  getState(config: unknown): Promise<{ config: { configurable?: Record<string, unknown> } }>;
}

/** Returns the tools, made by the function `tool` of the framework; with `only`, those of these names. */
export function tools<Made>(client: B2BClient, tool: (call: (given: any) => Promise<string>, about: any) => Made, only?: readonly string[]): Made[] {
  return allTools(client, only).map(({ name, description, schema, call }) =>
    tool(async (given: unknown) => (await call(given)).text, { name, description, schema }),
  );
}

/** Has an agent answer what is addressed to the bot. `config` is for each of its runs. */
export async function run(
  client: B2BClient,
  agent: GraphAgent,
  { config = {}, ...options }: RunOptions & { config?: { configurable?: Record<string, unknown> } | undefined } = {},
): Promise<void> {
  const graph = ((agent as { graph?: unknown }).graph ?? agent) as Graph;
  const saver = typeof graph.checkpointer === "object" ? graph.checkpointer : undefined;
  // Where conversations go on whose last turn has failed: without it, since it may have ended within a call of a tool.
  const before = new Sessions<string>();
  await runLoop(
    client,
    async ({ prompt, session, signal }) => {
      const from = before.get(session);
      const configurable = { ...config.configurable, thread_id: session, ...(from && { checkpoint_id: from }) };
      const start = saver && (await graph.getState({ configurable })).config.configurable?.["checkpoint_id"];
      try {
        const { messages } = await agent.invoke({ messages: [{ role: "user", content: prompt }] }, { ...config, configurable, signal });
        before.put(session, "");
        return textOf(messages.at(-1));
      } catch (error) {
        if (typeof start === "string") {
          before.put(session, start);
        } else {
          await saver?.deleteThread(session);
        }
        throw error;
      }
    },
    options,
  );
}

/** Returns the text of a message, whose content is a text or a list of blocks. */
function textOf(message: unknown): string {
  const { content } = message as { content: unknown };
  const blocks: unknown[] = Array.isArray(content) ? content : [content];
  return blocks.map((block) => (typeof block === "string" ? block : ((block as { text?: string } | null)?.text ?? ""))).join("");
}
