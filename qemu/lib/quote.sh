# SPDX-License-Identifier: GPL-2.0
# How a command line of the host reaches a guest's shell. Sourced by the runners.
# shellcheck shell=bash

# Words that a POSIX shell reads back byte for byte.
quote() {
    local word q="'\\''"
    for word; do
        printf " '%s'" "${word//\'/$q}"
    done
    echo
}
