"""The unmodified pycrdt provider, as scripts and notebooks use it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from pycrdt import Array, Doc, Map, Provider, Text, XmlElement, XmlFragment, XmlText
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

UPDATE = bytes([0, 2])
MARKER = 102

DEADLINE = 60.0
"""Seconds that a story waits for something that must happen."""


def binary() -> Path:
    """ROPEWALK_BIN, or the newest build of this tree."""
    root = Path(__file__).resolve().parents[2]
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    places = [target / "release/ropewalk", target / "debug/ropewalk"]
    if "ROPEWALK_BIN" in os.environ:
        places.insert(0, Path(os.environ["ROPEWALK_BIN"]))
    for place in places:
        if place.exists():
            return place.resolve()
    raise FileNotFoundError("no binary: run `cargo build --release`, or set ROPEWALK_BIN")


class Ropewalk:
    """A running server with a data folder of its own."""

    def __init__(self, test: unittest.TestCase):
        self.data = tempfile.TemporaryDirectory(prefix="ropewalk-test-")
        test.addCleanup(self.data.cleanup)
        test.addCleanup(self.kill)
        self.start()

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ROPEWALK_")}
        self.process = subprocess.Popen(
            [binary(), "serve", "--listen", "127.0.0.1:0", "--data", self.data.name],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = self.process.stdout.readline()
        ready = re.fullmatch(r"Ropewalk is ready: http://(.*)\n", line)
        assert ready, f"not where it listens: {line!r}"
        self.address = ready[1]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def text(self, name: str) -> str:
        return self.get(name, "text")

    def get(self, name: str, what: str) -> str:
        url = f"http://{self.address}/api/documents/{quote(name)}/{what}"
        with urllib.request.urlopen(url, timeout=DEADLINE) as response:
            return response.read().decode()

    def request(self, method: str, path: str, body: bytes | None = None):
        url = f"http://{self.address}/api/documents/{quote(path)}"
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(url, body, headers, method=method)
        urllib.request.urlopen(request, timeout=DEADLINE).close()


class Channel:
    """A WebSocket as pycrdt wants it."""

    def __init__(self, socket, path: str):
        self.socket = socket
        self.path = path
        self.updates = 0
        """How many were sent."""
        self.saved = -1
        """The newest marker that came back."""
        self.at_saved = lambda: None

    def __aiter__(self):
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    async def send(self, message: bytes):
        await self.socket.send(message)
        self.updates += message[:2] == UPDATE

    async def recv(self) -> bytes:
        while True:
            message = await self.socket.recv()
            if message[0] != MARKER:
                return message
            self.saved = message[2]
            self.at_saved()

    async def mark(self, number: int):
        """Asks for this back when all that was sent is on disk."""
        await self.socket.send(bytes([MARKER, 1, number]))


@asynccontextmanager
async def opened(server: Ropewalk, name: str, doc: Doc):
    """A document that is synced."""
    async with connect(f"ws://{server.address}/yjs/{quote(name)}", max_size=None) as socket:
        async with Provider(doc, Channel(socket, name)) as provider:
            await asyncio.wait_for(provider.synced.wait(), DEADLINE)
            yield doc.get("text", type=Text)


async def until(what: str, look):
    """Looks until it is so."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < DEADLINE, f"waited {DEADLINE} s in vain: {what}"
        await asyncio.sleep(0.02)


