// SPDX-License-Identifier: GPL-3.0-or-later
#include "virtual_device.hpp"
#include "stream_args.hpp"
#include <uhd/exception.hpp>
#include <uhd/types/sensors.hpp>
#include <uhd/usrp/dboard_eeprom.hpp>
#include <uhd/usrp/mboard_eeprom.hpp>
#include <uhd/usrp/subdev_spec.hpp>
#include <algorithm>
#include <set>
#include <thread>

namespace semcom {

namespace {

const uhd::fs_path BOARD = "/mboards/0";

uhd::property_tree::sptr new_tree()
{
    const auto tree = uhd::property_tree::make();
    tree->create<std::string>("/name").set("Virtual USRP");
    return tree;
}

void add_options(uhd::property_tree::sptr tree,
    const std::string& name,
    const std::vector<std::string>& options,
    const std::string& value)
{
    tree->create<std::vector<std::string>>(name + "/options").set(options);
    tree->create<std::string>(name + "/value")
        .set_coercer([name, options](const std::string& wanted) {
            if (std::find(options.begin(), options.end(), wanted) == options.end()) {
                throw uhd::value_error("virtual USRP: no " + name + " " + wanted);
            }
            return wanted;
        })
        .set(value);
}

std::string prefix(uhd::direction_t direction)
{
    return direction == uhd::RX_DIRECTION ? "rx" : "tx";
}

} // namespace

VirtualDevice::VirtualDevice(const std::string& address, const uhd::device_addr_t& args)
    : _control(std::make_shared<Control>(address, args["serial"]))
    , _clock(std::make_shared<DeviceClock>(_control))
    , _board((_tree = new_tree(), _tree->subtree(BOARD)))
{
    _type = uhd::device::USRP;
    add_board();
    add_times();
    add_sources();
    add_rates();
    add_channels(uhd::RX_DIRECTION);
    add_channels(uhd::TX_DIRECTION);
    for (const std::string source : {"clock_source", "time_source"}) {
        if (args.has_key(source)) {
            _board->access<std::string>(source + "/value").set(args[source]);
        }
    }
    if (args.has_key("master_clock_rate")) {
        _board->access<bool>("auto_tick_rate").set(false);
        _board->access<double>("tick_rate").set(args.cast<double>("master_clock_rate", 0));
    }
}

void VirtualDevice::add_board()
{
    const uhd::device_addr_t& description = _control->description();
    _board->create<std::string>("name").set(description["product"]);
    _board->create<std::string>("codename").set("air");
    _board->create<std::string>("fw_version").set(description["firmware"]);
    uhd::usrp::mboard_eeprom_t eeprom;
    eeprom["name"]   = description["name"];
    eeprom["serial"] = description["serial"];
    _board->create<uhd::usrp::mboard_eeprom_t>("eeprom").set(eeprom);
    for (const std::string kind : {"rx_eeprom", "tx_eeprom", "gdb_eeprom"}) {
        _board->create<uhd::usrp::dboard_eeprom_t>("dboards/A/" + kind)
            .set(uhd::usrp::dboard_eeprom_t());
    }
    for (const std::string codecs : {"rx_codecs/A", "tx_codecs/A"}) {
        _board->create<std::string>(codecs + "/name").set("converters of the air");
        _board->create<int>(codecs + "/gains").set(0); // the front ends have them
    }
    const auto control = _control;
    _board->create<uhd::sensor_value_t>("sensors/ref_locked").set_publisher([]() {
        return uhd::sensor_value_t("Ref", true, "locked", "unlocked");
    });
    _board->create<uhd::sensor_value_t>("sensors/temp").set_publisher([control]() {
        return uhd::sensor_value_t("temp", control->get("temperature"), "C", "%.1f");
    });
}

void VirtualDevice::add_times()
{
    const auto clock = _clock;
    _board->create<uhd::time_spec_t>("time/now")
        .set_publisher([clock]() { return clock->now(); })
        .add_coerced_subscriber([clock](const uhd::time_spec_t& time) { clock->set_now(time); });
    _board->create<uhd::time_spec_t>("time/pps")
        .set_publisher([clock]() { return clock->last_pps(); })
        .add_coerced_subscriber(
            [clock](const uhd::time_spec_t& time) { clock->set_next_pps(time); });
    // As on a B210, settings of the front end take effect at once.
    _board->create<uhd::time_spec_t>("time/cmd").set(uhd::time_spec_t(0.0));
}

void VirtualDevice::add_sources()
{
    add_options(_board, "clock_source", {"internal", "external"}, "internal");
    add_options(_board, "time_source", {"none", "internal", "external"}, "internal");
}

void VirtualDevice::add_rates()
{
    _board->create<bool>("auto_tick_rate")
        .add_coerced_subscriber([this](bool automatic) { _rates.automatic = automatic; })
        .set(true);
    _board->create<double>("tick_rate")
        .set_coercer([this](double clock_hz) {
            _rates.set_clock_hz(clock_hz, _channels);
            return clock_hz;
        })
        .set_publisher([this]() { return _rates.clock_hz(); })
        .add_coerced_subscriber([this](double) { divide_anew(); });
    _board->create<uhd::meta_range_t>("tick_rate/range")
        .set_publisher([this]() { return SampleRates::clock_range(_channels); });
}

void VirtualDevice::add_channels(uhd::direction_t direction)
{
    const std::string x = prefix(direction);
    const auto tuning   = std::make_shared<Tuning>(_control, direction);
    add_front_ends(_board, _control, tuning, direction);
    _board->create<uhd::usrp::subdev_spec_t>(x + "_subdev_spec")
        .set_coercer([](const uhd::usrp::subdev_spec_t& spec) {
            static const std::set<std::string> specs{
                "A:A A:B", "A:B A:A", "A:A", "A:B"};
            if (specs.count(spec.to_string()) == 0) {
                throw uhd::value_error("virtual USRP: no subdevices " + spec.to_string());
            }
            return spec;
        })
        .set(uhd::usrp::subdev_spec_t("A:A A:B"));
    for (size_t channel = 0; channel < CHANNELS; channel++) {
        add_signal_processor(direction, tuning, channel);
    }
}

void VirtualDevice::add_signal_processor(
    uhd::direction_t direction, const std::shared_ptr<Tuning>& tuning, size_t channel)
{
    const auto tree = _board->subtree(
        uhd::fs_path(prefix(direction) + "_dsps") / std::to_string(channel));
    tree->create<double>("rate/value")
        .set_coercer([this](double rate_hz) { return set_rate(rate_hz); })
        .set(_clock->rate());
    tree->create<uhd::meta_range_t>("rate/range").set_publisher([this]() {
        return _rates.range();
    });
    const auto range = [this]() {
        return uhd::meta_range_t(-_rates.clock_hz() / 2, _rates.clock_hz() / 2);
    };
    tree->create<uhd::meta_range_t>("freq/range").set_publisher(range);
    tree->create<double>("freq/value")
        .set_coercer([tuning, channel, range](double freq_hz) {
            return tuning->set_digital_hz(channel, range().clip(freq_hz));
        })
        .set_publisher([tuning, channel]() { return tuning->digital_hz(channel); });
    if (direction == uhd::RX_DIRECTION) {
        tree->create<uhd::stream_cmd_t>("stream_cmd")
            .add_coerced_subscriber([this](const uhd::stream_cmd_t& command) {
                if (const auto receiver = _receiver.lock()) {
                    receiver->issue_stream_cmd(command);
                }
            });
    }
}

double VirtualDevice::set_rate(double rate_hz)
{
    return _clock->set_rate(_rates.coerce(rate_hz, _channels));
}

//! The sample rates as near to what they were as the clock, which has changed, allows.
void VirtualDevice::divide_anew()
{
    for (const std::string x : {"rx", "tx"}) {
        for (size_t channel = 0; channel < CHANNELS; channel++) {
            auto& rate =
                _board->access<double>(x + "_dsps/" + std::to_string(channel) + "/rate/value");
            rate.set(rate.get());
        }
    }
}

//! A clock for so many channels, and the one rate that the air has for both directions of a
//! device: the one that was set last. Returns the channels as the air numbers them.
std::vector<size_t> VirtualDevice::prepare_stream(
    uhd::direction_t direction, const uhd::stream_args_t& args)
{
    const std::vector<size_t> channels = channels_of(args);
    const double actual_hz             = _clock->rate();
    _channels                          = std::max(_channels, channels.size());
    if (_rates.automatic) {
        _rates.coerce(actual_hz, _channels);
    }
    _rates.set_clock_hz(_rates.clock_hz(), _channels);
    for (const size_t channel : channels) {
        const std::string path =
            prefix(direction) + "_dsps/" + std::to_string(channel) + "/rate/value";
        const double rate_hz = _board->access<double>(path).get();
        if (rate_hz != actual_hz or rate_hz > _rates.clock_hz()) {
            throw uhd::value_error(
                "virtual USRP: a stream of " + std::to_string(rate_hz)
                + " samples a second, but the device, which has one rate for both directions, is "
                  "at "
                + std::to_string(std::min(actual_hz, _rates.clock_hz())));
        }
    }
    return front_ends(direction, channels);
}

//! The front ends that the subdevice specification gives to channels.
std::vector<size_t> VirtualDevice::front_ends(
    uhd::direction_t direction, std::vector<size_t> channels) const
{
    const auto spec =
        _board->access<uhd::usrp::subdev_spec_t>(prefix(direction) + "_subdev_spec").get();
    for (size_t& channel : channels) {
        if (channel >= spec.size()) {
            throw uhd::index_error("virtual USRP: no channel " + std::to_string(channel)
                                   + " with subdevices " + spec.to_string());
        }
        channel = spec[channel].sd_name == "B" ? 1 : 0;
    }
    return channels;
}

uhd::rx_streamer::sptr VirtualDevice::get_rx_stream(const uhd::stream_args_t& args)
{
    const auto channels = prepare_stream(uhd::RX_DIRECTION, args);
    const auto streamer = std::make_shared<ReceiveStreamer>(*_control, _clock, channels, args);
    _receiver           = streamer;
    return streamer;
}

uhd::tx_streamer::sptr VirtualDevice::get_tx_stream(const uhd::stream_args_t& args)
{
    const auto channels = prepare_stream(uhd::TX_DIRECTION, args);
    const auto streamer = std::make_shared<TransmitStreamer>(*_control, _clock, channels, args);
    _transmitter        = streamer;
    return streamer;
}

bool VirtualDevice::recv_async_msg(uhd::async_metadata_t& metadata, double timeout)
{
    if (const auto transmitter = _transmitter.lock()) {
        return transmitter->recv_async_msg(metadata, timeout);
    }
    std::this_thread::sleep_until(after(timeout));
    return false;
}

} // namespace semcom
