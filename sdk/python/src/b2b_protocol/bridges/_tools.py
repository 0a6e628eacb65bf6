"""What each tool does: calls of the API, and a page of what came of them."""

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from ..client import AsyncClient
from ..errors import Conflict, NotFound
from ..gen.rest import types
from ._errors import Wrong, text_of
from ._page import INLINE, MOST, MOST_EACH, Page, inline, named, when

_AGENTS, _THREADS, _MESSAGES, _ARTIFACTS, _MEMBERS = 30, 20, 20, 50, 100
"""How many a result has by default, and at most."""
_CHANNELS = 1000
"""How many channels are looked through for the one with an agent, the latest first."""

Fields = dict[str, Any]


def _only(fields: Mapping[str, Any], **names: str) -> Any:
    """Returns the arguments with the names that the API has for them."""
    return {to: fields[name] for name, to in names.items() if name in fields}


def _bare(name: str) -> str:
    return name.removeprefix("@")


async def _then(page: Page, failed: str, *steps: Callable[[], Awaitable[None]]) -> None:
    """Takes further steps, until one fails. That does not hide what was done before."""
    try:
        for step in steps:
            await step()
    except Exception as error:
        page.line(f"{failed}: {text_of(error, 'a step of a tool')}")


def _next(page: Page, cursor: str | None, what: str = "There are more") -> None:
    if cursor:
        page.line(f"{what}: cursor={cursor}")


# Agents and messages


async def agents(client: AsyncClient, page: Page, given: Fields) -> None:
    me, limit = await client.get_me(), given.get("limit", _AGENTS)
    found: Any = await client.list_bots(**_only(given, q="q", tag="tag", role="role", cursor="cursor"), limit=limit)
    items, after = (found, None) if isinstance(found, list) else (found["items"], found.get("next_cursor"))
    if len(items) > limit:  # a list by name has no pages
        items, after = items[:limit], f"name:{items[limit - 1]['name']}"
    page.line("You are:")
    _agent(page, me)
    others = [bot for bot in items if bot["id"] != me["id"]]
    page.line(f"{len(others)} other agents:")
    for bot in others:
        _agent(page, bot)
    _next(page, after)


def _agent(page: Page, bot: Mapping[str, Any]) -> None:
    online = "online" if bot["online"] else "offline"
    page.about(f"{named(bot['name'])} {online} (id {bot['id']})")
    words = {"role": bot.get("role"), "team": bot.get("team"), "does": bot.get("bio"), "tags": ", ".join(bot.get("tags") or [])}
    words["status"] = bot.get("status_text")
    page.body("; ".join(f"{name}: {inline(text)}" for name, text in words.items() if text))


def _recipients(page: Page, sent: Mapping[str, Any]) -> None:
    reached: types.Recipients | None = sent.get("recipients")
    if reached is None:
        return
    if reached["addressed"]:
        how = [f"{named(one['name'])} ({one['reach'][0] if one['reach'] else 'offline, will find it later'})" for one in reached["addressed"]]
        page.line(f"Addressed to: {', '.join(how)}")
    for one in reached["not_reached"]:
        page.line(f"NOT reached: {named(one['name'])}: {one['hint']}")


async def send(client: AsyncClient, page: Page, given: Fields) -> None:
    sent: Any = await client.send(_bare(given["to"]), given["text"], **_only(given, no_reply="no_reply"))
    page.line(f"Sent: message {sent['message']['id']}.")
    _recipients(page, sent)


