// Runs the examples of sdk/testdata/threadcontext.json.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";

/** A client of what a case says. */
export class Client extends EventEmitter {
  errors = [];
  constructor({ threads = {}, artifacts = {} } = {}) {
    super();
    Object.assign(this, { threads, artifacts });
  }
  getProfile = async () => ({ id: "me" });
  getThread = async (id) => structuredClone(this.threads[id] ?? assert.fail("no such thread"));
  listArtifacts = async (id) => this.artifacts[id] ?? [];
  emitError = (error) => this.errors.push(error);
}

/** Runs a case. give(context, client, event) gives an event to a context. */
export async function play(Context, { options, steps, ...given }, give) {
  const client = new Client(given);
  const context = new Context(client, options);
  let deliveries = [];
  let failures = 0;
  context.onMention(({ reason, message, snapshot }) => {
    assert.equal(snapshot.bufferedCount, snapshot.newMessages.length);
    deliveries.push({
      reason,
      message: message.id,
      messages: snapshot.newMessages.map(({ id }) => id),
      events: snapshot.lifecycleEvents.map(({ type }) => type),
      artifacts: snapshot.artifacts.map(({ artifact_key, version }) => `${artifact_key} ${version}`),
    });
    if (failures > 0) {
      failures--;
      throw new Error("the handler failed");
    }
  });
  await context.start();
  for (const [at, step] of steps.entries()) {
    const where = `step ${at}: ${JSON.stringify(step).slice(0, 200)}`;
    if (step.event) {
      const done = give(context, client, step.event);
      await (step.fails ? assert.rejects(done, /the handler failed/, where) : done);
    } else if (step.flush) {
      await context.flush(step.flush);
    } else if (step.fail) {
      failures = step.fail;
    } else if (step.listed) {
      client.artifacts.t1 = step.listed;
    } else if (step.deliveries) {
      const got = deliveries.map(({ artifacts, ...rest }, i) => (step.deliveries[i]?.artifacts ? { ...rest, artifacts } : rest));
      assert.deepEqual(got, step.deliveries, where);
      deliveries = [];
    } else if (step.prompt) {
      assert.equal(context.toPromptContext(step.prompt, step.mode, step.options), step.text, where);
      assert.ok(Buffer.byteLength(step.text) <= (step.options?.maxTokens ?? Infinity) * 4, where);
    } else if (step.active) {
      assert.deepEqual(context.getActiveThreads(), step.active, where);
    } else {
      assert.deepEqual([context.getBufferSize(step.sizes), context.getLifecycleBufferSize(step.sizes)], [step.messages, step.events], where);
    }
  }
}
