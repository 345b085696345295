// SPDX-License-Identifier: GPL-3.0-or-later
#include "stream_args.hpp"
#include <uhd/exception.hpp>
#include <algorithm>
#include <set>

namespace semcom {

namespace {

constexpr size_t MOST_SAMPLES = 8192;

} // namespace

std::vector<size_t> channels_of(const uhd::stream_args_t& args)
{
    const auto channels = args.channels.empty() ? std::vector<size_t>{0} : args.channels;
    const std::set<size_t> different(channels.begin(), channels.end());
    if (different.size() != channels.size() or *different.rbegin() >= CHANNELS) {
        throw uhd::index_error("virtual USRP: a stream has channel 0, 1 or both");
    }
    return channels;
}

size_t packet_samples(const uhd::stream_args_t& args)
{
    const size_t asked = args.args.cast<size_t>("spp", MOST_SAMPLES);
    return std::min(std::max<size_t>(asked, 1), MOST_SAMPLES);
}

} // namespace semcom
