# SPDX-License-Identifier: GPL-3.0-or-later
"""The mismatch experiment as CSV, as Markdown and as a figure."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semcom_models.figure_style import COLOURS, INK, STYLE, svg
from semcom_models.psnr import psnr_of_mse_db
from semcom_models.study.interval import Interval
from semcom_models.study.mismatch import Errors, Mismatch, gain

WAYS = {
    "both": "encoder and decoder told SNR_fb",
    "encoder": "encoder told SNR_fb, decoder measures",
}
"""Which ends are told what was fed back."""

_COLUMNS = ("scheme", "told", "snr_fb_db", "snr_test_db", "psnr_db")
_DIFFERENCES = ("over_matched_db", "over_bdjscc_db", "over_both_db")


def write_csv(result: Mismatch, path: Path) -> None:
    """PSNR of the mean MSE, and differences with 95 % intervals over the pictures.

    ``over_matched_db`` is against ADJSCC told the channel's SNR, ``over_bdjscc_db`` against the
    BDJSCC trained at the SNR fed back, ``over_both_db`` against ADJSCC whose decoder is told that
    too. Of BDJSCC, ``snr_fb_db`` is the SNR of its training.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", newline="") as file:
        ends = [f"{name}{end}" for name in _DIFFERENCES for end in ("", "_low", "_high")]
        writer = csv.DictWriter(file, (*_COLUMNS, *ends), lineterminator="\n")
        writer.writeheader()
        for trained, errors in result.bdjscc.items():
            writer.writerows(_rows(("bdjscc", "", trained), result, errors, {}))
        for way, (index, fed_back) in product(WAYS, enumerate(result.snrs_db)):
            against = {"over_both_db": result.both[index]} if way == "encoder" else {}
            if fed_back in result.bdjscc:
                against["over_bdjscc_db"] = result.bdjscc[fed_back]
            errors = errors_of(result, way)[index]
            writer.writerows(_rows(("adjscc", way, fed_back), result, errors, against))


def errors_of(result: Mismatch, way: str) -> Errors:
    """``[fb, test, pictures]`` of one of :data:`WAYS`."""
    return result.both if way == "both" else result.encoder_alone


def _rows(
    labels: tuple[str, str, float], result: Mismatch, errors: Errors, against: dict[str, Errors]
) -> Iterator[dict[str, str]]:
    """A row an SNR of the channel; all errors are ``[test, pictures]``."""
    scheme, way, fed_back = labels
    for test, snr_db in enumerate(result.snrs_db):
        figures = (scheme, way, f"{fed_back:g}", f"{snr_db:g}")
        row = dict(zip(_COLUMNS, (*figures, f"{psnr_of_mse_db(errors[test]):.3f}"), strict=True))
        for name, others in {"over_matched_db": result.matched, **against}.items():
            found = gain(errors[test], others[test])
            row[name] = f"{found.value:.3f}"
            row[f"{name}_low"], row[f"{name}_high"] = f"{found.low:.3f}", f"{found.high:.3f}"
        yield row


def markdown(result: Mismatch) -> str:
    """A table a way, of all SNRs; then ADJSCC against the BDJSCCs trained at one of them."""
    parts = [*(_grid(result, way) for way in WAYS), _measuring(result)]
    parts += [_against(result, trained) for trained in result.bdjscc if trained in result.snrs_db]
    return "\n\n".join(parts)


def _grid(result: Mismatch, way: str) -> str:
    snrs = [f"{snr_db:g}" for snr_db in result.snrs_db]
    rows = [
        f"ADJSCC, {WAYS[way]}; PSNR of the mean MSE in dB:",
        "",
        f"| SNR_fb (dB) \\ SNR_test (dB) | {' | '.join(snrs)} |",
        "| --- " * (len(snrs) + 1) + "|",
    ]
    for fed_back, errors in zip(snrs, errors_of(result, way), strict=True):
        rows.append(f"| {fed_back} | {_psnrs(errors)} |")
    rows += [
        f"| BDJSCC, {trained:g} dB | {_psnrs(errors)} |"
        for trained, errors in result.bdjscc.items()
    ]
    return "\n".join(rows)


def _psnrs(errors: Errors) -> str:
    return " | ".join(f"{psnr_of_mse_db(of_snr):.2f}" for of_snr in errors)


def _measuring(result: Mismatch) -> str:
    """The two ways against each other, wherever the SNR fed back is wrong."""
    wrong = [(f, t) for f, t in product(range(len(result.snrs_db)), repeat=2) if f != t]
    gains = [gain(result.encoder_alone[at], result.both[at]) for at in wrong]
    better = [found.value for found in gains if found.low > 0]
    worse = [found.value for found in gains if found.high < 0]
    return (
        f"Where SNR_fb is wrong ({len(wrong)} pairs), a decoder that measures is better than one "
        f"told SNR_fb in {len(better)} (by {max(better, default=0):.2f} dB at most), worse in "
        f"{len(worse)} (by {-min(worse, default=0):.2f} dB at most)."
    )


def _against(result: Mismatch, trained: float) -> str:
    ways = " | ".join(WAYS.values())
    rows = [
        f"ADJSCC with SNR_fb = {trained:g} dB less BDJSCC trained at {trained:g} dB, in dB:",
        "",
        f"| SNR_test (dB) | {ways} | told the truth |",
        "| --- | --- | --- | --- |",
    ]
    shown = [errors_of(result, way)[result.snrs_db.index(trained)] for way in WAYS]
    for test, snr_db in enumerate(result.snrs_db):
        gains = [gain(e[test], result.bdjscc[trained][test]) for e in (*shown, result.matched)]
        rows.append(f"| {snr_db:g} | {' | '.join(map(_text, gains))} |")
    return "\n".join(rows)


def _text(difference: Interval) -> str:
    return f"{difference.value:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})"


def draw(result: Mismatch) -> str:
    """An SVG document: a panel a way, PSNR over the channel's SNR.

    A curve for every other SNR fed back; a BDJSCC trained at one of them has its colour.
    """
    colours = dict(zip(result.snrs_db[::2], cycle(COLOURS), strict=False))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.8), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, way in zip(panels, WAYS, strict=True):
            _panel(panel, result, way, colours)
        panels[0].set_ylabel("PSNR of the mean MSE in dB")
        handles: list[Any] = panels[0].get_lines()
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        return svg(figure)


def _panel(panel: Axes, result: Mismatch, way: str, colours: dict[float, str]) -> None:
    def plot(errors: Errors, **look: Any) -> None:
        panel.plot(result.snrs_db, [psnr_of_mse_db(of_snr) for of_snr in errors], **look)

    for fed_back, errors in zip(result.snrs_db, errors_of(result, way), strict=True):
        if fed_back in colours:
            label = f"ADJSCC, SNR_fb {fed_back:g} dB"
            plot(errors, color=colours[fed_back], marker="o", label=label)
    plot(result.matched, color=INK, linestyle=":", label="ADJSCC, told the truth")
    for trained, errors in result.bdjscc.items():
        look: Any = {"color": colours.get(trained, INK), "marker": "s", "linestyle": "--"}
        plot(errors, label=f"BDJSCC, {trained:g} dB", **look)
    panel.set(title=WAYS[way], xlabel="SNR_test in dB")
