# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs by name, and by the numbers that travel in the frame header.

A scheme is a name, a number and a factory. Schemes that come with the package stand in one table
and are imported when they are first opened; a codec of one's own joins with :func:`register`, and
a file that calls it is a scheme's name too.
"""

from __future__ import annotations

import difflib
import importlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel

from semcom_models.codecs.own_file import run_file
from semcom_models.codecs.presets import Offer, PresetInfo, find_offers
from semcom_models.codecs.weights import BadWeights, weights_id
from semcom_phy.exchange import CodecLabel

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec

__all__ = [
    "BadWeights",
    "Factory",
    "NoWeights",
    "PresetInfo",
    "SchemeInfo",
    "UnknownScheme",
    "file_sha256",
    "for_label",
    "label_of",
    "load",
    "preset_of",
    "register",
    "scheme_info",
    "schemes",
    "unregister",
]

FIRST_USER_NUMBER = 128
"""Scheme numbers below are the package's; a user's own codecs take this one to 255."""

CBR_TOLERANCE = 0.02
"""A preset serves an asked CBR that its own differs from by at most this share."""


class UnknownScheme(ValueError):
    """No scheme or preset of that name or number; the message is one line for the user."""


class NoWeights(ValueError):
    """No weights for what was asked; the message is one line for the user."""


@dataclass(frozen=True)
class SchemeInfo:
    """A scheme and what can be opened of it.

    Attributes:
        name: by which users call it.
        number: in the frame header, 1 to 255, never reused.
        title: one line for the user.
        presets: sorted by number.
        any_cbr: serves every bandwidth ratio, not just those of its presets.
        options: model of the scheme's own options, which every field describes; None where it
            has none.
        bound: what it reaches is a bound, with nothing that a waveform could send.
    """

    name: str
    number: int
    title: str
    presets: tuple[PresetInfo, ...]
    any_cbr: bool = False
    options: type[BaseModel] | None = None
    bound: bool = False


Factory: TypeAlias = "Callable[[PresetInfo, Path | None], Codec]"
"""Opens a preset, given the path of its weights file (None where nothing is learned)."""


@dataclass(frozen=True)
class _Scheme:
    """An entry of the table.

    ``factory`` is a :data:`Factory`, or the module that has one as ``open_codec``. ``presets``
    are those without weights; the others are found by their weights files. ``options`` is a
    model, or ``"module:Class"``, imported when it is first asked for. ``file_sha256`` is of the
    file that registers it, see :func:`file_sha256`.
    """

    name: str
    number: int
    title: str
    factory: str | Factory
    presets: tuple[PresetInfo, ...] = ()
    any_cbr: bool = False
    options: str | type[BaseModel] | None = None
    bound: bool = False
    file_sha256: str | None = None


_BPG_INSTALLED = all(map(shutil.which, ("bpgenc", "bpgdec")))
"""BPG itself is what papers compare with; where it is missing, its engine stands for it."""


def _separate(
    name: str, number: int, title: str, engines: Sequence[str], default: int = 0
) -> tuple[_Scheme, _Scheme]:
    """Separate coding with a standard picture codec: over 5G LDPC, and under an ideal code.

    Presets are the programs that make the codec's streams.
    """

    def scheme(channel: str, number: int, title: str, options: str | None) -> _Scheme:
        presets = tuple(
            PresetInfo(f"{name}+{channel}", engine, index, 1 / 6, default=index == default)
            for index, engine in enumerate(engines)
        )
        module = "semcom_models.codecs.separate"
        return _Scheme(
            f"{name}+{channel}", number, title, module, presets, True, options, options is None
        )

    return (
        scheme(
            "ldpc",
            number,
            f"{title}, 5G LDPC, QAM; adaptive modulation and coding",
            "semcom_models.codecs.separate_mcs:SeparateOptions",
        ),
        scheme("capacity", number + 10, f"{title} at the capacity of the channel: a bound", None),
    )


_PACKAGE = (
    _Scheme(
        "linear",
        1,
        "SoftCast-style linear code: block DCT, power allocation, LMMSE; nothing learned",
        "semcom_models.codecs.linear",
        presets=(
            PresetInfo("linear", "r6", 0, 1 / 6, note="R = 1/6", default=True),
            PresetInfo("linear", "r12", 1, 1 / 12, note="R = 1/12"),
        ),
        any_cbr=True,
    ),
    _Scheme(
        "adjscc",
        2,
        "ADJSCC: one learned code for all SNRs, by attention (Xu et al., TCSVT 2022)",
        "semcom_models.codecs.adjscc",
    ),
    _Scheme(
        "bdjscc",
        3,
        "BDJSCC: ADJSCC without attention, a network for each SNR",
        "semcom_models.codecs.adjscc",
    ),
    *_separate("jpeg", 10, "JPEG", ("libjpeg-turbo",)),
    *_separate("jpeg2000", 11, "JPEG 2000", ("openjpeg",)),
    *_separate("webp", 12, "WebP", ("libwebp",)),
    *_separate("avif", 13, "AVIF", ("libaom",)),
    *_separate("bpg", 14, "BPG (HEVC intra)", ("x265", "libbpg"), int(_BPG_INSTALLED)),
    *_separate("vvc", 15, "VVC intra", ("vvc",)),
    _Scheme(
        "tjscc",
        30,
        "TJSCC: embedded stream, unequal error protection, BPSK (Sprljan et al., ICASSP 2005)",
        "semcom_models.codecs.tjscc",
        presets=(PresetInfo("tjscc", "r6", 0, 1 / 6, note="R = 1/6", default=True),),
        any_cbr=True,
    ),
)
_SCHEMES = {scheme.name: scheme for scheme in _PACKAGE}
_OPEN: dict[tuple[int, int, int], Codec] = {}
_OF_FILES: dict[str, str] = {}


def register(
    name: str,
    number: int,
    factory: Factory,
    *,
    title: str = "",
    presets: Sequence[PresetInfo] = (),
    any_cbr: bool = False,
    options: type[BaseModel] | None = None,
    bound: bool = False,
) -> None:
    """Add a codec of one's own.

    Args:
        name: by which it is called from now on; lower case by custom.
        number: in the frame header, 128 to 255; transmitter and receiver must agree on it.
        factory: opens a preset.
        title: one line for the user.
        presets: those without weights; weights files ``<name>-<preset>.safetensors`` are found
            by the ``weights`` argument of :func:`load`.
        any_cbr: the codec serves every ``request.cbr``.
        options: model of its own options; ``request.options`` is an instance of it.
        bound: it makes a bound, see :class:`semcom_phy.exchange.CapacitySection`.

    Raises:
        ValueError: name or number are taken or out of range, or presets contradict each other.
    """
    if not FIRST_USER_NUMBER <= number <= 255:
        raise ValueError(
            f"scheme number {number} of {name!r} is out of range: "
            f"take one from {FIRST_USER_NUMBER} to 255"
        )
    for other in _SCHEMES.values():
        if name == other.name or number == other.number:
            raise ValueError(
                f"cannot register {name!r} as number {number}: "
                f"{other.name!r} is registered as number {other.number}"
            )
    if any(preset.scheme != name for preset in presets):
        raise ValueError(f"presets of {name!r} must say scheme={name!r}")
    numbers = [preset.number for preset in presets]
    if len(set(numbers)) < len(numbers) or any(not 0 <= n <= 255 for n in numbers):
        raise ValueError(f"presets of {name!r} need distinct numbers from 0 to 255: {numbers}")
    _SCHEMES[name] = _Scheme(
        name, number, title or name, factory, tuple(presets), any_cbr, options, bound
    )


def unregister(name: str) -> None:
    """Take a codec of one's own out again; the file that it came from is run when next named.

    Raises:
        UnknownScheme: no such scheme.
        ValueError: a scheme of the package.
    """
    scheme = _scheme(name)
    if scheme.number < FIRST_USER_NUMBER:
        raise ValueError(f"{name!r} comes with the package and cannot be taken out")
    _take_out(scheme)


def schemes(weights: Path | None = None) -> list[SchemeInfo]:
    """Every scheme with its presets, sorted by number.

    Args:
        weights: a further weights file, or a folder of them.

    Raises:
        BadWeights: a weights file or card that cannot be read.
    """
    entries = sorted(_SCHEMES.values(), key=lambda entry: entry.number)
    return [scheme_info(entry.name, weights) for entry in entries]


def scheme_info(name: str, weights: Path | None = None) -> SchemeInfo:
    """A scheme, its presets and its options.

    Args:
        name: of the scheme.
        weights: a further weights file, or a folder of them.

    Raises:
        UnknownScheme: no such scheme; says the nearest name.
        BadWeights: a weights file or card that cannot be read.
    """
    entry = _scheme(name)
    return SchemeInfo(
        name=entry.name,
        number=entry.number,
        title=entry.title,
        presets=tuple(o.preset for o in find_offers(entry.name, entry.presets, weights)),
        any_cbr=entry.any_cbr,
        options=_options(entry),
        bound=entry.bound,
    )


def file_sha256(name: str) -> str | None:
    """First eight hexadecimal digits of the SHA-256 of a scheme's file, as it was run.

    Args:
        name: of the scheme.

    Returns:
        None for a scheme that does not come from a file named by the user.

    Raises:
        UnknownScheme: no such scheme; says the nearest name.
    """
    return _scheme(name).file_sha256


def load(
    scheme: str,
    preset: str | None = None,
    cbr: float | None = None,
    weights: Path | None = None,
) -> Codec:
    """Open a codec.

    Args:
        scheme: its name.
        preset: its preset's name; None for the default one, of those that serve ``cbr`` if given.
        cbr: channel bandwidth ratio asked for; the codec's own default where it serves any.
        weights: the weights file to open, or a folder of them to look in before the package's own.

    Raises:
        UnknownScheme: no such scheme or preset; says the nearest name.
        NoWeights: no preset that serves the CBR; says which there are.
        BadWeights: a corrupt or foreign weights file.
        ValueError: a CBR that is not a positive number.
    """
    entry = _scheme(scheme)
    if cbr is not None and not 0 < cbr < float("inf"):
        raise ValueError(f"a CBR of {cbr:g} cannot be served: give one above 0, such as 0.1667")
    offers = find_offers(entry.name, entry.presets, weights)
    if weights is not None and weights.is_file():
        offers = [offer for offer in offers if offer.path == weights]
        if not offers:
            raise BadWeights(f"the weights file {weights} is not for {entry.name}")
    chosen = _choose(entry, offers, preset, cbr)
    if entry.any_cbr and cbr is not None:
        chosen = replace(chosen, preset=replace(chosen.preset, cbr=cbr))
    return _open(entry, chosen)


def for_label(label: CodecLabel, weights: Path | None = None) -> Codec:
    """The codec that decodes what a frame header names; kept open from then on.

    Args:
        label: codec, preset and weights of the header; ``rate`` is the codec's own business.
        weights: a weights file, or a folder of them to look in beside the package's own.

    Raises:
        UnknownScheme: a codec number that is not registered here.
        NoWeights: the preset, or the very weights file that the sender used, is not here.
        BadWeights: a corrupt weights file.
    """
    if _key(label) in _OPEN:
        return _OPEN[_key(label)]
    return _open(*_offer_of(label, weights))


def preset_of(label: CodecLabel, weights: Path | None = None) -> PresetInfo:
    """The preset that a frame header names; its weights must be here, but are not opened.

    Args:
        label: codec, preset and weights of the header.
        weights: a weights file, or a folder of them to look in beside the package's own.

    Raises:
        UnknownScheme, NoWeights, BadWeights: as :func:`for_label`.
    """
    return _offer_of(label, weights)[1].preset


def label_of(preset: PresetInfo, weights: Path | None, rate: int = 0) -> CodecLabel:
    """The label that pictures of a preset carry.

    Args:
        preset: as given to the factory.
        weights: path of its weights file, None where nothing is learned.
        rate: codec-defined rate index, 0 to 255.
    """
    return CodecLabel(_scheme(preset.scheme).number, preset.number, _hash(weights), rate)


def _offer_of(label: CodecLabel, weights: Path | None) -> tuple[_Scheme, Offer]:
    """The offer that a label names; numbers alone may be shared with another weights file."""
    entry = next((s for s in _SCHEMES.values() if s.number == label.codec), None)
    if entry is None:
        raise UnknownScheme(
            f"the sender uses codec number {label.codec}, which is not registered here: "
            "import the file that registers it"
        )
    for offer in find_offers(entry.name, entry.presets, weights):
        if offer.preset.number == label.preset and _hash(offer.path) == label.weights:
            return entry, offer
    raise NoWeights(
        f"the sender uses {entry.name} preset {label.preset} with weights {label.weights:08x}, "
        "which are not here: copy the sender's weights file and name it with --weights"
    )


def _open(entry: _Scheme, offer: Offer) -> Codec:
    factory = entry.factory
    if isinstance(factory, str):
        factory = importlib.import_module(factory).open_codec
    codec: Codec = factory(offer.preset, offer.path)
    expected = label_of(offer.preset, offer.path, codec.label.rate)
    if codec.label != expected:
        raise ValueError(
            f"the codec of {entry.name!r} labels itself {codec.label}, not {expected}: "
            "make its label with semcom_models.codecs.registry.label_of"
        )
    _OPEN[_key(codec.label)] = codec
    return codec


def _choose(entry: _Scheme, offers: list[Offer], preset: str | None, cbr: float | None) -> Offer:
    """The offer that serves a request best."""
    if preset is not None:
        names = [offer.preset.name for offer in offers]
        if preset not in names:
            raise UnknownScheme(f"{entry.name} has no preset {preset!r}: {_hint(preset, names)}")
        offers = [offers[names.index(preset)]]
    if not offers:
        raise NoWeights(
            f"no weights for {entry.name}: train some with `ota_runner train` and name them "
            "with --weights"
        )
    if cbr is None:
        return next((offer for offer in offers if offer.preset.default), offers[0])
    ranked = sorted(offers, key=lambda o: (abs(o.preset.cbr - cbr), not o.preset.default))
    if entry.any_cbr or abs(ranked[0].preset.cbr - cbr) <= CBR_TOLERANCE * cbr:
        return ranked[0]
    there = ", ".join(f"{o.preset.name} (CBR {o.preset.cbr:.4g})" for o in offers)
    raise NoWeights(
        f"no weights of {entry.name} for a CBR of {cbr:.4g}: there are {there}; "
        "train others with `ota_runner train`"
    )


def _options(entry: _Scheme) -> type[BaseModel] | None:
    if not isinstance(entry.options, str):
        return entry.options
    module, _, name = entry.options.partition(":")
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    return model


def _scheme(name: str) -> _Scheme:
    if name.endswith(".py"):
        name = _of_file(Path(name))
    if name in _SCHEMES:
        return _SCHEMES[name]
    raise UnknownScheme(f"no scheme {name!r}: {_hint(name, _SCHEMES)}")


def _of_file(path: Path) -> str:
    """Name of the scheme that a file registers."""
    key = str(path.resolve())
    if key not in _OF_FILES:
        before = set(_SCHEMES)
        try:
            _OF_FILES[key] = _registered_by(path)
        except BaseException:  # also where the user interrupts it
            for name in set(_SCHEMES) - before:
                _take_out(_SCHEMES[name])
            raise
    return _OF_FILES[key]


def _registered_by(path: Path) -> str:
    """Run a file; name of the scheme that it registers."""
    before = set(_SCHEMES)
    try:
        sha256 = run_file(path)
    except ValueError as error:
        raise UnknownScheme(str(error)) from error
    registered = set(_SCHEMES) - before
    if len(registered) != 1:
        raise UnknownScheme(
            f"{path} registers {len(registered)} codecs, one is expected: call "
            "semcom_models.codecs.registry.register once"
        )
    [name] = registered
    _SCHEMES[name] = replace(_SCHEMES[name], file_sha256=sha256)
    return name


def _take_out(scheme: _Scheme) -> None:
    """Forget a scheme, its open codecs and its file."""
    for label in [label for label in _OPEN if label[0] == scheme.number]:
        del _OPEN[label]
    for file in [file for file, name in _OF_FILES.items() if name == scheme.name]:
        del _OF_FILES[file]
    del _SCHEMES[scheme.name]


def _hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=1)
    listed = f"there are {', '.join(names)}" if names else "there are none"
    return f"did you mean {near[0]!r}? ({listed})" if near else listed


def _hash(weights: Path | None) -> int:
    return 0 if weights is None else weights_id(weights)


def _key(label: CodecLabel) -> tuple[int, int, int]:
    return label.codec, label.preset, label.weights
