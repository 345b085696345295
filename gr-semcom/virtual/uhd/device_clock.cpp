// SPDX-License-Identifier: GPL-3.0-or-later
#include "device_clock.hpp"
#include <cmath>

namespace semcom {

namespace {

//! The last whole second at or before a sample.
int64_t pulse_before(int64_t sample, double rate_hz)
{
    return std::llround(std::floor(sample / rate_hz) * rate_hz);
}

} // namespace

DeviceClock::DeviceClock(Control::sptr control)
    : _control(std::move(control)), _rate_hz(_control->get("rate"))
{
    set_now(uhd::time_spec_t(0.0));
}

void DeviceClock::apply_pps(int64_t sample)
{
    if (_next_pps >= 0 and sample >= _next_pps) {
        _offset   = _next_offset;
        _next_pps = -1;
    }
}

uhd::time_spec_t DeviceClock::now()
{
    const std::lock_guard<std::mutex> lock(_mutex);
    const int64_t sample = _control->now();
    apply_pps(sample);
    return uhd::time_spec_t::from_ticks(sample + _offset, _rate_hz);
}

void DeviceClock::set_now(const uhd::time_spec_t& time)
{
    const std::lock_guard<std::mutex> lock(_mutex);
    _offset   = time.to_ticks(_rate_hz) - _control->now();
    _next_pps = -1;
}

uhd::time_spec_t DeviceClock::last_pps()
{
    const std::lock_guard<std::mutex> lock(_mutex);
    const int64_t sample = _control->now();
    apply_pps(sample);
    return uhd::time_spec_t::from_ticks(pulse_before(sample, _rate_hz) + _offset, _rate_hz);
}

void DeviceClock::set_next_pps(const uhd::time_spec_t& time)
{
    const std::lock_guard<std::mutex> lock(_mutex);
    const int64_t last = pulse_before(_control->now(), _rate_hz);
    _next_pps          = last + std::llround(_rate_hz);
    _next_offset       = time.to_ticks(_rate_hz) - _next_pps;
}

double DeviceClock::set_rate(double rate_hz)
{
    const std::lock_guard<std::mutex> lock(_mutex);
    if (rate_hz == _rate_hz) {
        return _rate_hz;
    }
    const int64_t before = _control->now();
    apply_pps(before);
    const auto time = uhd::time_spec_t::from_ticks(before + _offset, _rate_hz);
    _rate_hz        = _control->set("rate", 0, rate_hz);
    _offset         = time.to_ticks(_rate_hz) - _control->now();
    _next_pps       = -1;
    return _rate_hz;
}

double DeviceClock::rate()
{
    const std::lock_guard<std::mutex> lock(_mutex);
    return _rate_hz;
}

uhd::time_spec_t DeviceClock::time_of(int64_t sample)
{
    const std::lock_guard<std::mutex> lock(_mutex);
    apply_pps(sample);
    return uhd::time_spec_t::from_ticks(sample + _offset, _rate_hz);
}

int64_t DeviceClock::sample_at(const uhd::time_spec_t& time)
{
    const std::lock_guard<std::mutex> lock(_mutex);
    if (_next_pps >= 0) {
        apply_pps(_control->now());
    }
    return time.to_ticks(_rate_hz) - _offset;
}

} // namespace semcom
