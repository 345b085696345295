// SPDX-License-Identifier: GPL-3.0-or-later
//! The device's time as the host sets and reads it.
#pragma once

#include "control.hpp"
#include <uhd/types/time_spec.hpp>
#include <mutex>

namespace semcom {

//! Maps the air's samples to the time that the host gave the device. Any thread may call.
class DeviceClock
{
public:
    explicit DeviceClock(Control::sptr control);

    uhd::time_spec_t now();
    void set_now(const uhd::time_spec_t& time);

    //! Time of the last pulse a second: the same for all devices of an air whose oscillators agree.
    uhd::time_spec_t last_pps();
    void set_next_pps(const uhd::time_spec_t& time);

    //! Time goes on while the rate changes.
    double set_rate(double rate_hz);
    double rate();

    uhd::time_spec_t time_of(int64_t sample);
    int64_t sample_at(const uhd::time_spec_t& time);

private:
    void apply_pps(int64_t sample);

    std::mutex _mutex;
    const Control::sptr _control;
    double _rate_hz;
    int64_t _offset      = 0; // of the host's time over the air's, in samples
    int64_t _next_offset = 0;
    int64_t _next_pps    = -1; // from where on that holds; -1: nothing is due
};

} // namespace semcom
