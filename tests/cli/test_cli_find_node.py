"""Where `revops init` looks for a node, which of several it takes, and what it says to whom it is closed to."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from revops.cycle import find_node
from revops.cycle.find_node import default_rpc_paths, find_rpc, running_rpc_paths
from revops.cycle.processes import Process, running
from revops.errors import ConfigError, PermissionDenied

Listen = Callable[[Path], Path]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Makes sockets at which somebody listens."""
    with ExitStack() as stack:

        def at(path: Path) -> Path:
            path.parent.mkdir(parents=True, exist_ok=True)
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen()
            return path

        yield at


@pytest.fixture
def place(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of a short path."""
    monkeypatch.setenv("HOME", str(short_dir))
    return short_dir


def started(*arguments: str, uid: int | None = None) -> Process:
    return Process(7, os.getuid() if uid is None else uid, frozenset(), ("/usr/bin/lightningd", *arguments))


def test_the_usual_places_are_tried_and_named(place: Path) -> None:
    with pytest.raises(ConfigError, match="--rpc PATH") as caught:
        find_rpc(None)
    assert str(place / ".lightning/bitcoin/lightning-rpc") in str(caught.value)


@pytest.mark.parametrize("network", find_node.NETWORKS)
def test_a_socket_of_any_network_is_found(place: Path, listen: Listen, network: str) -> None:
    path = listen(place / ".lightning" / network / "lightning-rpc")
    assert find_rpc(None) == path


@pytest.mark.parametrize("inside", ["lightning-rpc", "bitcoin/lightning-rpc", "regtest/lightning-rpc"])
def test_a_folder_that_the_environment_names(
    place: Path, listen: Listen, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    path = listen(place / "ln" / inside)
    monkeypatch.setenv("LIGHTNING_DIR", str(place / "ln"))
    assert find_rpc(None) == path


def test_of_several_that_answer_the_main_network_is_taken_and_the_others_named(
    place: Path, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    test_net = listen(place / ".lightning/signet/lightning-rpc")
    main_net = listen(place / ".lightning/bitcoin/lightning-rpc")
    with caplog.at_level(logging.WARNING):
        assert find_rpc(None) == main_net
    assert str(test_net) in caplog.text
    assert "--rpc PATH" in caplog.text


def test_between_test_networks_nobody_guesses(place: Path, listen: Listen) -> None:
    for network in ("signet", "regtest"):
        listen(place / ".lightning" / network / "lightning-rpc")
    with pytest.raises(ConfigError, match="several nodes answer here"):
        find_rpc(None)
    named = place / ".lightning/regtest/lightning-rpc"
    assert find_rpc(named) == named


def test_a_socket_that_a_dead_node_left_behind_is_not_preferred(place: Path, listen: Listen) -> None:
    dead = place / ".lightning/bitcoin/lightning-rpc"
    dead.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(dead))
    assert find_rpc(None) == dead  # the only one: that nobody listens there is for the call to say
    alive = listen(place / ".lightning/signet/lightning-rpc")
    assert find_rpc(None) == alive


def test_what_is_no_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a socket"):
        find_rpc(tmp_path)


def test_a_folder_that_others_may_not_enter_is_a_matter_of_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(PermissionDenied, match="rpc-file-mode"):
        find_rpc(tmp_path / "rpc")


def test_who_may_not_open_it_learns_whose_it_is(place: Path, listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    path = listen(place / ".lightning/bitcoin/lightning-rpc")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionDenied) as caught:
        find_rpc(None)
    assert str(path) in str(caught.value)
    assert "sudo -u " in str(caught.value)
    assert "revops init" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "file", "expected"),
    [
        (("--lightning-dir=DIR", "--network=regtest"), "", ["regtest/lightning-rpc"]),
        (("--lightning-dir", "DIR", "--network", "signet"), "", ["signet/lightning-rpc"]),
        (("--lightning-dir=DIR", "--testnet"), "", ["testnet/lightning-rpc"]),
        (("--lightning-dir=DIR", "--mainnet"), "network=regtest\n", ["regtest/lightning-rpc"]),
        (("--lightning-dir=DIR",), "# network=signet\nregtest\nrpc-file=rpc\n", ["regtest/rpc"]),
        (("--lightning-dir=DIR",), "rpc-file=/run/cln/rpc\nnetwork=bitcoin\n", ["/run/cln/rpc"]),
        (("--lightning-dir=DIR",), "", [f"{network}/lightning-rpc" for network in find_node.NETWORKS]),
    ],
)
def test_a_running_lightningd_says_where_its_socket_is(
    tmp_path: Path, arguments: tuple[str, ...], file: str, expected: list[str]
) -> None:
    (tmp_path / "config").write_text(file)
    process = started(*(argument.replace("DIR", str(tmp_path)) for argument in arguments))
    assert list(running_rpc_paths((process,))) == [tmp_path / path for path in expected]


def test_a_pipe_that_a_process_names_as_its_configuration_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waited(*_: object, **__: object) -> None:
        raise AssertionError("this would wait for ever")

    os.mkfifo(tmp_path / "pipe")
    process = started(f"--lightning-dir={tmp_path}", f"--conf={tmp_path}/pipe", "--network=regtest")
    for name in ("open", "read_text"):
        monkeypatch.setattr(Path, name, waited)
    assert running_rpc_paths((process,)) == (tmp_path / "regtest" / "lightning-rpc",)


def test_of_a_user_without_a_name_nothing_is_known() -> None:
    assert running_rpc_paths((started(uid=4_294_000_000),)) == ()


def test_a_running_node_is_found_wherever_it_is(place: Path, listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    path = listen(place / "far" / "regtest" / "lightning-rpc")
    monkeypatch.setattr(find_node, "running", lambda _: (started(f"--lightning-dir={place / 'far'}", "--regtest"),))
    assert find_rpc(None) == path


def test_processes_as_proc_shows_them(tmp_path: Path) -> None:
    for pid, line, status in (
        ("12", b"/usr/bin/lightningd\0--network=signet\0", "Uid:\t1000\t0\nGid:\t1001\t0\nGroups:\t4 5\n"),
        ("3", b"lightningd\0", "Uid:\t0\nGid:\t0\nGroups:\t\n"),
        ("4", b"", "Uid:\t0\nGid:\t0\n"),
        ("5", b"bash\0", "Uid:\t0\nGid:\t0\n"),
    ):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(line)
        (tmp_path / pid / "status").write_text(status)
    (tmp_path / "6").mkdir()
    (tmp_path / "self").mkdir()
    first, second = running({"lightningd"}, tmp_path)
    assert (first.pid, first.uid, first.user) == (3, 0, "root")
    assert (second.pid, second.uid, second.gids) == (12, 1000, frozenset({1001, 4, 5}))
    assert second.option("network") == "signet"
    assert second.option("rpc-file") == ""
    assert running({"lightningd"}, tmp_path / "missing") == ()


def test_this_very_process_is_seen() -> None:
    """The real /proc."""
    mine = Path(Path("/proc/self/cmdline").read_bytes().split(b"\0")[0].decode()).name
    assert os.getpid() in {one.pid for one in running({mine})}


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    paths = default_rpc_paths({"LIGHTNING_DIR": "/ln"})
    assert paths[0] == Path("/ln/lightning-rpc")
    assert paths[1] == Path("/ln/bitcoin/lightning-rpc")
    assert place / ".lightning/bitcoin/lightning-rpc" in paths
