"""For all tests: one deterministic hypothesis profile, no `revops` setting leaking in from the shell, and none of one
test's logging into the next.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

#: Variables that tell tests where tools and schemas are; they configure nothing in `revops`.
TEST_VARIABLES = frozenset({"REVOPS_CLN_SCHEMAS", "REVOPS_SLING_PLUGIN"})

settings.register_profile("ci", max_examples=50, derandomize=True, deadline=None, database=None)
#: The exhaustive version: pytest --hypothesis-profile=campaign
settings.register_profile("campaign", settings.get_profile("ci"), max_examples=5_000, derandomize=False)
settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A campaign takes as long as it takes: the limit that catches a hanging test isn't meant for it."""
    for item in items:
        if item.get_closest_marker("campaign") is not None:
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_the_shell() -> Iterator[None]:
    """Take `REVOPS_*` out of the environment: the environment overrides the config file."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("REVOPS_")]:
            if name not in TEST_VARIABLES:
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that ran with -q in one test would keep warnings from the next one that looks for them."""
    logger = logging.getLogger("revops")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers
