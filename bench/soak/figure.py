"""Memory over time as a picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from bench.soak.sizes import Sizes


def draw(sizes: Sizes, warm_up: float, path: Path) -> None:
    """One line a process: resident memory (MB) over minutes, the warm-up (h) shaded."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    minutes = [60 * one for one in sizes.hours]
    for name, series in sizes.mb.items():
        if not name.endswith("on disk"):
            axes.plot(minutes, series, label=name, linewidth=1)
    axes.axvspan(0, warm_up * 60, color="0.93")
    axes.set(xlabel="minutes (grey: warm-up)", ylabel="resident memory, MB", ylim=(0, None))
    axes.set_xlim(0, max(minutes))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.savefig(path, dpi=120)
