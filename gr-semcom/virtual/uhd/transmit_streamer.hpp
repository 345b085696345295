// SPDX-License-Identifier: GPL-3.0-or-later
//! Samples from the host to the air, and what became of them.
#pragma once

#include "device_clock.hpp"
#include "sample_format.hpp"
#include <uhd/stream.hpp>
#include <mutex>
#include <optional>

namespace semcom {

class TransmitStreamer : public uhd::tx_streamer
{
public:
    TransmitStreamer(Control& control,
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

    //! \throws uhd::usb_error the device is gone
    size_t send(const buffs_type& buffers,
        size_t samples,
        const uhd::tx_metadata_t& metadata,
        double timeout) override;

    //! Two threads may wait at once; a device that is gone has nothing to say.
    bool recv_async_msg(uhd::async_metadata_t& metadata, double timeout) override;

private:
    bool send_packet(const buffs_type& buffers,
        size_t offset,
        size_t samples,
        const Header& header,
        Deadline deadline);
    bool read_event(uhd::async_metadata_t& metadata) const;

    const size_t _channels;
    const size_t _most_samples;
    const SampleFormat _format;
    const std::shared_ptr<DeviceClock> _clock;
    const std::unique_ptr<Connection> _connection;
    bool _in_burst = false;
    std::optional<uhd::tx_metadata_t> _announced; // start of a burst whose samples follow
    std::vector<std::complex<float>> _converted;
    std::timed_mutex _events;
};

} // namespace semcom
