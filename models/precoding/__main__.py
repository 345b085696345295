# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m semcom_models.precoding``: train PCEN, and measure what its parts are worth."""

from __future__ import annotations

import sys
from functools import partial
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from semcom_models.precoding.ablation import Result, compare
from semcom_models.precoding.knowledge import Csi
from semcom_models.precoding.recipe import load_recipe
from semcom_models.precoding.results import as_table, draw, write_csv
from semcom_models.precoding.train import train
from semcom_phy.pcen_parameters import learned_parameters, read_parameters, write_parameters

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)

RECIPE = Path(str(resources.files("semcom_models.precoding") / "pcen.yaml"))
SNRS_DB = (2.0, 7.0, 12.0, 17.0, 22.0)


@app.command("train")
def train_command(
    output: Annotated[Path, typer.Argument(help="CSV of the parameters to write")],
    recipe: Annotated[Path, typer.Option(help="YAML recipe")] = RECIPE,
) -> None:
    """Learn the parameters of every modulation of a recipe."""
    plan = load_recipe(recipe)
    learned = {}
    with Progress(disable=not sys.stderr.isatty(), console=Console(stderr=True)) as bar:
        for modulation in plan.modulations:
            task = bar.add_task(modulation, total=plan.steps)
            report = partial(_advance, bar, task)
            learned[str(modulation)] = train(plan, modulation, report)
    write_parameters(output, learned)


def _advance(bar: Progress, task: TaskID, step: int, loss: float) -> None:
    bar.update(task, completed=step, description=f"loss {loss:.4f}")


@app.command("ablation")
def ablation_command(
    output: Annotated[Path, typer.Argument(help="folder for pcen.csv and pcen.svg")],
    parameters: Annotated[
        Path | None, typer.Option(help="CSV of train; what ships if not given")
    ] = None,
    recipe: Annotated[Path, typer.Option(help="for how wrong imperfect CSI is")] = RECIPE,
    channels: Annotated[int, typer.Option(min=2, help="of each kind of CSI")] = 2000,
    snr: Annotated[list[float] | None, typer.Option(help="dB; any number of times")] = None,
) -> None:
    """Measure SVD alone, with PEN, with CEN, with both."""
    plan = load_recipe(recipe)
    learned = (
        read_parameters(parameters)
        if parameters
        else {str(name): learned_parameters(name) for name in plan.modulations}
    )
    cases = list(product(learned, get_args(Csi), snr or SNRS_DB))
    results: list[Result] = []
    with Progress(disable=not sys.stderr.isatty(), console=Console(stderr=True)) as bar:
        for modulation, csi, snr_db in bar.track(cases, description="ablation"):
            results += compare(plan, learned, csi, snr_db, modulation, channels)
    Console(width=140).print(as_table(results))
    output.mkdir(parents=True, exist_ok=True)
    write_csv(results, output / "pcen.csv")
    draw(results, output / "pcen.svg")


if __name__ == "__main__":
    try:
        app()
    except (ValueError, OSError) as problem:
        sys.exit(f"error: {problem}")
