#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Compaction and isolation in the private manager: blocks move with their contents and their holders,
# large blocks come back, what cannot move stays, and all of that while others allocate and free.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=qemu/tests/private-lib.sh
. "${0%/*}/private-lib.sh"

MOVABLE="gfp=GFP_KERNEL|__GFP_THISNODE|__GFP_NORETRY type=movable"

# whole NODE: how many pageblocks of the node are free as a whole, in blocks of any order.
whole() {
	awk -v node="$1" '
	NR == 1 { for (i = 1; i <= NF; i++) if ($i == "o9") first = i; next }
	$1 == node && $3 == "all" { for (i = NF; i >= first; i--) sum = sum * 2 + $i; all += sum; sum = 0 }
	END { print all + 0 }' "$PRIVATE/free_area"
}

# event NAME: from vmstat, the sum over all zones.
event() { awk -v name="$1" '$1 == name { sum += $5 } END { print sum + 0 }' "$PRIVATE/vmstat"; }

# said NAME: a number that `result` gives for compaction.
said() {
	awk -v name="$1" 'END {
		n = split($0, part, ",")
		for (i = 1; i <= n; i++) { split(part[i], word, " "); if (word[1] == name) print word[2] }
	}' "$PRIVATE/result"
}

# fragment NODE: a few pages of every 64 stay in use, filled, with the tag keep; nothing else is.
fragment() {
	ctl "free all
drain"
	scatter 280 "alloc pages count=6 node=$1 fill=1 tag=keep $MOVABLE
alloc pages order=1 node=$1 fill=1 tag=keep $MOVABLE
alloc pages count=56 node=$1 tag=drop $MOVABLE"
	# What the marks kept from being touched.
	while ctl "alloc pages order=9 node=$1 gfp=GFP_NOWAIT|__GFP_THISNODE tag=rest"; do :; done
}

# fragmented NODE: much is free, and no pageblock.
fragmented() {
	local free whole
	free=$(zones_free "$1") whole=$(whole "$1")
	[ "$free" -gt 4096 ] && [ "$whole" -eq 0 ] && return
	note "node $1: $free pages are free, $whole whole pageblocks"
	return 1
}

# intact TAG: all that is held with the tag has its contents.
intact() {
	local held
	held=$(awk -v tag="$1" '$9 == tag' "$PRIVATE/live" | wc -l)
	ctl "verify tag=$1" && grep -q " $held that were filled" "$PRIVATE/result" && return
	note "$held held: $(tail -n 1 "$PRIVATE/result")"
	return 1
}

places() { awk 'NR > 1 { print $1, $5 }' "$PRIVATE/live"; }

# followed: who is held at a page is who `live` says, for some ids and both pages of a block.
followed() {
	local id pfn order held
	awk 'NR > 1 && NR % 97 == 2 { print $1, $5, $6 }' "$PRIVATE/live" >/tmp/some
	[ -s /tmp/some ] || return 1
	while read -r id pfn order; do
		ask page "pfn=$((pfn + (1 << order) - 1))" || return 1
		held=$(awk '$1 == "state" { state = $2 } $1 == "held_by" { print state, $2 }' "$PRIVATE/page")
		[ "${held#* }" = "$id" ] || { note "id $id at $pfn: $held"; return 1; }
	done </tmp/some
}

# ---- On request -------------------------------------------------------------------

# Whole pageblocks come back, as many as the free pages fill but for the marks' sake and one of each
# zone; contents and holders follow.
compacts() {
	local node free whole moved
	for node in $(nodes_with_memory); do
		fragment "$node" && fragmented "$node" && intact keep || return 1
		places >/tmp/before
		free=$(zones_free "$node") moved=$(event pgmigrate_success)
		ctl "compact node=$node" || return 1
		note "node $node: $(awk 'END { $1 = $2 = $3 = ""; print }' "$PRIVATE/result")"
		[ "$(said pgmigrate_success)" -eq $(($(event pgmigrate_success) - moved)) ] || return 1
		[ "$(said pgmigrate_fail)" -eq 0 ] && [ "$(said compact_made)" -gt 0 ] || return 1
		whole=$(whole "$node")
		sound && intact keep && followed || return 1
		places >/tmp/after
		awk 'NR == FNR { was[$1] = $2; next }
			{ n++; if (was[$1] != $2) moved++; if ($2 in seen) twice++; seen[$2] }
			END { print "# " moved " of " n " moved"; exit !moved || twice || n != length(was) }' /tmp/before /tmp/after || return 1
		[ "$whole" -ge $((free / 512 - 3)) ] || { note "node $node: $whole whole pageblocks of $free free pages"; return 1; }
		[ "$(zones_free "$node")" -eq "$free" ] || return 1
		back_at_start || return 1
	done
}

