// SPDX-License-Identifier: GPL-3.0-or-later
//! A socket to the air that carries messages.
#pragma once

#include "protocol.hpp"
#include <sys/uio.h>
#include <chrono>
#include <string>
#include <vector>

namespace semcom {

//! A moment until which somebody waits.
using Deadline = std::chrono::steady_clock::time_point;

Deadline after(double seconds);

//! One thread may send while another receives.
class Connection
{
public:
    //! \param address path of a unix socket, or tcp://127.0.0.1:PORT
    //! \throws uhd::io_error nobody listens there
    explicit Connection(const std::string& address);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    //! \return whether header() and body() are a new message; what came of one is kept
    //! \throws uhd::usb_error the other side is gone
    bool receive(Deadline deadline);

    const Header& header() const
    {
        return _header;
    }
    const std::vector<char>& body() const
    {
        return _body;
    }

    //! A message with the given parts as its body; header.length is filled in.
    //! \return whether it was taken: all of it, or nothing
    //! \throws uhd::usb_error the other side is gone
    bool send(Header header, std::vector<iovec> parts, Deadline deadline);

    //! From now on the other side is gone.
    void shut();

private:
    void wait(short events, Deadline deadline) const;
    bool fill(char* into, size_t bytes, Deadline deadline);
    bool flush(Deadline deadline);

    int _socket;
    Header _header;
    std::vector<char> _body;
    size_t _received = 0; // bytes of the message that is being received
    std::vector<char> _unsent;
};

} // namespace semcom
