"""Figures as PNG: scores by period (the paper's Figure 3), and by a setting that was swept (4 and 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metagen.methods import IU

#: What is drawn of each score: its name, and whether more is better.
SCORES = {"auc": ("AUC", True), "logloss": ("LogLoss, nats", False)}

#: Colours that colour-blind readers tell apart (Okabe and Ito), and how lines repeat them.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
STYLES = ("-", "--", ":")

#: Inches, and dots per inch.
SIZE, DPI = (9.0, 5.0), 150


def per_period(made: Mapping[str, Any], folder: Path, tuned: bool = False) -> list[str]:
    """Draw each score of every method over the periods it was scored on; the files' names.

    tuned: of the methods as the search found them.
    """
    title = f"{made['dataset']}, protocol {made['protocol']}" + (", tuned" if tuned else "")
    methods = (made["tuned"] if tuned else made)["methods"]
    names = []
    for key, (label, more) in SCORES.items():
        lines = {
            name: [(one["period"], one[key]) for one in method["per_period"] if one[key] is not None]
            for name, method in methods.items()
        }
        figure, axes = _axes(title, "period scored on", label)
        _lines(axes, lines, more)
        names.append(_write(figure, folder, f"{'tuned_' if tuned else ''}{key}_per_period.png"))
    return names


def sweep(made: Mapping[str, Any], folder: Path, field: str, values: Sequence[object]) -> list[str]:
    """Draw each score of every swept method over the values of the setting, IU as a level; the names."""
    names = []
    for key, (label, more) in SCORES.items():
        lines: dict[str, list[tuple[Any, float]]] = {}
        for value in values:
            ending = f" {field}={value}"
            for name, method in made["methods"].items():
                if name.endswith(ending) and method[key] is not None:
                    lines.setdefault(name.removesuffix(ending), []).append((value, method[key]))
        if (level := made["methods"][IU][key]) is not None:
            lines = {IU: [(values[0], level), (values[-1], level)], **lines}
        title = f"{made['dataset']}, protocol {made['protocol']}: mean over test periods"
        figure, axes = _axes(title, field, label)
        _lines(axes, lines, more, marker="o")
        names.append(_write(figure, folder, f"{key}_by_{field}.png"))
    return names


def _axes(title: str, across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _lines(
    axes: Axes, lines: Mapping[str, Sequence[tuple[Any, float]]], more: bool, marker: str = ""
) -> None:
    """A line each, the best at the end first in the legend; IU black and dashed."""
    styles: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(one for one in lines if one != IU):
        turn, colour = divmod(place, len(COLOURS))
        styles[name] = {"color": COLOURS[colour], "linestyle": STYLES[turn % len(STYLES)]}
    styles[IU] = {"color": "black", "linestyle": (0, (4, 2))}
    drawn = [name for name in lines if lines[name]]
    for name in sorted(drawn, key=lambda one: lines[one][-1][1], reverse=more):
        across, up = zip(*lines[name], strict=True)
        axes.plot(across, up, label=name, linewidth=1.6, marker=marker, markersize=4, **styles[name])
    if drawn:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)


def _write(figure: Figure, folder: Path, name: str) -> str:
    figure.savefig(folder / name)
    return name
