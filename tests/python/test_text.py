"""The reference client of the text wire in Python."""

import asyncio
import json
import sys
import unittest
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from test_pycrdt import DEADLINE, Doc, Ropewalk, opened, until
from text_client import Refused, TextClient
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


def client(server: Ropewalk, name: str) -> TextClient:
    return TextClient(f"ws://{server.address}/text/{quote(name)}")


async def saved(person: TextClient):
    await asyncio.wait_for(person.saved(), DEADLINE)


async def same(person: TextClient, text: str):
    await asyncio.wait_for(person.until(lambda c: c.text == text), DEADLINE)


class TextWire(unittest.IsolatedAsyncioTestCase):
    async def test_carries_a_text_both_ways(self):
        server = Ropewalk(self)
        async with client(server, "py/ü 💚") as ann, opened(server, "py/ü 💚", Doc()) as bob:
            await ann.edit(0, 0, "Hello 💚")
            await saved(ann)
            self.assertEqual(server.text("py/ü 💚"), "Hello 💚")
            await until("bob has it", lambda: str(bob) == "Hello 💚")
            bob.insert(0, "¡💛 ")
            await same(ann, "¡💛 Hello 💚")
            await ann.edit(9, 10, "!")
            await until("bob has it", lambda: str(bob) == "¡💛 Hello !")

    async def test_loses_and_doubles_nothing_when_the_server_is_killed(self):
        server = Ropewalk(self)
        async with client(server, "crowd") as ann, client(server, "crowd") as bob:
            words = []
            for turn in range(4):
                for i in range(10):
                    for name, person in (("a", ann), ("b", bob)):
                        words.append(f"<{name}{turn}.{i}💚>")
                        at = 0 if i % 2 else len(person.text)
                        await person.edit(at, at, words[-1])
                    await asyncio.sleep(0)
                server.kill()
                words.append(f"<off{turn}>")
                await ann.edit(0, 0, words[-1])
                server.start()
                for person in (ann, bob):
                    person.url = f"ws://{server.address}/text/crowd"
            for person in (ann, bob):
                await saved(person)
            text = server.text("crowd")
            for person in (ann, bob):
                await same(person, text)
            found = [f"{word}>" for word in text.split(">")[:-1]]
            self.assertEqual(sorted(found), sorted(words))

    async def test_is_used_as_the_readme_says(self):
        server = Ropewalk(self)
        readme = (Path(__file__).parents[2] / "README.md").read_text()
        blocks = [block.split("\n```")[0] for block in readme.split("```python\n")[1:]]
        code = next(block for block in blocks if "TextClient" in block).replace("127.0.0.1:4880", server.address)
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=Path(__file__).parent, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(run.communicate(), DEADLINE)
        self.assertEqual((run.returncode, said.decode()), (0, "Hello from Python\n\n"))
        self.assertEqual(server.text("notes/today.md"), "Hello from Python\n")

    async def break_off(self, ann: TextClient, server: Ropewalk):
        """Breaks the line off, with an edit under way that does not arrive."""
        await ann.edit(0, 0, "abc")
        await saved(ann)
        url, ann.url = ann.url, "ws://127.0.0.1:9/"
        ann._socket.transport.abort()
        await ann.edit(1, 2, "BB")
        await ann.edit(4, 4, "!")
        await ann.edit(2, 2, "-")
        self.assertEqual(ann.text, "aB-Bc!")
        return url

    async def test_sends_once_more_what_was_sent_too_long_ago(self):
        server = Ropewalk(self)
        async with client(server, "old") as ann:
            url = await self.break_off(ann, server)
            for _ in range(300):
                await asyncio.to_thread(server.request, "POST", "old/append", b"x")
            ann.url = url
            await saved(ann)
            self.assertEqual(ann.text, "aB-Bc!" + 300 * "x")
            self.assertEqual(server.text("old"), ann.text)

    async def test_notices_that_something_did_not_come_and_hears_of_it(self):
        server = Ropewalk(self)
        server.request("PUT", "gap", b"abc")
        hellos, lost = [], []

        async def relay(here):
            async with connect(f"ws://{server.address}{here.request.path}", subprotocols=["ropewalk.text.v1"]) as there:

                async def back():
                    async for message in there:
                        if json.loads(message)["type"] == "remote" and not lost:
                            lost.append(message)
                        else:
                            await here.send(message)

                backward = asyncio.create_task(back())
                with suppress(ConnectionClosed):
                    async for message in here:
                        hellos.extend([said for said in [json.loads(message)] if said["type"] == "hello"])
                        await there.send(message)
                backward.cancel()

        async with serve(relay, "127.0.0.1", 0, subprotocols=["ropewalk.text.v1"]) as between:
            port = between.sockets[0].getsockname()[1]
            async with TextClient(f"ws://127.0.0.1:{port}/text/gap") as ann:
                await same(ann, "abc")
                await asyncio.to_thread(server.request, "POST", "gap/append", b"d")
                await until("it is lost", lambda: lost)
                await asyncio.to_thread(server.request, "POST", "gap/append", b"e")
                await same(ann, "abcde")
                await ann.edit(5, 5, "f")
                await saved(ann)
        self.assertEqual(server.text("gap"), "abcdef")
        self.assertEqual([hello["since"] for hello in hellos], [None, json.loads(lost[0])["prev"]])

    async def test_hands_back_what_it_had_when_the_document_is_another_one(self):
        server = Ropewalk(self)
        async with client(server, "new") as ann:
            url = await self.break_off(ann, server)
            server.request("DELETE", "new")
            server.request("PUT", "new", b"another")
            ann.url = url
            with self.assertRaisesRegex(Refused, "replaced"):
                await asyncio.wait_for(ann.until(lambda c: False), DEADLINE)
            self.assertEqual(ann.text, "aB-Bc!")
        async with client(server, "new") as idle:
            await same(idle, "another")

    async def test_says_that_the_document_was_deleted(self):
        server = Ropewalk(self)
        async with client(server, "gone") as ann:
            await ann.edit(0, 0, "x")
            await saved(ann)
            server.request("DELETE", "gone")
            with self.assertRaisesRegex(Refused, "4404.*deleted"):
                await asyncio.wait_for(ann.until(lambda c: False), DEADLINE)

    async def test_says_that_there_is_no_text_wire_at_an_address(self):
        server = Ropewalk(self)
        async with TextClient(f"ws://{server.address}/txt/a") as ann:
            with self.assertRaisesRegex(Refused, "HTTP 4"):
                await asyncio.wait_for(ann.until(lambda c: False), DEADLINE)


if __name__ == "__main__":
    unittest.main()
