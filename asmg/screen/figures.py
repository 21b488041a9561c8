"""What all parts share: numbers and times as the page writes them, the colours of models, a small line."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from asmg.report import NONE
from serving.health import NAMES
from stream.records import Kind

#: Colours of kinds of model, and of stages on the way from closed to served.
KIND: Mapping[Kind, str] = {"theta": "cyan", "star": "magenta", "ema": "bright_blue"}
STAGE = {"train": "cyan", "generate": "magenta", "swap": "green"}

#: What explains, and what is worth a look.
SOFT, ODD = "bright_black", "yellow"

#: Seconds below which a time is told so: seconds of the unit, digits, the unit; and how beyond.
_UNITS = ((10, (1, 1, "s")), (120, (1, 0, "s")), (7200, (60, 0, "min")), (172_800, (3600, 1, "h")))
_DAYS = (86_400, 1, "d")

_STEPS = "▁▂▃▄▅▆▇█"


def count(value: float) -> str:
    """Whole, by thousands; beyond a million in millions."""
    return f"{value:,.0f}" if value < 1e6 else f"{value / 1e6:,.1f} M"


def rate(value: float) -> str:
    """Few things a second are told with a digit more."""
    return f"{value:.1f}" if 0 < value < 9.95 else f"{value:,.0f}"


def ms(value: float | None) -> str:
    """Milliseconds, or a dash."""
    return NONE if value is None else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def span(seconds: float | None) -> str:
    """A time in the unit that fits, or a dash."""
    if seconds is None:
        return NONE
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    size, digits, unit = next((how for most, how in _UNITS if seconds < most), _DAYS)
    return f"{seconds / size:.{digits}f} {unit}"


def clock(at: int) -> str:
    """A moment, ms, on this machine's clock."""
    return time.strftime("%H:%M:%S", time.localtime(at / 1000))


def model(kind: Kind | None, version: int | None, style: str | None = None) -> Text:
    """Θ* 27, in the colour of its kind."""
    if kind is None or version is None:
        return Text(NONE, style=SOFT)
    return Text(f"{NAMES[kind]} {version}", style=style or KIND[kind])


def spark(values: Sequence[float | None], width: int, least: float = 0.0) -> Text:
    """The last values as a line of blocks, from `least` to the highest; blank where there is none."""
    last = list(values)[-width:]
    known = [one for one in last if one is not None]
    if len(known) < 2:
        return Text("")
    high = max(known) - least
    steps = (" " if one is None else _STEPS[_step((one - least) / high if high else 0.0)] for one in last)
    return Text("".join(steps), style="blue")


def columns(*names: str, left: Sequence[str] = ()) -> Table:
    """A table without lines, its names soft, its figures to the right but in the columns named in `left`."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style=SOFT)
    for name in names:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    return table


def _step(part: float) -> int:
    return round(part * (len(_STEPS) - 1))