# smallest NODE: the pages of its smallest zone.
smallest() {
	awk -v node="$1" 'NR > 1 && $1 == node && (!least || $6 < least) { least = $6 } END { print least + 0 }' "$PRIVATE/zones"
}

# For an order one block is made in each zone; again it costs nothing. A zone of a few pageblocks may
# have no place for a block of order 10 but where something unmovable is.
compacts_for_an_order() {
	local node order
	for node in $(nodes_with_memory); do
		for order in 9 10; do
			[ "$(smallest "$node")" -ge $((4 << order)) ] || { note "node $node: too small a zone for order $order"; continue; }
			fragment "$node" && fragmented "$node" || return 1
			ctl "compact order=$order node=$node" || return 1
			grep -q " success, " "$PRIVATE/result" || { note "node $node: $(tail -n 1 "$PRIVATE/result")"; return 1; }
			[ "$(whole "$node")" -ge $((1 << (order - 9))) ] || { note "node $node: $(whole "$node") whole pageblocks"; return 1; }
			ctl "compact order=$order node=$node" && [ "$(said pgmigrate_success)" -eq 0 ] || return 1
			intact keep && back_at_start || return 1
		done
	done
}

# ---- For a request ----------------------------------------------------------------

# A block of order 9 is had though none is free, by compaction alone; with content.
direct() {
	local node stall good
	for node in $(nodes_with_memory); do
		fragment "$node" && fragmented "$node" || return 1
		stall=$(event compact_stall) good=$(event compact_success)
		ctl "alloc pages order=9 node=$node gfp=GFP_KERNEL|__GFP_THISNODE fill=1 tag=huge" || return 1
		[ "$(event compact_stall)" -gt "$stall" ] && [ "$(event compact_success)" -gt "$good" ] || return 1
		ctl "alloc pages order=9 count=4 node=$node gfp=GFP_KERNEL|__GFP_THISNODE fill=1 tag=huge" || return 1
		intact huge && intact keep && followed && sound && back_at_start || return 1
	done
}

# Who may not wait does not compact.
atomic_does_not() {
	local node stall
	for node in $(nodes_with_memory); do
		fragment "$node" && fragmented "$node" || return 1
		stall=$(event compact_stall)
		refused ENOMEM "alloc pages order=9 node=$node gfp=GFP_ATOMIC|__GFP_THISNODE" || return 1
		[ "$(event compact_stall)" -eq "$stall" ] && back_at_start || return 1
	done
}

# ---- What cannot move ---------------------------------------------------------------

unmovable_stays() {
	local node
	for node in $(nodes_with_memory); do
		awk -v node="$node" -v how="$MOVABLE" 'BEGIN {
			for (i = 0; i < 280; i++) {
				print "alloc pages count=4 node=" node " fill=1 tag=keep " how
				if (i % 8 == 0) {
					print "alloc pages node=" node " fill=1 tag=fixed gfp=GFP_KERNEL|__GFP_THISNODE|__GFP_NORETRY"
					print "alloc pages node=" node " fill=1 tag=fixed type=reclaimable gfp=GFP_KERNEL|__GFP_THISNODE|__GFP_NORETRY"
				}
				print "alloc pages count=60 node=" node " tag=drop " how
			}
		}' >/tmp/lines
		cat /tmp/lines 2>/dev/null >"$PRIVATE/ctl"
		ctl "free tag=drop