async def read(client: AsyncClient, page: Page, given: Fields) -> None:
    if ("thread" in given) == ("with" in given):
        raise Wrong("give one of thread and with")
    limit = given.get("limit", _MESSAGES)
    messages: Sequence[Mapping[str, Any]]
    if "thread" in given:
        _thread(page, await client.get_thread(given["thread"]), whole=True)
        found: Any = await client.list_thread_messages(given["thread"], limit=limit, cursor=given.get("cursor", ""))
        messages, older = found["items"], found.get("next_cursor")
    else:
        # A text that is no time and no id of a message is before none: the newest are returned.
        channel = await _channel(client, _bare(given["with"]))
        found = await client.list_channel_messages(channel, limit=limit, before=given.get("cursor", "newest"))
        messages = found["messages"]
        older = messages[-1]["id"] if found["has_more"] and messages else None
    shown: list[Mapping[str, Any]] = []
    room = MOST
    for message in messages:  # the newest first; those for which there is no room are on the next page
        if room <= 0:
            older = shown[-1]["id"]
            break
        room -= min(len(message["content"]), MOST_EACH)
        shown.append(message)
    for message in reversed(shown):
        _message(page, message, MOST if limit == 1 else MOST_EACH)
    if not shown:
        page.line("There are no messages.")
    _next(page, older, "There are older ones")


async def _channel(client: AsyncClient, agent: str) -> str:
    """Returns the channel of the direct messages with an agent."""
    me, seen = (await client.get_me())["id"], 0
    async for channel in client.iter_bot_channels(me, limit=100):
        if any(member["id"] != me and agent in (member["id"], member["name"]) for member in channel["members"]):
            return channel["id"]
        seen += 1
        if seen == _CHANNELS:
            break
    raise NotFound(f"there are no direct messages with {named(agent)}", status=404, code="NOT_FOUND", hint="Write one with send.")


def _message(page: Page, message: Mapping[str, Any], most: int) -> None:
    head = f"[{message['id']}] {named(message.get('sender_name') or 'system')} {when(message['created_at'])}"
    head += f" in reply to {message['reply_to_id']}" if message.get("reply_to_id") else ""
    page.about(head + (" (wants no reply)" if message.get("no_reply") else ""))
    page.body(message["content"], most)
    page.body("\n".join(notes(message.get("parts") or [])))


_NOTES = 20
"""How many attachments of a message are shown."""


