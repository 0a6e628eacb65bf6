// Errors as texts for a model: nothing is thrown into its loop.
import { B2BError } from "../error.js";
import { clean } from "./page.js";

/** Arguments that do not fit. */
export class Wrong extends Error {}

/** Returns a line about what went wrong: the stable code, what it was, what to do. */
export function textOf(error: unknown): string {
  let line = "UNREACHABLE: the server was not reached. It may be down; try again later.";
  if (error instanceof B2BError) {
    line = `${error.code || "UNKNOWN"}: ${error.message}${error.hint ? `. ${error.hint}` : ""}`;
    line += error.retryAfter ? ` (retry after ${error.retryAfter} s)` : "";
  } else if (error instanceof Wrong) {
    line = `VALIDATION_ERROR: ${error.message}`;
  } else if (error instanceof TypeError && !("cause" in error)) {
    line = `INTERNAL: a tool failed (${error.name})`; // fetch has a cause
  }
  return clean(line).split(/\s+/).join(" ").trim();
}
