"""A stand-in for the Messages API on loopback: the real client runs against it without any model.

Each request is answered with the next step of a script and kept, so that a test sees what the client really sent.
The step is the number of assistant turns already in the request: retries and side requests do not move it.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Block = dict[str, Any]

CLIENT_ENVIRONMENT = {
    "ANTHROPIC_API_KEY": "dummy",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_SKIP_PROMPT_HISTORY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_UPDATES": "1",
}


def use(tool: str, **arguments: str) -> Block:
    """A tool call of the model."""
    return {"type": "tool_use", "name": tool, "input": arguments}


def plain(content: Any) -> str:
    """All text of a message: a string, its blocks, its tool results."""
    if isinstance(content, str):
        return content
    parts = [block for block in content or () if isinstance(block, dict)]
    return "\n".join(block["text"] if block.get("type") == "text" else plain(block.get("content")) for block in parts)


@dataclass
class Conversation:
    """What one run of the client sent, and how it ended."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Every message of the last request of the main loop."""
        return "\n".join(plain(message["content"]) for message in self._last["messages"])

    @property
    def tool_results(self) -> list[tuple[bool, str]]:
        """(is an error, text) of each tool call, in order."""
        blocks = [block for message in self._last["messages"] for block in _blocks(message["content"])]
        return [
            (bool(block.get("is_error")), plain(block.get("content")))
            for block in blocks
            if block["type"] == "tool_result"
        ]

    @property
    def denials(self) -> list[Any]:
        return list(self.result["permission_denials"])

    @property
    def _last(self) -> dict[str, Any]:
        return [request for request in self.requests if request.get("tools")][-1]


def converse(
    client: str, home: Path, project: Path, prompt: str, steps: Sequence[Sequence[Block]], *options: str
) -> Conversation:
    """Run `client -p prompt` in `project` with its own home, answered by `steps` and then by a word of goodbye."""
    conversation = Conversation()
    with _Serving(conversation, [*steps, [{"type": "text", "text": "done"}]]) as address:
        environment = {
            "ANTHROPIC_BASE_URL": address,
            "CLAUDE_CONFIG_DIR": str(home / ".claude"),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "TERM": "dumb",
            **CLIENT_ENVIRONMENT,
        }
        command = [client, "-p", prompt, "--output-format", "json", "--max-turns", "80", *options]
        done = subprocess.run(
            command,
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    conversation.result = json.loads(done.stdout)
    return conversation


class _Serving:
    def __init__(self, conversation: Conversation, steps: list[Sequence[Block]]) -> None:
        class Handler(_Handler):
            pass

        Handler.conversation, Handler.steps = conversation, steps
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    conversation: Conversation
    steps: list[Sequence[Block]]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._send(200, "application/json", b"")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        path = self.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            self._send(200, "application/json", json.dumps({"input_tokens": 1}).encode())
        elif not path.endswith("/messages"):
            self._send(404, "application/json", b"{}")
        else:
            self.conversation.requests.append(body)
            self._answer(body)

    def _answer(self, body: dict[str, Any]) -> None:
        turn = sum(message["role"] == "assistant" for message in body.get("messages", ()))
        blocks = [dict(block) for block in (self.steps[min(turn, len(self.steps) - 1)] if body.get("tools") else ())]
        for number, block in enumerate(blocks):
            if block["type"] == "tool_use":
                block["id"] = f"toolu_{turn}_{number}"
        stop = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
        message = {
            "id": f"msg_{len(self.conversation.requests)}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", ""),
            "content": blocks or [{"type": "text", "text": "ok"}],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
        if body.get("stream"):
            events = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _events(message))
            self._send(200, "text/event-stream", events.encode())
        else:
            self._send(200, "application/json", json.dumps(message).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, delta = {"text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty = {"input": {}}  # type: ignore[dict-item]
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty}}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
        "usage": {"output_tokens": 1},
    }
    yield {"type": "message_stop"}


def _blocks(content: Any) -> list[Block]:
    return content if isinstance(content, list) else []
