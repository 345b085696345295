// SPDX-License-Identifier: GPL-3.0-or-later
//! What multi_usrp sees of one direction: two channels on daughterboard A, one oscillator.
#pragma once

#include "control.hpp"
#include <uhd/property_tree.hpp>
#include <uhd/types/direction.hpp>
#include <array>

namespace semcom {

//! Frequencies of a direction. Its channels share an oscillator; each mixes further digitally.
class Tuning
{
public:
    Tuning(Control::sptr control, uhd::direction_t direction);

    double oscillator_hz() const
    {
        return _oscillator_hz;
    }
    double set_oscillator_hz(double freq_hz);
    double digital_hz(size_t channel) const
    {
        return _digital_hz[channel];
    }
    double set_digital_hz(size_t channel, double freq_hz);

private:
    void apply(size_t channel);

    const Control::sptr _control;
    const uhd::direction_t _direction;
    double _oscillator_hz = 0;
    std::array<double, 2> _digital_hz{};
};

//! Gains, antennas, filters and sensors of both channels, below the path of a motherboard.
void add_front_ends(uhd::property_tree::sptr tree,
    const Control::sptr& control,
    const std::shared_ptr<Tuning>& tuning,
    uhd::direction_t direction);

} // namespace semcom