class Pycrdt(unittest.IsolatedAsyncioTestCase):
    async def test_syncs_both_ways(self):
        server = Ropewalk(self)
        async with opened(server, "py/both 💚", Doc()) as ann, opened(server, "py/both 💚", Doc()) as bob:
            for i in range(50):
                ann.insert(0, f"a{i} ")
                bob.insert(len(bob), f"💚b{i} ")
                await asyncio.sleep(0)
            await until(
                "both have all",
                lambda: str(ann) == str(bob) and all(f"a{i} " in str(bob) and f"b{i} " in str(ann) for i in range(50)),
            )
            del bob[0:3]
            await until("the delete arrives", lambda: str(ann) == str(bob))
            await until("the server has it", lambda: server.text("py/both 💚") == str(ann))

    async def test_edits_made_offline_are_merged_after_a_restart(self):
        server = Ropewalk(self)
        doc = Doc()
        async with opened(server, "py/offline", doc) as text:
            text += "middle"
            await until("saved", lambda: self.saved(server, "py/offline", "middle"))
        server.kill()
        doc.get("text", type=Text).insert(0, "offline ")
        server.start()
        async with opened(server, "py/offline", Doc()) as other:
            self.assertEqual(str(other), "middle")
            other += " online"
            async with opened(server, "py/offline", doc) as text:
                await until("merged", lambda: str(text) == str(other) == "offline middle online")

    async def test_formats_maps_arrays_and_xml_are_kept(self):
        server = Ropewalk(self)
        doc = Doc()
        async with opened(server, "py/rich", doc) as text:
            text += "bold words"
            text.format(0, 4, {"bold": True})
            doc.get("map", type=Map)["nested"] = Map({"list": Array([1, "two", None, 4.5])})
            page = doc.get("default", type=XmlFragment)
            page.children.append(XmlElement("paragraph", {}, [XmlText("a page")]))
            doc.get("end", type=Text).insert(0, "all")
            await until("saved", lambda: self.saved(server, "py/rich", "all", "text?root=end"))
        server.kill()
        server.start()

        def content(root: str) -> object:
            return json.loads(server.get("py/rich", f"content?format=json&root={root}"))

        self.assertEqual(content("text"), [{"insert": "bold", "attributes": {"bold": True}}, {"insert": " words"}])
        self.assertEqual(content("map"), {"nested": {"list": [1, "two", None, 4.5]}})
        self.assertEqual(server.get("py/rich", "content?format=html&root=default"), "<p>a page</p>")
        again = Doc()
        async with opened(server, "py/rich", again) as text:
            self.assertEqual(text.diff(), [("bold", {"bold": True}), (" words", None)])
            self.assertEqual(again.get("map", type=Map).to_py(), doc.get("map", type=Map).to_py())
            self.assertEqual(str(again.get("default", type=XmlFragment)), str(doc.get("default", type=XmlFragment)))

    async def test_loses_nothing_acknowledged_when_the_server_is_killed(self):
        server = Ropewalk(self)
        doc = Doc()
        text = doc.get("text", type=Text)
        promised = []
        for turn in range(6):
            with suppress(ConnectionClosed):
                async with connect(f"ws://{server.address}/yjs/py/killed", max_size=None) as socket:
                    channel = Channel(socket, "py/killed")
                    async with Provider(doc, channel) as provider:
                        await asyncio.wait_for(provider.synced.wait(), DEADLINE)
                        for edit in range(30):
                            promised.append(f"<{turn}.{edit} 💚>")
                            sent = channel.updates
                            text.insert(len(str(text).encode()) if edit % 2 else 0, promised[-1])
                            await until("it is sent", lambda: channel.updates > sent)
                            if edit in (3, 6):
                                await channel.mark(edit)
                                await until("acknowledged", lambda: channel.saved == edit)
                        # The power goes at the very moment.
                        channel.at_saved = server.kill
                        await channel.mark(edit)
                        await until("acknowledged, and killed", lambda: server.process.returncode is not None)
            text.insert(0, f"<{turn} without a server>")
            server.start()
            kept = server.text("py/killed")
            self.assertEqual([kept.count(word) for word in promised], [1] * len(promised), kept)
        async with opened(server, "py/killed", doc):
            await until("all is there", lambda: server.text("py/killed") == str(text))
        self.assertEqual(str(text).count("<"), len(promised) + 6, "nothing is there twice")

    @staticmethod
    def saved(server: Ropewalk, name: str, text: str, what: str = "text") -> bool:
        try:
            return server.get(name, what) == text
        except urllib.error.HTTPError:
            return False


if __name__ == "__main__":
    unittest.main()
