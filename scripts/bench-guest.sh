#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The part of scripts/bench that runs in the kernel: prints rows of build/bench.tsv, without its
# first line.

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

# row WORK SIZE PATTERN OURS [PEER PEER_NS]: a line of build/bench.tsv.
row() {
	# shellcheck disable=SC2016 # awk's names
	awk -v work="$1" -v size="$2" -v pattern="$3" -v ours="$4" -v peer="${5:--}" -v theirs="${6:-0}" 'BEGIN {
		OFS = "\t"
		print "uml", work, size, pattern, 1, peer, ours, theirs ? theirs : "-", theirs ? sprintf("%.2f", ours / theirs) : "-", "-"
	}'
}

# compare VIEW FILE...: one read of the view against one read of each of the kernel's files.
compare() {
	local view=$1
	shift
	row read "$view" - "$(read_ns "$linux/$view")" "$(echo "$*" | tr ' ' ,)" "$(read_ns "$@")"
}

# ctl SIZE PATTERN COUNT LINE: ns a run, allocated and freed through ctl.
ctl() { row ctl "$1" "$2" "$(alloc_ns "$4 count=$3" "$3")"; }

clock=$(clock_ns)
# These four together say what free_area says.
compare free_area /proc/buddyinfo /proc/pagetypeinfo /sys/kernel/debug/extfrag/*
compare zones /proc/zoneinfo
row read nodes - "$(read_ns $linux/nodes)"
row read zonelists - "$(read_ns $linux/zonelists)"
# The two tables of pagetypeinfo, and a map besides.
compare pageblocks /proc/pagetypeinfo
# What zoneinfo says of pagesets, and the length of each list.
compare pcp /proc/zoneinfo
compare vmstat /proc/vmstat
compare memory /proc/meminfo
ctl o0 - 50000 "alloc pages order=0"
ctl o3 - 7000 "alloc pages order=3"
ctl o9 - 100 "alloc pages order=9"
# In bulk from the node, from one class of kmalloc(), and in bulk from a cache.
ctl o0 node 50000 "alloc pages order=0 node=0"
ctl 64 kmalloc 50000 "alloc object size=64"
echo "cache create name=bench size=64 flags=no_merge" >$linux/ctl
ctl 64 cache 50000 "alloc object cache=bench"
echo "cache destroy name=bench" >$linux/ctl
