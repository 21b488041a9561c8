"""Figures as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from bench.generator.dense import FORMS
from bench.generator.measure import LEAST_ROWS
from bench.generator.training import DENSE_ROWS, DENSE_STEPS

#: Figures as `measure` gives them.
Found = Mapping[str, Any]


def tables(found: Found) -> Iterator[Table | str]:
    """What was measured, and where."""
    yield _place(found["machine"])
    if "limits" in found:
        yield _limits(found["limits"])
        yield from _training(found["training"])
        yield from _independence(found["independence"])
        yield from _sweep(found["sweep"])
    if "full" in found:
        yield from _full(found["full"])
    if "stages" in found:
        yield _stages(found)


def _place(machine: Found) -> str:
    own = machine["seconds"] == "of this process"
    told = (
        "seconds are this process's own, which other work on the machine lengthens less than what passes"
        if own
        else "seconds are those that passed"
    )
    return (
        f"{machine['device']}, {machine['cpus']} CPUs, {machine['threads']} thread, "
        f"torch {machine['torch']}, load {machine['load_before']:.1f} at the start: {told}"
    )


def _limits(limits: Found) -> str:
    return (
        f"limits here and now: matrices of 1024² {_giga(limits['multiply_adds_per_second'] * 2)} GFLOP/s, "
        f"σ {_giga(limits['sigmoids_per_second'])} G/s, "
        f"copying {_giga(limits['copied_bytes_per_second'])} GB/s read and written"
    )


def _training(training: Sequence[Found]) -> Iterator[Table | str]:
    table = _table("Training a period", "method | rows | batch | s | ms/step | finding rows s")
    for one in training:
        spent = (f"{one['seconds']:.2f}", f"{one['step_ms']:.2f}", f"{one['finding_rows_seconds']:.3f}")
        table.add_row(*_which(one), *spent)
    yield table
    yield from _dense([one for one in training if "dense_steps_timed" in one])
    table = _table(
        "Share of the limits", "method | rows | batch | G mult-adds | of 1024² | of own shapes | of σ"
    )
    for one in training:
        shares = (one[f"share_of_{name}"] for name in ("matmul", "own_shapes", "sigmoid"))
        table.add_row(*_which(one), _giga(one["multiply_adds"]), *map(_percent, shares))
    yield table
    yield (
        "of 1024², of own shapes: what the period's multiply-adds would take at the rate of large matrices, "
        "and of the cells' own, by what the batches took; of σ: the same of its σ and tanh"
    )
    waits = {where: count for one in training for where, count in one.get("host_waits", {}).items()}
    if waits:
        yield "the host waited for CUDA while batches were trained: " + ", ".join(
            f"{count} times in {where}" for where, count in waits.items()
        )


def _dense(training: Sequence[Found]) -> Iterator[Table | str]:
    if not training:
        return
    table = _table(
        "Against all rows in every step",
        "method | rows | batch | equations ms/step | times ours | own unrolling ms/step | times ours",
    )
    for one in training:
        steps = [
            written
            for form in FORMS
            for written in (f"{one[f'dense_{form}_step_ms']:.1f}", f"{one[f'dense_{form}_ratio']:.1f}")
        ]
        table.add_row(*_which(one), *steps)
    yield table
    yield (
        f"{DENSE_STEPS} steps timed, of tables of up to {DENSE_ROWS:,} rows; equations: as they read, by "
        "autograd; own unrolling: metagen's, gradients by hand"
    )


def _which(one: Found) -> tuple[str, str, str]:
    return one["method"], f"{one['rows']:,}", f"{one['batch']}"


def _independence(independence: Sequence[Found]) -> Iterator[Table | str]:
    if not independence:
        return
    table = _table("Training by table size", "method | batch | from rows | to rows | ratio")
    for one in independence:
        sizes = (f"{one['from']:,}", f"{one['to']:,}")
        table.add_row(one["method"], f"{one['batch']}", *sizes, f"{one['ratio']:.2f}")
    yield table
    yield f"goal: within 1.20 from {LEAST_ROWS:,} to 10,000,000 rows; carrying hidden states is the sweep's"


def _sweep(sweep: Sequence[Found]) -> Iterator[Table | str]:
    speed = _table("Full sweep", "method | rows | what | s | GB/s | of copying | of σ")
    memory = _table("Its memory, MiB", "method | rows | tables | hidden | generate beyond | carry beyond")
    for one in sweep:
        name, rows = one["method"], f"{one['rows']:,}"
        for what in ("generate", "carry"):
            took, rate = f"{one[f'{what}_seconds']:.3f}", _giga(one[f"{what}_bytes"] / one[f"{what}_seconds"])
            shares = (_percent(one[f"{what}_share_of_{limit}"]) for limit in ("copy", "sigmoid"))
            speed.add_row(name, rows, what, took, rate, *shares)
        held = (f"{one[f'{what}_mib']:,.0f}" for what in ("tables", "hidden"))
        beyond = (f"{one[f'{what}_beyond_mib']:.1f}" for what in ("generate", "carry"))
        memory.add_row(name, rows, *held, *beyond)
    yield speed
    yield "rows of each of two tables; GB/s: what must be read and written, each once"
    yield memory
    yield (
        "beyond: peak memory beyond what was there and what comes out, goal 256; what comes out of the carry "
        "is a second hidden state"
    )


def _full(full: Found) -> Iterator[Table | str]:
    names = f"asmg-gru-full, {full['models']} models", f"asmg-gru-multi, k = {full['k']}"
    table = _table(f"The whole sequence against a window, batch {full['batch']}", "what | * | * | ratio")
    table.columns[1].header, table.columns[2].header = names
    table.add_row(
        "training a period, s",
        f"{full['full_seconds']:.2f}",
        f"{full['multi_seconds']:.2f}",
        f"{full['ratio']:.1f}",
    )
    table.add_row(
        "rows gone through", f"{full['full_rows']:,}", f"{full['multi_rows']:,}", f"{full['rows_ratio']:.1f}"
    )
    table.add_row(
        f"a dense step at {full['rows']:,} rows, ms",
        f"{full['full_dense_step_ms']:.1f}",
        f"{full['multi_dense_step_ms']:.1f}",
        f"{full['dense_ratio']:.1f}",
    )
    yield table
    yield "the paper has 6.5-7, all rows at every model: what a dense step shows"


def _stages(found: Found) -> Table:
    title = f"{found['data']}, period {found['period']}, batch {found['batch']}, width {found['width']}"
    table = _table(title, "stage | s | passed s | goal s")
    for name, one in found["stages"].items():
        table.add_row(name, f"{one['seconds']:.2f}", f"{one['elapsed']:.2f}", f"{one['goal']:.1f}")
    return table


def _table(title: str, columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(columns.split(" | ")):
        table.add_column(name, justify="right" if place else "left")
    return table


def _giga(value: float) -> str:
    return f"{value / 1e9:.2f}"


def _percent(share: float) -> str:
    return f"{share:.1%}"
