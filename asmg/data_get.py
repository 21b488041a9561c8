"""`asmg data get`: a data set's archive and its folder, where they are not there yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from asmg.config import Settings
from asmg.datasets import Archive, archive_of
from asmg.download import OnProgress, download, fault
from asmg.options import settings_of
from asmg.unpack import first_difference, unpack
from stream.errors import ConfigurationError, DataError
from stream.lock import hold

#: Where data sets go unless `--out` or the setting `data_dir` says otherwise.
OUT = Path("data")

#: Held while something is written in the folder.
LOCK = ".lock"


def data_get(dataset: str, out: Path | None, *, as_json: bool) -> None:
    """Fetch and unpack what is missing, check what is there, and print the folder for `--data`.

    Raises: AsmgError: no such data set, no network, or a file that is not the one expected.
    """
    archive = archive_of(dataset)
    out = out or _configured(settings_of(None))
    console = Console(stderr=True)
    try:
        came, fresh = get(archive, out, console)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or out} cannot be used: {error.strerror}") from error
    folder = out / archive.name
    if as_json:
        found = {
            "dataset": dataset,
            "folder": str(folder),
            "archive": str(out / f"{archive.name}.zip"),
            "sha256": archive.sha256,
            "files": {name: (folder / name).stat().st_size for name in archive.files},
            "downloaded": came,
            "unpacked": fresh,
        }
        print(json.dumps(found))
        return
    said = f"{came:,} bytes downloaded" if came else "unpacked" if fresh else "already there"
    console.print(
        f"{dataset}: {said}; README.txt has the terms of use", highlight=False, soft_wrap=True, markup=False
    )
    print(folder)


def get(archive: Archive, out: Path, console: Console) -> tuple[int, bool]:
    """The bytes that were downloaded for it, and whether its folder was unpacked.

    An archive that is there is not fetched, and a folder that is there is not written to; what is there
    and differs is an error. Raises: AsmgError, OSError: `out` cannot be read or written.
    """
    path, folder = out / f"{archive.name}.zip", out / archive.name
    whole = path.exists() and folder.exists()
    with nullcontext() if whole else _alone(out), _bars(console) as bars:
        came = 0
        if not path.exists():
            came = download(archive, path, _bar(bars, f"download {archive.name}"))
        elif wrong := fault(archive, path):
            raise DataError(f"{path} {wrong}")
        if not folder.exists():
            unpack(archive, path, folder, _bar(bars, f"unpack {archive.name}"))
            return came, True
        if name := first_difference(archive, path, folder):
            raise DataError(f"{folder / name} is not the one in {path}; move {folder} away and try again")
    return came, False


def _configured(settings: Settings) -> Path:
    return settings.data_dir if "data_dir" in settings.model_fields_set else OUT


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """The folder to ourselves. Raises: ConfigurationError: another process has it; OSError."""
    with hold(out / LOCK, ConfigurationError(f"another `asmg data get` is writing to {out}")):
        yield


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _bar(bars: Progress, name: str) -> OnProgress:
    task = bars.add_task(name, total=None)
    return lambda done, total: bars.update(task, completed=done, total=total)
