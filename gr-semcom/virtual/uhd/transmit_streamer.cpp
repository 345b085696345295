// SPDX-License-Identifier: GPL-3.0-or-later
#include "transmit_streamer.hpp"
#include "stream_args.hpp"
#include <uhd/exception.hpp>
#include <uhd/utils/log.hpp>
#include <algorithm>
#include <thread>

namespace semcom {

using Event = uhd::async_metadata_t::event_code_t;

TransmitStreamer::TransmitStreamer(Control& control,
    std::shared_ptr<DeviceClock> clock,
    const std::vector<size_t>& channels,
    const uhd::stream_args_t& args)
    : _channels(channels.size())
    , _most_samples(packet_samples(args))
    , _format(args.cpu_format, args.otw_format)
    , _clock(std::move(clock))
    , _connection(control.open_stream(Kind::TRANSMIT, channels, _most_samples))
{
}

bool TransmitStreamer::send_packet(const buffs_type& buffers,
    size_t offset,
    size_t samples,
    const Header& header,
    Deadline deadline)
{
    _converted.resize(_format.same() ? 0 : _channels * samples);
    std::vector<iovec> parts;
    for (size_t channel = 0; channel < _channels and samples > 0; channel++) {
        const char* from = static_cast<const char*>(buffers[channel]) + offset * _format.bytes();
        if (not _format.same()) {
            std::complex<float>* const to = _converted.data() + channel * samples;
            _format.from_host(from, to, samples);
            from = reinterpret_cast<const char*>(to);
        }
        parts.push_back(iovec{const_cast<char*>(from), samples * sizeof(std::complex<float>)});
    }
    try {
        return _connection->send(header, std::move(parts), deadline);
    } catch (const uhd::usb_error&) {
        // A device that is gone has ended its burst. GNU Radio ends its sink's where an
        // exception would end the process.
        if (samples > 0) {
            throw;
        }
        return false;
    }
}

size_t TransmitStreamer::send(const buffs_type& buffers,
    size_t samples,
    const uhd::tx_metadata_t& metadata,
    double timeout)
{
    if (samples == 0 and metadata.start_of_burst) {
        _announced = metadata; // as UHD does: it is for the samples that follow
        return 0;
    }
    if (samples == 0 and not(metadata.end_of_burst and _in_burst)) {
        return 0;
    }
    const uhd::tx_metadata_t begin =
        _announced and not metadata.has_time_spec ? *_announced : metadata;
    const Deadline deadline = after(timeout);
    size_t sent             = 0;
    do {
        const size_t count = std::min(samples - sent, _most_samples);
        Header header{Kind::SAMPLES};
        if (sent == 0 and samples > 0 and begin.has_time_spec) {
            header.flags |= TIMED;
            header.time = _clock->sample_at(begin.time_spec);
        }
        if (not _in_burst or (sent == 0 and begin.start_of_burst)) {
            header.flags |= FIRST;
        }
        const bool last = metadata.end_of_burst and sent + count == samples;
        if (last) {
            header.flags |= LAST;
        }
        if (not send_packet(buffers, sent, count, header, deadline)) {
            break;
        }
        _announced.reset();
        _in_burst = not last;
        sent += count;
    } while (sent < samples);
    return sent;
}

bool TransmitStreamer::read_event(uhd::async_metadata_t& metadata) const
{
    const Header& header = _connection->header();
    switch (header.kind) {
        case Kind::BURST_ACK:
            metadata.event_code = Event::EVENT_CODE_BURST_ACK;
            break;
        case Kind::UNDERFLOW_:
            metadata.event_code = Event::EVENT_CODE_UNDERFLOW;
            UHD_LOG_FASTPATH("U");
            break;
        case Kind::LATE:
            metadata.event_code = Event::EVENT_CODE_TIME_ERROR;
            UHD_LOG_FASTPATH("L");
            break;
        default:
            return false;
    }
    metadata.channel       = 0;
    metadata.has_time_spec = true;
    metadata.time_spec     = _clock->time_of(header.time);
    return true;
}

bool TransmitStreamer::recv_async_msg(uhd::async_metadata_t& metadata, double timeout)
{
    const Deadline deadline = after(timeout);
    const std::unique_lock<std::timed_mutex> lock(_events, deadline);
    try {
        return lock and _connection->receive(deadline) and read_event(metadata);
    } catch (const uhd::usb_error&) {
        std::this_thread::sleep_until(deadline); // or who polls this would never rest
        return false;
    }
}

} // namespace semcom
