"""What an experiment came to, as Markdown with the tables of the paper. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asmg.experiment.report import TEST, improvement
from asmg.options import setting_of
from metagen.methods import ACTIVITY, IU

NONE = "–"

#: The paper's comparison, in its order; what is neither here nor ours is a control.
PAPER = (
    IU, "bu-3", "bu-5", "bu-7", "spmf", "incctr", "sml", "sml-mf", "asmg-linear", "asmg-gru-single",
    "asmg-gru-multi", "asmg-gru-full", "asmg-gru-zero", "asmg-gru-unif",
)  # fmt: skip
CONTROLS = ("ema", "average", ACTIVITY, "iu-calibrated")
OURS = ("asmg-plus", "asmg-plus-activity")

#: The rows of Table 2, and what they are compared with.
VARIANTS = (
    "asmg-linear", "asmg-gru-single", "asmg-gru-full", "asmg-gru-zero", "asmg-gru-unif", "asmg-gru-multi",
)  # fmt: skip
MULTI = "asmg-gru-multi"

#: Method -> its figures in report.json.
Methods = Mapping[str, Mapping[str, Any]]


def markdown(
    made: Mapping[str, Any],
    command: str,
    seeds: int,
    settings: str,
    images: Sequence[str],
    tuned_images: Sequence[str] = (),
) -> str:
    """The report: tables and figures, the same of the tuned methods where there are any, the settings."""
    methods = made["methods"]
    scored = [one["period"] for one in methods[IU]["per_period"]][-TEST:]
    lines = [
        f"# {made['dataset']}, protocol {made['protocol']}",
        "",
        f"    {command}",
        "",
        f"{made['periods']} periods, {seeds} {'seed' if seeds == 1 else 'seeds'}. A model of period t is "
        f"scored on period t + 1; the tables average over the models of periods "
        f"{scored[0] - 1}-{scored[-1] - 1}. ± is the sample standard deviation over seeds of that mean; "
        f"imp% is relative to IU; p is Wilcoxon's signed-rank test against IU, two-sided, over pairs of seed "
        f"and test period. The paper's methods come first, then controls, then ours.",
        *_tables(methods, ""),
        *_shown(images),
    ]
    if "tuned" in made:
        lines += [*_search(made["tuned"]), *_tables(made["tuned"]["methods"], ", tuned")]
        lines += _shown(tuned_images)
    return "\n".join([*lines, "", "## Settings", "", "```json", settings, "```", ""])


def _tables(methods: Methods, ending: str) -> list[str]:
    ordered = {name: methods[name] for name in sorted(methods, key=_place)}
    return [*_table_1(ordered, ending), *_table_2(ordered, ending), *_table_3(ordered, ending)]


def _place(name: str) -> tuple[int, int]:
    """Where a method stands in the tables; those of one place stay as they are."""
    name = name.partition(" ")[0]  # without what was swept
    for group, names in enumerate((PAPER, CONTROLS, OURS)):
        if name in names:
            return group, names.index(name)
    return 1, len(CONTROLS)


def _table_1(methods: Methods, ending: str) -> list[str]:
    lines = [
        "",
        f"## Table 1: AUC and LogLoss{ending}",
        "",
        "| method | AUC ↑ | imp% | p | LogLoss ↓ | imp% | p |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in methods.items():
        lower = improvement(one["logloss"], methods[IU]["logloss"])
        gains = (None, None) if name == IU else (one["improvement"], None if lower is None else -lower)
        cells = [
            cell
            for key, gain in zip(("auc", "logloss"), gains, strict=True)
            for cell in (_with_std(one, key), _percent(gain), _p(one["p_value"][key]))
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _table_2(methods: Methods, ending: str) -> list[str]:
    """Where two or more of the variants ran."""
    mine = {name: methods[name] for name in VARIANTS if name in methods}
    if len(mine) < 2:
        return []
    lines = [
        "",
        f"## Table 2: variants{ending}",
        "",
        f"Δ is the difference to {MULTI}.",
        "",
        "| method | AUC ↑ | Δ | LogLoss ↓ | Δ |",
        "|---|---|---|---|---|",
    ]
    for name, one in mine.items():
        cells = [
            cell
            for key in ("auc", "logloss")
            for cell in (_with_std(one, key), NONE if name == MULTI else _difference(one, mine, key))
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _table_3(methods: Methods, ending: str) -> list[str]:
    lines = [
        "",
        f"## Table 3: seconds of training a period, and memory{ending}",
        "",
        "Means over the same periods and all seeds; memory is the peak of a process while it ran the method.",
        "",
        "| method | base, s | generator, s | peak memory, MB |",
        "|---|---|---|---|",
    ]
    for name, one in methods.items():
        spent = one["seconds_per_period"]
        generator = f"{spent['generator']:.2f}" if spent["generator"] else NONE
        lines.append(f"| {name} | {spent['base']:.2f} | {generator} | {one['peak_memory_mb']:,.0f} |")
    return lines


def _search(tuned: Mapping[str, Any]) -> list[str]:
    """What was searched and found."""
    first, last = (tuned["validated"][end] - 1 for end in (0, -1))
    models = f"models of periods {first}-{last}" if first < last else f"model of period {first}"
    lines = [
        "",
        "## Settings found",
        "",
        f"Each method's own, searched with the first seed on the {models} alone: first the base's learning "
        f"rate, then at the best one the method's own setting; the lowest mean LogLoss wins. LogLoss here is "
        f"that of validation, of all that was tried.",
        "",
        "| method | settings | LogLoss | tried |",
        "|---|---|---|---|",
    ]
    for name in sorted(tuned["settings"], key=_place):
        found, tried = tuned["settings"][name], tuned["tried"][name]
        logloss = next(one["logloss"] for one in tried if one["settings"] == found)
        others = "; ".join(
            f"{_settings(one['settings'])}: {_number(one['logloss'])}"
            for one in tried
            if one["settings"] != found
        )
        lines.append(f"| {name} | {_settings(found)} | {_number(logloss)} | {others} |")
    return lines


def _settings(found: Mapping[str, object]) -> str:
    """As `--set` reads them."""
    told = []
    for name, value in found.items():
        section, _, field = name.partition(".")
        told.append(setting_of(section, field, value))
    return " ".join(told)


def _shown(images: Sequence[str]) -> list[str]:
    return [line for image in images for line in ("", f"![{image.removesuffix('.png')}]({image})")]


def _difference(one: Mapping[str, Any], methods: Methods, key: str) -> str:
    if MULTI not in methods or one[key] is None or methods[MULTI][key] is None:
        return NONE
    return f"{one[key] - methods[MULTI][key]:+.4f}"


def _with_std(one: Mapping[str, Any], key: str) -> str:
    """The mean over seeds, and where there are several how they spread."""
    if one[key] is None:
        return NONE
    spread = one[f"{key}_std"]
    return f"{one[key]:.4f}" if spread is None else f"{one[key]:.4f} ± {spread:.4f}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.4f}"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:+.2f}%"


def _p(value: float | None) -> str:
    if value is None:
        return NONE
    return "<0.001" if value < 0.001 else f"{value:.3f}"
