"""Comparisons of fee policies in files: stored, read again, and held against the worlds that are frozen now."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Final

from revops.errors import DataError, OutputError, UnknownName
from revops.sim.arena import frozen
from revops.sim.arena.null_test import original_of
from revops.sim.arena.outcome import Study, from_document, to_document

GIT_SECONDS: Final = 10.0


def save(path: Path, study: Study) -> None:
    """Given a path, store a study there. Raise OutputError where that can't be written."""
    try:
        path.write_text(json.dumps(to_document(study), separators=(",", ":")) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def load(path: Path, subject: str | None = None) -> Study:
    """Given a path, return the study that is stored there, held against the set that is frozen now.

    Raise DataError for anything but a study, UnknownName where the policy of interest was not compared, OSError where
    the file can't be read.
    """
    content = path.read_bytes()
    try:
        study = from_document(json.loads(content))
    except ValueError as error:  # msgspec's, json's and the decoder's errors are ValueErrors
        raise DataError(_no_study(path, error)) from error
    if subject is not None and subject not in study.policies:
        named = ", ".join(policy for policy in study.policies if not original_of(policy)[1])
        raise UnknownName(f"{subject} is not in it; there are: {named}")
    return study if study.frozen_hash is None else _held_against(frozen.load(), study)


def _no_study(path: Path, error: ValueError) -> str:
    """What is wrong with a file that holds no study, and what to do."""
    wrong = "it isn't JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else str(error)
    return (
        f"{path} holds no result of `revops simulate`: {wrong}. Name a file that `revops simulate --save FILE` wrote, "
        f"or run that anew"
    )


def _held_against(frozen_set: frozen.FrozenSet, study: Study) -> Study:
    """A stored study with what keeps its worlds from being the frozen ones, whatever its file says of that."""
    strange = []
    if study.frozen_hash != frozen_set.hash:
        strange.append("all: since then the set was frozen anew")
    if study.set_name != frozen.JUDGED_SET.name or study.setting != frozen.JUDGED_SET.setting.name:
        strange.append(f"all: they are of set {study.set_name}")
    if study.days != frozen_set.days:
        strange.append(f"all: they last {study.days:g} d, not {frozen_set.days:g}")
    strange += [
        f"{family}, seed {seed}"
        for family, seed in product(study.families, study.seeds)
        if seed not in frozen_set.worlds.get(family, {})
    ]
    known = (one for one in study.strange if one not in strange)
    return replace(study, strange=(*strange, *known), frozen_count=frozen_set.world_count)


def commit() -> str | None:
    """Return the commit that runs, "-dirty" where files differ from it; None outside a checkout of our own."""
    root = Path(__file__).resolve().parents[2]
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root:
        return None
    return _git(root, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        # A list, so no shell; every word of it stands in this module.
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or no repository: the version has to do
    return done.stdout.strip()