drain" || return 1
		awk '$9 == "fixed" { print $1, $5 }' "$PRIVATE/live" >/tmp/before
		ctl "compact" && ctl "compact order=10 node=$node" && ctl "compact order=3" || return 1
		awk '$9 == "fixed" { print $1, $5 }' "$PRIVATE/live" >/tmp/after
		if ! [ -s /tmp/before ] || ! cmp -s /tmp/before /tmp/after; then
			note "node $node: an unmovable block moved"
			return 1
		fi
		intact keep && intact fixed && sound && back_at_start || return 1
	done
}

# ---- Isolation ----------------------------------------------------------------------

# isolated PFN: whether the pageblock of a page is.
isolated() {
	ask page "pfn=$1" && value pageblock_isolated
}

# A free range: its pages are nobody's until it ends; a movable block may stay in it, and nothing new
# comes in; an unmovable one is named.
isolates() {
	local node pfn free first
	for node in $(nodes_with_memory); do
		ctl "alloc pages order=9 node=$node gfp=GFP_KERNEL|__GFP_THISNODE
alloc pages order=0 node=$node $MOVABLE fill=1 tag=m" || return 1
		pfn=$(awk 'NR == 2 { print $5 }' "$PRIVATE/live")
		refused EBUSY "isolate pfn=$pfn count=1" || return 1
		refused EBUSY "isolate pfn=$((pfn + 511)) size=4K" || return 1
		grep -q "block at page $pfn cannot be moved" "$PRIVATE/result" || return 1
		ctl "free id=$(awk 'NR == 2 { print $1 }' "$PRIVATE/live")
drain" || return 1
		first=$(awk 'NR == 2 { print $5 }' "$PRIVATE/live")
		free=$(zones_free "$node")
		ctl "isolate pfn=$first count=1" || return 1
		[ "$(isolated "$first")" = yes ] && [ $((free - $(zones_free "$node"))) -gt 256 ] || return 1
		refused EBUSY "isolate pfn=$first count=1" && refused EBUSY "isolate pfn=$((first & ~511)) size=2M" || return 1
		# All that can be had, none of it from there.
		while ctl "alloc pages count=512 node=$node $MOVABLE tag=x"; do :; done
		while ctl "alloc pages node=$node $MOVABLE tag=x"; do :; done
		awk -v from=$((first & ~511)) '$9 == "x" && $5 >= from && $5 < from + 512 { bad = 1; print "# " $0 } END { exit bad }' "$PRIVATE/live" || return 1
		sound && intact m || return 1
		ctl "free all
drain
unisolate pfn=$first count=1" && back_at_start || return 1
		[ "$(isolated "$first")" = no ] || return 1
	done
}

range_ends() {
	local start
	start=$(awk 'NR == 2 { print $3 }' "$PRIVATE/zones")
	refused ERANGE "isolate pfn=4611686018427387904 count=1" && refused ERANGE "isolate pfn=$start count=1000000" &&
		refused ERANGE "unisolate pfn=4611686018427387904 size=1G" && refused ERANGE "isolate pfn=$start size=17179869183G" &&
		ctl "unisolate pfn=$start count=1" && grep -q "of 0 pageblocks" "$PRIVATE/result"
}

refusals() {
	refused ENODEV "compact node=1000" && refused ERANGE "compact order=11" && refused ERANGE "compact order=19" &&
		refused EINVAL "isolate pfn=0" && refused ENOENT "verify id=1000000" && refused ENOENT "verify tag=none" &&
		ctl "verify all" && ctl "compact order=0" && grep -q " skipped, " "$PRIVATE/result" || return 1
	SIDE=$LINUX
	refused EOPNOTSUPP "compact" && refused EOPNOTSUPP "compact order=9 node=0" &&
		refused EOPNOTSUPP "isolate pfn=0 count=1" && refused EOPNOTSUPP "unisolate pfn=0 count=1"
	set -- $?
	SIDE=$PRIVATE
	return "$1"
}

