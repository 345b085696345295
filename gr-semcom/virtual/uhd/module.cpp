// SPDX-License-Identifier: GPL-3.0-or-later
//! Makes type=virtual known to UHD, which loads this from UHD_MODULE_PATH.

#include "virtual_device.hpp"
#include <uhd/exception.hpp>
#include <uhd/utils/static.hpp>

namespace semcom {

namespace {

//! Devices that fit the hint; none where no air runs.
uhd::device_addrs_t find_virtual(const uhd::device_addr_t& hint)
{
    const std::string address = air_address();
    if (address.empty() or hint.get("type", "virtual") != "virtual") {
        return {};
    }
    // Who names another kind of device by its address means that one.
    if (hint.has_key("addr") or hint.has_key("resource")) {
        return {};
    }
    uhd::device_addrs_t found;
    try {
        for (const uhd::device_addr_t& device : find_devices(address)) {
            bool fits = true;
            for (const std::string key : {"serial", "name", "product"}) {
                fits = fits and (not hint.has_key(key) or hint[key] == device[key]);
            }
            if (fits) {
                found.push_back(device);
            }
        }
    } catch (const uhd::exception&) {
        return {};
    }
    return found;
}

uhd::device::sptr make_virtual(const uhd::device_addr_t& args)
{
    return std::make_shared<VirtualDevice>(air_address(), args);
}

} // namespace

} // namespace semcom

UHD_STATIC_BLOCK(register_virtual_device)
{
    uhd::device::register_device(&semcom::find_virtual, &semcom::make_virtual, uhd::device::USRP);
}