def notes(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a line for each thing that a message has beside its text."""
    lines: list[str] = []
    for part in parts:
        match part["type"]:
            case "image":
                lines.append(f"[image: {part.get('alt') or ''} — {part['url']}]")
            case "file":
                lines.append(f"[file: {part.get('name') or ''} ({part.get('mime_type') or ''}) — {part['url']}]")
            case "link":
                lines.append(f"[link: {part.get('title') or ''} — {part['url']}]")
            case "json":
                lines.append(f"[json: {json.dumps(part.get('content'), ensure_ascii=False)}]")
            case _:  # its text is in the content
                continue
    more = len(lines) - _NOTES
    return [*lines[:_NOTES], f"[... and {more} more]"] if more > 0 else lines


# Threads


def _thread(page: Page, thread: Mapping[str, Any], whole: bool) -> None:
    head = f"[{thread['id']}] {thread['status']}, revision {thread['revision']}, last activity {when(thread['last_activity_at'])}"
    if thread.get("is_participant") is False:
        head += ", you are not in it"
    if thread.get("turns_left") is not None:
        head += f", {thread['turns_left']} turns left"
    page.about(head)
    page.body(f"topic: {inline(thread['topic'])}")
    if thread.get("tags"):
        page.body(f"tags: {inline(', '.join(thread['tags']))}")
    if whole:
        members = [named(each["name"]) for each in thread.get("participants") or []][:_MEMBERS]
        page.body(f"participants: {', '.join(members)}" if members else "")
        page.body(f"context: {thread['context']}" if thread.get("context") else "")


async def threads(client: AsyncClient, page: Page, given: Fields) -> None:
    if "thread" in given:
        _thread(page, await client.get_thread(given["thread"]), whole=True)
        return
    fields = _only(given, q="q", status="status", scope="scope")
    found: Any = await client.list_threads(**fields, cursor=given.get("cursor", ""), limit=given.get("limit", _THREADS))
    for thread in found["items"]:
        _thread(page, thread, whole=False)
    if not found["items"]:
        page.line("There are no such threads.")
    _next(page, found.get("next_cursor"))


async def open_thread(client: AsyncClient, page: Page, given: Fields) -> None:
    fields = _only(given, context="context", tags="tags")
    thread = await client.create_thread(
        topic=given["topic"], participants=[_bare(name) for name in given.get("participants", [])], **fields
    )
    page.line(f"Opened the thread {thread['id']}.")
    if given.get("text"):
        await _then(page, "The message was NOT sent", lambda: _say(client, page, thread["id"], given["text"], {}))


async def _say(client: AsyncClient, page: Page, thread: str, content: str, fields: Fields) -> None:
    sent = await client.send_thread_message(thread, content, **fields)
    page.line(f"Sent: message {sent['id']}.")
    _recipients(page, sent)


async def reply(client: AsyncClient, page: Page, given: Fields) -> None:
    words = ["@" + _bare(name) for name in given.get("mentions", [])]
    missing = [word for word in words if word not in given["text"]]
    content = " ".join([*missing, given["text"]])
    await _say(client, page, given["thread"], content, _only(given, reply_to="reply_to", no_reply="no_reply"))
    if "status" in given:
        await _then(page, "The status was NOT changed", lambda: _change(client, page, given))


async def update_thread(client: AsyncClient, page: Page, given: Fields) -> None:
    """Makes the changes one after the other, and stops at the first that fails."""
    steps = _steps(client, page, given)
    if not steps:
        raise Wrong("say what to change")
    await steps[0]()
    await _then(page, "The next change FAILED", *steps[1:])


def _steps(client: AsyncClient, page: Page, given: Fields) -> list[Callable[[], Awaitable[None]]]:
    id, steps = given["thread"], list[Callable[[], Awaitable[None]]]()

    def add(step: Callable[[], Awaitable[object]], done: str) -> None:
        async def take() -> None:
            await step()
            page.line(done)

        steps.append(take)

    async def join() -> None:
        page.line(f"Join: {(await client.join_thread(id))['status']}.")

    async def leave() -> None:
        await client.remove_participant(id, (await client.get_me())["id"])
        page.line("Left the thread.")

    if given.get("join"):
        steps.append(join)
    for name in map(_bare, given.get("invite", [])):
        add(lambda name=name: client.add_participant(id, bot_id=name), f"Invited {named(name)}.")  # type: ignore[misc]
    if "remove" in given:
        add(lambda: client.remove_participant(id, _bare(given["remove"])), f"Removed {named(_bare(given['remove']))}.")
    if "approve" in given:
        add(lambda: client.approve_join_request(id, given["approve"]), "Approved.")
    if "reject" in given:
        add(lambda: client.reject_join_request(id, given["reject"]), "Rejected.")
    if given.keys() & {"status", "topic", "context"}:
        steps.append(lambda: _change(client, page, given))
    if given.get("leave"):
        steps.append(leave)
    return steps


async def _change(client: AsyncClient, page: Page, given: Fields) -> None:
    fields = _only(given, status="status", close_reason="close_reason", topic="topic", context="context")
    thread = await client.update_thread(given["thread"], **fields)
    page.line(f"The thread is {thread['status']}, revision {thread['revision']}.")


# Artifacts, decisions, search


async def artifact(client: AsyncClient, page: Page, given: Fields) -> None:
    thread, action = given["thread"], given["action"]
    if action == "list":
        await _artifacts(page, client.iter_artifacts(thread, limit=_ARTIFACTS))
        return
    if "key" not in given:
        raise Wrong("key: is required")
    if action == "put":
        put = await _put(client, thread, given)
        page.line(f"Stored as version {put['version']}.")
        return
    versions = client.iter_artifact_versions(thread, given["key"], limit=_ARTIFACTS)
    if action == "versions":
        await _artifacts(page, versions)
        return
    found: types.Artifact | None = None
    async for one in versions:
        if given.get("version") in (None, one["version"]):
            found = one
    if found is None:
        raise NotFound(f"the artifact {inline(given['key'])} has no such version", status=404, code="NOT_FOUND")
    _artifact(page, found)
    skipped = given.get("offset", 0)
    if skipped:
        page.about(f"(from character {skipped} on)")
    page.body((found["content"] or "")[skipped:], MOST)


async def _artifacts(page: Page, found: AsyncIterator[types.Artifact]) -> None:
    """Shows the newest."""
    newest, count = deque[types.Artifact](maxlen=_ARTIFACTS), 0
    async for one in found:
        newest.append(one)
        count += 1
    for one in newest:
        _artifact(page, one)
    if not count:
        page.line("There are no artifacts.")
    if count > _ARTIFACTS:
        page.line(f"{count - _ARTIFACTS} earlier ones are not shown.")


def _artifact(page: Page, one: types.Artifact) -> None:
    about = [inline(text) for text in (one["title"], one["language"], one["url"]) if text]
    page.about(", ".join([f"artifact {inline(one['artifact_key'])} version {one['version']}", one["type"], when(one["created_at"]), *about]))


async def _put(client: AsyncClient, thread: str, given: Fields) -> types.Artifact:
    """Adds a version of an artifact, which is the first if there is none."""
    fields = _only(given, content="content", title="title")
    first = _only(given, type="type", language="language", url="url")
    try:
        return await client.add_artifact(thread, artifact_key=given["key"], **fields, **first)
    except Conflict:
        if "content" not in given:
            raise Wrong("content: is required for a further version") from None
        return await client.update_artifact(thread, given["key"], **fields)


async def ask(client: AsyncClient, page: Page, given: Fields) -> None:
    if "decision" in given:
        _decision(page, await client.get_decision(given["decision"]))
        return
    if "thread" not in given or "question" not in given:
        raise Wrong("thread and question, or decision, are required")
    fields = _only(given, choices="choices", default="default", expires_in_s="expires_in", blocks="blocks")
    if "agents" in given:
        fields["bots"] = [_bare(name) for name in given["agents"]]
    asked = await client.ask_thread_decision(
        given["thread"], kind=given.get("kind", "approve"), question=given["question"], humans="agents" not in given, **fields
    )
    page.line(f"Asked: decision {asked['id']}. The answer comes as a new task for you.")


def _decision(page: Page, one: types.Decision) -> None:
    page.about(f"decision {one['id']} of {named(one['asker']['name'])}: {one['kind']}, {one['status']}")
    page.body(decision_text(one))


def decision_text(one: Mapping[str, Any]) -> str:
    """Returns the question of a decision, with what became of it."""
    lines = [one["question"], f"choices: {', '.join(one['choices'])}" if one["choices"] else ""]
    lines.append(f"answer: {one['answer']}" if one["answer"] else "")
    lines.append(f"comment: {one['comment']}" if one["comment"] else "")
    return "\n".join(line for line in lines if line)


async def search(client: AsyncClient, page: Page, given: Fields) -> None:
    fields = _only(given, kinds="kinds", thread="thread_id", cursor="cursor")
    if "author" in given:
        fields["author"] = _bare(given["author"])
    found: Any = await client.search(q=given["q"], **fields)
    for hit in found["items"]:
        head = f"{hit['kind']} [{hit['id']}] {when(hit['at'])}"
        head += f" {named(hit['author_name'])}" if hit.get("author_name") else ""
        head += f" in thread {hit['thread_id']}" if hit.get("thread_id") else ""
        page.about(head)
        for words in (hit.get("thread_topic"), hit.get("name")):
            page.body(inline(words) if words else "")
        page.body(" … ".join("".join(piece["text"] for piece in light["fragments"]) for light in hit["highlights"]), 5 * INLINE)
    if not found["items"]:
        page.line("Nothing was found.")
    _next(page, found.get("cursor"))
