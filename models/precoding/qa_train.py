# SPDX-License-Identifier: GPL-3.0-or-later
"""Training and inference are one piece of code; what is minimised is what arrives."""

from pathlib import Path

import numpy as np
import pytest
import torch

from semcom_models.precoding.knowledge import Csi, draw_channels
from semcom_models.precoding.recipe import PcenRecipe, load_recipe
from semcom_models.precoding.train import Pcen, batch_loss, train
from semcom_models.training.recipe import RecipeError
from semcom_phy.pcen import enhance, lmmse, moments, power_scale
from semcom_phy.pcen_link import PcenScheme, equalised_channel
from semcom_phy.qam import constellation

SHIPPED = Path(__file__).parent / "pcen.yaml"


def _recipe(**changes: object) -> PcenRecipe:
    return load_recipe(SHIPPED).model_copy(update=changes)


def _gaussian(shape: tuple[int, ...], seed: int) -> np.ndarray:
    parts = np.random.default_rng(seed).standard_normal((2, *shape)) * np.sqrt(0.5)
    return np.asarray(parts[0] + 1j * parts[1])


def test_numpy_and_torch_agree() -> None:
    channel, cross, root = (_gaussian((5, 2, 2), seed) for seed in (1, 2, 3))
    covariance = root @ root.conj().swapaxes(1, 2)
    matrices = (channel, cross, covariance, 0.1 * np.broadcast_to(np.eye(2), (5, 2, 2)))
    found = lmmse(*(torch.from_numpy(matrix.astype(complex)) for matrix in matrices))
    np.testing.assert_allclose(found.numpy(), lmmse(*matrices), rtol=1e-9)
    x_e = PcenScheme("QPSK").alphabet
    z = _gaussian((5, len(x_e), 2), 4)
    tensors = torch.from_numpy(z), torch.from_numpy(x_e)
    for ours, theirs in zip(moments(*tensors), moments(z, x_e), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-12)
    np.testing.assert_allclose(power_scale(tensors[0], 2.0).numpy(), power_scale(z, 2.0))


@pytest.mark.parametrize("modulation", ["QPSK", "16QAM"])
def test_the_network_sends_what_the_precoder_sends(modulation: str) -> None:
    network = Pcen(modulation, 5, 0.2)
    scheme = PcenScheme(modulation, 9.0, network.parameters_found())
    csi = _gaussian((6, 2, 2), 5).astype(np.complex64)
    precoder = scheme.matrices(csi, 6)
    equalised = equalised_channel(csi.astype(complex), precoder, 10**-0.9)
    with torch.no_grad():
        sent = network.send(torch.from_numpy(precoder), torch.from_numpy(equalised))
    np.testing.assert_allclose(sent.numpy(), scheme.send(scheme.alphabet[None], csi), atol=1e-9)


def test_gradients_reach_every_parameter_through_hard_decisions() -> None:
    network = Pcen("16QAM", 4, 0.2)
    scheme = PcenScheme("16QAM", 8.0)
    channels = draw_channels(16, "noisy", 0.1, 0.1, np.random.default_rng(6))
    batch_loss(network, scheme, channels).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).all(), name


def test_the_surrogate_is_a_staircase_with_soft_steps() -> None:
    network = Pcen("16QAM", 1, 0.1)
    values = torch.linspace(-2, 2, 801, dtype=torch.float64, requires_grad=True)
    decided = network.project(values)
    levels = torch.unique((decided.detach() * 1e6).round()) / 1e6
    assert len(levels) == 4
    decided.sum().backward()
    slope = values.grad
    assert slope is not None
    # As much in all as the hard staircase rises.
    assert float(slope.sum() * 4 / 800) == pytest.approx(float(levels[-1] - levels[0]), rel=1e-3)
    assert slope.argmax() in (241, 242, 273, 274, 400, 526, 527)


@pytest.mark.parametrize("csi", ["perfect", "noisy", "stale"])
def test_the_loss_is_the_error_that_is_met(csi: Csi) -> None:
    """Closed form against 4,000 symbol vectors and noises a channel."""
    count, vectors = 8, 4000
    rng = np.random.default_rng(7)
    channels = draw_channels(count, csi, 0.1, 0.1, rng)
    network = Pcen("QPSK", 4, 0.2)
    scheme = PcenScheme("QPSK", 7.0, network.parameters_found())
    expected = float(batch_loss(network, scheme, channels).detach())
    noise_var = 10**-0.7
    precoder = scheme.matrices(channels.transmitter, count)
    linear, rest = scheme.moments(channels.transmitter, count)
    cross = precoder @ linear.conj().swapaxes(1, 2)
    covariance = linear @ linear.conj().swapaxes(1, 2) + rest
    combiner = lmmse(channels.receiver, cross, covariance, channels.noise_cov(noise_var))
    x_e = rng.choice(constellation(2), (count, vectors, 2))
    noise = np.sqrt(noise_var) * _gaussian((count, vectors, 2), 8)
    z = scheme.send(x_e, channels.transmitter)
    y = z @ channels.truth.swapaxes(1, 2) + noise
    met = x_e @ precoder.swapaxes(1, 2) - y @ combiner.swapaxes(1, 2)
    assert np.mean(np.sum(np.abs(met) ** 2, -1)) == pytest.approx(expected, rel=0.03)


def test_training_lowers_the_loss_and_can_be_repeated() -> None:
    recipe = _recipe(steps=24, batch=8, csi=("perfect",), snr_db=(8.0, 8.0), layers=4)
    losses: list[float] = []
    learned = train(recipe, "QPSK", lambda step, loss: losses.append(loss))
    assert len(losses) == 24
    assert np.mean(losses[-8:]) < np.mean(losses[:8])
    assert learned == train(recipe, "QPSK", lambda step, loss: None)


def test_layers_without_projection_are_the_paper_s_fixed_point() -> None:
    """The iteration's fixed point is pre-equalisation: ``U2 H z = x_p``."""
    x_p, equalised = _gaussian((3, 4, 2), 9), np.eye(2) + 0.2 * _gaussian((3, 2, 2), 10)
    tensors = (torch.from_numpy(x_p), torch.from_numpy(equalised))
    z = enhance(*tensors, [0.6] * 60, [0.0] * 60, lambda values: values)
    np.testing.assert_allclose((z @ tensors[1].mT).numpy(), x_p, atol=1e-3)


def test_bad_recipes_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    for text, words in (
        (SHIPPED.read_text().replace("layers: 8", "layers: 0"), "layers"),
        (SHIPPED.read_text().replace("[2, 12]", "[12, 2]"), "lowest"),
        (SHIPPED.read_text() + "speed: 1\n", "speed"),
        ("[", "not YAML"),
    ):
        path.write_text(text)
        with pytest.raises(RecipeError, match=words) as caught:
            load_recipe(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(RecipeError, match="cannot read"):
        load_recipe(tmp_path / "none.yaml")
