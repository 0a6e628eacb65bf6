// Runs the webhook test vectors, which all SDKs share.
// Usage: node check_webhook.mjs <folder of the compiled SDK>
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { verifyWebhook, WebhookError } = await import(pathToFileURL(`${process.argv[2]}/webhook.js`));
const vectors = JSON.parse(readFileSync(new URL("../testdata/webhooks.json", import.meta.url)));
for (const { name, secret, headers, body, now, valid } of vectors) {
  for (const h of [headers, new Headers(Object.entries(headers).filter(([, v]) => /^[\x20-\xff]*$/.test(v)))]) {
    const id = await verifyWebhook(h, body, secret, now * 1000).catch((err) => {
      if (err instanceof WebhookError) return undefined;
      throw err;
    });
    if (id !== (valid ? headers["webhook-id"] : undefined)) throw new Error(`${name}: ${id}`);
  }
}
console.log(`typescript: ${vectors.length} webhook vectors`);
