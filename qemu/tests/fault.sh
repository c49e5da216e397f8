#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Fault injection on load and on each command: every allocation the kernel makes for it fails once,
# one after the other; the answer is an error, and nothing is held.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

NTH=/proc/self/fail-nth

if [ ! -e $NTH ] || [ ! -d $DEBUG/failslab ] || [ ! -d $DEBUG/fail_page_alloc ]; then
	plan 1
	skip "fault injection" "this kernel has none"
	exit 0
fi

# Every allocation may fail, those that could wait included, and without a stack in the log.
arm() {
	local kind
	for kind in failslab fail_page_alloc; do
		echo N >$DEBUG/$kind/ignore-gfp-wait
		echo 0 >$DEBUG/$kind/verbose
		echo -1 >$DEBUG/$kind/times
	done
	echo 0 >$DEBUG/fail_page_alloc/min-order
	echo N >$DEBUG/fail_page_alloc/ignore-gfp-highmem
}

# Both are opened before a fault is set up, so that the only allocations left to fail are those of
# the write itself; standard error is no terminal here, and not to be opened either.
exec 3>"$LINUX/ctl" 4>$NTH 2>/tmp/fault.err

# disarm: also a write, and its copy from user space may be what fails: nothing is set up then.
disarm() { echo 0 >&4; }

# The write has met all its faults when it succeeded this often in a row: the odd ones in between
# hit something that has another way to go on.
ENOUGH=12

# each_fault LINES AFTER...: writes LINES again and again, and lets the first, the second, ...
# allocation or copy fail. AFTER is run with the status of each write, 0 or 1, as last argument.
each_fault() {
	local lines=$1 nth=0 passed=0 refused=0 status
	shift
	while [ "$passed" -lt $ENOUGH ]; do
		nth=$((nth + 1))
		[ "$nth" -le 400 ] || { note "no end after 400: $lines"; return 1; }
		echo "$nth" >&4
		if echo "$lines" >&3; then status=0; else status=1; fi
		disarm
		passed=$(((passed + 1) * !status))
		refused=$((refused + status))
		"$@" $status || { note "fault $nth, status $status: $lines"; return 1; }
	done
	note "$((nth - ENOUGH)) faults, $refused refusals: $lines"
	[ "$refused" -gt 0 ]
}

# each_fails LINES [HELD]...: after a failure, the runs held are one of HELD, by default none.
each_fails() {
	local lines=$1
	shift
	each_fault "$lines" left_is "${*:-0}"
}

# left_is HELD STATUS: checks what a failure left for each_fails(), and lets nothing stay.
left_is() {
	local left
	left=$(held)
	case "$2: $1 " in
	0:* | 1:*" $left "*) ;;
	*) note "left $left"; return 1 ;;
	esac
	ctl "free all"
	return 0
}

pages_fail() {
	each_fails "alloc pages order=0 tag=fault" && each_fails "alloc pages order=3 count=40 tag=fault" &&
		each_fails "alloc pages order=5 count=2 tag=fault
alloc pages order=1 tag=fault" 0 2
}

# A cache that was made is destroyed again, so that the next round can make it.
objects_fail() {
	each_fails "alloc object size=100 count=40 tag=fault" && each_fails "alloc object size=20000 tag=fault" &&
		each_fails "alloc percpu size=64 count=3 tag=fault" &&
		each_fails "alloc vmalloc size=100K count=3 tag=fault" || return 1
	ctl "cache create name=fault size=100 flags=no_merge" || return 1
	each_fails "alloc object cache=fault count=100" && ctl "cache destroy name=fault"
}

MAKE="cache create name=fault size=200 flags=no_merge ctor=1"

making_caches_fails() { each_fault "$MAKE" cache_is_whole; }

# cache_is_whole STATUS: the cache is there, and can be destroyed, or it is not, and can be made.
cache_is_whole() {
	[ "$1" -eq 0 ] || ctl "$MAKE" || return 1
	ctl "alloc object cache=fault
free all
cache destroy name=fault" || { note "$(tail -n 1 "$LINUX/result")"; return 1; }
}

# Freeing needs no memory of its own but for the report: a fault there must not lose what is held.
freeing_fails() {
	local nth=0 passed=0 status
	while [ "$passed" -lt $ENOUGH ]; do
		nth=$((nth + 1))
		[ "$nth" -le 100 ] || return 1
		ctl "alloc pages count=10 tag=fault" || return 1
		echo "$nth" >&4
		if echo "free tag=fault" >&3; then status=0; else status=1; fi
		disarm
		passed=$(((passed + 1) * !status))
		# Either all of it was freed and the write says so, or none was.
		[ "$(held)" -eq $((status ? 10 : 0)) ] || { note "fault $nth: status $status, held $(held)"; return 1; }
		ctl "free all" || return 1
	done
	note "$((nth - ENOUGH)) faults"
}

