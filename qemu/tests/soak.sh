#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Allocates of both managers, frees and reads every view from all CPUs at once, while private/check is
# read alongside; then the same while the module goes and comes. SOAK_SECONDS says for how long.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

SECONDS_LONG=${SOAK_SECONDS:-10}
stop=/tmp/soak.stop
pause=/tmp/soak.pause

# Some of these fail while the module is away: that is the point. An open file pins the module, so
# that each round ends in a pause for it to go.
writer() {
	local pfn=0 microseconds
	while [ ! -e $stop ]; do
		ctl "alloc pages order=$(($1 % 4)) count=50 tag=w$1
alloc pages order=4 node=0 count=4 tag=w$1
free tag=w$1"
		ctl "cache create name=c$1 size=$((100 + $1)) flags=no_merge
alloc object cache=c$1 count=100 tag=c$1
alloc object size=3000 count=20 tag=c$1
alloc percpu size=16 tag=c$1
alloc vmalloc size=100K tag=c$1
shrink cache=c$1"
		ctl "free tag=c$1 defer=0"
		private "$1"
		# One cache for all: who comes last destroys it, who finds it in use is told so.
		ctl "cache create name=all size=64"
		ctl "alloc object cache=all count=64 tag=o$1"
		ctl "free tag=o$1 defer=1"
		ctl "cache destroy name=all"
		ctl "cache destroy name=c$1"
		pfn=$((pfn + 12345))
		ask page "pfn=$pfn"
		ask would "order=$(($1 % 11)) gfp=GFP_ATOMIC"
		ask kmalloc "size=$((pfn % 9000 + 1))"
		read -r microseconds <$pause
		usleep "$microseconds"
	done
}

# private CPU: what the private manager is asked for: from lists and past them, in turn from all
# nodes, more than there is of the largest blocks, and frees that meet those of other CPUs.
private() {
	SIDE=$OXMM/private
	ctl "alloc pages order=$(($1 % 4)) count=200 tag=p$1
alloc pages policy=interleave nodes=0 count=50 tag=p$1
alloc pages order=9 type=movable tag=p$1
alloc pages order=1 gfp=GFP_ATOMIC type=reclaimable count=20 tag=all
alloc pages order=10 count=3 gfp=GFP_KERNEL|__GFP_NORETRY tag=p$1"
	ctl "free tag=p$1"
	ctl "free tag=all
drain"
	SIDE=$LINUX
}

# Reads private/check until the end. Sums over regions are out of step while others are at work; what
# a region, a frame or a CPU's lists say of themselves never is.
checker() {
	while [ ! -e $stop ]; do
		awk 'NR > 1 && $3 !~ /^(ok|free:?|managed|account)$/ { print }' "$OXMM/private/check" >>/tmp/soak.unsound
		echo >>/tmp/soak.checks
	done
}

reader() {
	local microseconds
	while [ ! -e $stop ]; do
		find "$OXMM" -type f ! -name ctl -exec cat {} + >/dev/null 2>&1
		read -r microseconds <$pause
		usleep "$microseconds"
	done
}

# Notes how often the module really went while others were at it. Where a round of theirs takes long
# a file is open nearly always: the pauses are doubled until it goes, up to some seconds.
reloader() {
	local gone=0 refused=0 microseconds
	while [ ! -e $stop ]; do
		if rmmod oxmm 2>/dev/null; then
			gone=$((gone + 1))
			refused=0
			insmod "$MODULE" || { echo "insmod failed" >/tmp/soak.bad; return; }
			echo "$gone" >/tmp/soak.gone
			continue
		fi
		refused=$((refused + 1))
		read -r microseconds <$pause
		if [ $((refused % 50)) -eq 0 ] && [ "$microseconds" -lt 4000000 ]; then
			echo $((microseconds * 2)) >$pause.new
			mv $pause.new $pause
		fi
	done
}

# run_all MODE MICROSECONDS: all CPUs at work, with pauses; with MODE `reload` half of them, while the
# module goes and comes. That mode goes on until it went five times.
run_all() {
	local cpu step=1 end
	rm -f $stop /tmp/soak.bad /tmp/soak.unsound /tmp/soak.checks
	echo 0 >/tmp/soak.gone
	echo "$2" >$pause
	[ "$1" = reload ] && step=2
	for cpu in $(seq 0 $step $(($(nproc) - 1))); do
		taskset "$(printf '%x' $((1 << cpu)))" sh -c ". ${0%/*}/lib.sh; $(soak_functions); writer $cpu" &
		reader &
	done
	if [ "$1" = reload ]; then reloader & else checker & fi
	# By the clock: among so many others a sleep of a second may take three.
	end=$(($(date +%s) + SECONDS_LONG))
	while [ "$(date +%s)" -lt $end ] ||
		{ [ "$1" = reload ] && [ "$(cat /tmp/soak.gone)" -lt 5 ] && [ "$(date +%s)" -lt $((end + 180)) ]; }; do
		sleep 1
	done
	touch $stop
	wait
	[ ! -e /tmp/soak.bad ]
}

# The functions above, for a shell that is bound to one CPU.
soak_functions() { sed -n '/^stop=/p; /^pause=/p; /^writer()/,/^}/p; /^private()/,/^}/p' "$0"; }

stayed_sound() {
	note "private/check was read $(wc -l </tmp/soak.checks) times"
	[ ! -s /tmp/soak.unsound ] && return
	sed 's/^/# /; 10q' /tmp/soak.unsound
	return 1
}

came_and_went() {
	note "the module went $(cat /tmp/soak.gone) times"
	[ "$(cat /tmp/soak.gone)" -gt 0 ]
}

freed_in_the_end() {
	local cpu
	ctl "free all" && [ "$(held)" -eq 0 ] || return 1
	SIDE=$OXMM/private
	ctl "free all
drain" && [ "$(held)" -eq 0 ] || return 1
	awk 'NR > 1 && $3 != "ok" { print "# " $0; bad = 1 } END { exit bad }' "$SIDE/check" || return 1
	SIDE=$LINUX
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		ctl "cache destroy name=c$cpu"
	done
	ctl "cache destroy name=all"
	[ "$(grep -c '^oxmm-' /proc/slabinfo)" -eq 0 ]
}

plan 5
check "all CPUs allocate, free and read" run_all stay 0
check "the private manager is sound throughout" stayed_sound
check "what is left is freed" freed_in_the_end
check "the same while the module goes and comes" run_all reload 100000
check "the module really went" came_and_went
