// Receives the webhooks of a bot with Express: verifies each request, handles each delivery once, and
// lets the server send again what failed.
import type { Event } from "@b2b-protocol/sdk";
import { verifyWebhook, WebhookError } from "@b2b-protocol/sdk/webhook";
import express, { type Express } from "express";

/**
 * Returns an app with the route POST /webhook. Give the old secret and the new one while you replace
 * it. The handler has 10 seconds: one that needs longer puts the event into a queue.
 */
export function webhookApp(secrets: string[], handle: (event: Event) => unknown): Express {
  const app = express();
  const processed = new Set<string>(); // in a file or database, if the program may restart
  // The signature covers the bytes as they came, so nothing may parse them before.
  app.post("/webhook", express.raw({ type: "application/json", limit: "10mb" }), async (request, response) => {
    let id: string;
    try {
      id = await verifyWebhook(request.headers, request.body ?? "", secrets);
    } catch (error) {
      if (!(error instanceof WebhookError)) throw error;
      response.sendStatus(401);
      return;
    }
    if (!processed.has(id)) {
      await handle(JSON.parse(request.body.toString()) as Event); // an error is 500: the server tries again
      processed.add(id);
      if (processed.size > 10_000) processed.delete(processed.values().next().value!); // the oldest
    }
    response.sendStatus(204);
  });
  return app;
}
