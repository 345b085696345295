// SPDX-License-Identifier: GPL-3.0-or-later
#include "receive_streamer.hpp"
#include "stream_args.hpp"
#include <uhd/exception.hpp>
#include <uhd/utils/log.hpp>
#include <algorithm>
#include <thread>
#include <utility>

namespace semcom {

using Code = uhd::rx_metadata_t::error_code_t;

namespace {

constexpr double COMMAND_S = 10.0;

uhd::rx_metadata_t metadata_of(Code code, const uhd::time_spec_t& time)
{
    uhd::rx_metadata_t metadata;
    metadata.error_code    = code;
    metadata.has_time_spec = true;
    metadata.time_spec     = time;
    return metadata;
}

} // namespace

ReceiveStreamer::ReceiveStreamer(Control& control,
    std::shared_ptr<DeviceClock> clock,
    const std::vector<size_t>& channels,
    const uhd::stream_args_t& args)
    : _channels(channels.size())
    , _most_samples(packet_samples(args))
    , _format(args.cpu_format, args.otw_format)
    , _clock(std::move(clock))
    , _connection(control.open_stream(Kind::RECEIVE, channels, _most_samples))
{
}

void ReceiveStreamer::issue_stream_cmd(const uhd::stream_cmd_t& command)
{
    Header header{Kind::START};
    header.time = command.stream_now ? NOW : _clock->sample_at(command.time_spec);
    switch (command.stream_mode) {
        case uhd::stream_cmd_t::STREAM_MODE_START_CONTINUOUS:
            break;
        case uhd::stream_cmd_t::STREAM_MODE_NUM_SAMPS_AND_DONE:
            header.value = command.num_samps;
            break;
        case uhd::stream_cmd_t::STREAM_MODE_STOP_CONTINUOUS:
            header = Header{Kind::STOP};
            break;
        default:
            throw uhd::not_implemented_error("virtual USRP: STREAM_MODE_NUM_SAMPS_AND_MORE");
    }
    try {
        _connection->send(header, {}, after(COMMAND_S));
    } catch (const uhd::usb_error&) {
        // A device that is gone has stopped. GNU Radio stops its source where an exception
        // would end the process.
        if (header.kind != Kind::STOP) {
            throw;
        }
    }
}

//! The next message; sets _packet, or _error, or both. False at the timeout.
bool ReceiveStreamer::next_packet(double timeout)
{
    const Deadline deadline = after(timeout);
    try {
        if (not _connection->receive(deadline)) {
            return false;
        }
    } catch (const uhd::usb_error&) {
        // Told once. GNU Radio empties its source when it stops, where an exception would end
        // the process.
        if (not std::exchange(_gone, true)) {
            throw;
        }
        std::this_thread::sleep_until(deadline);
        return false;
    }
    const Header& header = _connection->header();
    if (header.kind == Kind::LATE_COMMAND) {
        _error = metadata_of(Code::ERROR_CODE_LATE_COMMAND, _clock->time_of(header.time));
        return true;
    }
    if (not(header.flags & FIRST) and header.time != _expected) {
        UHD_LOG_FASTPATH("O");
        _error = metadata_of(Code::ERROR_CODE_OVERFLOW, _clock->time_of(_expected));
    }
    _packet   = _connection->body().size() / (_channels * sizeof(std::complex<float>));
    _taken    = 0;
    _expected = header.time + static_cast<int64_t>(_packet);
    return true;
}

//! Samples of the packet at hand into the host's buffers, from `offset` on; how many.
size_t ReceiveStreamer::take(const buffs_type& buffers, size_t offset, size_t samples)
{
    const size_t count = std::min(samples, _packet - _taken);
    const auto* const body =
        reinterpret_cast<const std::complex<float>*>(_connection->body().data());
    for (size_t channel = 0; channel < _channels; channel++) {
        char* const to = static_cast<char*>(buffers[channel]) + offset * _format.bytes();
        _format.to_host(body + channel * _packet + _taken, to, count);
    }
    _taken += count;
    return count;
}

size_t ReceiveStreamer::recv(const buffs_type& buffers,
    size_t samples,
    uhd::rx_metadata_t& metadata,
    double timeout,
    bool one_packet)
{
    metadata.reset();
    size_t received = 0;
    while (received < samples) {
        if (_taken == _packet and not _error and not next_packet(timeout)) {
            if (received == 0) {
                metadata.error_code = Code::ERROR_CODE_TIMEOUT;
            }
            break;
        }
        if (_error) {
            if (received == 0) {
                metadata = *_error;
                _error.reset();
            }
            break;
        }
        const Header& header = _connection->header();
        if (received == 0) {
            metadata.has_time_spec = true;
            metadata.time_spec     = _clock->time_of(header.time + static_cast<int64_t>(_taken));
            metadata.fragment_offset = _taken;
            metadata.start_of_burst  = (header.flags & FIRST) and _taken == 0;
        }
        received += take(buffers, received, samples - received);
        metadata.more_fragments = _taken < _packet;
        metadata.end_of_burst   = (header.flags & LAST) and _taken == _packet;
        if (one_packet or metadata.end_of_burst) {
            break;
        }
    }
    return received;
}

} // namespace semcom
