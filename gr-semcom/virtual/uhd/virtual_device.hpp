// SPDX-License-Identifier: GPL-3.0-or-later
//! A USRP whose samples come from the air of a process.
#pragma once

#include "front_end_tree.hpp"
#include "receive_streamer.hpp"
#include "sample_rates.hpp"
#include "transmit_streamer.hpp"
#include <uhd/device.hpp>

namespace semcom {

class VirtualDevice : public uhd::device
{
public:
    //! \param address where the air listens
    //! \param args with the device's serial; master_clock_rate, clock_source and time_source
    //! as for a B210
    VirtualDevice(const std::string& address, const uhd::device_addr_t& args);

    uhd::rx_streamer::sptr get_rx_stream(const uhd::stream_args_t& args) override;
    uhd::tx_streamer::sptr get_tx_stream(const uhd::stream_args_t& args) override;
    bool recv_async_msg(uhd::async_metadata_t& metadata, double timeout) override;

private:
    void add_board();
    void add_times();
    void add_sources();
    void add_rates();
    void add_channels(uhd::direction_t direction);
    void add_signal_processor(
        uhd::direction_t direction, const std::shared_ptr<Tuning>& tuning, size_t channel);
    double set_rate(double rate_hz);
    void divide_anew();
    std::vector<size_t> prepare_stream(
        uhd::direction_t direction, const uhd::stream_args_t& args);
    std::vector<size_t> front_ends(
        uhd::direction_t direction, std::vector<size_t> channels) const;

    const Control::sptr _control;
    const std::shared_ptr<DeviceClock> _clock;
    const uhd::property_tree::sptr _board;
    SampleRates _rates;
    size_t _channels = 1; // most of any stream so far, which limits the clock
    std::weak_ptr<ReceiveStreamer> _receiver;
    std::weak_ptr<TransmitStreamer> _transmitter;
};

} // namespace semcom
