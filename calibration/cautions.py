# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person should hear of what was found."""

from __future__ import annotations

from collections.abc import Iterator

from semcom_calibration.procedures import Results

_OFFSET_DBFS = -30.0
_IMAGE_DB = -25.0
_SLOPE = 0.05
_WOBBLE_DEG = 5.0


def cautions(results: Results, rate_hz: float) -> list[str]:
    """A line on each thing that is not as it should be.

    Args:
        results: of the procedures.
        rate_hz: of the samples.
    """
    return [*_of_noise(results, rate_hz), *_of_gains(results), *_of_receiver(results)]


def _of_noise(results: Results, rate_hz: float) -> Iterator[str]:
    noise = results.noise_floor
    if noise is not None and (gains := noise.heard_others(rate_hz)):
        yield (
            f"a signal is heard while nothing is sent, at receive gains from {gains[0]:g} dB on: "
            "is an antenna on the connector, or another transmitter near?"
        )


def _of_gains(results: Results) -> Iterator[str]:
    transmit, receive, table = results.transmit_gain, results.receive_gain, results.snr_table
    if transmit is not None and transmit.receiver_overloaded_db is not None:
        yield (
            f"too little attenuation: from a transmit gain of {transmit.receiver_overloaded_db:g} "
            "dB on, the receiver is overloaded at its lowest gain: add attenuators"
        )
    if transmit is not None and transmit.compression_db is not None:
        yield (
            f"compression: the transmitter gives 1 dB less than it should at a gain of "
            f"{transmit.compression_db:g} dB: stay some dB below"
        )
    for name, curve in (("receive", receive), ("transmit", transmit)):
        if curve is not None and abs(curve.slope_db_per_db - 1) > _SLOPE:
            yield (
                f"the {name} gain rises by {curve.slope_db_per_db:.2f} dB a dB: is an automatic "
                "gain control on, or a connector loose?"
            )
    if table is not None and table.overloaded_db is not None:
        yield (
            f"clipping: from a transmit gain of {table.overloaded_db:g} dB on, frames clip in the "
            f"receiver at its gain of {table.gain_rx_db:g} dB: lower --gain-rx for more"
        )


def _of_receiver(results: Results) -> Iterator[str]:
    dc, iq, channels = results.dc_offset, results.iq_imbalance, results.channels
    if dc is not None:
        for point in dc.points:
            worst = max(map(abs, map(complex, point.in_phase_fs, point.quadrature_fs)))
            if worst > 10 ** (_OFFSET_DBFS / 20):
                yield (
                    f"the receiver's DC offset is {worst:.3f} of full scale at a gain of "
                    f"{point.gain_rx_db:g} dB: is its own correction off?"
                )
                break
    if iq is not None and max(iq.image_db) > _IMAGE_DB:
        yield (
            f"the receiver's image is only {-max(iq.image_db):.1f} dB below the signal: is its own "
            "correction off?"
        )
    if channels is not None:
        wobbles = [angle for row in channels.deviation_deg for angle in row if angle is not None]
        if max(wobbles) > _WOBBLE_DEG:
            yield (
                f"the phase between antennas moves by {max(wobbles):.1f} degrees from one "
                "measurement to the next: they have no common oscillator"
            )
