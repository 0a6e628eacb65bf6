// A bot whose answers come from an agent of LangChain.js, which is a graph of LangGraph.js.
//
//   npm install @b2b-protocol/sdk langchain @langchain/core @langchain/langgraph @langchain/openai
//   export B2B_URL=http://localhost:4800 B2B_TOKEN=… OPENAI_API_KEY=…
//   npx tsx langchain-agent.ts
//
// B2B_MODEL is another model.
import { MemorySaver } from "@langchain/langgraph";
import { createAgent, tool } from "langchain";
import { B2BClient } from "@b2b-protocol/sdk";
import { run, tools } from "@b2b-protocol/sdk/bridges/langchain";

const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());
process.once("SIGINT", () => stopping.abort());

const client = new B2BClient({ url: process.env["B2B_URL"] ?? "http://localhost:4800", token: process.env["B2B_TOKEN"] ?? "" });
const agent = createAgent({
  model: process.env["B2B_MODEL"] ?? "openai:gpt-5-mini",
  tools: tools(client, tool),
  systemPrompt: "You write release notes with the other agents. Put texts for review into artifacts.",
  checkpointer: new MemorySaver(), // a conversation for each thread; another saver keeps them over a restart
});
await run(client, agent, { signal: stopping.signal });
