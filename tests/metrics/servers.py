"""node_exporter and Prometheus on ports of the loopback interface, ended with the block that started them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

PROMTOOL: Final = shutil.which("promtool")
PROMETHEUS: Final = shutil.which("prometheus")
NODE_EXPORTER: Final = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
#: How long each may take to come up, or to have scraped.
WAIT_SECONDS: Final = 60.0


def free_port() -> int:
    """A port of the loopback interface that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as written, subprocess.Popen(command, stdout=written, stderr=written) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def node_exporter(folder: Path, log: Path) -> Iterator[str]:
    """Given the textfile folder, yield the address of a node_exporter with nothing but its textfile collector."""
    assert NODE_EXPORTER is not None
    address = f"127.0.0.1:{free_port()}"
    options = ["--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}"]
    command = [NODE_EXPORTER, *options, "--web.disable-exporter-metrics", f"--web.listen-address={address}"]
    with _running(command, log):
        yield address


@contextmanager
def prometheus(place: Path, exporter: str, rules: Path | None = None) -> Iterator[str]:
    """Given an empty folder, the exporter's address and a file of rules, yield the URL of a Prometheus that scrapes it
    every second.
    """
    assert PROMETHEUS is not None
    address = f"127.0.0.1:{free_port()}"
    settings: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [exporter]}]}],
        "rule_files": [] if rules is None else [str(rules)],
    }
    (place / "prometheus.yml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    options = [f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data"]
    with _running([PROMETHEUS, *options, f"--web.listen-address={address}"], place / "prometheus.log"):
        yield f"http://{address}"


def fetched(url: str) -> str:
    """Given an address, return its page, waiting for the server to come up."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                page: bytes = answer.read()
                return page.decode()
        except urllib.error.HTTPError as error:
            if error.code != 503:  # it is starting
                raise AssertionError(f"{url}: {error.read().decode()}") from error
        except urllib.error.URLError:
            pass
        assert time.monotonic() < deadline, f"{url} never answered"
        time.sleep(0.05)


def asked(url: str, path: str, **parameters: str) -> Any:
    """Given Prometheus' URL, a path of its API and parameters, return the data of the answer."""
    answer = json.loads(fetched(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
    assert answer["status"] == "success", answer
    return answer["data"]


def queried(url: str, expression: str) -> list[dict[str, Any]]:
    """Given Prometheus' URL and an expression, return the series that it has now."""
    data = asked(url, "query", query=expression)
    if data["resultType"] == "scalar":
        return [{"metric": {}, "value": data["result"]}]
    result: list[dict[str, Any]] = data["result"]
    return result


def wait_for(url: str, expression: str) -> list[dict[str, Any]]:
    """As `queried`, once there is an answer."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := queried(url, expression)):
        assert time.monotonic() < deadline, f"{expression} never had an answer"
        time.sleep(0.2)
    return found
