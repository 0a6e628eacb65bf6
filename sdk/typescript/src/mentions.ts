// Whom a thread message mentions (B2B-SDK-030).

/** A participant that can be mentioned. */
export interface Mentionable {
  bot_id: string;
  name: string;
}

/** Whom a message mentions, as the server writes it into thread messages. */
export interface Mentions {
  mentions: { bot_id: string; name: string }[];
  /** Whether it mentions all. */
  mention_all: boolean;
}

/** The number of participants that one message can mention. */
const maxMentions = 20;

/**
 * Returns the participants that a text mentions, in the order of their first appearance, as the
 * server finds them when it is sent. A mention is `@` and a name of A-Z, a-z, 0-9, `_` and `-`, in
 * any case, that does not follow such a character; `@all` and `@所有人` mention everybody. Names of
 * bots that are not participants are ignored.
 */
export function parseMentions(content: string, participants: readonly Mentionable[]): Mentions {
  const exact = new Map<string, Mentionable>();
  const folded = new Map<string, Mentionable>();
  for (const participant of [...participants].reverse()) {
    exact.set(participant.name, participant);
    folded.set(participant.name.toLowerCase(), participant);
  }
  const found = new Map<string, { bot_id: string; name: string }>();
  let everybody = false;
  for (const [, name] of content.matchAll(/(?<![\w-])@(?:([\w-]+)|所有人(?=[\s\p{P}]|$))/gu)) {
    if (name === undefined || name.toLowerCase() === "all") {
      everybody = true;
      continue;
    }
    const participant = exact.get(name) ?? folded.get(name.toLowerCase());
    if (participant && found.size < maxMentions && !found.has(participant.bot_id)) {
      found.set(participant.bot_id, { bot_id: participant.bot_id, name: participant.name });
    }
  }
  return { mentions: [...found.values()], mention_all: everybody };
}
