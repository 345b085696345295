# SPDX-License-Identifier: GPL-3.0-or-later
"""What libiio knows of a device: a context of devices, channels and attributes.

The names are those of the Linux kernel's Industrial I/O interface; the description in XML is that
which libiio 0.x reads over the network.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree import ElementTree


class IioError(Exception):
    """An operation that is refused.

    Args:
        number: of :mod:`errno`.
    """

    def __init__(self, number: int) -> None:
        super().__init__(errno.errorcode.get(number, str(number)))
        self.number = number


@dataclass
class Attribute:
    """A value by name.

    Attributes:
        read: gives it.
        write: sets it, and raises :class:`IioError` for what it does not accept; None for a
            value that cannot be written.
        shared: of all channels of the same type and direction, which are one value.
    """

    read: Callable[[], str]
    write: Callable[[str], None] | None = None
    shared: bool = False


class Stored:
    """A value that is kept and does nothing.

    Args:
        value: at first.
        choices: that are accepted; None for any.
    """

    def __init__(self, value: str, choices: tuple[str, ...] | None = None) -> None:
        self.value = value
        self._choices = choices

    def read(self) -> str:
        """The value."""
        return self.value

    def write(self, value: str) -> None:
        """Another value.

        Raises:
            IioError: it is none of the choices.
        """
        if self._choices is not None and value not in self._choices:
            raise IioError(errno.EINVAL)
        self.value = value


def stored(value: str, choices: tuple[str, ...] | None = None, shared: bool = False) -> Attribute:
    """An attribute that keeps what is written."""
    kept = Stored(value, choices)
    return Attribute(kept.read, kept.write, shared)


def constant(value: str, shared: bool = False) -> Attribute:
    """An attribute that cannot be written."""
    return Attribute(lambda: value, None, shared)


@dataclass
class Channel:
    """A channel of a device.

    Attributes:
        id: as ``voltage0``.
        output: or input.
        name: or None.
        scan: index and format of its samples in a buffer; None for a channel without.
        attributes: by name.
    """

    id: str
    output: bool
    name: str | None = None
    scan: tuple[int, str] | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def filename(self, attribute: str) -> str:
        """Of an attribute, in sysfs."""
        direction = "out" if self.output else "in"
        if self.attributes[attribute].shared:
            return f"{direction}_{self.id.rstrip('0123456789')}_{attribute}"
        return "_".join(filter(None, (direction, self.id, self.name, attribute)))


@dataclass
class Device:
    """A device; the channels that are scanned come first, in the order of their indices."""

    id: str
    name: str
    channels: list[Channel] = field(default_factory=list)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    debug_attributes: dict[str, Attribute] = field(default_factory=dict)
    buffer_attributes: dict[str, Attribute] = field(default_factory=dict)

    def channel(self, identifier: str, output: bool) -> Channel:
        """By id or name.

        Raises:
            IioError: there is none.
        """
        for channel in self.channels:
            if channel.output == output and identifier in (channel.id, channel.name):
                return channel
        raise IioError(errno.ENODEV)


_DOCUMENT_TYPE = (
    "<!DOCTYPE context ["
    "<!ELEMENT context (context-attribute | device)*>"
    "<!ELEMENT context-attribute EMPTY>"
    "<!ELEMENT device (channel | attribute | debug-attribute | buffer-attribute)*>"
    "<!ELEMENT channel (scan-element?, attribute*)>"
    "<!ELEMENT attribute EMPTY>"
    "<!ELEMENT scan-element EMPTY>"
    "<!ELEMENT debug-attribute EMPTY>"
    "<!ELEMENT buffer-attribute EMPTY>"
    "<!ATTLIST context name CDATA #REQUIRED description CDATA #IMPLIED>"
    "<!ATTLIST context-attribute name CDATA #REQUIRED value CDATA #REQUIRED>"
    "<!ATTLIST device id CDATA #REQUIRED name CDATA #IMPLIED>"
    "<!ATTLIST channel id CDATA #REQUIRED type (input|output) #REQUIRED name CDATA #IMPLIED>"
    "<!ATTLIST scan-element index CDATA #REQUIRED format CDATA #REQUIRED>"
    "<!ATTLIST attribute name CDATA #REQUIRED filename CDATA #IMPLIED>"
    "<!ATTLIST debug-attribute name CDATA #REQUIRED>"
    "<!ATTLIST buffer-attribute name CDATA #REQUIRED>"
    "]>"
)
"""libiio's parser validates; it says so aloud where there is nothing to validate by."""


@dataclass
class Context:
    """All that a client sees."""

    description: str
    attributes: dict[str, str]
    devices: list[Device]

    def device(self, identifier: str) -> Device:
        """By id or name.

        Raises:
            IioError: there is none.
        """
        for device in self.devices:
            if identifier in (device.id, device.name):
                return device
        raise IioError(errno.ENODEV)

    def xml(self) -> str:
        """As libiio's PRINT command gives it."""
        root = ElementTree.Element("context", name="local", description=self.description)
        for name, value in self.attributes.items():
            ElementTree.SubElement(root, "context-attribute", name=name, value=value)
        for device in self.devices:
            _device_element(root, device)
        body = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="utf-8"?>{_DOCUMENT_TYPE}{body}'


def _device_element(root: ElementTree.Element, device: Device) -> None:
    element = ElementTree.SubElement(root, "device", id=device.id, name=device.name)
    for channel in device.channels:
        kind = "output" if channel.output else "input"
        inner = ElementTree.SubElement(element, "channel", id=channel.id, type=kind)
        if channel.name is not None:
            inner.set("name", channel.name)
        if channel.scan is not None:
            index, layout = channel.scan
            ElementTree.SubElement(inner, "scan-element", index=str(index), format=layout)
        for name in channel.attributes:
            ElementTree.SubElement(inner, "attribute", name=name, filename=channel.filename(name))
    for tag, attributes in (
        ("attribute", device.attributes),
        ("debug-attribute", device.debug_attributes),
        ("buffer-attribute", device.buffer_attributes),
    ):
        for name in attributes:
            ElementTree.SubElement(element, tag, name=name)
