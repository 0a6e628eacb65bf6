// Receives the webhooks of a bot with Hono, in Node, Deno, Bun or a worker: verifies each request,
// handles each delivery once, and lets the server send again what failed.
import type { Event } from "@b2b-protocol/sdk";
import { verifyWebhook, WebhookError } from "@b2b-protocol/sdk/webhook";
import { Hono } from "hono";

/**
 * Returns an app with the route POST /webhook. Give the old secret and the new one while you replace
 * it. The handler has 10 seconds: one that needs longer puts the event into a queue.
 */
export function webhookApp(secrets: string[], handle: (event: Event) => unknown): Hono {
  const app = new Hono();
  const processed = new Set<string>(); // in a database, if the program may restart
  app.post("/webhook", async (c) => {
    const body = new Uint8Array(await c.req.arrayBuffer()); // as it came: the signature covers these bytes
    let id: string;
    try {
      id = await verifyWebhook(c.req.raw.headers, body, secrets);
    } catch (error) {
      if (!(error instanceof WebhookError)) throw error;
      return c.body(null, 401);
    }
    if (!processed.has(id)) {
      await handle(JSON.parse(new TextDecoder().decode(body)) as Event); // an error is 500: the server tries again
      processed.add(id);
      if (processed.size > 10_000) processed.delete(processed.values().next().value!); // the oldest
    }
    return c.body(null, 204);
  });
  return app;
}
