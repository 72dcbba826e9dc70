"""A client of Ropewalk's text wire. It has no CRDT: the server rebases."""

import asyncio
import json
import uuid
from contextlib import suppress
from os.path import commonprefix

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException


def diff(before: str, after: str) -> list[tuple]:
    """One edit (from, to, insert) that makes `after` of `before`."""
    start = len(commonprefix([before, after]))
    end = len(commonprefix([before[start:][::-1], after[start:][::-1]]))
    return [(start, len(before) - end, after[start : len(after) - end])]


def apply(text: str, edits: list[tuple]) -> str:
    for start, end, insert in reversed(edits):
        text = text[:start] + insert + text[end:]
    return text


def cut(parts: list, offset: int) -> int:
    """Of a text in parts, of what was sent (range) and of what is new (str), the one that begins at an offset."""
    for index, part in enumerate(parts):
        if offset < len(part):
            parts[index : index + 1] = [half for half in (part[:offset], part[offset:]) if len(half)]
            return index + (offset > 0)
        offset -= len(part)
    return len(parts)


def edited(parts: list, sent: str) -> list[tuple]:
    """The parts as edits of what was sent."""
    edits, last, insert = [], 0, ""
    for part in [*parts, range(len(sent), len(sent))]:
        if isinstance(part, str):
            insert += part
        else:
            edits += [(last, part.start, insert)] if part.start > last or insert else []
            last, insert = part.stop, ""
    return edits


def past(theirs: list[tuple], parts: list) -> list:
    """The parts when others have edited what was sent: what is new here stands before what they inserted there."""
    for start, end, insert in reversed(theirs):
        behind, moved, place = start + len(insert), [], None
        for part in parts:
            pieces = [part]
            if isinstance(part, range):
                rest = range(max(part.start, end) - end + behind, part.stop - end + behind)
                pieces = [piece for piece in (range(part.start, min(part.stop, start)), rest) if len(piece)]
                if place is None and len(rest):
                    place = len(moved) + len(pieces) - 1
            moved += pieces
        if insert:
            moved.insert(len(moved) if place is None else place, range(start, behind))
        parts = moved
    return parts


class Refused(Exception):
    """The server does not take this, and will not."""


class TextClient:
    """A text that others edit, too. `async with TextClient(url) as client:`"""

    def __init__(self, url: str, client: str | None = None):
        self.url, self.client, self.text = url, client or str(uuid.uuid4()), ""
        self._base, self._sent, self._parts, self._version = "", "", [], None
        self._pending, self._count, self._welcome, self._socket = None, 0, False, None
        self._changed = asyncio.Condition()

    async def __aenter__(self):
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def edit(self, start: int, end: int, insert: str):
        """Replaces `start..end` by `insert`; offsets are those of Python's strings."""
        first, last = cut(self._parts, start), cut(self._parts, end)
        self._parts[first:last] = [insert] if insert else []
        self._show()
        await self._send()

    async def until(self, look):
        """Waits until `look(self)` is true."""
        async with self._changed:
            while not look(self):
                if self._running.done():
                    self._running.result()
                await self._changed.wait()

    async def saved(self):
        """Waits until all that was edited here is on the server's disk."""
        await self.until(lambda c: c._welcome and not c._pending and not edited(c._parts, c._sent))

    async def _run(self):
        try:
            while True:
                with suppress(OSError, WebSocketException):
                    async with connect(self.url, subprotocols=["ropewalk.text.v1"], max_size=None) as self._socket:
                        hello = {"type": "hello", "client": self.client, "unit": "char", "since": self._version}
                        await self._socket.send(json.dumps(hello))
                        async for message in self._socket:
                            await self._hear(json.loads(message))
                            await self._tell()
                self._welcome = False
                code = getattr(self._socket, "close_code", None) or 0
                if 4400 <= code < 4500:
                    raise Refused(f"closed with {code}")
                await asyncio.sleep(0.3)
        finally:
            await self._tell()

    async def _tell(self):
        async with self._changed:
            self._changed.notify_all()

    def _show(self):
        self.text = "".join(p if isinstance(p, str) else self._sent[p.start : p.stop] for p in self._parts)

    async def _send(self):
        edits = edited(self._parts, self._sent)
        if not self._welcome or self._pending or not edits:
            return
        self._count += 1
        edits = [{"from": start, "to": end, "insert": insert} for start, end, insert in edits]
        self._pending = {"type": "edit", "id": str(self._count), "base": self._version, "edits": edits}
        self._sent, self._parts = self.text, [range(len(self.text))] if self.text else []
        with suppress(ConnectionClosed):  # It is sent again.
            await self._socket.send(json.dumps(self._pending))

    def _move(self, edits: list[tuple], version: str | None):
        """What the server has is `edits` further than what was sent; what is new here stays."""
        self._pending, self._parts = None, past(edits, self._parts)
        self._base = self._sent = apply(self._sent, edits)
        self._version = version
        self._show()

    async def _hear(self, message: dict):
        kind, pending, version = message["type"], self._pending, message.get("version")
        edits = [(edit["from"], edit["to"], edit["insert"]) for edit in message.get("edits") or []]
        if "text" in message:
            edits = diff(self._base, message["text"])
        if kind == "welcome":
            self._welcome = True
            if pending and message["lastAcked"] != pending["id"]:
                return await self._socket.send(json.dumps(pending))
            # An edit that had been made is among the edits, here and in what comes after `repeated`.
            self._move(diff(self._sent, apply(self._base, edits)) if pending else edits, version)
        elif kind == "ack" and message.get("repeated"):
            self._move(diff(self._sent, self._base), self._version)
        elif kind == "ack" or kind in ("remote", "reset") and not pending:
            self._move(edits, version)
        elif kind == "error":
            raise Refused(f"{message['code']}: {message['message']}")
        else:
            return
        await self._send()
