# SPDX-License-Identifier: GPL-3.0-or-later
"""Device ``ad9361-phy``: the transceiver's settings by the names of its Linux driver."""

from __future__ import annotations

from functools import partial

from semcom_virtual.pluto.ad9361 import ATTENUATION, GAIN_MODES, STATES, Phy, number
from semcom_virtual.pluto.iio_context import Attribute, Channel, Device, constant, stored

_RECEIVE_PORTS = ("A_BALANCED", "B_BALANCED", "C_BALANCED", "A_N", "A_P", "TX_MONITOR1")
_TRANSMIT_PORTS = ("A", "B")
_CALIBRATIONS = ("auto", "manual", "tx_quad", "rf_dc_offs", "rssi_gain_step")
_GOVERNORS = ("nominal", "highest_osr")


def phy_device(phy: Phy) -> Device:
    """As the kernel describes it."""
    receive = _both_ways(phy, phy.kind.rx_bandwidth_hz)
    for tracked in ("quadrature", "rf_dc_offset", "bb_dc_offset"):
        receive[f"{tracked}_tracking_en"] = stored("1", ("0", "1"), shared=True)
    receive["gain_control_mode_available"] = constant(" ".join(GAIN_MODES), shared=True)
    transmit = _both_ways(phy, phy.kind.tx_bandwidth_hz)
    fir = Attribute(phy.read_fir, phy.write_fir)
    antennas = range(phy.antennas)
    return Device(
        "iio:device0",
        "ad9361-phy",
        [
            *(_receiver(phy, channel, receive) for channel in antennas),
            *(_transmitter(phy, channel, transmit) for channel in antennas),
            _synthesiser(phy, "RX_LO", False),
            _synthesiser(phy, "TX_LO", True),
            Channel("temp0", False, attributes={"input": constant("36000")}),
            Channel("out", False, attributes={"voltage_filter_fir_en": fir}),
        ],
        _attributes(phy),
        {
            "direct_reg_access": stored("0x0"),
            "loopback": stored("0", ("0", "1", "2")),
            "bist_prbs": stored("0"),
            "bist_tone": stored("0 0 0 0"),
            "initialize": stored("1"),
        },
    )


def _attributes(phy: Phy) -> dict[str, Attribute]:
    received = ("BBPLL", "ADC", "R2", "R1", "RF", "RXSAMP")
    sent = ("BBPLL", "DAC", "T2", "T1", "TF", "TXSAMP")
    return {
        "calib_mode": stored("auto", _CALIBRATIONS),
        "calib_mode_available": constant(" ".join(_CALIBRATIONS)),
        "ensm_mode": Attribute(phy.read_state, phy.write_state),
        "ensm_mode_available": constant(" ".join(STATES)),
        "filter_fir_config": Attribute(phy.read_fir_config, phy.write_fir_config),
        "multichip_sync": stored("0"),
        "rx_path_rates": Attribute(partial(phy.path_rates, received)),
        "trx_rate_governor": stored("nominal", _GOVERNORS),
        "trx_rate_governor_available": constant(" ".join(_GOVERNORS)),
        "tx_path_rates": Attribute(partial(phy.path_rates, sent)),
        "xo_correction": stored("40000000"),
        "xo_correction_available": constant("[39992000 1 40008000]"),
    }


def _both_ways(phy: Phy, bandwidth_hz: tuple[int, int]) -> dict[str, Attribute]:
    """What receivers and transmitters have, one value for all of them."""
    low, high = bandwidth_hz
    return {
        "filter_fir_en": Attribute(phy.read_fir, phy.write_fir, shared=True),
        "rf_bandwidth": _bandwidth(low, high),
        "rf_bandwidth_available": constant(f"[{low} 1 {high}]", shared=True),
        "sampling_frequency": Attribute(phy.read_rate, phy.write_rate, shared=True),
        "sampling_frequency_available": Attribute(phy.read_rates, shared=True),
    }


def _bandwidth(low: int, high: int) -> Attribute:
    """Of an analogue filter: the nearest that there is; it is not simulated."""
    kept = [18_000_000]

    def write(text: str) -> None:
        kept[0] = min(max(int(number(text)), low), high)

    return Attribute(lambda: str(kept[0]), write, shared=True)


def _receiver(phy: Phy, channel: int, shared: dict[str, Attribute]) -> Channel:
    return Channel(
        f"voltage{channel}",
        False,
        attributes={
            **shared,
            "gain_control_mode": Attribute(
                partial(phy.read_mode, channel), partial(phy.write_mode, channel)
            ),
            "hardwaregain": Attribute(
                partial(phy.read_rx_gain, channel), partial(phy.write_rx_gain, channel)
            ),
            "hardwaregain_available": Attribute(phy.read_rx_gains),
            "rf_port_select": stored("A_BALANCED", _RECEIVE_PORTS),
            "rf_port_select_available": constant(" ".join(_RECEIVE_PORTS), shared=True),
            "rssi": Attribute(partial(phy.read_rssi, channel)),
        },
    )


def _transmitter(phy: Phy, channel: int, shared: dict[str, Attribute]) -> Channel:
    span = f"[{ATTENUATION.low:.6f} {ATTENUATION.step:.6f} {ATTENUATION.high:.6f}]"
    return Channel(
        f"voltage{channel}",
        True,
        attributes={
            **shared,
            "hardwaregain": Attribute(
                partial(phy.read_tx_gain, channel), partial(phy.write_tx_gain, channel)
            ),
            "hardwaregain_available": constant(span),
            "rf_port_select": stored("A", _TRANSMIT_PORTS),
            "rf_port_select_available": constant(" ".join(_TRANSMIT_PORTS), shared=True),
            "rssi": constant("0.00 dB"),
        },
    )


def _synthesiser(phy: Phy, name: str, transmits: bool) -> Channel:
    low, high = phy.kind.tx_hz if transmits else phy.kind.rx_hz
    powerdown = stored("0", ("0", "1"))
    if transmits:
        powerdown = Attribute(phy.read_powerdown, phy.write_powerdown)
    return Channel(
        f"altvoltage{int(transmits)}",
        True,
        name,
        attributes={
            "external": stored("0"),
            "fastlock_load": stored("0"),
            "fastlock_recall": stored("0"),
            "fastlock_save": stored("0"),
            "fastlock_store": stored("0"),
            "frequency": Attribute(
                partial(phy.read_lo, transmits), partial(phy.write_lo, transmits)
            ),
            "frequency_available": constant(f"[{low} 1 {high}]"),
            "powerdown": powerdown,
        },
    )
