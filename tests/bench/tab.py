"""A browser's tab without the browser: a session that speaks Streamlit's own protocol.

What a browser sends is sent: the state of the widgets that were touched, the address, and a request
for each fragment as often as the server asked for it, whether the last one was answered or not.
What it draws is not drawn. So hundreds of them fit into one process.
"""

import asyncio
import time
import urllib.request
from contextlib import suppress
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

PATIENCE_SECONDS = 120
KEPT_RUNS = 2  # a browser forgets a large message so long after it was last used


def cookie(address: str) -> str:
    """What the app gives a browser that comes for the first time: "name=value"."""
    with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as page:
        given = SimpleCookie(page.headers["set-cookie"])
    ((name, morsel),) = given.items()
    return f"{name}={morsel.value}"


class Tab:
    """One session. `drops` counts the times that its connection broke without being closed."""

    def __init__(self, address: str, cookie: str) -> None:
        self.address, self.cookie = address, cookie
        self.page, self.query, self.page_hash = "", "", ""
        self.elements: dict[tuple[int, ...], Element] = {}  # by their place on the page
        self.errors: list[str] = []
        self.polls = self.drops = self.received_bytes = 0
        self._fragment_of: dict[tuple[int, ...], str] = {}
        self._states: dict[str, WidgetState] = {}
        self._timers: dict[str, tuple[float, asyncio.Task]] = {}
        self._kept: dict[str, tuple[int, ForwardMsg]] = {}  # large messages, which come once
        self._runs = 0
        self._finished = asyncio.Event()

    async def open(self, page: str = "", query: str = "") -> float:
        """Opens the page and waits until it is there; seconds that took."""
        began = time.perf_counter()
        self.page, self.query = page, query
        self._socket = await connect(
            self.address.replace("http", "ws") + "/_stcore/stream",
            additional_headers={"Cookie": self.cookie},
            subprotocols=["streamlit"],
            max_size=None,
            open_timeout=PATIENCE_SECONDS,
            ping_interval=None,  # a browser answers pings, it sends none
        )
        self._reader = asyncio.create_task(self._read())
        await self._run()
        return time.perf_counter() - began

    async def close(self) -> None:
        self._stop_timers()
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()

    async def choose(self, label: str, option: str) -> float:
        """Chooses an option of the radio group with this in its label; seconds until the page is
        there."""
        place, radio = self._find("radio", label)
        if radio.query_param_key:
            known = dict(pair.split("=", 1) for pair in self.query.split("&") if pair)
            known[radio.query_param_key] = urlencode({"": option})[1:]
            self.query = "&".join("=".join(pair) for pair in known.items())
        self._states[radio.id] = WidgetState(id=radio.id, string_value=option)
        return await self._run(self._fragment_of.get(place, ""))

    async def press(self, label: str) -> float:
        """Presses the button with this label; seconds until the page is there."""
        place, button = self._find("button", label)
        pressed = WidgetState(id=button.id, trigger_value=True)
        return await self._run(self._fragment_of.get(place, ""), pressed)

    async def settled(self) -> None:
        """Waits until what was asked for is there."""
        await asyncio.wait_for(self._finished.wait(), PATIENCE_SECONDS)

    def shown(self, kind: str) -> list:
        """What the page shows of this kind of element, in the order of Streamlit's places."""
        there = sorted(self.elements.items())
        return [getattr(one, kind) for _, one in there if one.WhichOneof("type") == kind]

    def _find(self, kind: str, label: str) -> tuple:
        for place, element in sorted(self.elements.items()):
            found = element.WhichOneof("type") == kind and getattr(element, kind)
            if found and label in found.label:
                return place, found
        known = [one.label for one in self.shown(kind)]
        raise LookupError(f"No {kind} {label!r} on page {self.page!r}; there are {known}.")

    async def _run(self, fragment: str = "", *pressed: WidgetState) -> float:
        self._finished.clear()
        began = time.perf_counter()
        await self._ask(fragment, *pressed)
        await asyncio.wait_for(self._finished.wait(), PATIENCE_SECONDS)
        if self.drops:
            raise ConnectionError("The app dropped the session.")
        return time.perf_counter() - began

    async def _ask(self, fragment: str, *pressed: WidgetState, auto: bool = False) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.fragment_id, state.is_auto_rerun = self.query, fragment, auto
        state.page_script_hash = self.page_hash
        state.page_name = "" if self.page_hash else self.page
        state.widget_states.widgets.extend([*self._states.values(), *pressed])
        state.cached_message_hashes.extend(self._kept)
        state.context_info.url = f"{self.address}/{self.page}"
        state.context_info.timezone, state.context_info.locale = "UTC", "en"
        await self._socket.send(message.SerializeToString())

    async def _read(self) -> None:
        try:
            async for data in self._socket:
                self.received_bytes += len(data)
                message = ForwardMsg.FromString(data)
                if message.WhichOneof("type") == "ref_hash":
                    place, hash_ = message.metadata, message.ref_hash
                    message = ForwardMsg()
                    message.CopyFrom(self._kept[hash_][1])
                    message.metadata.CopyFrom(place)
                    self._kept[hash_] = self._runs, message
                elif message.metadata.cacheable:
                    self._kept[message.hash] = self._runs, message
                self._take(message)
        except ConnectionClosed:
            pass
        self.drops += 1  # who closes a tab cancels the reader first
        self._stop_timers()
        self._finished.set()

    def _take(self, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "new_session" if not message.metadata.run.fragment_ids:
                self._stop_timers()
                self.page_hash = message.new_session.page_script_hash
                self._drawn: set[tuple[int, ...]] = set()
            case "new_session":
                self._drawn = set()
            case "navigation":
                self.page_hash = message.navigation.page_script_hash
                for page in message.navigation.app_pages:
                    if page.page_script_hash == self.page_hash:
                        self.page = page.url_pathname
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "delta" if message.delta.WhichOneof("type") == "new_element":
                place, element = tuple(message.metadata.delta_path), message.delta.new_element
                self.elements[place] = element
                self._fragment_of[place] = message.delta.fragment_id
                self._drawn.add(place)
                if element.WhichOneof("type") == "exception":
                    self.errors.append(element.exception.message)
            case "delta":
                self._drawn.add(tuple(message.metadata.delta_path))
            case "auto_rerun":
                self._poll(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            case "stop_auto_rerun":
                for fragment in message.stop_auto_rerun.fragment_ids:
                    self._stop_timer(fragment)
            case "script_finished":
                self._finish(message)

    def _finish(self, message: ForwardMsg) -> None:
        self._runs += 1
        for hash_, (seen, _) in list(self._kept.items()):
            if self._runs - seen > KEPT_RUNS:
                del self._kept[hash_]
        if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            for place in self.elements.keys() - self._drawn:  # what is not drawn again is gone
                del self.elements[place], self._fragment_of[place]
        if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:  # else more is to come
            self._finished.set()

    def _poll(self, fragment: str, seconds: float) -> None:
        """As a browser's `setInterval`: it does not wait for answers, and skips what it missed."""
        if self._timers.get(fragment, (0.0, None))[0] == seconds:
            return
        self._stop_timer(fragment)

        async def ticking() -> None:
            due = time.monotonic()
            with suppress(ConnectionClosed):
                while True:
                    due = max(due + seconds, time.monotonic())
                    await asyncio.sleep(due - time.monotonic())
                    self.polls += 1
                    await self._ask(fragment, auto=True)

        self._timers[fragment] = seconds, asyncio.create_task(ticking())

    def _stop_timer(self, fragment: str) -> None:
        if fragment in self._timers:
            self._timers.pop(fragment)[1].cancel()

    def _stop_timers(self) -> None:
        for fragment in list(self._timers):
            self._stop_timer(fragment)
