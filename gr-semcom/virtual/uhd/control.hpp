// SPDX-License-Identifier: GPL-3.0-or-later
//! Questions to the air about one of its devices.
#pragma once

#include "connection.hpp"
#include <uhd/types/device_addr.hpp>
#include <memory>
#include <mutex>
#include <string>

namespace semcom {

//! Where the air listens: environment SEMCOM_VIRTUAL_USRP; empty for nowhere.
std::string air_address();

//! Devices of the air at an address.
uhd::device_addrs_t find_devices(const std::string& address);

//! A device that is ours as long as this object lives. Any thread may call.
class Control
{
public:
    using sptr = std::shared_ptr<Control>;

    //! \throws uhd::runtime_error no such device, or somebody else has it
    Control(const std::string& address, const std::string& serial);
    ~Control();

    //! What the air says of the device: its model, ranges, sources.
    const uhd::device_addr_t& description() const
    {
        return _description;
    }

    //! \return the value as it is after that
    double set(const std::string& setting, size_t channel, double value);
    double get(const std::string& reading, size_t channel = 0);
    //! The device's time, in samples.
    int64_t now();

    //! \param kind RECEIVE or TRANSMIT
    std::unique_ptr<Connection> open_stream(
        Kind kind, const std::vector<size_t>& channels, size_t most_samples);

private:
    const Header& ask(Header header, const std::string& body);

    const std::string _address;
    std::mutex _mutex;
    Connection _connection;
    int64_t _key;
    uhd::device_addr_t _description;
};

} // namespace semcom
