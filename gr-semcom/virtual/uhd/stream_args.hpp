// SPDX-License-Identifier: GPL-3.0-or-later
//! What the host asks of a stream.
#pragma once

#include <uhd/stream.hpp>
#include <vector>

namespace semcom {

//! Of a device, in each direction.
constexpr size_t CHANNELS = 2;

//! \throws uhd::index_error more than there are, or one twice
std::vector<size_t> channels_of(const uhd::stream_args_t& args);

//! Most samples of a packet: `spp`, or as many as make packets cheap.
size_t packet_samples(const uhd::stream_args_t& args);

} // namespace semcom
