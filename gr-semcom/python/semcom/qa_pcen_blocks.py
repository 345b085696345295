# SPDX-License-Identifier: GPL-3.0-or-later
"""The PCEN blocks in a flowgraph, with the channel between them and feedback to both."""

import time

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom import PcenCombiner, PcenPrecoder, check
from gnuradio.semcom.grid_pdu import grid_from_pdu, grid_to_pdu
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, end_of_stream, feedback_to_pmt, is_end_of_stream

from semcom_phy import pcen_link
from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import ComplexArray
from semcom_phy.pcen_parameters import learned_parameters
from semcom_phy.qam import constellation

NOISE_VAR = 0.05
CSI = pmt.intern("csi")


def gaussian(shape: tuple[int, ...], seed: int) -> ComplexArray:
    parts = np.random.default_rng(seed).standard_normal((2, *shape)) * np.sqrt(0.5)
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def symbols(seed: int) -> ComplexArray:
    return np.asarray(np.random.default_rng(seed).choice(constellation(2), (40, 8, 2)))


class Air(GuardedBlock):
    """Multiplies grids by a channel, adds noise, and says what a receiver would measure."""

    def __init__(self, channel: ComplexArray) -> None:
        super().__init__("air")
        self.channel = channel
        self.handle("antennas", self.carry)
        self.publishes("received")

    def carry(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self.publish("received", message)
            self.finish()
            return
        sent, state, _ = grid_from_pdu(message)
        received = np.einsum("krt,lkt->lkr", self.channel, sent)
        received += np.float32(np.sqrt(NOISE_VAR)) * gaussian(received.shape, 5)
        measured = Feedback(csi=self.channel, csi_id=state.csi_id)
        noise_var = np.full(2, NOISE_VAR, np.float32)
        self.publish("received", grid_to_pdu(received, measured, noise_var))


def run(
    grids: list[ComplexArray], feedback: list[Feedback], remembered: list[Feedback]
) -> tuple[list[tuple[ComplexArray, Feedback, np.ndarray]], PcenCombiner]:
    """What comes out of the combiner."""
    precoder, combiner = PcenPrecoder("QPSK", 13.0), PcenCombiner("QPSK", 13.0)
    air, debug = Air(gaussian((8, 2, 2), 3)), blocks.message_debug()
    flowgraph = gr.top_block()
    flowgraph.msg_connect(precoder, "antennas", air, "antennas")
    flowgraph.msg_connect(air, "received", combiner, "antennas")
    flowgraph.msg_connect(combiner, "streams", debug, "store")
    flowgraph.start()
    for block, states in ((precoder, feedback), (combiner, remembered)):
        for state in states:
            block._post(CSI, feedback_to_pmt(state))
        # One thread handles all of a block's messages, but by port, not in order.
        while block.error is None and block.nmsgs(CSI):
            time.sleep(0.01)
    for grid in grids:
        precoder._post(pmt.intern("streams"), grid_to_pdu(grid, Feedback()))
    precoder._post(pmt.intern("streams"), end_of_stream())
    flowgraph.wait()
    check([precoder, air, combiner])
    received = [debug.get_message(i) for i in range(debug.num_messages())]
    assert is_end_of_stream(received.pop())
    grids_received = []
    for pdu in received:
        grid, state, noise_var = grid_from_pdu(pdu)
        assert noise_var is not None
        grids_received.append((grid, state, noise_var))
    return grids_received, combiner


def test_streams_arrive_as_without_gnu_radio() -> None:
    told = Feedback(csi=(gaussian((8, 2, 2), 3) + 0.2 * gaussian((8, 2, 2), 4)), csi_id=7)
    sent = [symbols(1), symbols(2)]
    received, combiner = run(sent, [told], [told])
    assert combiner.unknown_csi == 0
    scheme = pcen_link.PcenScheme("QPSK", 13.0, learned_parameters("QPSK"))
    channel = gaussian((8, 2, 2), 3)
    noise_cov = np.tile(np.eye(2, dtype=np.complex64) * np.float32(NOISE_VAR), (8, 1, 1))
    for grid, (estimate, state, noise_var) in zip(sent, received, strict=True):
        antennas = pcen_link.PcenPrecoder(scheme).precode(grid, told.csi)
        y = np.einsum("krt,lkt->lkr", channel, antennas)
        y += np.float32(np.sqrt(NOISE_VAR)) * gaussian(y.shape, 5)
        x, variance = pcen_link.PcenCombiner(scheme).combine(y, channel, told.csi, noise_cov)
        np.testing.assert_allclose(estimate, x, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(noise_var, variance.ravel(), rtol=1e-4)
        assert state.csi_id == 7
        arrives = np.isfinite(variance)
        error = np.mean(np.abs(estimate - grid) ** 2, axis=0)[arrives]
        assert error.mean() == pytest.approx(variance[arrives].mean(), rel=0.4)


def test_before_any_feedback_streams_go_straight() -> None:
    received, _ = run([symbols(1)], [], [])
    ((estimate, state, _),) = received
    assert state.csi_id == 0
    assert np.mean(np.sign(estimate.real) == np.sign(symbols(1).real)) > 0.8


def test_a_channel_that_the_receiver_did_not_send_is_counted() -> None:
    told = Feedback(csi=gaussian((8, 2, 2), 3), csi_id=7)
    received, combiner = run([symbols(1), symbols(2)], [told], [])
    assert received == []
    assert combiner.unknown_csi == 2


def test_feedback_without_a_number_ends_the_flowgraph() -> None:
    with pytest.raises(ValueError, match="csi_id 0: number it from 1 to 255"):
        run([symbols(1)], [Feedback(csi=gaussian((8, 2, 2), 3))], [])


def test_what_a_received_grid_needs() -> None:
    combiner, grid = PcenCombiner(), symbols(1)
    channel = gaussian((8, 2, 2), 3)
    with pytest.raises(ValueError, match="needs csi"):
        combiner._on_message(grid_to_pdu(grid, Feedback()))
    with pytest.raises(ValueError, match="needs csi"):
        combiner._on_message(grid_to_pdu(grid, Feedback(csi=channel[:3])))
    with pytest.raises(ValueError, match="noise_var"):
        combiner._on_message(grid_to_pdu(grid, Feedback(csi=channel)))
    with pytest.raises(ValueError, match="64QAM"):
        PcenPrecoder("64QAM")


def test_the_last_channel_of_each_number_is_remembered() -> None:
    combiner = PcenCombiner()
    for report in range(300):
        csi = np.full((1, 2, 2), report, np.complex64)
        combiner._on_csi(feedback_to_pmt(Feedback(csi=csi, csi_id=1 + report % 255)))
    assert len(combiner._sent) == 255
    assert combiner._sent[45][0, 0, 0] == 299
    assert combiner._sent[46][0, 0, 0] == 45


def test_grids_survive_the_way_and_damage_does_not() -> None:
    grid, state = symbols(1), Feedback(csi=gaussian((8, 2, 2), 1), csi_id=3)
    back, told, noise_var = grid_from_pdu(grid_to_pdu(grid, state))
    np.testing.assert_array_equal(back, grid)
    assert told.csi is not None
    assert state.csi is not None
    np.testing.assert_array_equal(told.csi, state.csi)
    assert (told.csi_id, noise_var) == (3, None)
    with pytest.raises(ValueError, match="a grid is"):
        grid_to_pdu(grid[0], state)
    with pytest.raises(ValueError, match="not a grid PDU"):
        grid_from_pdu(pmt.PMT_T)
    shape = pmt.dict_ref(pmt.car(grid_to_pdu(grid[:5], state)), pmt.intern("shape"), pmt.PMT_NIL)
    meta, values = pmt.car(grid_to_pdu(grid, state)), pmt.cdr(grid_to_pdu(grid, state))
    with pytest.raises(ValueError, match="640 values for a grid"):
        grid_from_pdu(pmt.cons(pmt.dict_add(meta, pmt.intern("shape"), shape), values))
    with pytest.raises(ValueError, match="uniform vector"):
        grid_from_pdu(pmt.cons(pmt.dict_delete(meta, pmt.intern("shape")), values))
