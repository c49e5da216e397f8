#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Allocates, frees and reads every view from all CPUs at once, while the module goes and comes.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

SECONDS_LONG=${SOAK:-10}
stop=/tmp/soak.stop

# Some of these fail while the module is away: that is the point. An open file pins the module, so
# that each round ends in a pause for it to go.
writer() {
	while [ ! -e $stop ]; do
		ctl "alloc pages order=$(($1 % 4)) count=50 tag=w$1
alloc pages order=4 node=0 count=4 tag=w$1
free tag=w$1"
		usleep "$2"
	done
}

reader() {
	while [ ! -e $stop ]; do
		cat "$OXMM"/README "$OXMM"/version "$LINUX"/* >/dev/null 2>&1
		usleep "$1"
	done
}

# Counts how often the module really went while others were at it.
reloader() {
	local gone=0
	while [ ! -e $stop ]; do
		if rmmod oxmm 2>/dev/null; then
			gone=$((gone + 1))
			insmod "$MODULE" || { echo "insmod failed" >/tmp/soak.bad; return; }
		fi
	done
	echo "$gone" >/tmp/soak.gone
}

# run_all MODE PAUSE: with MODE `reload` the module goes and comes meanwhile.
run_all() {
	local cpu
	rm -f $stop /tmp/soak.bad /tmp/soak.gone
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		taskset "$(printf '%x' $((1 << cpu)))" sh -c ". ${0%/*}/lib.sh; $(soak_functions); writer $cpu ${2:-0}" &
		reader "${2:-0}" &
	done
	[ "$1" = reload ] && reloader &
	sleep "$SECONDS_LONG"
	touch $stop
	wait
	[ ! -e /tmp/soak.bad ]
}

# The functions above, for a shell that is bound to one CPU.
soak_functions() { sed -n '/^stop=/p; /^writer()/,/^}/p' "$0"; }

came_and_went() {
	note "the module went $(cat /tmp/soak.gone) times"
	[ "$(cat /tmp/soak.gone)" -gt 0 ]
}

freed_in_the_end() { ctl "free all" && [ "$(held)" -eq 0 ]; }

plan 4
check "all CPUs allocate, free and read" run_all stay
check "what is left is freed" freed_in_the_end
check "the same while the module goes and comes" run_all reload 100000
check "the module really went" came_and_went
