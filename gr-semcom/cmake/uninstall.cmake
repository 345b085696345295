# SPDX-License-Identifier: GPL-3.0-or-later
#
# Removes the files that `cmake --install` listed.

if(NOT EXISTS install_manifest.txt)
    message(FATAL_ERROR "Nothing was installed from here: there is no install_manifest.txt.")
endif()
file(STRINGS install_manifest.txt FILES)
foreach(FILE ${FILES})
    file(REMOVE "$ENV{DESTDIR}${FILE}")
endforeach()
