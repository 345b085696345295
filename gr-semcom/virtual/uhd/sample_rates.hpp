// SPDX-License-Identifier: GPL-3.0-or-later
//! The sample rates of a B210: its master clock divided by a whole number.
#pragma once

#include <uhd/types/ranges.hpp>
#include <cstddef>

namespace semcom {

class SampleRates
{
public:
    //! Rates of the master clock for so many channels of one direction.
    static uhd::meta_range_t clock_range(size_t channels);

    double clock_hz() const
    {
        return _clock_hz;
    }
    //! \throws uhd::value_error out of range
    void set_clock_hz(double clock_hz, size_t channels);

    //! Whether the clock follows the sample rate.
    bool automatic = true;

    //! What the device can make of a rate; an automatic clock changes to suit it.
    double coerce(double rate_hz, size_t channels);

    //! All rates of the clock as it is, or could be if it is automatic.
    uhd::meta_range_t range() const;

private:
    double _clock_hz = 32e6;
};

} // namespace semcom
