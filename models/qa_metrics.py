# SPDX-License-Identifier: GPL-3.0-or-later
import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from semcom_models import metrics
from semcom_models.metrics import (
    LPIPS_SIDE,
    lpips,
    ms_ssim,
    mse,
    psnr_db,
    ssim,
)
from semcom_models.psnr import PSNR_LIMIT_DB, psnr_of_mse_db


def noisy_pair(side: int = 64, sigma: float = 0.05) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    levels = torch.randint(0, 256, (3, side // 8, side // 8), generator=generator).float()
    sent = torch.nn.functional.interpolate(levels[None], scale_factor=8, mode="bilinear")[0] / 255
    sent = (sent * 255).round() / 255
    return (sent + sigma * torch.randn(sent.shape, generator=generator)).clamp(0, 1), sent


def test_agrees_with_scikit_image_on_8_bit_pictures() -> None:
    received, sent = noisy_pair()
    a, b = (np.rint(p.numpy() * 255).astype(np.uint8) for p in (received, sent))
    assert psnr_db(received, sent) == pytest.approx(peak_signal_noise_ratio(b, a), abs=1e-4)
    expected = structural_similarity(
        b, a, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(received, sent) == pytest.approx(expected, abs=2e-3)


def test_is_of_pictures_as_saved() -> None:
    sent = torch.full((3, 16, 16), 100 / 255)
    assert psnr_db(sent + 0.4 / 255, sent) == PSNR_LIMIT_DB
    assert mse(sent + 0.6 / 255, sent) == pytest.approx((1 / 255) ** 2)
    assert psnr_db(torch.full_like(sent, 7.0), torch.ones_like(sent)) == PSNR_LIMIT_DB
    assert mse(torch.full_like(sent, math.nan), sent) == pytest.approx((100 / 255) ** 2)


def test_psnr_of_mean_error() -> None:
    assert psnr_of_mse_db([0.01, 0.001]) == pytest.approx(-10 * math.log10(0.0055))
    assert psnr_of_mse_db([0.0]) == PSNR_LIMIT_DB
    with pytest.raises(ValueError, match="no pictures"):
        psnr_of_mse_db([])


def test_small_pictures_have_no_structure() -> None:
    received, sent = noisy_pair(168)
    assert 0 < (ms_ssim(received, sent) or 0) < 1
    assert ms_ssim(sent, sent) == pytest.approx(1.0)
    assert ms_ssim(received[:, :161, :161], sent[:, :161, :161]) is not None
    assert ms_ssim(received[:, :160], sent[:, :160]) is None
    assert ssim(received[:, :11, :11], sent[:, :11, :11]) is not None
    assert ssim(received[:, :10], sent[:, :10]) is None


def test_more_noise_is_worse() -> None:
    (mild, sent), (harsh, _) = noisy_pair(176, 0.02), noisy_pair(176, 0.1)
    for measure in (psnr_db, ssim, ms_ssim):
        assert (measure(mild, sent) or 0) > (measure(harsh, sent) or 0)


@pytest.fixture
def fresh_lpips():
    metrics._lpips_network.cache_clear()
    yield
    metrics._lpips_network.cache_clear()


@pytest.mark.usefixtures("fresh_lpips")
def test_lpips_hands_batches_of_signed_pictures_to_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torchmetrics.image.lpip

    made, given = [], []

    class StandIn:
        def __init__(self, net_type: str, normalize: bool) -> None:
            assert not normalize  # pictures in [-1, 1]
            made.append(net_type)

        def __call__(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            given.append((a, b))
            return (a - b).abs().mean()

    monkeypatch.setattr(torchmetrics.image.lpip, "LearnedPerceptualImagePatchSimilarity", StandIn)
    black, white = torch.zeros(3, LPIPS_SIDE, 40), torch.ones(3, LPIPS_SIDE, 40) * 1.7
    assert lpips(black, white) == 2.0
    assert lpips(black + 0.4 / 255, black) == 0.0  # as saved
    a, b = given[0]
    assert a.shape == b.shape == (1, 3, LPIPS_SIDE, 40)
    assert (a == -1).all()
    assert (b == 1).all()
    assert lpips(black[:, 1:], white[:, 1:]) is None
    assert made == ["alex"]


@pytest.mark.usefixtures("fresh_lpips")
@pytest.mark.parametrize("error", [ModuleNotFoundError("no torchvision"), OSError("no network")])
def test_lpips_says_once_why_it_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    import torchmetrics.image.lpip

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(torchmetrics.image.lpip, "LearnedPerceptualImagePatchSimilarity", fail)
    received, sent = noisy_pair()
    with pytest.warns(UserWarning, match="LPIPS is not measured: no ") as warned:
        assert [lpips(received, sent) for _ in range(2)] == [None, None]
    assert len(warned) == 1


@pytest.mark.parametrize("measure", [mse, psnr_db, ssim, ms_ssim, lpips])
def test_shapes_must_agree(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="cannot be compared"):
        measure(torch.zeros(3, 8, 8), torch.zeros(3, 8, 9))
