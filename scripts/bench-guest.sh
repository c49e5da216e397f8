#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The part of scripts/bench that runs in the kernel: prints tab-separated rows.

linux=/sys/kernel/debug/oxmm/linux

# Nanoseconds since boot; the kernel's own clock, which is finer than /proc/uptime.
now() { awk '$1 == "now" && $2 == "at" { print $3; exit }' /proc/timer_list; }

# What starting and reading the clock costs itself, to be taken off.
clock_ns() {
	local start _
	for _ in 1 2 3 4 5 6 7; do
		start=$(now)
		echo $(($(now) - start))
	done | median
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# read_ns FILE...: ns to read all of them once, in one program, the median of seven rounds of 200.
read_ns() {
	local files='' start _
	for _ in $(seq 200); do files="$files $*"; done
	for _ in 1 2 3 4 5 6 7; do
		start=$(now)
		# shellcheck disable=SC2086 # a list of files without blanks
		cat $files >/dev/null
		echo $((($(now) - start - clock) / 200))
	done | median
}

# alloc_ns LINE COUNT: ns a run, allocated and freed, the median of seven rounds of twenty writes.
alloc_ns() {
	local start writes _
	writes=$(for _ in $(seq 20); do printf '%s\nfree all\n' "$1"; done)
	for _ in 1 2 3 4 5 6 7; do
		start=$(now)
		echo "$writes" >$linux/ctl
		echo $((($(now) - start - clock) / ($2 * 20)))
	done | median
}

# row NAME OURS [PEER PEER_NS]
row() {
	# shellcheck disable=SC2016 # awk's names
	awk -v name="$1" -v ours="$2" -v peer="${3:--}" -v theirs="${4:-0}" 'BEGIN {
		OFS = "\t"
		print name, ours, peer, theirs ? theirs : "-", theirs ? sprintf("%.2f", ours / theirs) : "-"
	}'
}

# compare VIEW FILE...: one read of the view against one read of each of the kernel's files.
compare() {
	local view=$1
	shift
	row "view-$view" "$(read_ns "$linux/$view")" "$*" "$(read_ns "$@")"
}

clock=$(clock_ns)
printf 'name\tours_ns\tpeer\tpeer_ns\tratio\n'
# These four together say what free_area says.
compare free_area /proc/buddyinfo /proc/pagetypeinfo /sys/kernel/debug/extfrag/*
compare zones /proc/zoneinfo
row view-nodes "$(read_ns $linux/nodes)"
row view-zonelists "$(read_ns $linux/zonelists)"
# The two tables of pagetypeinfo, and a map besides.
compare pageblocks /proc/pagetypeinfo
# What zoneinfo says of pagesets, and the length of each list.
compare pcp /proc/zoneinfo
compare vmstat /proc/vmstat
compare memory /proc/meminfo
row alloc-o0 "$(alloc_ns "alloc pages order=0 count=50000" 50000)"
row alloc-o3 "$(alloc_ns "alloc pages order=3 count=7000" 7000)"
row alloc-o9 "$(alloc_ns "alloc pages order=9 count=100" 100)"
# In bulk from the node, from one class of kmalloc(), and in bulk from a cache.
row alloc-o0-node "$(alloc_ns "alloc pages order=0 node=0 count=50000" 50000)"
row alloc-kmalloc-64 "$(alloc_ns "alloc object size=64 count=50000" 50000)"
echo "cache create name=bench size=64 flags=no_merge" >$linux/ctl
row alloc-cache-64 "$(alloc_ns "alloc object cache=bench count=50000" 50000)"
echo "cache destroy name=bench" >$linux/ctl
