# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What the guest tests share: KTAP output, commands to oxmm, comparisons.
#
# A test file sources this, calls `plan N` once, then N times a check that ends in
# `report STATUS NAME`, or `skip NAME REASON`. It exits non-zero if a check failed.

DEBUG=/sys/kernel/debug
OXMM=$DEBUG/oxmm
LINUX=$OXMM/linux
# The manager that commands and questions go to.
SIDE=$LINUX
export MODULE=/guest/oxmm.ko

number=0
failures=0
nothing=''

plan() {
	echo "KTAP version 1"
	echo "1..$1"
	trap 'finish $?' EXIT
}

finish() {
	[ "$1" -eq 0 ] || { echo "# ended early with status $1"; exit 1; }
	[ "$failures" -eq 0 ] || exit 1
	exit 0
}

# report STATUS NAME: the check NAME passed if STATUS is 0.
report() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failures=$((failures + 1))
	fi
}

skip() {
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

note() { echo "# $*"; }

# check NAME COMMAND...: passes if COMMAND does.
check() {
	local name=$1
	shift
	"$@"
	report $? "$name"
}

# ctl LINES: writes to ctl in one write; says nothing, the status tells.
ctl() { echo "$1" 2>/dev/null >"$SIDE/ctl"; }

# ask VIEW QUESTION: writes it to the view; says nothing, the status tells.
ask() { echo "$2" 2>/dev/null >"$SIDE/$1"; }

# refused ERRNO LINES: the write fails, and `result` ends with that errno and a sentence.
refused() {
	local errno=$1
	if ctl "$2"; then
		note "was accepted: $2"
		return 1
	fi
	awk -v errno="$errno" -v lines="$2" '
		NR > 1 { outcome = $2; words = NF - 3 }
		END {
			if (outcome == errno && words >= 3) exit 0
			print "# " lines ": expected " errno ", result says " outcome " and " words " words"
			exit 1
		}' "$SIDE/result"
}

held() { awk 'END { print NR - 1 }' "$SIDE/live"; }

# signal_ends LINE PAUSE...: a signal ends the long allocation of LINE, and what it had taken is back.
# When the signal comes is up to the machine: one of the pauses, in microseconds, meets it at work.
signal_ends() {
	local line=$1 pause pid
	shift
	for pause in "$@"; do
		sh -c "echo $line >$LINUX/ctl; sleep 9" 2>/dev/null &
		pid=$!
		usleep "$pause"
		kill -TERM $pid
		wait $pid 2>/dev/null
		if grep -q EINTR "$LINUX/result"; then
			note "after $pause us"
			[ "$(held)" -eq 0 ]
			return
		fi
		note "not after $pause us: $(tail -n 1 "$LINUX/result")"
		ctl "free all"
	done
	return 1
}

# retry N COMMAND...: repeats a comparison of two snapshots until nothing moved in between.
retry() {
	local times=$1
	shift
	while [ "$times" -gt 1 ]; do
		"$@" >/dev/null && return 0
		times=$((times - 1))
	done
	"$@"
}

# settle: waits a second without starting a program, until the pages of those that ended are free.
settle() {
	if [ ! "$nothing" ]; then
		[ -p /tmp/nothing ] || mkfifo /tmp/nothing
		exec 9<>/tmp/nothing
		nothing=open
	fi
	# shellcheck disable=SC3045 # busybox has it
	read -r -t 1 _ <&9
	return 0
}

# count_free NODE ZONE: sets `free` to the free pages of that zone, in the buddy and in the per-CPU
# lists, which took theirs from there and do not use them; `all` stands for every node or zone.
# No other program is started, for each takes and frees pages of its own; the counters of all
# CPUs are folded first. A worker may move pages from the lists to the buddy while zoneinfo is
# printed, which then misses them: two readings in a row must agree.
count_free() {
	local last='' tries=0
	while [ $tries -lt 10 ]; do
		tries=$((tries + 1))
		read_free "$1" "$2"
		[ "$free" = "$last" ] && return
		last=$free
	done
}

read_free() {
	local first second third rest here=''
	free=0
	echo 1 >/proc/sys/vm/stat_refresh
	while read -r first second third rest; do
		case $first in
		Node)
			here=''
			[ "$1" = all ] || [ "$second" = "$1," ] || continue
			[ "$2" = all ] || [ "${rest##* }" = "$2" ] || continue
			here=yes
			;;
		pages) [ "$here" ] && free=$((free + third)) ;;
		count:) [ "$here" ] && free=$((free + second)) ;;
		esac
	done </proc/zoneinfo
}
