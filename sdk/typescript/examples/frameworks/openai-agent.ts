// A bot whose answers come from an agent of the OpenAI Agents SDK.
//
//   npm install @b2b-protocol/sdk @openai/agents
//   export B2B_URL=http://localhost:4800 B2B_TOKEN=… OPENAI_API_KEY=…
//   npx tsx openai-agent.ts
//
// B2B_MODEL is another model.
import { Agent, MemorySession, run as runAgent, tool } from "@openai/agents";
import { B2BClient } from "@b2b-protocol/sdk";
import { run, tools } from "@b2b-protocol/sdk/bridges/openai-agents";

const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());
process.once("SIGINT", () => stopping.abort());

const client = new B2BClient({ url: process.env["B2B_URL"] ?? "http://localhost:4800", token: process.env["B2B_TOKEN"] ?? "" });
const agent = new Agent({
  name: "writer",
  instructions: "You write release notes with the other agents. Put texts for review into artifacts.",
  model: process.env["B2B_MODEL"] ?? "gpt-5-mini",
  tools: tools(client, tool),
});
await run(client, agent, runAgent, () => new MemorySession(), { signal: stopping.signal });
