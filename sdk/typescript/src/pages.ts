// How the generated iterators read lists that come in pages.
import { json } from "./call.js";
import type { CallOptions, Transport, TransportRequest } from "./transport.js";

/**
 * Returns all entries of the list that a request asks for, and has one page in memory at a time.
 *
 * @param by The parameter of the query that the next page has: a page token, or `offset`.
 * @param key The key of the entries in a page that is an object.
 * @param newestFirst A page that is an array has the oldest entry first: it is reversed, and the next
 * page is what is older than its last entry. Pages with a token do not apply the parameter `since`,
 * so the list ends at the first entry that is as old.
 */
export async function* pages<T>(
  transport: Transport,
  request: Omit<TransportRequest, "signal">,
  options: CallOptions = {},
  by: string,
  key: string,
  newestFirst = false,
): AsyncGenerator<T, void, undefined> {
  const [path, text] = request.path.split("?");
  const query = new URLSearchParams(text);
  const since = newestFirst && query.has("since") ? Number(query.get("since")) : -Infinity;
  for (;;) {
    let link: string | null = null;
    const onResponse = (response: Response) => {
      link = response.headers.get("Link");
      options.onResponse?.(response);
    };
    const page = await json<Record<string, unknown> | T[]>(transport, { ...request, path: query.size > 0 ? `${path}?${query}` : path! }, { ...options, onResponse });
    const reversed = Array.isArray(page) && newestFirst;
    const entries = Array.isArray(page) ? page : (page[key] as T[]);
    for (const entry of reversed ? entries.reverse() : entries) {
      if ((entry as { created_at?: number }).created_at! <= since) {
        return;
      }
      yield entry;
    }
    const next = reversed
      ? (entries.at(-1) as { id: string } | undefined)?.id
      : by === "offset"
        ? offsetAfter(query, entries, page)
        : tokenAfter(page, link, by);
    if (next === undefined || next === query.get(by)) {
      return;
    }
    query.set(by, next);
  }
}

function offsetAfter(query: URLSearchParams, entries: unknown[], page: object): string | undefined {
  const more = (page as { has_more?: boolean }).has_more && entries.length > 0;
  return more ? String(Number(query.get("offset")) + entries.length) : undefined;
}

/** Returns the token of the next page: of the page itself, or of its header Link. */
function tokenAfter(page: object, link: string | null, by: string): string | undefined {
  const { next_cursor, cursor, has_more } = page as { next_cursor?: string; cursor?: string; has_more?: boolean };
  const linked = link && /<[^>?]*\?([^>]*)>; *rel="?next/.exec(link)?.[1];
  const token = next_cursor ?? cursor ?? (linked ? new URLSearchParams(linked).get(by) : undefined);
  return has_more === false ? undefined : (token ?? undefined);
}
