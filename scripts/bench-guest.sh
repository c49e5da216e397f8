#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The part of scripts/bench that runs in the kernel: prints rows of build/bench.tsv, without its
# first line.
#
# usage: bench-guest.sh uml | uml-smp      (what to measure; the harness of the rows)

oxmm=/sys/kernel/debug/oxmm
linux=$oxmm/linux
harness=$1

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
	awk -v harness="$harness" -v work="$1" -v size="$2" -v pattern="$3" -v ours="$4" -v peer="${5:--}" -v theirs="${6:-0}" 'BEGIN {
		OFS = "\t"
		print harness, work, size, pattern, 1, peer, ours, theirs ? theirs : "-", theirs ? sprintf("%.2f", ours / theirs) : "-", "-"
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

# samples LINE CPUS...: ns of the work of the line on so many CPUs at once, for the private page
# allocator and Linux's from the same loop; turns are taken.
samples() {
	local line=$1 cpus side _
	shift
	for _ in 1 2 3 4 5; do
		for cpus; do
			for side in private linux; do
				echo "$line threads=$cpus" >$oxmm/$side/bench || return
				awk -v side=$side 'NR > 1 { print side, $4, $7, $8, $9 }' $oxmm/$side/bench
			done
		done
	done
}

# pages SIZE PATTERN ALLOC_TARGET FREE_TARGET LINE [CPUS]...: rows of the best samples of the line on so
# many CPUs (one): the private page allocator beside Linux's, and on two CPUs beside itself on one. The
# targets are those against Linux; - is none. A pair is one figure, and its target the first.
pages() {
	local size=$1 pattern=$2 alloc=$3 free=$4 line=$5
	shift 5
	[ $# -gt 0 ] || set -- 1
	samples "$line" "$@" |
		awk -v harness="$harness" -v size="$size" -v pattern="$pattern" -v line="$line" -v alloc="$alloc" -v free="$free" '
	{
		for (i = 3; i <= 5; i++) {
			key = $1 " " $2 " " i
			if ($i != "-" && (!(key in best) || $i + 0 < best[key])) best[key] = $i + 0
		}
	}
	function print_row(work, i, cpus, peer, theirs, target,   ours) {
		if (!(("private " cpus " " i) in best && theirs in best)) return
		ours = best["private " cpus " " i]; theirs = best[theirs]
		print harness, work, size, pattern, cpus, peer, ours, theirs, (theirs > 0 ? sprintf("%.2f", ours / theirs) : "-"), target
	}
	function print_rows(work, i, target,   cpus) {
		for (cpus = 1; cpus <= 2; cpus++) print_row(work, i, cpus, "linux", "linux " cpus " " i, target)
		print_row(work, i, 2, "oxmm-1cpu", "private 1 " i, "<=1.15")
	}
	BEGIN { OFS = "\t"; name = line ~ /batch/ ? "batch_" : "" }
	END { print_rows("pair", 3, alloc); print_rows(name "alloc", 4, alloc); print_rows(name "free", 5, free) }'
}

# floor [CPUS]: what locks and counters cost in this kernel, and on several CPUs a line that they share.
floor() {
	echo "work=floor threads=${1:-1}" >$linux/bench || return
	awk -v harness="$harness" 'BEGIN { OFS = "\t" } NR > 1 { print harness, "primitive", $1, "-", $4, "-", $7, "-", "-", "-" }' $linux/bench
}

# reload PARAMETER...: oxmm as it is measured beside Linux.
reload() {
	rmmod oxmm && insmod /guest/oxmm.ko "$@"
}

# The views beside the kernel's files with the same fact.
views() {
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
}

# What is allocated through ctl.
commands() {
	ctl o0 - 50000 "alloc pages order=0"
	ctl o3 - 7000 "alloc pages order=3"
	ctl o9 - 100 "alloc pages order=9"
	# In bulk from the node, from one class of kmalloc(), and in bulk from a cache.
	ctl o0 node 50000 "alloc pages order=0 node=0"
	ctl 64 kmalloc 50000 "alloc object size=64"
	echo "cache create name=bench size=64 flags=no_merge" >$linux/ctl
	ctl 64 cache 50000 "alloc object cache=bench"
	echo "cache destroy name=bench" >$linux/ctl
}

# What runs on one CPU in a kernel without SMP.
one_cpu() {
	clock=$(clock_ns)
	views
	commands
	floor
	# Of the size from which on page lists are tuned alike: Linux's zone is larger than the arena.
	reload arena_mb=256
	pages o0 - "<=0.25" - "work=pair"
	pages o3 - - - "work=pair order=3"
	pages o4 - - - "work=pair order=4"
	pages o9 - "<=0.06" - "work=pair order=9"
	pages o10 - - - "work=pair order=10"
	pages o0 fifo "<=0.50" "<=0.50" "work=bulk count=10000"
	pages o0 lifo "<=0.50" "<=0.50" "work=bulk count=10000 pattern=lifo"
	pages o0 random "<=0.50" "<=0.50" "work=bulk count=10000 pattern=random"
	pages o3 fifo - - "work=bulk order=3 count=1200"
	pages o6 fifo - - "work=bulk order=6 count=150"
	pages o9 fifo "<=1.00" "<=0.10" "work=bulk order=9 count=48"
	pages o0 64 "<=1.00" "<=0.50" "work=batch count=10000"
}

# What runs on two CPUs at once, and the same on one of them. No target is set against Linux but where
# its pages change hands: a kernel without SMP, where locks are free, is the harder one to beat.
two_cpus() {
	floor 2
	# Unmovable and movable, each on a machine just made: all of its memory is movable, so that the
	# former has to be claimed, and CPUs share what one of them has claimed before they claim more.
	for type in GFP_KERNEL GFP_HIGHUSER_MOVABLE; do
		# So large that 400 blocks of order 9 are to be had: 200 are work long enough to be timed.
		reload arena_mb=1024 max_mb=1024
		pair=- bulk=fifo
		if [ $type != GFP_KERNEL ]; then pair=movable bulk=movable; fi
		pages o0 $pair - - "work=pair gfp=$type" 1 2
		pages o3 $pair - - "work=pair order=3 gfp=$type" 1 2
		pages o9 $pair - - "work=pair order=9 gfp=$type" 1 2
		pages o0 $bulk - - "work=bulk count=10000 gfp=$type" 1 2
		pages o3 $bulk - - "work=bulk order=3 count=2000 gfp=$type" 1 2
		pages o9 $bulk - - "work=bulk order=9 count=200 gfp=$type" 1 2
	done
	pages o0 other - "<=0.50" "work=remote count=10000" 2
	pages o3 other - "<=0.50" "work=remote order=3 count=2000" 2
	pages o9 other - "<=0.50" "work=remote order=9 count=200" 2
}

case $harness in
uml) one_cpu ;;
uml-smp) two_cpus ;;
*)
	echo "bench-guest.sh: '$harness' is neither uml nor uml-smp" >&2
	exit 2
	;;
esac
