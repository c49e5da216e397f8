#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Allocation through linux/ctl: from every node and zone, with the free counts moving by exactly
# the pages taken; what must be refused; what is held and given back.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

# The flags that reach a zone first, and none above it.
flags_of_zone() {
	case $1 in
	DMA) echo GFP_KERNEL\|__GFP_DMA ;;
	DMA32) echo GFP_KERNEL\|__GFP_DMA32 ;;
	*) echo GFP_KERNEL ;;
	esac
}

# A debug kernel keeps freed objects in KASAN's quarantine and notes each page's users, so that the
# lab's own bookkeeping moves a few pages each time; the normal kernel must be exact.
SLACK=0
[ -e "$DEBUG/kmemleak" ] && SLACK=64
# Where nothing folds the counters of all CPUs, each may keep its threshold to itself.
[ -e /proc/sys/vm/stat_refresh ] || SLACK=64

# near A B: they differ by no more than that.
near() { [ $(($1 - $2)) -ge -$SLACK ] && [ $(($1 - $2)) -le $SLACK ]; }

# The free pages of a zone fall by what was taken and rise by what was freed. Order 5 goes past
# the per-CPU lists; what other tasks do meanwhile is waited out by trying again.
moves_by() {
	local node=$1 zone=$2 before during gfp
	gfp=$(flags_of_zone "$zone")
	settle
	count_free "$node" "$zone"
	before=$free
	ctl "alloc pages order=5 count=32 node=$node gfp=$gfp|__GFP_THISNODE" || return 1
	count_free "$node" "$zone"
	during=$free
	ctl "free all" || return 1
	count_free "$node" "$zone"
	note "node $node zone $zone: before $before, during $during, after $free"
	near $((before - during)) 1024 && near "$before" "$free"
}

# Zones that a debug kernel has filled with its own tables at boot have nothing to give.
every_zone_moves() {
	local node zone zones=0
	while read -r node zone; do
		retry 20 moves_by "$node" "$zone" || return 1
		zones=$((zones + 1))
	done <<-END
		$(awk 'NR > 1 && $8 > $13 + 1500 { print $1, $2 }' "$LINUX/zones")
	END
	note "$zones zones"
	[ "$zones" -gt 0 ]
}

# Order 0 is served from per-CPU lists; the pages in use still move by exactly what was taken, and
# by those of the lab's table, which has 500 entries: at most 8 pages, back or not.
order_0_moves() {
	local before during
	settle
	count_free all all
	before=$free
	ctl "alloc pages order=0 count=500" || return 1
	count_free all all
	during=$free
	ctl "free all"
	count_free all all
	note "before $before, during $during, after $free"
	[ $((before - during)) -ge $((500 - SLACK)) ] && [ $((before - during)) -le $((508 + SLACK)) ] &&
		[ $((before - free)) -ge $((-8 - SLACK)) ] && [ $((before - free)) -le $((8 + SLACK)) ]
}

# Every run in `live` is on the node asked for, in a zone of it, inside its span.
placed_right() {
	local node=$1
	ctl "alloc pages order=2 count=4 node=$node gfp=GFP_KERNEL|__GFP_THISNODE" || return 1
	awk -v want="$node" '
	FILENAME ~ /zones/ { if (FNR > 1) { start[$1, $2] = $3; end[$1, $2] = $3 + $4 } next }
	FNR == 1 { next }
	{
		runs++
		if ($7 != want || $5 < start[$7, $8] || $5 + 4 > end[$7, $8] || $5 % 4) {
			print "# " $0; bad = 1
		}
	}
	END { exit bad || runs != 4 }' "$LINUX/zones" "$LINUX/live"
	set -- $?
	ctl "free all"
	return "$1"
}

nodes_place_right() {
	local node
	while read -r node; do
		placed_right "$node" || return 1
	done <<-END
		$(awk 'NR > 1 && $7 > 0 { print $1 }' "$LINUX/nodes")
	END
}

# Without __GFP_THISNODE a memoryless node is served by the node that `nodes` names.
memoryless_served() {
	local node server got
	while read -r node server; do
		[ "$node" ] || continue
		refused ENOMEM "alloc pages node=$node gfp=GFP_KERNEL|__GFP_THISNODE" || return 1
		grep -q "node $node has no memory.* node $server serves" "$LINUX/result" || return 1
		ctl "alloc pages node=$node" || return 1
		got=$(awk 'NR == 2 { print $7 }' "$LINUX/live")
		ctl "free all"
		[ "$got" = "$server" ] || { note "node $node: $got, not $server"; return 1; }
	done <<-END
		$(awk 'NR > 1 && $7 == 0 { print $1, $2 }' "$LINUX/nodes")
	END
}

every_order() {
	local order
	for order in 0 1 2 3 4 5 6 7 8 9 10; do
		ctl "alloc pages order=$order tag=order$order" || return 1
	done
	[ "$(awk 'NR > 1 { printf "%s ", $6 }' "$LINUX/live")" = "0 1 2 3 4 5 6 7 8 9 10 " ] || return 1
	[ "$(awk 'NR == 12 { print $3, $4 }' "$LINUX/live")" = "4194304 4194304" ] || return 1
	ctl "free all" && [ "$(held)" -eq 0 ]
}

flags_by_number() {
	ctl "alloc pages gfp=0xcc0 count=2" && ctl "alloc pages gfp=__GFP_ZERO|0xcc0" && ctl "free all"
}

