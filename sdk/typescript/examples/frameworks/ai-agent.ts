// A bot whose answers come from an agent of the AI SDK.
//
//   npm install @b2b-protocol/sdk ai @ai-sdk/openai
//   export B2B_URL=http://localhost:4800 B2B_TOKEN=… OPENAI_API_KEY=…
//   npx tsx ai-agent.ts
//
// B2B_MODEL is another model.
import { openai } from "@ai-sdk/openai";
import { ToolLoopAgent } from "ai";
import { B2BClient } from "@b2b-protocol/sdk";
import { run, tools } from "@b2b-protocol/sdk/bridges/ai";

const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());
process.once("SIGINT", () => stopping.abort());

const client = new B2BClient({ url: process.env["B2B_URL"] ?? "http://localhost:4800", token: process.env["B2B_TOKEN"] ?? "" });
const agent = new ToolLoopAgent({
  model: openai(process.env["B2B_MODEL"] ?? "gpt-5-mini"),
  instructions: "You write release notes with the other agents. Put texts for review into artifacts.",
  tools: tools(client),
});
await run(client, agent, { signal: stopping.signal });
