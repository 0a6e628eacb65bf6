"""A stand-in for models, which speaks the protocols of OpenAI (chat completions and responses), Anthropic and Gemini as far
as the clients of frameworks need them. It prints its URL.

It does what the message that it is to answer says: `write KEY` calls the tool artifact to put one, `break` calls it for one
that is not there, `count` says how many messages it was to answer in this conversation, `silent` says nothing, `flaky` calls a
tool and then fails, with an error that has a secret, but counts if it is asked again, and anything else is repeated. After a
call of a tool, it says what the tool returned.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "sk-secret-of-the-model"
CURRENT = re.compile(r"<current-message>\nid: \S+\n\[[^\]]*\]: (.*?)\s*</current-message>", re.DOTALL)
THREAD = re.compile(r"<thread>\nid: (\S+)\n")

FAILED = set[str]()
"""The prompts with which it has failed."""

Said = list[tuple[str, str]]
"""A conversation: the texts of "user" and of "tool", in order."""


def decide(said: Said, offered: list[str]) -> str | tuple[str, dict[str, Any]]:
    """Returns the text of the answer, or the tool to call with its arguments."""
    tool = next((name for name in offered if name.split("__")[-1] == "artifact"), "")
    asked = [match for kind, text in said if kind == "user" and (match := CURRENT.search(text))]
    if not said or not tool:
        return "ok"  # a call beside the conversation
    if "<event>" in said[-1][1]:
        return "[SKIP]"  # an invitation
    if not asked:
        return "ok"
    thread = THREAD.search(asked[-1].string)
    verb, _, key = asked[-1][1].partition("@")[0].strip().partition(" ")
    if verb == "flaky" and said[-1][0] == "tool":
        FAILED.add(asked[-1].string)
        raise ConnectionError(SECRET)
    if said[-1][0] == "tool":
        return f"The tool said: {said[-1][1]}"
    match verb:
        case "write" if thread:
            return tool, {"action": "put", "thread": thread[1], "key": key, "type": "markdown", "content": f"# {key}"}
        case "flaky" if asked[-1].string in FAILED:
            return f"I was asked {len(asked)} times."
        case "break" | "flaky" if thread:
            return tool, {"action": "get", "thread": thread[1], "key": "missing"}
        case "count":
            return f"I was asked {len(asked)} times."
        case "silent":
            return "[SKIP]"
    return f"You said: {asked[-1][1]}"


def text_of(content: Any) -> str:
    """Returns the texts of a content, which is a text or a list of blocks."""
    if isinstance(content, list):
        return "\n".join(text_of(block.get("text", block.get("content", ""))) if isinstance(block, dict) else str(block) for block in content)
    return content if isinstance(content, str) else json.dumps(content)


def chat(body: Any) -> Any:
    said = [(message["role"], text_of(message["content"])) for message in body["messages"] if message["role"] in ("user", "tool")]
    decided = decide(said, [tool["function"]["name"] for tool in body.get("tools", [])])
    message: Any = {"role": "assistant", "content": decided if isinstance(decided, str) else None}
    if not isinstance(decided, str):
        function = {"name": decided[0], "arguments": json.dumps(decided[1])}
        message["tool_calls"] = [{"id": f"call_{len(said)}", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "stop" if isinstance(decided, str) else "tool_calls"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": usage}


def responses(body: Any) -> Any:
    items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    said = [("tool", text_of(item["output"])) if item.get("type") == "function_call_output" else ("user", text_of(item["content"]))
            for item in items if item.get("role") == "user" or item.get("type") == "function_call_output"]  # fmt: skip
    decided = decide(said, [tool["name"] for tool in body.get("tools", []) if tool["type"] == "function"])
    if isinstance(decided, str):
        content = [{"type": "output_text", "text": decided, "annotations": []}]
        output: Any = {"type": "message", "id": f"msg_{len(said)}", "role": "assistant", "status": "completed", "content": content}
    else:
        output = {"type": "function_call", "id": f"fc_{len(said)}", "call_id": f"call_{len(said)}", "status": "completed"}
        output.update(name=decided[0], arguments=json.dumps(decided[1]))
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    usage.update(input_tokens_details={"cached_tokens": 0}, output_tokens_details={"reasoning_tokens": 0})  # type: ignore[arg-type]
    about = {"id": f"resp_{len(said)}", "object": "response", "created_at": 1, "model": body["model"], "status": "completed"}
    return {**about, "output": [output], "usage": usage, "tools": [], "tool_choice": "auto", "parallel_tool_calls": True}


def messages(body: Any) -> Any:
    said: Said = []
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else [{"type": "text", "text": message["content"]}]
        for block in blocks if message["role"] == "user" else []:
            said += [("tool", text_of(block.get("content", "")))] if block["type"] == "tool_result" else []
            said += [("user", block["text"])] if block["type"] == "text" and "in an org of AI agents" in block["text"] else []
    decided = decide(said, [tool["name"] for tool in body.get("tools", [])])
    block = {"type": "text", "text": decided}
    if not isinstance(decided, str):
        block = {"type": "tool_use", "id": f"toolu_{len(said)}", "name": decided[0], "input": decided[1]}
    about = {"id": f"msg_{len(said)}", "type": "message", "role": "assistant", "model": body["model"], "stop_sequence": None}
    about.update(stop_reason="end_turn" if isinstance(decided, str) else "tool_use", usage={"input_tokens": 1, "output_tokens": 1})
    return {**about, "content": [block]}


def events(message: Any) -> bytes:
    """Returns a message of Anthropic as a stream of events."""
    (block,), text = message["content"], ""
    if block["type"] == "text":
        start, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        start, delta = {**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    for event in (
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None}, "usage": message["usage"]},
        {"type": "message_stop"},
    ):
        text += f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
    return text.encode()


def gemini(body: Any) -> Any:
    said: Said = []
    for content in body["contents"]:
        for part in content["parts"]:
            if content.get("role") == "user" and "text" in part:
                said.append(("user", part["text"]))
            if "functionResponse" in part:
                response = part["functionResponse"]["response"]
                said.append(("tool", str(response.get("result", response.get("error", response)))))
    declared = [one["name"] for tool in body.get("tools", []) for one in tool.get("functionDeclarations", [])]
    decided = decide(said, declared)
    part = {"text": decided} if isinstance(decided, str) else {"functionCall": {"name": decided[0], "args": decided[1]}}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "stand-in"}


ROUTES = {"chat/completions": chat, "responses": responses, "messages": messages}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or "{}")
        path = self.path.partition("?")[0]
        answer = gemini if path.endswith(":generateContent") else ROUTES.get(path.partition("/v1/")[2])
        if answer is None:
            self.respond(404, {"error": {"type": "not_found_error", "message": path}})
            return
        try:
            made = answer(body)
        except ConnectionError as error:
            self.respond(400, {"type": "error", "error": {"type": "invalid_request_error", "code": 400, "message": str(error)}})
            return
        if body.get("stream") and answer is messages:
            self.respond(200, events(made), "text/event-stream")
        elif body.get("stream"):
            self.respond(400, {"error": {"type": "invalid_request_error", "message": "the stand-in does not stream"}})
        else:
            self.respond(200, made)

    def respond(self, status: int, body: Any, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        if "-v" in sys.argv:
            super().log_message(format, *args)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
