"""`python -m bench.generator`: made-up work of every size; with --full or --data what these say instead."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.generator.full import measure_full
from bench.generator.machine import Figures
from bench.generator.measure import measure
from bench.generator.period import measure_period
from bench.generator.report import tables
from bench.generator.work import Shape
from bench.machine import Tell
from stream.errors import AsmgError
from trainer.device import choose_device


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print. Raises: SystemExit: what was asked for cannot be measured."""
    options = _options(arguments)
    console = Console(stderr=True)
    try:
        with console.status("measuring") as status:
            found = _measured(options, lambda what: status.update(what))
    except (AsmgError, ValueError) as error:
        raise SystemExit(str(error)) from error
    if options.json:
        print(json.dumps(found, indent=2))
        return
    out = Console()
    for one in tables(found):
        out.print(one)


def _measured(options: argparse.Namespace, tell: Tell) -> Figures:
    device, shape = choose_device(options.device, 1), Shape(options.ids, options.positives)
    if options.data is not None:
        return measure_period(options.data, options.batch[0], options.width, options.repeats, device, tell)
    if options.full is not None:
        return measure_full(options.full, options.rows[0], options.batch[0], options.repeats, device, shape)
    return measure(options.rows, options.batch, options.repeats, device, shape, tell)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.generator", description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7], help="of each of two tables"
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[256, 1024], help="examples in a step")
    parser.add_argument("--repeats", type=int, default=5, help="trainings of which the median is told")
    parser.add_argument("--ids", type=int, default=Shape.ids, help="users, and items, that occur in a period")
    parser.add_argument("--positives", type=int, default=Shape.positives, help="of a period")
    parser.add_argument("--full", type=int, metavar="N", help="asmg-gru-full at N models against k = 3")
    parser.add_argument("--data", type=Path, help="a late period of these data, batch and all as in the loop")
    parser.add_argument(
        "--width", type=int, default=8, help="of vectors, with --data; goals are for the paper's 8"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
