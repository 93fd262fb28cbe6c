"""Pings to a monitoring service on loopback: what is sent when, what never is, and that the secret stays one."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from revops.cli.main import main
from revops.config import read
from revops.config_template import effective
from revops.domain.options import CommonOptions
from revops.domain.policy import PingConfig
from revops.ping import Pings

SECRET = "c0ffee-5ec2e7"


class Service:
    """A healthchecks-like service that keeps what it was asked for. `answer` is its status, `location` where it sends
    those who ask; it answers once `may_answer` is set.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.agents: set[str | None] = set()
        self.answer = 200
        self.location = ""
        self.may_answer = Event()
        self.may_answer.set()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                service.agents.add(self.headers["User-Agent"])
                service.may_answer.wait()
                self.send_response(service.answer)
                if service.location:
                    self.send_header("Location", service.location)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"


@contextmanager
def serving() -> Iterator[Service]:
    service = Service()
    thread = Thread(target=service.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as one:
        yield one


@pytest.fixture
def ready(node: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A node with configuration and database."""
    assert main(["init", "--rpc", str(node), "--json"]) == 0
    capsys.readouterr()
    return home


def test_no_ping_by_default(ready: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("nobody asked for a ping")

    monkeypatch.setattr(Pings, "_send", forbidden)
    assert main(["sync"]) == 0
    assert PingConfig().url == ""


def test_start_and_success(ready: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVOPS_PING_URL", service.url + "/")
    assert main(["sync"]) == 0
    assert service.asked == [f"/{SECRET}/start", f"/{SECRET}"]
    assert all(agent is not None and agent.startswith("revops/") for agent in service.agents)


def test_a_check_for_each_command(ready: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVOPS_PING_URL", service.url + "/revops-{command}")
    assert main(["fees", "adjust"]) == 0
    assert service.asked == [f"/{SECRET}/revops-fees-adjust/start", f"/{SECRET}/revops-fees-adjust"]


def test_a_failure_says_its_exit_code(ready: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVOPS_PING_URL", service.url)
    monkeypatch.setenv("REVOPS_NODE_RPC_PATH", "/nonexistent/lightning-rpc")
    assert main(["sync"]) == 69
    assert service.asked == [f"/{SECRET}/start", f"/{SECRET}/69"]


@pytest.mark.parametrize(
    ("code", "ending"), [(0, [""]), (1, ["/1"]), (69, ["/69"]), (70, ["/70"]), (143, ["/143"]), (75, [])]
)
def test_what_each_end_is_to_the_service(service: Service, code: int, ending: list[str]) -> None:
    """75 is no failure yet: the next run tries again, and no success is what tells if it goes on."""
    pings = Pings()
    pings.begin(PingConfig(url=service.url), "rollup")
    pings.end(code)
    assert service.asked[1:] == [f"/{SECRET}{one}" for one in ending]


@pytest.mark.parametrize("line", [["sync", "-n"], ["report"], ["doctor"], ["budget", "check"], ["db", "check"]])
def test_no_ping_for_a_dry_run_nor_for_what_only_reads(
    ready: Path, service: Service, monkeypatch: pytest.MonkeyPatch, line: list[str]
) -> None:
    assert main(["sync", "-q"]) == 0
    monkeypatch.setenv("REVOPS_PING_URL", service.url)
    main(line)
    assert service.asked == []


def test_a_service_that_is_away_is_no_failure(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # not listening
        monkeypatch.setenv("REVOPS_PING_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}/{SECRET}")
        assert main(["sync"]) == 0
        assert capsys.readouterr() == ("", "")
        assert main(["sync", "-v"]) == 0
    err = capsys.readouterr().err
    assert "the ping /start failed: Connection refused" in err
    assert SECRET not in err


@pytest.mark.parametrize("answer", [404, 500, 503])
def test_a_service_that_refuses_is_no_failure(service: Service, caplog: pytest.LogCaptureFixture, answer: int) -> None:
    service.answer = answer
    with caplog.at_level(logging.DEBUG):
        pings = Pings()
        pings.begin(PingConfig(url=service.url), "sync")
    assert f"the service answered {answer}" in caplog.text
    assert SECRET not in caplog.text


def test_nobody_is_sent_elsewhere_with_the_secret(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as elsewhere, caplog.at_level(logging.DEBUG):
        service.answer, service.location = 302, elsewhere.url
        Pings().begin(PingConfig(url=service.url), "sync")
        assert elsewhere.asked == []
    assert "302" in caplog.text


def test_a_slow_service_keeps_nobody_waiting(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """It answers only when the run has gone on."""
    service.may_answer.clear()
    with caplog.at_level(logging.INFO):
        Pings().begin(PingConfig(url=service.url, timeout_seconds=1), "sync")
    service.may_answer.set()
    assert "failed" in caplog.text


@pytest.mark.parametrize("url", ["ftp://x/SECRET", "file:///etc/SECRET", "SECRET", "HTTPS//SECRET"])
def test_only_http(ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str) -> None:
    monkeypatch.setenv("REVOPS_PING_URL", url)
    assert main(["sync"]) == 78
    err = capsys.readouterr().err
    assert "ping.url must begin with https:// or http://" in err
    assert "SECRET" not in err


@pytest.mark.parametrize("line", ['[ping]\nurl = ["SECRET"]', '[database]\nurl = ["SECRET"]'])
def test_a_secret_of_the_wrong_type_is_not_quoted(ready: Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    path = ready / "bad.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n{line}\n')
    assert main(["config", "check", "-c", str(path)]) == 78
    err = capsys.readouterr().err
    assert "expected a text in quotes" in err
    assert "SECRET" not in err


@pytest.mark.parametrize("url", ["http://[SECRET", "http://host:SECRET/", "http:///SECRET"])
def test_a_url_that_leads_nowhere_is_not_quoted(caplog: pytest.LogCaptureFixture, url: str) -> None:
    with caplog.at_level(logging.DEBUG):
        Pings().begin(PingConfig(url=url), "sync")
    assert "failed" in caplog.text
    assert "SECRET" not in caplog.text


def test_the_secret_is_shown_nowhere(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], service: Service
) -> None:
    monkeypatch.setenv("REVOPS_PING_URL", service.url)
    for line in (["config", "show"], ["config", "show", "--json"], ["config", "check", "-v"], ["sync", "-vv"]):
        assert main(line) == 0
        out, err = capsys.readouterr()
        assert SECRET not in out + err, line
    loaded = read(CommonOptions())
    assert 'url = "(set)"' in effective(loaded.config, loaded.origins)
    pings = Pings()
    pings.begin(loaded.config.ping, "sync")
    assert SECRET not in repr(pings)


def test_a_secret_that_everybody_can_read_is_told(ready: Path, service: Service) -> None:
    path = ready / ".config/revops/config.toml"
    path.write_text(
        path.read_text().replace('# url = ""\n\n# How long such', f'url = "{service.url}"\n\n# How long such')
    )
    path.chmod(0o644)
    warnings = read(CommonOptions()).warnings
    assert [one for one in warnings if "ping.url" in one and "chmod 600" in one], warnings
    assert SECRET not in "".join(warnings)
