"""The process that lightningd starts: notifications in, lines out, nothing that could hold the node up.

lightningd waits for no answer to a notification. The thread that reads them puts what is kept into a queue and is back;
two others write and start syncs. There are no hooks, no methods, and no calls to the node.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from pyln.client import Plugin

from revops import __version__
from revops.recorder.complaints import Complaints
from revops.recorder.intake import Event, Intake
from revops.recorder.lines import TOPICS, event_of
from revops.recorder.segments import Limits
from revops.recorder.spool import Spool
from revops.recorder.starter import Starter
from revops.recorder.startup import (
    SECONDS_OPTION,
    SPOOL_OPTION,
    SYNC_OPTION,
    default_command,
    node_started_at,
    settings_of,
)
from revops.recorder.writer import RunInfo, Writer

#: What the writer gets to write the rest when the node ends; lightningd itself waits for half a minute.
END_SECONDS: Final = 5.0


class Recorder:
    """The plugin's threads. What comes before `start` (lightningd says nothing then) is queued."""

    def __init__(self, send: Callable[[str, str], None]) -> None:
        self.complaints = Complaints(send)
        self._intake = Intake()
        self._starter: Starter | None = None
        self._writing: threading.Thread | None = None

    def start(self, options: dict[str, Any], lightning_dir: str, *, with_node: bool) -> None:
        """Given the options, the node's folder and whether the node has just started, begin to write and to sync."""
        settings = settings_of(options, lightning_dir, lambda text: self.complaints.say(text.partition(":")[0], text))
        info = RunInfo(uuid.uuid4().hex, node_started_at(time.time(), with_us=with_node), __version__)
        writer = Writer(self._intake, Spool(settings.folder, Limits()), info, self.complaints)
        self._writing = threading.Thread(target=writer.run, name="writer", daemon=True)
        self._writing.start()
        if settings.command:
            self._starter = Starter(settings.command, settings.least_seconds, self.complaints)
            threading.Thread(target=self._starter.run, name="starter", daemon=True).start()

    def take(self, topic: str, params: dict[str, Any]) -> None:
        """Given a notification, queue what is kept of it. Raises nothing, and never waits."""
        try:
            fields = event_of(topic, params)
            if fields is None:
                self.complaints.say("strange", f"a notification {topic} had none of the fields that it is kept for")
                return
            self._intake.put(Event(time.time(), fields))
            if self._starter is not None:
                self._starter.event()
        except Exception as error:  # noqa: BLE001  # whatever it is, the node must not notice
            self.complaints.say("take", f"a notification {topic} was lost: {type(error).__name__}: {error}")

    def end(self) -> None:
        """Write the rest, and let go of everything."""
        self._intake.close()
        if self._starter is not None:
            self._starter.stop()
        if self._writing is not None:
            self._writing.join(END_SECONDS)


def make_plugin() -> tuple[Plugin, Recorder]:
    """Return the plugin with its subscriptions and options, and the recorder behind it."""
    plugin = Plugin(dynamic=True)
    recorder = Recorder(lambda level, text: plugin.log(text, level))
    plugin.add_option(
        SPOOL_OPTION, "", "Folder of the recorded events; empty: revops-recorder beside the node's files."
    )
    plugin.add_option(SYNC_OPTION, default_command(), "Command that is started after events; empty: none.")
    plugin.add_option(SECONDS_OPTION, "5", "Least time between the starts of two such commands, in seconds.")
    for topic in TOPICS:
        plugin.add_subscription(topic, _handler(recorder, topic))
    plugin.add_subscription("shutdown", _leave)

    # pyln binds the parameters by these names.
    @plugin.init()  # type: ignore[untyped-decorator]  # pyln has no types
    def _init(options: dict[str, Any], configuration: dict[str, Any], **_more: Any) -> None:
        try:
            with_node = configuration.get("startup") is True
            recorder.start(options, str(configuration["lightning-dir"]), with_node=with_node)
        except Exception as error:  # noqa: BLE001  # a node must start without us, too
            recorder.complaints.say("init", f"nothing is recorded: {type(error).__name__}: {error}")

    return plugin, recorder


def _handler(recorder: Recorder, topic: str) -> Callable[..., None]:
    def handle(**params: Any) -> None:
        recorder.take(topic, params)

    return handle


def _leave(**_params: Any) -> None:
    """Not an error, so that it passes everything that handles errors."""
    raise SystemExit(0)


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _listen(plugin: Plugin, recorder: Recorder) -> None:
    """Until lightningd closes our input. A message that pyln can't take is one message less."""
    while True:
        try:
            plugin.run()
        except Exception as error:  # noqa: BLE001  # what pyln can't take must not end us
            recorder.complaints.say("listen", f"a message was lost: {type(error).__name__}: {error}")
        else:
            return


def main() -> int:
    """Run under lightningd until it ends or says so. Called by hand, say how it is meant."""
    if os.environ.get("LIGHTNINGD_PLUGIN") != "1":
        sys.stdout.write(
            f"This is a plugin of Core Lightning; its config file takes: plugin={Path(sys.argv[0]).absolute()}\n"
        )
        return 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the node's terminal is the node's business
    signal.signal(signal.SIGTERM, _on_signal)
    plugin, recorder = make_plugin()
    try:
        _listen(plugin, recorder)
    except SystemExit:
        recorder.end()
        return 0
    recorder.end()
    return 0
