# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable

import torch
from torch import Tensor

from semcom_models.codecs.adjscc import ADJSCCCodec
from semcom_models.study.attention import attend, attention_modules
from semcom_models.study.subject import open_adjscc


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_every_module_is_seen(
    codec: ADJSCCCodec, pictures: list[Tensor], factors_of: Callable[[int, float], Tensor]
) -> None:
    names = list(attention_modules(codec.network))
    assert names == [f"{side}-{n}" for side in ("encoder", "decoder") for n in range(1, 5)]
    seen = attend(codec, torch.stack(pictures), 8.0, names, generator())
    assert list(seen) == names
    for number, name in enumerate(names, start=1):
        expected = factors_of(number, 8.0).expand(len(pictures), -1)
        torch.testing.assert_close(seen[name].factors, expected)


def test_features_are_those_behind_the_module(pictures: list[Tensor]) -> None:
    codec = open_adjscc("adjscc-cifar-small")
    batch = torch.stack(pictures)
    seen = attend(codec, batch, 5.0, ["encoder-1"], generator())
    assert list(seen) == ["encoder-1"]
    first = codec.network.encoder.layers[0](batch)
    factors = seen["encoder-1"].factors[:, :, None, None]
    torch.testing.assert_close(seen["encoder-1"].features, first * factors)


def test_networks_are_left_as_they_were(codec: ADJSCCCodec, pictures: list[Tensor]) -> None:
    attend(codec, torch.stack(pictures), 5.0, ["decoder-4"], generator())
    for module in attention_modules(codec.network).values():
        assert not module._forward_hooks
