"""The conversations of the chat screen: which there are, which is shown, which are being answered.

A server and a shelf come in; it changes with what the person does and with what the server says. It knows no widgets.
"""

from __future__ import annotations

import time
from contextlib import aclosing

from mlxtui import dialogue
from mlxtui.client import ServerClient
from mlxtui.dialogue import Conversation, Setup
from mlxtui.dialogues import Shelf, fresh_id
from mlxtui.errors import MlxtuiError
from mlxtui.talk import Reply


class Talks:
    """`replies` holds the answers that are coming in, by conversation."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        found, self.troubles = shelf.load()
        self._all = {each.id: each for each in found}
        self.replies: dict[str, Reply] = {}
        self.shown = self._fresh(Setup())

    def _fresh(self, setup: Setup) -> Conversation:
        now = self.now() if self._all else time.time()
        talk = Conversation(fresh_id(now), now, setup=setup)
        self._all[talk.id] = talk
        return talk

    def listed(self) -> list[Conversation]:
        """The last changed first."""
        return sorted(self._all.values(), key=lambda each: each.changed, reverse=True)

    def begin(self) -> None:
        """Show a new one, with the settings of the one that is shown; an empty one is new enough."""
        if self.shown.turns:
            empty = next((each for each in self._all.values() if not each.turns and not each.name), None)
            self.shown = empty or self._fresh(self.shown.setup)

    def show(self, id: str) -> None:
        self.shown = self._all.get(id, self.shown)

    def step(self, by: int) -> None:
        """Show a neighbour in the list."""
        ids = [each.id for each in self.listed()]
        self.show(ids[(ids.index(self.shown.id) + by) % len(ids)])

    def put(self, talk: Conversation) -> None:
        """This conversation, as it is now; kept as soon as there is something in it.

        Raises:
            NotKept: it is changed here, but not on disk.
        """
        self._all[talk.id] = talk
        if self.shown.id == talk.id:
            self.shown = talk
        if talk.turns or talk.name:
            self._shelf.keep(talk)

    def now(self) -> float:
        """A moment after the last change, whatever the clock says: the order in the list is that of what was done."""
        return max(time.time(), *(each.changed + 1e-6 for each in self._all.values()))

    def remove(self, id: str) -> None:
        """Forget it, here and on disk, and show the next one.

        Raises:
            NotKept: the file is still there.
        """
        self.replies.pop(id, None)
        self._all.pop(id, None)
        if self.shown.id == id:
            self.shown = next(iter(self.listed()), None) or self._fresh(Setup())
        self._shelf.remove(id)

    async def answer(self, client: ServerClient, id: str) -> None:
        """Have the model take its turn in conversation `id`; cancelling stops it and keeps what there is.

        What goes wrong on the way is part of the answer.

        Raises:
            NotKept: the answer could not be written.
        """
        reply = self.replies[id] = Reply(time.monotonic())
        body = dialogue.request(self._all[id], client.state.model.name or "default")
        try:
            async with aclosing(client.chat(body)) as chunks:
                async for reply.request, chunk in chunks:
                    reply.take(chunk, time.monotonic())
        except MlxtuiError as error:
            reply.fail(str(error))
        finally:
            reply.stop()
            if self.replies.get(id) is reply:
                del self.replies[id]
                self.put(dialogue.answered(self._all[id], reply.turn(), self.now()))
