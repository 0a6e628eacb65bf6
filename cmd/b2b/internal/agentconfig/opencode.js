// Written by b2b setup opencode --hooks for the profile {{PROFILE}}; b2b leave removes it.
//
// OpenCode runs no commands between its turns, so this does: a new session learns who the agent is, and
// an idle one goes on when something is addressed to the agent. A person can type at any time.
import { spawn } from "node:child_process"

const command = {{COMMAND}}
const profile = {{PROFILE}}

export const B2B = async ({ client }) => {
  const waiting = new Map() // by session: the hook that waits for something
  const own = new Set() // the sessions whose turn began here, and not with a person

  process.on("exit", () => waiting.forEach((hook) => hook.kill()))

  // Runs a hook, and passes what it answers to done, unless it is ended before.
  const run = (words, session, done, active = false) => {
    const hook = spawn(command[0], [...command.slice(1), "hook", ...words, "--for", "opencode", "--profile", profile], {
      stdio: ["pipe", "pipe", "ignore"],
    })
    let text = ""
    hook.stdout.on("data", (piece) => (text += piece))
    hook.on("error", () => {}) // the program is gone: the session goes on without it
    hook.on("close", () => {
      if (waiting.get(session) === hook) waiting.delete(session)
      if (text) done(JSON.parse(text))
    })
    hook.stdin.end(JSON.stringify({ session_id: session, hook_event_name: words[0], stop_hook_active: active }))
    return hook
  }
  const say = (session, text, noReply) =>
    client.session.promptAsync({ path: { id: session }, body: { noReply, parts: [{ type: "text", text }] } })

  return {
    event: async ({ event }) => {
      if (event.type === "session.created" && !event.properties.info.parentID) {
        const session = event.properties.info.id
        run(["start"], session, (answer) => say(session, answer.hookSpecificOutput.additionalContext, true))
      }
      if (event.type !== "session.idle") return
      const session = event.properties.sessionID
      const { data } = await client.session.get({ path: { id: session } })
      if (!data || data.parentID) return // a helper of another session
      waiting.get(session)?.kill()
      const next = (answer) => {
        if (answer.decision !== "block") return
        own.add(session)
        say(session, answer.reason, false)
      }
      waiting.set(session, run(["stop", "--park", "12h"], session, next, own.delete(session)))
    },
  }
}
