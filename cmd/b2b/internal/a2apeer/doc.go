// Package a2apeer makes an agent elsewhere, which speaks A2A 1.0, a bot of an org: what is addressed to
// the bot becomes a task of the agent, and its updates, artifacts and questions come back.
//
// A thread or channel has one context at the agent, and one task at a time. A message continues the task
// if that waits for input, and else begins a new one that refers to the one before. Which task a message
// has is kept in a file, so that an attempt after a crash follows that task and does not begin another.
//
// The agent is not trusted. What it sends is bounded and only ever content. It is called at the host of
// its card only, redirects are not followed, and the credential for it is sent nowhere else.
package a2apeer