types_are_taken() {
	ctl "alloc pages order=9 type=movable
alloc pages type=reclaimable
alloc pages type=unmovable" && ctl "free all"
}

tags_free_their_own() {
	ctl "alloc pages count=3 tag=a
alloc pages count=2 tag=b
free tag=a" || return 1
	[ "$(held)" -eq 2 ] || return 1
	refused ENOENT "free tag=a" || return 1
	ctl "free tag=b" && [ "$(held)" -eq 0 ]
}

ids_free_once() {
	local id
	ctl "alloc pages count=3" || return 1
	id=$(awk 'NR == 3 { print $1 }' "$LINUX/live")
	ctl "free id=$id" && refused ENOENT "free id=$id" && [ "$(held)" -eq 2 ] || return 1
	ctl "free all" && refused ENOENT "free id=$id"
}

# Freeing many, in an order that leaves gaps, keeps the others.
gaps_keep_the_rest() {
	local first id
	ctl "alloc pages count=100 tag=gap" || return 1
	first=$(awk 'NR == 2 { print $1 }' "$LINUX/live")
	for id in $(seq "$first" 2 $((first + 99))); do echo "free id=$id"; done >"$LINUX/ctl" || return 1
	awk -v first="$first" 'NR > 1 && ($1 - first) % 2 != 1 { bad = 1 } END { exit bad || NR != 51 }' \
		"$LINUX/live" || return 1
	ctl "free tag=gap" && [ "$(held)" -eq 0 ]
}

stops_at_first_failure() {
	ctl "alloc pages tag=kept
# a comment, and a blank line

alloc pages ordr=1
alloc pages tag=never" && return 1
	awk 'NR == 2 && $1 == 1 && $2 == "ok" { ok = 1 } NR == 3 && $1 == 4 && $2 == "EINVAL" { no = 1 }
		END { exit !(ok && no && NR == 3) }' "$LINUX/result" || return 1
	[ "$(awk 'NR > 1 { print $9 }' "$LINUX/live")" = kept ] && ctl "free all"
}

# A line that fails half way gives back what it had taken, and its share of the limit: twenty times
# the DMA zone would be more than that.
failed_line_holds_nothing() {
	local managed
	managed=$(awk 'NR > 1 && $2 == "DMA" { print $6 }' "$LINUX/zones")
	for _ in $(seq 20); do
		refused ENOMEM "alloc pages order=0 count=$((managed + 1)) gfp=__GFP_DMA|__GFP_NORETRY" || return 1
	done
	[ "$(held)" -eq 0 ]
}

signal_ends_it() {
	signal_ends "alloc pages count=30000" 1000 2000 4000 8000 16000 32000 64000 128000 256000 512000
}

limit_is_kept() {
	refused EBUSY "alloc pages order=10 count=1000000" || return 1
	refused EBUSY "alloc pages order=10 count=65" || return 1
	[ "$(held)" -eq 0 ]
}

dangerous_flags() {
	local gfp
	for gfp in GFP_KERNEL\|__GFP_NOFAIL GFP_KERNEL\|__GFP_MEMALLOC __GFP_DMA\|__GFP_DMA32 \
		__GFP_MOVABLE\|__GFP_RECLAIMABLE 0x80000000 0xffffffff; do
		refused EINVAL "alloc pages gfp=$gfp" || return 1
	done
}

wrong_places() {
	refused ERANGE "alloc pages order=11" && refused ERANGE "alloc pages order=99" &&
		refused ENODEV "alloc pages node=63" && refused ENODEV "alloc pages node=1023" &&
		refused ERANGE "alloc pages node=1024" && refused EINVAL "alloc pages type=isolate"
}

not_offered() {
	local line
	ctl "alloc pages tag=whole" || return 1
	for line in drain "memcg create path=/a" "memcg set path=/a memory.max=1M" "memcg reclaim path=/a bytes=4K" \
		"machine node=0 mem=64M cma=2M" "machine build order=11" "memblock reserve base=1M size=4K" \
		"alloc pages memcg=/a" "free all defer=1"; do
		refused EOPNOTSUPP "$line" || return 1
	done
	ctl "free all"
}

plan 19
check "pages: free counts move by what is taken, on every node and zone" every_zone_moves
check "pages: order 0 moves them too, per-CPU lists counted" retry 20 order_0_moves
check "pages: runs lie on the node and in the zone that live says" nodes_place_right
check "pages: a memoryless node refuses alone and is served else" memoryless_served
check "pages: every order is to be had" every_order
check "pages: flags are taken by number" flags_by_number
check "pages: types are taken" types_are_taken
check "free: a tag frees its own" tags_free_their_own
check "free: an id frees once" ids_free_once
check "free: gaps keep the rest" gaps_keep_the_rest
check "ctl: stops at the first line that fails" stops_at_first_failure
check "ctl: a line that fails half way holds nothing" failed_line_holds_nothing
check "ctl: a signal ends an allocation, which holds nothing" signal_ends_it
check "limit: max_mb is kept" limit_is_kept
check "refused: flags that would hang, starve or break Linux" dangerous_flags
check "refused: orders, nodes and types that are not there" wrong_places
check "refused: what is not offered, with EOPNOTSUPP" not_offered
check "pages: Linux is told not to warn of failures" [ "$(dmesg | grep -c 'page allocation failure')" -eq 0 ]
check "nothing is held" [ "$(held)" -eq 0 ]
