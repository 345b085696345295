// SPDX-License-Identifier: GPL-3.0-or-later
//! Samples in the host's memory: fc32 or sc16. Full scale is 1.0, or 32767.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>

namespace semcom {

class SampleFormat
{
public:
    //! \throws uhd::key_error for a format that there is none for
    SampleFormat(const std::string& cpu, const std::string& over_the_wire);

    //! Whether the host's samples are as the air's.
    bool same() const
    {
        return _same;
    }
    size_t bytes() const
    {
        return _same ? sizeof(std::complex<float>) : 2 * sizeof(int16_t);
    }

    void to_host(const std::complex<float>* from, void* to, size_t samples) const;
    void from_host(const void* from, std::complex<float>* to, size_t samples) const;

private:
    bool _same;
};

} // namespace semcom
