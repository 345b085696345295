# SPDX-License-Identifier: GPL-3.0-or-later
"""What PCEN has learned: a handful of numbers a modulation, kept as a table.

``pcen_parameters.csv`` beside this file is what ``python -m semcom_models.precoding train`` wrote.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

COLUMNS = ("modulation", "parameter", "layer", "value")


@dataclass(frozen=True)
class CenCorrection:
    """What is learned on top of the LMMSE combiner; the defaults correct nothing.

    Attributes:
        shrinkage: the receiver's channel is taken ``1 / (1 + shrinkage * nu)`` times as strong,
            ``nu`` being its noise-to-channel ratio ``tr R / |H|^2``: an estimate is stronger than
            the channel by the noise in it.
        noise: factor on the covariance of the noise.
        distortion: factor on the covariance of PEN's distortion.
    """

    shrinkage: float = 0.0
    noise: float = 1.0
    distortion: float = 1.0

    def __post_init__(self) -> None:
        values = (self.shrinkage, self.noise, self.distortion)
        if not all(0 <= value < math.inf for value in values) or self.noise == 0:
            raise ValueError(
                f"the combiner's correction is {values}; all must be finite and not negative, "
                "the noise factor positive"
            )


@dataclass(frozen=True)
class PcenParameters:
    """PEN's layers and CEN's correction.

    Attributes:
        gamma: step of each layer; no layers, no enhancement.
        alpha: memory of each layer.
        correction: of the combiner.
    """

    gamma: tuple[float, ...] = ()
    alpha: tuple[float, ...] = ()
    correction: CenCorrection = CenCorrection()

    def __post_init__(self) -> None:
        if len(self.gamma) != len(self.alpha):
            raise ValueError(
                f"PEN has {len(self.gamma)} gammas and {len(self.alpha)} alphas; every layer "
                "needs one of each"
            )
        if not all(map(math.isfinite, self.gamma + self.alpha)):
            raise ValueError("PEN's gammas and alphas must be finite numbers")


NOTHING_LEARNED = PcenParameters()
"""No enhancement and no correction: the standard precoder and its LMMSE combiner."""


@lru_cache(maxsize=1)
def _shipped() -> dict[str, PcenParameters]:
    with resources.as_file(resources.files("semcom_phy") / "pcen_parameters.csv") as path:
        return read_parameters(path)


def learned_parameters(modulation: str) -> PcenParameters:
    """The numbers that ship for a modulation.

    Args:
        modulation: ``QPSK`` or ``16QAM``.

    Raises:
        ValueError: nothing was learned for it.
    """
    table = _shipped()
    if modulation not in table:
        raise ValueError(f"PCEN was trained for {', '.join(table)}, not for {modulation}")
    return table[modulation]


def write_parameters(path: Path, table: dict[str, PcenParameters]) -> None:
    """Write what was learned, by modulation.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for modulation, learned in table.items():
            for name in ("gamma", "alpha"):
                values = enumerate(getattr(learned, name))
                writer.writerows((modulation, name, layer, f"{v:.6g}") for layer, v in values)
            for name in ("shrinkage", "noise", "distortion"):
                writer.writerow((modulation, name, "", f"{getattr(learned.correction, name):.6g}"))


def read_parameters(path: Path) -> dict[str, PcenParameters]:
    """Read such a table.

    Raises:
        ValueError: not such a table, or numbers that are missing or make no sense.
        OSError: it cannot be read.
    """
    try:
        with path.open(newline="") as file:
            table: dict[str, list[tuple[str, str, float]]] = {}
            for row in csv.DictReader(file):
                own = table.setdefault(row["modulation"], [])
                own.append((row["parameter"], row["layer"], float(row["value"])))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no table of PCEN's parameters: its columns are {', '.join(COLUMNS)}"
        ) from error
    return {name: _assemble(path, name, own) for name, own in table.items()}


def _assemble(path: Path, modulation: str, rows: list[tuple[str, str, float]]) -> PcenParameters:
    layers = {
        name: tuple(value for parameter, _, value in rows if parameter == name)
        for name in ("gamma", "alpha")
    }
    places = [int(layer) for parameter, layer, _ in rows if parameter in layers and layer.isdigit()]
    expected = [*range(len(layers["gamma"])), *range(len(layers["alpha"]))]
    scalars = {parameter: value for parameter, _, value in rows if parameter not in layers}
    try:
        if places != expected:
            raise ValueError("layers are missing or out of order")
        return PcenParameters(**layers, correction=CenCorrection(**scalars))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {modulation}: {error}") from error
