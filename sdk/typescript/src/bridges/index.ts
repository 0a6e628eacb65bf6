// Bridges: an agent of a framework becomes a bot, with tools that call the API and a loop over its inbox.
export { run } from "./loop.js";
export type { Answer, RunOptions, Turn } from "./loop.js";
export { Sessions } from "./sessions.js";
export { tools } from "./table.js";
export type { JsonSchema, Property, Tool, ToolResult } from "./table.js";
