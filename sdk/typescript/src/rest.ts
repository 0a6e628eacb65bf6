// The REST client: every operation of the API as a method.
import * as operations from "./operations.js";
import type { Transport } from "./transport.js";

type Operations = {
  [Name in keyof typeof operations]: (typeof operations)[Name] extends (transport: Transport, ...given: infer Given) => infer Result
    ? (...given: Given) => Result
    : never;
};

/**
 * Calls the operations of a server. A method takes the values of its path, its fields by name, and
 * the options of the call: `rest.getThread(id)`, `rest.createThread({ topic: "…" })`.
 *
 * Lists that come in pages have an iterator, too: `for await (const bot of rest.eachBot())`.
 *
 * The module `operations` has the same as functions, for programs that are bundled.
 */
export interface Rest extends Operations {}

export class Rest {
  constructor(transport: Transport) {
    for (const [name, call] of Object.entries(operations)) {
      if (name in this) {
        continue; // a subclass has it
      }
      const method = (...given: unknown[]) => (call as (transport: Transport, ...given: unknown[]) => unknown)(transport, ...given);
      Object.defineProperty(this, name, { value: method });
    }
  }
}
