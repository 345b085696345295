# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from semcom_models.codecs.registry import UnknownScheme
from semcom_models.study.subject import (
    BATCH_PIXELS,
    batches,
    open_adjscc,
    open_codec,
    told,
    white_noise,
    whole_blocks,
)


def test_presets_by_the_name_of_their_weights() -> None:
    assert open_adjscc("adjscc-cifar-small").network.size.attention
    assert open_codec("bdjscc-cifar-small-10db").trained_db == (10, 10)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("adjscc-cifar-smal", "did you mean 'cifar-small'"),
        ("cifar-small", "no scheme 'cifar'"),
        ("adjscc", "adjscc has no preset"),
        ("linear-r6", "is no ADJSCC"),
        ("bdjscc-cifar-small-10db", "without AF modules"),
    ],
)
def test_what_has_no_factors_is_named(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        open_adjscc(name)
    assert issubclass(UnknownScheme, ValueError)


def test_pictures_go_in_order_neighbours_of_a_size_together() -> None:
    sizes = [(8, 12), (9, 15), (11, 13), (16, 16), (8, 12)]
    pictures = [torch.full((3, *size), index / 10) for index, size in enumerate(sizes)]
    found = list(batches(pictures))
    assert [tuple(batch.shape) for batch in found] == [(3, 3, 8, 12), (1, 3, 16, 16), (1, 3, 8, 12)]
    firsts = torch.cat([batch[:, 0, 0, 0] for batch in found])
    torch.testing.assert_close(firsts, torch.arange(5) / 10)
    many = list(batches([torch.zeros(3, 256, 256)] * 5))
    assert [len(batch) for batch in many] == [2, 2, 1]
    assert BATCH_PIXELS == 2 * 256 * 256


@pytest.mark.parametrize("size", [(3, 8), (8, 0), (1 << 13, 1 << 12)])
def test_too_small_and_too_large_pictures(size: tuple[int, int]) -> None:
    picture = torch.empty(1).expand(3, *size)
    with pytest.raises(ValueError, match=f"picture of {size[1]}x{size[0]} cannot be studied"):
        whole_blocks(picture)


def test_noise_is_as_strong_as_said_and_networks_are_told_what_they_know() -> None:
    codec = open_adjscc("adjscc-cifar-small")
    snrs_db = torch.tensor([-5.0, 3.0, 25.0])
    assert told(codec, snrs_db).tolist() == [0, 3, 20]
    assert told(open_codec("bdjscc-cifar-small-10db"), snrs_db).tolist() == [10, 10, 10]
    sent = torch.ones(3, 100_000, dtype=torch.complex64)
    received, measured = white_noise(snrs_db, torch.Generator().manual_seed(0))(sent)
    torch.testing.assert_close(measured, snrs_db)
    noise = (received - sent).abs().square().mean(1)
    torch.testing.assert_close(-10 * noise.log10(), snrs_db, atol=0.1, rtol=0)
