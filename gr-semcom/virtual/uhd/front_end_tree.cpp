// SPDX-License-Identifier: GPL-3.0-or-later
#include "front_end_tree.hpp"
#include "described_range.hpp"
#include <uhd/exception.hpp>
#include <uhd/types/sensors.hpp>
#include <algorithm>

namespace semcom {

namespace {

const std::array<std::string, 2> CHANNEL_NAMES{"A", "B"};
const uhd::meta_range_t BANDWIDTHS_HZ(200e3, 56e6);

std::vector<std::string> antennas(uhd::direction_t direction)
{
    if (direction == uhd::TX_DIRECTION) {
        return {"TX/RX"};
    }
    return {"TX/RX", "RX2"};
}

void add_antennas(uhd::property_tree::sptr tree, uhd::direction_t direction)
{
    const auto options = antennas(direction);
    tree->create<std::vector<std::string>>("antenna/options").set(options);
    tree->create<std::string>("antenna/value")
        .set_coercer([options](const std::string& antenna) {
            if (std::find(options.begin(), options.end(), antenna) == options.end()) {
                throw uhd::value_error("virtual USRP: no antenna " + antenna);
            }
            return antenna;
        })
        .set(options.back());
}

void add_gain(uhd::property_tree::sptr tree,
    const Control::sptr& control,
    const std::string& setting,
    size_t channel)
{
    const uhd::meta_range_t range = described_range(control->description(), setting);
    tree->create<uhd::meta_range_t>("gains/PGA/range").set(range);
    tree->create<double>("gains/PGA/value")
        .set_coercer([control, setting, channel, range](double gain_db) {
            return control->set(setting, channel, range.clip(gain_db, true));
        })
        .set(range.start());
}

void add_sensors(uhd::property_tree::sptr tree,
    const Control::sptr& control,
    uhd::direction_t direction,
    size_t channel)
{
    tree->create<uhd::sensor_value_t>("sensors/temp").set_publisher([control]() {
        return uhd::sensor_value_t("temp", control->get("temperature"), "C", "%.1f");
    });
    tree->create<uhd::sensor_value_t>("sensors/lo_locked").set_publisher([]() {
        return uhd::sensor_value_t("LO", true, "locked", "unlocked");
    });
    if (direction == uhd::RX_DIRECTION) {
        tree->create<uhd::sensor_value_t>("sensors/rssi").set_publisher([control, channel]() {
            return uhd::sensor_value_t("RSSI", control->get("rssi", channel), "dB", "%.1f");
        });
    }
}

void add_frequency(uhd::property_tree::sptr tree,
    const Control::sptr& control,
    const std::shared_ptr<Tuning>& tuning)
{
    const uhd::meta_range_t range = described_range(control->description(), "freq");
    tree->create<uhd::meta_range_t>("freq/range").set(range);
    tree->create<double>("freq/value")
        .set_coercer([tuning](double freq_hz) { return tuning->set_oscillator_hz(freq_hz); })
        .set_publisher([tuning]() { return tuning->oscillator_hz(); });
    tree->create<bool>("use_lo_offset").set(false);
    tree->create<uhd::meta_range_t>("bandwidth/range").set(BANDWIDTHS_HZ);
    tree->create<double>("bandwidth/value")
        .set_coercer([](double width_hz) { return BANDWIDTHS_HZ.clip(width_hz); })
        .set(BANDWIDTHS_HZ.stop());
}

} // namespace

Tuning::Tuning(Control::sptr control, uhd::direction_t direction)
    : _control(std::move(control)), _direction(direction)
{
    set_oscillator_hz(described_range(_control->description(), "freq").start());
}

void Tuning::apply(size_t channel)
{
    // multi_usrp's signs: a receiver's mixer goes down from the oscillator, a transmitter's up.
    const bool receives = _direction == uhd::RX_DIRECTION;
    const double digital = receives ? -_digital_hz[channel] : _digital_hz[channel];
    _control->set(receives ? "rx_freq" : "tx_freq", channel, _oscillator_hz + digital);
}

double Tuning::set_oscillator_hz(double freq_hz)
{
    _oscillator_hz = described_range(_control->description(), "freq").clip(freq_hz);
    apply(0);
    return _oscillator_hz;
}

double Tuning::set_digital_hz(size_t channel, double freq_hz)
{
    _digital_hz[channel] = freq_hz;
    apply(channel);
    return freq_hz;
}

void add_front_ends(uhd::property_tree::sptr tree,
    const Control::sptr& control,
    const std::shared_ptr<Tuning>& tuning,
    uhd::direction_t direction)
{
    const bool receives = direction == uhd::RX_DIRECTION;
    const std::string prefix = receives ? "rx" : "tx";
    for (size_t channel = 0; channel < CHANNEL_NAMES.size(); channel++) {
        const uhd::fs_path path =
            uhd::fs_path("dboards/A") / (prefix + "_frontends") / CHANNEL_NAMES[channel];
        const auto front_end = tree->subtree(path);
        front_end->create<std::string>("name").set(
            (receives ? "FE-RX" : "FE-TX") + std::to_string(channel + 1));
        front_end->create<std::string>("connection").set("IQ");
        front_end->create<bool>("enabled").set(true);
        add_antennas(front_end, direction);
        add_gain(front_end, control, prefix + "_gain", channel);
        add_sensors(front_end, control, direction, channel);
        add_frequency(front_end, control, tuning);
    }
}

} // namespace semcom
