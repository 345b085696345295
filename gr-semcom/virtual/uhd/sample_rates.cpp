// SPDX-License-Identifier: GPL-3.0-or-later
#include "sample_rates.hpp"
#include <uhd/exception.hpp>
#include <cmath>
#include <string>

namespace semcom {

namespace {

constexpr double LOWEST_CLOCK_HZ  = 220e3; // of an AD9361's converters
constexpr double HIGHEST_CLOCK_HZ = 61.44e6;
constexpr int MOST_DIVISION       = 512;

//! Halfband filters leave these steps: each that is used doubles what the others divide by.
int next_division(int division)
{
    if (division < 128) {
        return division + 1;
    }
    return division + (division < 256 ? 2 : 4);
}

uhd::meta_range_t divided(double clock_hz)
{
    uhd::meta_range_t rates;
    for (int division = 1; division <= MOST_DIVISION; division = next_division(division)) {
        rates.insert(rates.begin(), uhd::range_t(clock_hz / division));
    }
    return rates;
}

} // namespace

uhd::meta_range_t SampleRates::clock_range(size_t channels)
{
    return uhd::meta_range_t(LOWEST_CLOCK_HZ, HIGHEST_CLOCK_HZ / channels);
}

void SampleRates::set_clock_hz(double clock_hz, size_t channels)
{
    const uhd::meta_range_t range = clock_range(channels);
    if (clock_hz < range.start() or clock_hz > range.stop()) {
        throw uhd::value_error("virtual USRP: a master clock rate of "
                               + std::to_string(clock_hz / 1e6) + " MHz is out of range ("
                               + std::to_string(range.start() / 1e6) + " to "
                               + std::to_string(range.stop() / 1e6) + " MHz)");
    }
    _clock_hz = clock_hz;
}

double SampleRates::coerce(double rate_hz, size_t channels)
{
    if (automatic) {
        // As UHD does for this chip: the highest clock that is a power of two above the rate,
        // for the filters' sake, but a rate that only doubling would suit is taken as it is.
        const uhd::meta_range_t clocks = clock_range(channels);
        const double rate = uhd::meta_range_t(clocks.start() / MOST_DIVISION, clocks.stop())
                                .clip(rate_hz);
        const int doublings = static_cast<int>(std::floor(std::log2(clocks.stop() / rate)));
        const int most      = static_cast<int>(std::log2(MOST_DIVISION));
        const int used      = doublings == 1 and rate >= clocks.start() ? 0 : doublings;
        _clock_hz           = rate * std::exp2(std::min(used, most));
    }
    return divided(_clock_hz).clip(rate_hz, true);
}

uhd::meta_range_t SampleRates::range() const
{
    if (automatic) {
        return uhd::meta_range_t(LOWEST_CLOCK_HZ / MOST_DIVISION, HIGHEST_CLOCK_HZ);
    }
    return divided(_clock_hz);
}

} // namespace semcom
