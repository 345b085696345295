// SPDX-License-Identifier: GPL-3.0-or-later
//! Samples from the air to the host.
#pragma once

#include "device_clock.hpp"
#include "sample_format.hpp"
#include <uhd/stream.hpp>
#include <optional>

namespace semcom {

class ReceiveStreamer : public uhd::rx_streamer
{
public:
    ReceiveStreamer(Control& control,
        std::shared_ptr<DeviceClock> clock,
        const std::vector<size_t>& channels,
        const uhd::stream_args_t& args);

    size_t get_num_channels() const override
    {
        return _channels;
    }
    size_t get_max_num_samps() const override
    {
        return _most_samples;
    }

    //! \throws uhd::usb_error the device is gone; from then on there are only timeouts
    size_t recv(const buffs_type& buffers,
        size_t samples,
        uhd::rx_metadata_t& metadata,
        double timeout,
        bool one_packet) override;

    void issue_stream_cmd(const uhd::stream_cmd_t& command) override;

private:
    bool next_packet(double timeout);
    size_t take(const buffs_type& buffers, size_t offset, size_t samples);

    const size_t _channels;
    const size_t _most_samples;
    const SampleFormat _format;
    const std::shared_ptr<DeviceClock> _clock;
    const std::unique_ptr<Connection> _connection;
    size_t _packet = 0; // samples of the packet at hand
    size_t _taken  = 0; // of these, what the host has
    int64_t _expected = 0; // time of the next packet, if nothing is lost
    std::optional<uhd::rx_metadata_t> _error; // for the next call
    bool _gone = false;
};

} // namespace semcom
