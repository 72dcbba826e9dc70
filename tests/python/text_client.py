"""A client of Ropewalk's text wire. It has no CRDT: the server rebases."""

import asyncio
import json
import re
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


def edited(parts: list, sent: str) -> list[tuple]:
    """The parts of a text, places in what was sent (int) and new characters (str), as edits of what was sent."""
    edits, last, insert = [], 0, ""
    for part in [*parts, len(sent)]:
        if isinstance(part, str):
            insert += part
        else:
            edits += [(last, part, insert)] if part > last or insert else []
            last, insert = part + 1, ""
    return edits


def past(theirs: list[tuple], parts: list) -> list:
    """The parts when others have edited what was sent: what is new here stands before what they inserted there."""
    for start, end, insert in reversed(theirs):
        stay = [part for part in parts if isinstance(part, str) or not start <= part < end]
        at = next((i for i, part in enumerate(stay) if not isinstance(part, str) and part >= end), len(stay))
        behind = [p if isinstance(p, str) else p - end + start + len(insert) for p in stay[at:]]
        parts = [*stay[:at], *range(start, start + len(insert)), *behind]
    return parts


class Refused(Exception):
    """The server does not take this, and will not. `client.text` has it all."""


class TextClient:
    """A text that others edit, too. `async with TextClient(url) as client:` Each edit costs O(length of the text)."""

    def __init__(self, url: str, client: str | None = None):
        self.url, self.client = url, client or str(uuid.uuid4())
        self._base, self._sent, self._parts, self._sending, self._version = "", "", [], [], None
        self._pending, self._current, self._socket, self._changed = None, False, None, asyncio.Condition()

    async def __aenter__(self):
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else self._sent[part] for part in self._parts)

    async def edit(self, start: int, end: int, insert: str):
        """Replaces `start..end` by `insert`; offsets are those of Python's strings."""
        self._parts[start:end] = insert
        await self._send()

    async def until(self, look):
        """Waits until `look(self)` is true."""
        async with self._changed:
            while not look(self):
                await (self._running if self._running.done() else self._changed.wait())

    async def saved(self):
        """Waits until all that was edited here is on the server's disk."""
        await self.until(lambda c: c._current and not c._pending and not edited(c._parts, c._sent))

    async def _run(self):
        try:
            while True:
                try:
                    async with connect(self.url, subprotocols=["ropewalk.text.v1"], max_size=None) as self._socket:
                        await self._say(type="hello", client=self.client, unit="char", since=self._version)
                        async for message in self._socket:
                            await self._hear(**json.loads(message))
                            await self._tell()
                except (OSError, WebSocketException) as error:
                    said = getattr(error, "rcvd", None) or getattr(error, "response", None)
                    if re.fullmatch("4?4..", str(getattr(said, "code", getattr(said, "status_code", "")))):
                        raise Refused(str(error)) from error
                self._current = False
                await asyncio.sleep(0.3)
        finally:
            await self._tell()

    async def _tell(self):
        async with self._changed:
            self._changed.notify_all()

    async def _say(self, **message):
        with suppress(ConnectionClosed):  # Then it is said again.
            await self._socket.send(json.dumps(message))

    async def _send(self):
        edits = [{"from": a, "to": b, "insert": insert} for a, b, insert in edited(self._parts, self._sent)]
        if self._current and edits and not self._pending:
            self._pending = {"type": "edit", "id": str(uuid.uuid4()), "base": self._version, "edits": edits}
            self._sending, self._sent, self._parts = self._parts, self.text, list(range(len(self.text)))
            await self._say(**self._pending)

    def _move(self, edits: list[tuple], version: str | None):
        """What the server has is `edits` further than what was sent; what is new here stays."""
        self._pending, self._version, self._parts = None, version, past(edits, self._parts)
        self._base = self._sent = apply(self._sent, edits)

    async def _hear(self, type, version=None, text=None, edits=(), code=None, replaced=False, **more):
        pending = self._pending
        if type == "remote" and not pending and more["prev"] != self._version:
            return await self._socket.close()  # What did not come is in the next welcome.
        if replaced or code == "replaced":
            if pending or edited(self._parts, self._sent):
                raise Refused("replaced: this is another document now")
            self._base, self._sent, self._parts = "", "", []
        edits = [(e["from"], e["to"], e["insert"]) for e in edits] if text is None else diff(self._base, text)
        self._current |= type in ("welcome", "reset")
        if type == "welcome":
            if pending and more["lastAcked"] != pending["id"]:
                return await self._say(**pending)
            # An edit that had been made is among the edits, here and in what comes after `repeated`.
            self._move(diff(self._sent, apply(self._base, edits)) if pending else edits, version)
        elif more.get("repeated"):
            self._move(diff(self._sent, self._base), self._version)
        elif type == "ack" or type in ("remote", "reset") and not pending:
            self._move(edits, version)
        elif code == "stale":  # What was sent is new again, and goes with the text that comes next.
            self._parts = [part if isinstance(part, str) else self._sending[part] for part in self._parts]
            self._sent, self._pending, self._current = self._base, None, False
        elif code:
            raise Refused(f"{code}: {more['message']}")
        await self._send()
