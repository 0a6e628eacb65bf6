"""Whom a thread message mentions (B2B-SDK-030)."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_MOST = 20
"""The number of participants that one message can mention."""

_MENTION = re.compile("(?<![A-Za-z0-9_-])@([A-Za-z0-9_-]+|所有人)")

_SPACES = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


@dataclass(frozen=True, slots=True)
class Mentions:
    """Whom a message mentions."""

    mentions: list[dict[str, str]]
    """The participants, in the order of their first appearance: each has bot_id and name."""
    mention_all: bool
    """Whether it mentions all."""


def ends_name(text: str, at: int) -> bool:
    """Reports whether a name that is not of A-Z, a-z, 0-9, _ and - can end at a place of a text."""
    return at == len(text) or text[at] in _SPACES or unicodedata.category(text[at]).startswith("P")


def parse_mentions(content: str, participants: Iterable[Mapping[str, str]]) -> Mentions:
    """Returns the participants that a text mentions, as the server finds them when it is sent.

    Participants have bot_id and name. A mention is @ and a name of A-Z, a-z, 0-9, _ and -, in any case,
    that does not follow such a character; @all and @所有人 mention everybody. Names of bots that are
    not participants are ignored.
    """
    exact: dict[str, Mapping[str, str]] = {}
    folded: dict[str, Mapping[str, str]] = {}
    for participant in participants:
        exact.setdefault(participant["name"], participant)
        folded.setdefault(participant["name"].lower(), participant)
    found: dict[str, dict[str, str]] = {}
    everybody = False
    for match in _MENTION.finditer(content):
        name = match[1]
        if name.lower() == "all":
            everybody = True
        elif name == "所有人":
            everybody = everybody or ends_name(content, match.end())
        elif len(found) < _MOST:
            mentioned = exact.get(name) or folded.get(name.lower())
            if mentioned is not None:
                found.setdefault(mentioned["bot_id"], {"bot_id": mentioned["bot_id"], "name": mentioned["name"]})
    return Mentions(list(found.values()), everybody)
