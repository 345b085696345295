// SPDX-License-Identifier: GPL-3.0-or-later
//! Ranges in the air's description of a device.
#pragma once

#include <uhd/types/device_addr.hpp>
#include <uhd/types/ranges.hpp>

namespace semcom {

//! The range NAME of a description with NAME_low, NAME_high and NAME_step.
inline uhd::meta_range_t described_range(
    const uhd::device_addr_t& description, const std::string& name)
{
    return uhd::meta_range_t(description.cast<double>(name + "_low", 0),
        description.cast<double>(name + "_high", 0),
        description.cast<double>(name + "_step", 0));
}

} // namespace semcom
