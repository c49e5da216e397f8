#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The module goes and comes: with pages held, with files open, a hundred times.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

load() { insmod "$MODULE" "$@"; }
unload() { rmmod oxmm; }

# Pages that are free or in Linux's slabs: those grow and shrink with every process, and kmemleak
# watches them in the debug kernel.
all_free() {
	settle
	count_free all all
	awk -v free="$free" '$1 == "Slab:" { print free + $2 / 4 }' /proc/meminfo
}

removal_frees_what_is_held() {
	local before after
	before=$(all_free)
	ctl "alloc pages order=0 count=1000
alloc pages order=10 count=8" || return 1
	unload || return 1
	[ ! -e "$OXMM" ] || { load; return 1; }
	load || return 1
	after=$(all_free)
	note "$before $after"
	[ "$(held)" -eq 0 ] && [ $((before - after)) -lt 256 ]
}

# An open file pins the module; a read through it still works; then the module goes.
open_file_pins() {
	exec 3<"$LINUX/zones"
	rmmod oxmm 2>/dev/null && { exec 3<&-; load; return 1; }
	grep -q Normal <&3 || grep -q DMA32 <"$LINUX/zones" || return 1
	exec 3<&-
	unload && load
}

parameter_limits() {
	unload && load max_mb=1 || return 1
	refused EBUSY "alloc pages order=9" && ctl "alloc pages order=8" && refused EBUSY "alloc pages"
	set -- $?
	unload && load || return 1
	return "$1"
}

half_of_memory_is_the_most() {
	local half
	unload && load max_mb=18446744073709551615 || return 1
	half=$(awk 'NR > 1 { sum += $7 } END { print int(sum / 2 / 1024) + 1 }' "$LINUX/nodes")
	refused EBUSY "alloc pages order=10 count=$half"
	set -- $?
	unload && load || return 1
	return "$1"
}

bad_parameter() {
	unload || return 1
	load max_mb=x 2>/dev/null && return 1
	load max_mb=-1 2>/dev/null && return 1
	load
}

second_load() { ! load 2>/dev/null; }

# Linux's caches settle in the first rounds; what leaked in each round would go on drifting, so that
# one hundred rounds without a drift are enough.
hundred_times() {
	local before after
	for _ in $(seq 20); do unload && load || return 1; done
	before=$(all_free)
	for _ in $(seq 100); do
		ctl "alloc pages order=4 count=10" || return 1
		unload && load || return 1
	done
	after=$(all_free)
	note "before $before, after $after: $(((before - after) * 100 / 100)) hundredths of a page a round"
	[ $((before - after)) -lt 50 ]
}

plan 7
check "a second load is refused" second_load
check "removal frees what is held" removal_frees_what_is_held
check "an open file pins the module" open_file_pins
check "max_mb is the limit" parameter_limits
check "half of memory is the most" half_of_memory_is_the_most
check "a bad parameter is refused" bad_parameter
check "loaded and removed a hundred times, free pages are where they were" retry 3 hundred_times
