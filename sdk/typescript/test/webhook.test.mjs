// The verification of webhooks, against the examples in sdk/testdata, which all SDKs share.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const { verifyWebhook, WebhookError } = await import(pathToFileURL(join(process.env.B2B_SDK, "webhook.js")));
const examples = JSON.parse(readFileSync(new URL("../../testdata/webhooks.json", import.meta.url)));

async function idOf(headers, body, secret, now) {
  try {
    return await verifyWebhook(headers, body, secret, now * 1000);
  } catch (error) {
    if (error instanceof WebhookError) return null;
    throw error;
  }
}

test("a webhook is verified with several secrets and in both styles (B2B-SDK-031, B2B-SDK-034, B2B-SDK-035)", async () => {
  assert.ok(examples.length > 70);
  for (const { name, secrets, headers, body, now, id } of examples) {
    for (const h of [headers, new Headers(headers)]) {
      assert.equal(await idOf(h, body, secrets, now), id, name);
      assert.equal(await idOf(h, new TextEncoder().encode(body), secrets, now), id, name);
      assert.equal(await idOf(h, body, ["an older secret", ...secrets, ""], now), id, name);
      if (secrets.length === 1) assert.equal(await idOf(h, body, secrets[0], now), id, name);
    }
  }
});
