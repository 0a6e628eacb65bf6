// What is sent: a text, or the fields of a message.

/** A text, or the fields of a message. */
export type Content<Fields> = string | Fields;

export function fieldsOf<Fields extends object>(content: Content<Fields>): Fields {
  if (content != null && typeof content !== "string" && typeof content !== "object") {
    throw new TypeError(`the content must be a text or an object with fields, not a ${typeof content}`);
  }
  return typeof content === "string" ? ({ content } as unknown as Fields) : content;
}
