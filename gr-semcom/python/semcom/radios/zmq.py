# SPDX-License-Identifier: GPL-3.0-or-later
"""No radio: samples between two programs or hosts over ZMQ, a simulated channel in between."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

from gnuradio import gr
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.loopback_channel import LoopbackChannel
from gnuradio.semcom.radios.base import (
    Radio,
    RadioConfig,
    RadioConfigError,
    RadioLostError,
    RadioOpenError,
    validate_config,
)
from gnuradio.semcom.radios.corrections import Corrections
from gnuradio.semcom.radios.loopback import LoopbackConfig, simulated_channel
from gnuradio.semcom.sample_order import SampleCounters
from gnuradio.semcom.sample_sink import SampleSink
from gnuradio.semcom.sample_source import SampleSource
from pydantic import AfterValidator, Field

from semcom_phy.numerology import Numerology

_GIVEN_UP_S = 5.0
_TWO_PROGRAMS, _ONE_PROGRAM = "tcp://127.0.0.1:5571", "tcp://127.0.0.1:*"


class ZmqConfig(LoopbackConfig):
    """Options of both ends; those of the channel are the receiver's."""

    endpoint: str | None = Field(
        None,
        description="at which the receiver listens for samples; default: tcp://127.0.0.1:5571, in "
        "one program any port; tcp://*:5571 at a receiver whose transmitter is elsewhere",
    )
    sample_keys: Annotated[Path, AfterValidator(Path.resolve)] | None = Field(
        None,
        description="folder of this end's keys, see `ota_runner keys`; needed where the other end "
        "is another machine",
    )
    pace: bool = Field(
        False, description="take samples in real time, as a converter does, not as fast as can be"
    )


class _Receiver(gr.hier_block2):  # type: ignore[misc]
    """What the transmitter sent, behind the channel."""

    def __init__(self, samples: SampleSource, channel: LoopbackChannel, tx: int, rx: int) -> None:
        gr.hier_block2.__init__(
            self,
            "semcom_zmq_receiver",
            gr.io_signature(0, 0, 0),
            gr.io_signature(rx, rx, gr.sizeof_gr_complex),
        )
        self.samples, self.channel = samples, channel
        for port in range(tx):
            self.connect((samples, port), (channel, port))
        for port in range(rx):
            self.connect((channel, port), (self, port))


class ZmqRadio(Radio):
    """The sink sends to the source, which listens; the channel is at the source.

    In one program it does what ``loopback`` does, sample for sample. In two, either may be started
    first, and started again.

    Args:
        config: endpoint, keys, what the channel does.
        numerology: sample rate and antennas.

    Raises:
        RadioConfigError: an endpoint beyond this machine and no keys, or a channel that does not
            fit the numerology.
    """

    name = "zmq"
    Config = ZmqConfig
    ends_with_input = True
    radiates = False

    def __init__(
        self,
        config: RadioConfig,
        numerology: Numerology,
        corrections: Corrections | None = None,
    ) -> None:
        super().__init__(config, numerology, corrections)
        assert isinstance(config, ZmqConfig)
        self._options = config
        self._channel, self.cautions = simulated_channel(config, numerology, self.name)
        try:
            require_endpoint(config.endpoint or _ONE_PROGRAM, config.sample_keys is not None)
        except ValueError as error:
            raise RadioConfigError(f"radio 'zmq': {error}") from error

    @cached_property
    def sink(self) -> gr.basic_block:
        try:
            return SampleSink(*self._stream, pace=self._options.pace)
        except ValueError as error:
            raise RadioConfigError(f"radio 'zmq': {error}") from error

    @cached_property
    def source(self) -> gr.basic_block:
        waveform = self.numerology
        return _Receiver(self._samples, self._channel, waveform.tx_antennas, waveform.rx_antennas)

    @cached_property
    def _samples(self) -> SampleSource:
        try:
            return SampleSource(*self._stream)
        except ValueError as error:
            raise RadioConfigError(f"radio 'zmq': {error}") from error

    @property
    def _stream(self) -> tuple[str, int, float, str]:
        """Endpoint, antennas, sample rate, keys."""
        waveform, keys = self.numerology, self._options.sample_keys
        endpoint = self._options.endpoint or _TWO_PROGRAMS
        return endpoint, waveform.tx_antennas, waveform.sample_rate, str(keys or "")

    @property
    def blocks(self) -> tuple[gr.basic_block, ...]:
        """Sink, source or both; asked for once the flowgraph is connected, it begins to listen.

        Raises:
            RadioConfigError: keys, although both ends are here.
            RadioOpenError: it cannot listen at the endpoint.
        """
        made = vars(self)
        both = "sink" in made and "source" in made
        if both and self._options.sample_keys is not None:
            raise RadioConfigError(
                "radio 'zmq': --sample-keys are of one end, and here both are in one program: "
                "leave them out"
            )
        if "source" in made:
            self._listen(both)
        if both:
            self.sink.endpoint = self._samples.endpoint
        return tuple(made[half] for half in ("sink", "source") if half in made)

    def _listen(self, both: bool) -> None:
        if both and self._options.endpoint is None and not self._samples.listens:
            self._samples.endpoint = _ONE_PROGRAM
        self._samples.ends_with_sender = both
        try:
            self._samples.listen()
        except OSError as error:
            raise RadioOpenError(f"{error}; give another --endpoint") from error

    def set_snr_db(self, snr_db: float) -> None:
        options = {**self._options.model_dump(), "snr_db": snr_db}
        validate_config(ZmqConfig, self.name, options)
        self._channel.set_snr_db(snr_db)

    def transmitted(self, sent: int) -> bool:
        return bool(self.sink.samples_in == sent)

    def drained(self, sent: int, received: int) -> bool:
        source = self._samples
        arrived = source.position >= sent
        if not arrived and not source.ends_with_sender:
            # What was under way when a connection broke does not come any more.
            arrived = source.idle_s > _GIVEN_UP_S
        return arrived and self._channel.drained(source.samples_out, received)

    @property
    def received(self) -> SampleCounters:
        """What became of the messages that came."""
        return self._samples.counters

    def check(self) -> None:
        if "_samples" in vars(self):
            self.events.overflow = self.received.gaps
        refusal = self.sink.refusal if "sink" in vars(self) else None
        if refusal is not None:
            raise RadioLostError(f"radio 'zmq': {refusal}")

    def close(self) -> None:
        for half in ("sink", "_samples"):
            if half in vars(self):
                vars(self)[half].close()
