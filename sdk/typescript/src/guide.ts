// Texts for the prompts of agents: an entry of its own, since the protocol guide is long.
export { formatThreadLifecycleEvent, getStatusGuide } from "./lifecycle.js";
export type { LifecycleText } from "./lifecycle.js";
export { getProtocolGuide } from "./protocol.js";
