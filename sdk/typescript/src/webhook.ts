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
 * secret of the bot, at most webhookTolerance before or after now (Unix milliseconds). While one
 * secret replaces another, give both. Returns the id of the delivery. Ignore an id that you have
 * processed before: that is a retry or a replay. Signatures are compared in constant time.
 *
 * A request without the header webhook-signature is verified by X-Hub-Signature-256, which covers
 * no id: the id is that signature, and a retry has another (B2B-SDK-035).
 */
export async function verifyWebhook(
  headers: WebhookHeaders,
  body: string | Uint8Array,
  secret: string | readonly string[],
  now: number = Date.now(),
): Promise<string> {
  const { id, seconds, head, signatures, keyOf } = header(headers, "webhook-signature") ? standard(headers) : hub(headers);
  if (id !== "" && Math.abs(now / 1000 - seconds) <= webhookTolerance) {
    const signed = new Uint8Array(await new Blob([head, typeof body === "string" ? body : new Uint8Array(body)]).arrayBuffer());
    for (const one of typeof secret === "string" ? [secret] : secret) {
      if (one !== "" && signatures.some(equals(await sign(keyOf(one), signed)))) {
        return id;
      }
    }
  }
  throw new WebhookError("the webhook's signature or time is not valid");
}

/** What a request states in one of the two styles. Without an id, it is not valid. */
interface Claims {
  id: string;
  /** The time of the request; NaN if it has none. */
  seconds: number;
  /** What is signed before the body. */
  head: string;
  signatures: Uint8Array[];
  keyOf(secret: string): Uint8Array<ArrayBuffer>;
}

// B2B-HOOK-005
function standard(headers: WebhookHeaders): Claims {
  const id = header(headers, "webhook-id");
  const stamp = header(headers, "webhook-timestamp");
  const signatures = header(headers, "webhook-signature")
    .split(" ")
    .flatMap((text) => (text.startsWith("v1,") ? (base64(text.slice(3)) ?? []) : []));
  return { id, seconds: number(stamp), head: `${id}.${stamp}.`, signatures, keyOf: standardKey };
}

// B2B-HOOK-004
function hub(headers: WebhookHeaders): Claims {
  const stamp = header(headers, "x-hub-timestamp");
  const signature = header(headers, "x-hub-signature-256");
  const hex = /^sha256=([0-9a-f]{64})$/.exec(signature)?.[1];
  const id = hex === undefined ? "" : signature;
  const signatures = hex === undefined ? [] : [Uint8Array.from(hex.match(/../g)!, (two) => parseInt(two, 16))];
  return { id, seconds: number(stamp) / 1000, head: `${stamp}.`, signatures, keyOf: bytes };
}

function number(digits: string): number {
  return /^\d{1,15}$/.test(digits) ? Number(digits) : NaN;
}

async function sign(key: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

// The time of a comparison does not depend on where the bytes differ.
function equals(want: Uint8Array): (got: Uint8Array) => boolean {
  return (got) => got.length === want.length && want.reduce((differing, byte, i) => differing | (byte ^ got[i]!), 0) === 0;
}

function header(headers: WebhookHeaders, name: string): string {
  const value = typeof headers.get === "function" ? (headers as { get(name: string): string | null }).get(name) : (headers as Record<string, unknown>)[name];
  return typeof value === "string" ? value : "";
}

// Returns the key of a secret: the decoded part of whsec_<base64>, else its bytes.
function standardKey(secret: string): Uint8Array<ArrayBuffer> {
  const key = secret.startsWith("whsec_") ? base64(secret.slice(6)) : undefined;
  return key ?? bytes(secret);
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}

function base64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    return undefined;
  }
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