# On Linux's side, too, contents are found again.
linux_is_filled() {
	SIDE=$LINUX
	ctl "alloc pages order=3 count=5 fill=1 tag=f
alloc pages count=100 node=0 fill=1 tag=f
alloc object size=100 tag=f
verify tag=f" && grep -q " 105 that were filled" "$LINUX/result" && refused EINVAL "alloc object size=8 fill=1"
	set -- $?
	ctl "free all"
	SIDE=$PRIVATE
	return "$1"
}

# ---- Storms -------------------------------------------------------------------------

cpus() {
	awk 'NR > 1 && $3 != "-" { gsub(",", "\n", $3); print $3 }' "$PRIVATE/nodes" |
		awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }'
}

pinned() { taskset -p "$(printf %x $((1 << $1)))" "$(sh -c 'echo $PPID')" >/dev/null; }

# storm CPU: what is allocated there is found intact, however often it moved; says so if not.
storm() {
	local round=0 order
	while [ $round -lt 12 ]; do
		round=$((round + 1))
		for order in 0 1 0 3 0 2 0 5; do
			ctl "alloc pages order=$order count=$((1 + 300 / (1 << order))) type=movable fill=1 tag=s$1-$order
alloc pages order=0 count=40 type=movable fill=1 tag=t$1"
			ctl "free tag=s$1-$((order ^ 1))"
			ctl "alloc pages order=9 tag=h$1"
			ctl "free tag=h$1"
		done
		{ echo "verify all" >"$PRIVATE/ctl"; } 2>&1 | sed "s/^/# CPU $1: /" >>/tmp/eio
		ctl "free tag=t$1"
	done
	return 0
}

# Compacts and isolates until the storm is over.
churn() {
	local pfn
	while [ ! -e /tmp/over ]; do
		ctl compact
		ctl "compact order=4"
		awk 'NR > 1 { print $3 + 1024 }' "$PRIVATE/zones" | while read -r pfn; do
			ctl "isolate pfn=$pfn size=4M" && ctl "unisolate pfn=$pfn size=4M"
		done
		# Sums are right only when nobody is at work.
		sound | grep -v -e kept -e 'accounted for' -e 'by holders' -e ': closed' >>/tmp/unsound
	done
}

storm_leaves_all_well() {
	local cpu pids='' churn moved
	moved=$(event pgmigrate_success)
	rm -f /tmp/over /tmp/eio /tmp/unsound
	for cpu in $(cpus); do
		(pinned "$cpu" && storm "$cpu") &
		pids="$pids $!"
	done
	churn &
	churn=$!
	# shellcheck disable=SC2086 # a list of numbers
	wait $pids
	: >/tmp/over
	wait $churn
	note "$(($(event pgmigrate_success) - moved)) pages moved, $(event pgmigrate_fail) did not"
	[ -s /tmp/eio ] && { head -n 3 /tmp/eio; return 1; }
	[ -s /tmp/unsound ] && { head -n 3 /tmp/unsound; return 1; }
	ctl "verify all" && sound && back_at_start
}

# The module goes while blocks are where they were moved to; the machine that comes next may be of other
# blocks of Linux's.
removal_after_moves() {
	local node
	for node in $(nodes_with_memory); do
		fragment "$node"
	done
	ctl compact && rmmod oxmm && insmod "$MODULE" || return 1
	start=$(counters)
	[ "$(held)" -eq 0 ] && sound
}

ctl "free all
drain"
start=$(counters)
plan 13
check "compact: pageblocks come back, contents and holders follow" compacts
check "compact: one block of an order is made" compacts_for_an_order
check "alloc: an order 9 block is had by compaction alone" direct
check "alloc: who may not wait does not compact" atomic_does_not
check "compact: unmovable and reclaimable blocks stay" unmovable_stays
check "isolate: nothing is allocated there, and what stands against it is named" isolates
check "isolate: a range ends with its zone" range_ends
check "refused: bad requests, and those of linux/" refusals
check "linux/: what is filled is found again" linux_is_filled
check "a storm from all CPUs over compaction leaves all well" storm_leaves_all_well
check "removal after moves" removal_after_moves
check "counters are those of the start" back_at_start
check "nothing is held" [ "$(held)" -eq 0 ]
