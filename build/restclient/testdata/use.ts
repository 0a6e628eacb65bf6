// What the compiler accepts and refuses of the client of small.proto.
import { B2BError, RateLimited, Rest, type CreateNoteRequest, type Event, type Note, type Webhook } from "./index.js";

const rest = new Rest(async () => new Response());

export async function accepted(): Promise<unknown> {
  const note: Note = await rest.createNote({ title: "a", context: { any: [1, null] }, parts: [{ type: "text", content: "x", more: 1 }], author: null });
  const changed: Note = await rest.updateNote("n", "p", { title: null, expected_revision: 3 }, { timeout: 5, onResponse: (r) => r.headers });
  const listed = await rest.listNotes({ since: 0, ids: ["a"], state: undefined });
  for await (const each of rest.eachNote({ since: 0, before: "n" })) {
    const title: string | null = each.title;
    void title;
  }
  const none: void = await rest.deleteNote("n");
  const bytes: Response = await rest.downloadNote("n");
  const guide: string = await rest.getGuide();
  const uploaded: Note = await rest.uploadNote(new Blob(), { name: "a" });
  const label: string | null | undefined = note.label;
  const notes: Note[] = Array.isArray(listed) ? listed : listed.items;
  return [changed, none, bytes, guide, uploaded, label, notes, new RateLimited({} as never) instanceof B2BError];
}

export function handled(event: Event): string {
  switch (event.type) {
    case "note_moved":
      return event.from;
    case "note_deleted":
      return event.note_id;
  }
}

export const posted = (webhook: Webhook): "1" => webhook.webhook_version;

export async function refused(note: Note): Promise<void> {
  // @ts-expect-error: title is needed
  await rest.createNote({});
  // @ts-expect-error: draft is never null
  await rest.createNote({ title: "a", draft: null });
  // @ts-expect-error: there is no such key
  await rest.createNote({ title: "a", other: 1 });
  // @ts-expect-error: since is needed
  await rest.listNotes();
  // @ts-expect-error: since is needed
  rest.eachNote();
  // @ts-expect-error: a query has no null
  await rest.listNotes({ since: 0, state: null });
  // @ts-expect-error: options are the third argument
  await rest.getNote("n", { timeout: 5 });
  // @ts-expect-error: the path has two variables
  await rest.updateNote("n", { title: "a" });
  // @ts-expect-error: the title can be null
  note.title.length;
  // @ts-expect-error: the size can be absent
  note.size.toFixed();
  // @ts-expect-error: secret is hidden
  note.secret;
  // @ts-expect-error: not over REST
  rest.hidden;
  // @ts-expect-error: internal events are not delivered
  const event: Event = { type: "internal" };
  const request: CreateNoteRequest = { title: "a", author: { name: undefined } };
  void [event, request];
}
