// SPDX-License-Identifier: GPL-3.0-or-later
#include "control.hpp"
#include <uhd/exception.hpp>
#include <cstdlib>
#include <sstream>

namespace semcom {

namespace {

constexpr double PATIENCE_S = 10.0; // an air on a loaded machine is slow, not gone

std::string text(const Connection& connection)
{
    return std::string(connection.body().begin(), connection.body().end());
}

void exchange(Connection& connection, const Header& header, std::string body)
{
    const Deadline deadline = after(PATIENCE_S);
    if (not connection.send(header, {iovec{body.data(), body.size()}}, deadline)
        or not connection.receive(deadline)) {
        connection.shut(); // or a late answer would be taken for the next question's
        throw uhd::io_error("virtual USRP: the air does not answer");
    }
    if (connection.header().kind == Kind::REFUSED) {
        throw uhd::runtime_error("virtual USRP: " + text(connection));
    }
    if (connection.header().kind != Kind::DONE) {
        throw uhd::io_error("virtual USRP: what answers is not an air");
    }
}

} // namespace

std::string air_address()
{
    const char* const address = std::getenv("SEMCOM_VIRTUAL_USRP");
    return address ? address : "";
}

uhd::device_addrs_t find_devices(const std::string& address)
{
    Connection connection(address);
    exchange(connection, Header{Kind::FIND}, "");
    std::istringstream lines(text(connection));
    uhd::device_addrs_t devices;
    for (std::string line; std::getline(lines, line);) {
        devices.emplace_back(line);
    }
    return devices;
}

Control::Control(const std::string& address, const std::string& serial)
    : _address(address), _connection(address)
{
    _key         = ask(Header{Kind::CLAIM}, serial).time;
    _description = uhd::device_addr_t(text(_connection));
}

Control::~Control()
{
    // With the answer the device is free, so that whoever opens it next finds it so.
    try {
        ask(Header{Kind::RELEASE}, "");
    } catch (const uhd::exception&) {
    }
}

const Header& Control::ask(Header header, const std::string& body)
{
    exchange(_connection, header, body);
    return _connection.header();
}

double Control::set(const std::string& setting, size_t channel, double value)
{
    const std::lock_guard<std::mutex> lock(_mutex);
    Header header{Kind::SET};
    header.time  = channel;
    header.value = value;
    return ask(header, setting).value;
}

double Control::get(const std::string& reading, size_t channel)
{
    const std::lock_guard<std::mutex> lock(_mutex);
    Header header{Kind::GET};
    header.time = channel;
    return ask(header, reading).value;
}

int64_t Control::now()
{
    const std::lock_guard<std::mutex> lock(_mutex);
    return ask(Header{Kind::GET}, "now").time;
}

std::unique_ptr<Connection> Control::open_stream(
    Kind kind, const std::vector<size_t>& channels, size_t most_samples)
{
    auto stream = std::make_unique<Connection>(_address);
    Header header{kind};
    header.time  = _key;
    header.value = most_samples;
    exchange(*stream, header, std::string(channels.begin(), channels.end()));
    return stream;
}

} // namespace semcom