# Machines of the private manager: one that was not built leaves the old one, its pages and nothing
# else; one that was is whole.
building_fails() {
	local mirror status
	exec 3>"$OXMM/private/ctl"
	SIDE=$OXMM/private
	# Most tables are too large for the slab allocator alone: their faults have another way to go on.
	ENOUGH=100
	mirror=$(machine)
	each_fault "machine node=0 zones=dma32:2M,normal:4M cma=2M cpus=0
machine node=1 mem=2G shadow=1
machine build
alloc pages order=1 count=20 tag=fault" machine_is_whole
	status=$?
	ENOUGH=12
	SIDE=$LINUX
	exec 3>"$LINUX/ctl"
	return $status
}

machine() { awk '{ $9 = ""; print }' "$OXMM/private/nodes"; }

# machine_is_whole STATUS: all of the machine that was asked for is there, or none of it.
machine_is_whole() {
	local left
	left=$(held)
	awk 'NR > 1 && $3 != "ok" { bad = 1; print "# " $0 } END { exit bad }' "$SIDE/check" || return 1
	case "$1:$left" in
	0:20 | 1:0) ;;
	*) note "left $left"; return 1 ;;
	esac
	[ "$1" -eq 1 ] || [ "$(awk 'END { print $7 }' "$SIDE/nodes")" -eq 524288 ] || return 1
	ctl "free all
machine reset" && [ "$(machine)" = "$mirror" ]
}

# Opening and the first byte of a read make the whole text; that is where memory is asked for. A
# fault gives an error, and the next read is whole.
reading_fails() {
	local file nth failed
	ctl "cache create name=fault size=100
alloc object cache=fault count=10
alloc percpu size=8
alloc vmalloc size=40K" || return 1
	for file in "$OXMM/README" $(find "$LINUX" -type f ! -perm 200); do
		failed=0
		for nth in $(seq 60); do
			echo "$nth" >&4
			{ read -r _ <"$file"; } || failed=$((failed + 1))
			disarm
		done
		note "$failed of 60 reads failed: $file"
		[ "$failed" -gt 3 ] && [ "$(wc -l <"$file")" -gt 0 ] || return 1
	done
	ctl "free all
cache destroy name=fault"
}

# faulty NTH PROGRAM...: runs a program in the process that the fault was set up for.
faulty() { sh -c 'echo "$1" >/proc/self/fail-nth; shift; exec "$@"' sh "$@"; }

# Busybox's insmod tries another way when one fails; this one is the host's, which does not. A load
# meets some 800 faults, its program's start included, at half a second each in the debug kernel:
# every 13th is tried, FAULT_STEP=1 tries them all. Some 300 in a row hit the memory for the module
# itself, where vmalloc has another way to go on.
loading_fails() {
	local nth=1 step=${FAULT_STEP:-13} passed=0 failed=0
	exec 3>&-
	rmmod oxmm || return 1
	while [ $((passed * step)) -lt 450 ]; do
		nth=$((nth + step))
		[ "$nth" -le 3000 ] || { note "no end"; return 1; }
		if faulty $nth /usr/sbin/insmod "$MODULE"; then
			passed=$((passed + 1))
			[ -e "$LINUX/ctl" ] || { note "loaded without its files, fault $nth"; return 1; }
			rmmod oxmm || return 1
		else
			failed=$((failed + 1))
			passed=0
			if [ -e "$OXMM" ] || grep -q '^oxmm ' /proc/modules; then
				note "left behind after fault $nth"
				return 1
			fi
		fi
	done
	note "$failed loads failed, up to fault $((nth - passed * step))"
	insmod "$MODULE" && [ "$failed" -gt 10 ]
}

arm
plan 8
check "each allocation of alloc pages fails once" pages_fail
check "each allocation of the other kinds fails once" objects_fail
check "each allocation of cache create fails once" making_caches_fails
check "each allocation of free fails once" freeing_fails
check "each allocation of each view fails once" reading_fails
check "each allocation of building a machine fails once" building_fails
check "each allocation of loading fails once" loading_fails
check "nothing is held" [ "$(held)" -eq 0 ]
