// SPDX-License-Identifier: GPL-3.0-or-later
#include "connection.hpp"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uhd/exception.hpp>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace semcom {

namespace {

constexpr int NO_DEVICE = -4; // libusb's code for a device that was unplugged

[[noreturn]] void gone()
{
    throw uhd::usb_error(NO_DEVICE, "virtual USRP: the device is gone");
}

bool would_block()
{
    return errno == EAGAIN or errno == EWOULDBLOCK or errno == EINTR;
}

int connect_unix(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        throw uhd::io_error("virtual USRP: the path of the socket is too long: " + path);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 and connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
        return fd;
    }
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int connect_tcp(const std::string& host, int port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port   = htons(static_cast<uint16_t>(port));
    if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 and connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        return fd;
    }
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int connect_to(const std::string& address)
{
    const std::string tcp = "tcp://";
    if (address.rfind(tcp, 0) != 0) {
        return connect_unix(address);
    }
    const size_t colon = address.rfind(':');
    const std::string host = address.substr(tcp.size(), colon - tcp.size());
    return connect_tcp(host, std::atoi(address.c_str() + colon + 1));
}

} // namespace

Deadline after(double seconds)
{
    const double longest = 1e8; // more would not fit the clock
    const std::chrono::duration<double> wait(std::min(std::max(seconds, 0.0), longest));
    return std::chrono::steady_clock::now()
           + std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait);
}

Connection::Connection(const std::string& address) : _socket(connect_to(address))
{
    if (_socket < 0) {
        throw uhd::io_error("virtual USRP: no air at " + address + ": "
                            + std::system_category().message(errno));
    }
}

Connection::~Connection()
{
    close(_socket);
}

void Connection::shut()
{
    shutdown(_socket, SHUT_RDWR);
}

void Connection::wait(short events, Deadline deadline) const
{
    using namespace std::chrono;
    const auto left = std::max(deadline - steady_clock::now(), steady_clock::duration::zero());
    const auto whole = duration_cast<seconds>(left);
    const timespec timeout{
        static_cast<time_t>(whole.count()), duration_cast<nanoseconds>(left - whole).count()};
    pollfd poll{_socket, events, 0};
    ppoll(&poll, 1, &timeout, nullptr);
}

bool Connection::fill(char* into, size_t bytes, Deadline deadline)
{
    size_t have = 0;
    while (have < bytes) {
        const ssize_t got = recv(_socket, into + have, bytes - have, MSG_DONTWAIT);
        if (got == 0 or (got < 0 and not would_block())) {
            gone();
        }
        if (got > 0) {
            have += got;
            _received += got;
        } else if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        } else {
            wait(POLLIN, deadline);
        }
    }
    return true;
}

bool Connection::receive(Deadline deadline)
{
    if (_received < sizeof(Header)) {
        char* const header = reinterpret_cast<char*>(&_header);
        if (not fill(header + _received, sizeof(Header) - _received, deadline)) {
            return false;
        }
        if (_header.length > MOST_BYTES) {
            throw uhd::io_error("virtual USRP: what answers is not an air");
        }
        _body.resize(_header.length);
    }
    const size_t done = _received - sizeof(Header);
    if (not fill(_body.data() + done, _body.size() - done, deadline)) {
        return false;
    }
    _received = 0;
    return true;
}

bool Connection::flush(Deadline deadline)
{
    size_t sent = 0;
    while (sent < _unsent.size()) {
        const ssize_t n =
            ::send(_socket, &_unsent[sent], _unsent.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 and not would_block()) {
            gone();
        }
        if (n >= 0) {
            sent += n;
        } else if (std::chrono::steady_clock::now() >= deadline) {
            break;
        } else {
            wait(POLLOUT, deadline);
        }
    }
    _unsent.erase(_unsent.begin(), _unsent.begin() + sent);
    return _unsent.empty();
}

bool Connection::send(Header header, std::vector<iovec> parts, Deadline deadline)
{
    if (not flush(deadline)) {
        return false;
    }
    for (const iovec& part : parts) {
        header.length += part.iov_len;
    }
    parts.insert(parts.begin(), iovec{&header, sizeof(header)});
    msghdr message{};
    message.msg_iov    = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t sent       = -1;
    while (sent < 0) {
        sent = sendmsg(_socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            if (not would_block()) {
                gone();
            }
            if (std::chrono::steady_clock::now() >= deadline) {
                return false;
            }
            wait(POLLOUT, deadline);
        }
    }
    // What the socket did not take at once is ours to bring: the caller's memory is not.
    for (const iovec& part : parts) {
        const size_t taken = std::min<size_t>(sent, part.iov_len);
        const char* bytes  = static_cast<const char*>(part.iov_base);
        _unsent.insert(_unsent.end(), bytes + taken, bytes + part.iov_len);
        sent -= taken;
    }
    flush(deadline);
    return true;
}

} // namespace semcom
