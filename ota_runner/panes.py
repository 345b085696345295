# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures next to each other, as the viewer of a page shows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pane:
    """A picture in a viewer.

    Attributes:
        name: what it is.
        uri: its data, None for one that is not there.
        alt: what is seen, for those who do not see it.
        caption: what there is to say of it, may be empty.
        file: where it lies, as seen from the page; None for nowhere.
        absent: said in its place where it is not there.
        damaged: it did not arrive as it was sent.
        wipes: the first picture of the viewer can be laid over it.
    """

    name: str
    uri: str | None
    alt: str
    caption: str = ""
    file: str | None = None
    absent: str = "not there"
    damaged: bool = False
    wipes: bool = False
