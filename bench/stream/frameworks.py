"""quix-streams and Faust, each as one process of an environment of their own: their pins fit no other's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.stream.speed import Speed
from bench.stream.topic import fill
from stream.errors import AsmgError
from stream.replay import Source
from stream.replay.source import CLICK

#: The project, whose pyproject.toml names the frameworks' versions in its dependency group `bench`.
ROOT = Path(__file__).parents[2]

#: Seconds one of them may take.
PATIENCE = 600.0

#: Part of the events that are not timed: starting, and states that are still small.
SKIPPED = 0.2


class FrameworkFailed(AsmgError):
    """A framework did not do the job."""


def environment(folder: Path, tell: Callable[[str], None]) -> Path:
    """The Python of an environment with both, made on first use (30 s). Raises: FrameworkFailed."""
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        tell(f"an environment for quix-streams and Faust in {folder}, once")
        uv = [str(Path(sys.executable).with_name("uv"))]
        _done([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        group = ["--group", f"{ROOT / 'pyproject.toml'}:bench"]
        group += ["--constraint", str(Path(__file__).with_name("constraints.txt"))]
        _done([*uv, "pip", "install", "--quiet", "--python", str(python), *group])
        ready.touch()
    return python


def measure(
    name: str,
    python: Path,
    broker: Mapping[str, object],
    source: Source,
    events: int,
    window: int,
    partitions: int,
) -> Speed:
    """The job in the framework called `name`, on the first events of the source.

    Raises: FrameworkFailed: it ended badly, or found other positives than there are.
    """
    topic = f"bench-{name}"
    fill(broker, topic, partitions, source, events)
    job = Path(__file__).with_name(f"{name}_job.py")
    bootstrap = str(broker["bootstrap.servers"])
    numbers = [str(one) for one in (events, round(events * SKIPPED), window, partitions)]
    said = _done([str(python), str(job), bootstrap, topic, *numbers])
    found = json.loads(said[said.rindex("{") :])  # before it Faust hides the cursor
    clicks = int((source.events["kind"].slice(0, events).to_numpy() == CLICK).sum())
    if found["positives"] != clicks:
        raise FrameworkFailed(f"{name} joined {found['positives']:,} clicks of {clicks:,}")
    return Speed(1, found["events"], found["seconds"], found["cpu_seconds"])


def _done(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FrameworkFailed(f"{command[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise FrameworkFailed(f"{' '.join(command[:3])} exited with {done.returncode}: {said}")
    return done.stdout
