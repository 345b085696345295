# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m semcom_models.study``: the experiments of the ADJSCC paper that look into it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from semcom_models.data import load_picture, sample_pictures
from semcom_models.evaluation import load_set
from semcom_models.study import factor_results, factors, feature_map, mismatch, mismatch_results
from semcom_models.study.subject import open_adjscc, open_codec

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)

Output = Annotated[Path, typer.Argument(help="folder for what is made")]
Images = Annotated[Path, typer.Option(help="a folder, or CIFAR-10 as npz or archive")]
Count = Annotated[int, typer.Option("--pictures", min=2, help="the first ones; all if fewer")]
Name = Annotated[str, typer.Option("--preset", help="SCHEME-PRESET of an ADJSCC")]


@app.command("factors")
def factors_command(
    output: Output, images: Images, pictures: Count = 500, preset: Name = "adjscc-cifar-small"
) -> None:
    """Scaling factors of all AF modules over SNR (Fig. 7): factors.csv, factors.svg."""
    codec = open_adjscc(preset)
    found = _pictures(images, pictures)
    results = factors.measure_factors(codec, found, factors.SNRS_DB)
    output.mkdir(parents=True, exist_ok=True)
    factor_results.write_csv(results, output / "factors.csv")
    (output / "factors.svg").write_text(factor_results.draw(results))
    typer.echo(f"{preset}, {len(found)} pictures:\n\n{factor_results.markdown(results)}")


@app.command("features")
def features_command(
    output: Output,
    picture: Annotated[
        Path | None, typer.Option(help="a picture file; scikit-image's astronaut if not given")
    ] = None,
    module: Annotated[str, typer.Option(help="encoder-1 to -4, decoder-1 to -4")] = "encoder-1",
    channel: Annotated[
        int | None, typer.Option(help="from 0; the one whose factor changes most if not given")
    ] = None,
    preset: Name = "adjscc-photo-small",
) -> None:
    """A feature map behind an AF module at 1 and 19 dB (Fig. 8): features.png."""
    codec = open_adjscc(preset)
    sent = load_picture(picture) if picture else dict(sample_pictures())["astronaut"]
    maps = feature_map.feature_maps(codec, sent, module, channel)
    output.mkdir(parents=True, exist_ok=True)
    feature_map.write_png(maps, output / "features.png")
    low, high = maps.factors
    typer.echo(
        f"{preset}, {module}, channel {maps.channel}: factor {low:.3f} at "
        f"{feature_map.LOW_DB:g} dB, {high:.3f} at {feature_map.HIGH_DB:g} dB"
    )


@app.command("mismatch")
def mismatch_command(
    output: Output, images: Images, pictures: Count = 500, preset: Name = "adjscc-cifar-small"
) -> None:
    """ADJSCC told a wrong SNR (Fig. 9), BDJSCC beside it: mismatch.csv, mismatch.svg."""
    codec = open_adjscc(preset)
    others = [open_codec(name) for name in mismatch.bdjscc_beside(preset)]
    found = _pictures(images, pictures)
    with Progress(disable=not sys.stderr.isatty(), console=Console(stderr=True)) as bar:
        result = mismatch.measure_mismatch(
            codec, others, found, mismatch.SNRS_DB, progress=bar.track
        )
    output.mkdir(parents=True, exist_ok=True)
    mismatch_results.write_csv(result, output / "mismatch.csv")
    (output / "mismatch.svg").write_text(mismatch_results.draw(result))
    typer.echo(f"{preset}, {len(found)} pictures:\n\n{mismatch_results.markdown(result)}")


def _pictures(images: Path, count: int) -> list[Tensor]:
    found = load_set(images)[:count]
    if len(found) < 2:
        raise ValueError(f"{images} has one picture: intervals over pictures need two or more")
    return found


def main() -> None:
    """Bad input ends with one line and exit code 2."""
    try:
        app()
    except (ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
