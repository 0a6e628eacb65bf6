// Verification of webhook requests. It needs Web Crypto: Node 20, Deno, Bun, workers.

/** The allowed difference between the time of a request and of the receiver, in seconds. */
export const webhookTolerance = 5 * 60;

/** Thrown for a request without a valid signature, or with a time outside webhookTolerance. */
export class WebhookError extends Error {
  override name = "WebhookError";
}

/** The headers of fetch, or those of node:http (with names in lower case). */
export type WebhookHeaders = { get(name: string): string | null } | Record<string, string | string[] | undefined>;

/**
 * Checks that a request with these headers and this exact body was signed with the webhook
 * secret of the bot, at most webhookTolerance before or after now (Unix milliseconds). Returns
 * the id of the delivery. Ignore an id that you have processed before: that is a retry or a
 * replay.
 */
export async function verifyWebhook(
  headers: WebhookHeaders,
  body: string | Uint8Array,
  secret: string,
  now: number = Date.now(),
): Promise<string> {
  const id = header(headers, "webhook-id");
  const stamp = header(headers, "webhook-timestamp");
  if (id === "" || secret === "" || !/^\d{1,15}$/.test(stamp) || Math.abs(now / 1000 - Number(stamp)) > webhookTolerance) {
    throw new WebhookError("the webhook's signature or time is not valid");
  }
  const text = new TextEncoder();
  const head = text.encode(`${id}.${stamp}.`);
  const bytes = typeof body === "string" ? text.encode(body) : body;
  const signed = new Uint8Array(head.length + bytes.length);
  signed.set(head);
  signed.set(bytes, head.length);
  const key = await crypto.subtle.importKey("raw", keyOf(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  for (const signature of header(headers, "webhook-signature").split(" ")) {
    const mac = signature.startsWith("v1,") ? base64(signature.slice(3)) : undefined;
    // Web Crypto compares in constant time.
    if (mac !== undefined && (await crypto.subtle.verify("HMAC", key, mac, signed))) {
      return id;
    }
  }
  throw new WebhookError("the webhook's signature or time is not valid");
}

function header(headers: WebhookHeaders, name: string): string {
  const value = typeof headers.get === "function" ? (headers as { get(name: string): string | null }).get(name) : (headers as Record<string, unknown>)[name];
  return typeof value === "string" ? value : "";
}

// Returns the key of a secret: the decoded part of whsec_<base64>, else its bytes.
function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const key = secret.startsWith("whsec_") ? base64(secret.slice(6)) : undefined;
  return key ?? new Uint8Array(new TextEncoder().encode(secret));
}

function base64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    return undefined;
  }
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
