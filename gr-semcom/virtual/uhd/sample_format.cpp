// SPDX-License-Identifier: GPL-3.0-or-later
#include "sample_format.hpp"
#include <uhd/exception.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>

namespace semcom {

namespace {

constexpr float FULL_SCALE = 32767;

} // namespace

SampleFormat::SampleFormat(const std::string& cpu, const std::string& over_the_wire)
    : _same(cpu == "fc32")
{
    if (not _same and cpu != "sc16") {
        throw uhd::key_error("virtual USRP: CPU format " + cpu + ": there are fc32 and sc16");
    }
    if (not over_the_wire.empty() and over_the_wire != "sc16") {
        throw uhd::key_error("virtual USRP: wire format " + over_the_wire + ": there is sc16");
    }
}

void SampleFormat::to_host(const std::complex<float>* from, void* to, size_t samples) const
{
    if (_same) {
        std::memcpy(to, from, samples * sizeof(*from));
        return;
    }
    const float* const parts = reinterpret_cast<const float*>(from);
    int16_t* const out       = static_cast<int16_t*>(to);
    for (size_t i = 0; i < 2 * samples; i++) {
        const float scaled = std::min(std::max(parts[i], -1.0f), 1.0f) * FULL_SCALE;
        out[i]             = static_cast<int16_t>(std::lrint(scaled));
    }
}

void SampleFormat::from_host(const void* from, std::complex<float>* to, size_t samples) const
{
    if (_same) {
        std::memcpy(to, from, samples * sizeof(*to));
        return;
    }
    const int16_t* const parts = static_cast<const int16_t*>(from);
    float* const out           = reinterpret_cast<float*>(to);
    for (size_t i = 0; i < 2 * samples; i++) {
        out[i] = parts[i] / FULL_SCALE;
    }
}

} // namespace semcom
