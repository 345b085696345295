// SPDX-License-Identifier: GPL-3.0-or-later
//! What the module and the air say to each other; usrp_protocol.py says the same in Python.
//!
//! A connection carries messages, each a header and `length` bytes of body, little-endian.
//! Times are samples of the device's clock, at the device's sample rate. A connection that ends
//! without RELEASE, or while a stream runs, tells that the other side is gone.
#pragma once

#include <cstdint>

namespace semcom {

enum class Kind : uint16_t {
    // Control: the module asks, the air answers DONE or REFUSED (body: why).
    FIND    = 1, // DONE: a line a device, as key=value,key=value
    CLAIM   = 2, // body: serial. DONE: description, a line; time: the key of its streams
    RELEASE = 3,
    SET     = 4, // body: setting, time: channel, value: wanted. DONE: value: as it is now
    GET     = 5, // body: reading, time: channel. DONE: value; time: of the device
    DONE    = 10,
    REFUSED = 11,
    // The first message of a stream's connection. time: the key; body: channels, a byte each;
    // value: most samples of a packet.
    RECEIVE  = 20,
    TRANSMIT = 21,
    // To a receive stream.
    START = 22, // time: of the first sample, or NOW; value: samples, 0 for until STOP
    STOP  = 23,
    // Of both; body: complex64, one channel after the other.
    SAMPLES = 24,
    // From a receive stream: START was too late.
    LATE_COMMAND = 25,
    // From a transmit stream; time: when.
    BURST_ACK  = 26,
    UNDERFLOW_ = 27,
    LATE       = 28,
};

enum Flag : uint16_t {
    FIRST = 1, // of a burst, or of what a START asked for
    LAST  = 2,
    TIMED = 4, // the header's time counts
};

constexpr int64_t NOW = -1;

//! Larger messages are not from an air.
constexpr uint32_t MOST_BYTES = 1 << 22;

struct Header
{
    Kind kind;
    uint16_t flags  = 0;
    uint32_t length = 0;
    int64_t time    = 0;
    double value    = 0;
};
static_assert(sizeof(Header) == 24, "the header is sent as it lies in memory");

} // namespace semcom
