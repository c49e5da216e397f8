#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Objects, caches, per-CPU variables and areas through linux/ctl: what is taken, where it lies, what
# is refused before Linux sees it, what is given back.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

# column N: that column of the only line of `live`.
column() { awk -v n="$1" 'NR == 2 { print $n } NR > 2 { exit 1 }' "$LINUX/live"; }

# taken SIZE BYTES: kmalloc() of SIZE takes BYTES, as the line of `live` says.
taken() {
	ctl "alloc object size=$1" || return 1
	set -- "$1" "$2" "$(column 3)" "$(column 4)"
	ctl "free all"
	if [ "$3" != "$1" ] || [ "$4" != "$2" ]; then
		note "asked $1: $3, taken $2: $4"
		return 1
	fi
}

classes_are_taken() {
	taken 1 8 && taken 8 8 && taken 9 16 && taken 96 96 && taken 97 128 && taken 192 192 &&
		taken 193 256 && taken 1500 2048 && taken 8192 8192 && taken 8193 16384 && taken 4194304 4194304
}

# Every kind on every node that has memory, where it was asked for.
kinds_lie_on_their_node() {
	local node line got
	while read -r node; do
		for line in "object size=100" "object size=20000" "object cache=placed" "vmalloc size=64K"; do
			ctl "alloc $line node=$node gfp=GFP_KERNEL|__GFP_THISNODE" || { note "$line"; return 1; }
			got=$(column 7)
			ctl "free all"
			[ "$got" = "$node" ] || { note "$line node=$node: on $got"; return 1; }
		done
	done <<-END
		$(awk 'NR > 1 && $7 > 0 { print $1 }' "$LINUX/nodes")
	END
}

nodes_place_kinds() {
	local status
	ctl "cache create name=placed size=200" || return 1
	kinds_lie_on_their_node
	status=$?
	ctl "cache destroy name=placed" && return $status
}

# A memoryless node is served by another, for each kind, a hundred thousand times and more; alone it
# has nothing to give.
memoryless_serves() {
	local node server round
	while read -r node server; do
		[ "$node" ] || continue
		ctl "cache create name=far size=64" || return 1
		for round in 1 2 3 4 5; do
			ctl "alloc object size=64 node=$node count=20000
alloc object cache=far node=$node count=10000
alloc pages node=$node count=10000
alloc vmalloc size=4K node=$node count=100
alloc percpu size=8 count=10" || { note "round $round: $(tail -n 1 "$LINUX/result")"; return 1; }
			awk -v server="$server" '
				NR > 1 && $2 != "percpu" && $7 != server { print "# " $0; exit 1 }' "$LINUX/live" || return 1
			ctl "free all" || return 1
		done
		refused ENOMEM "alloc object size=64 node=$node gfp=GFP_KERNEL|__GFP_THISNODE" &&
			refused ENOMEM "alloc object cache=far node=$node gfp=GFP_KERNEL|__GFP_THISNODE" || return 1
		ctl "cache destroy name=far" || return 1
	done <<-END
		$(awk 'NR > 1 && $7 == 0 { print $1, $2 }' "$LINUX/nodes")
	END
	[ "$(held)" -eq 0 ]
}

# count NAME: how many objects `slabinfo` counts of a cache of ours that is not merged.
count_of() { awk -v name="oxmm-$1" '$1 == name { print $2 }' /proc/slabinfo; }

cache_lives() {
	ctl "cache create name=c1 size=700 align=64 flags=no_merge" || return 1
	ctl "alloc object cache=c1 count=1000 tag=c1" || return 1
	[ "$(awk 'NR > 1 && $2 == "object" && $3 == 700 && $10 == "c1"' "$LINUX/live" | wc -l)" -eq 1000 ] || return 1
	[ "$(count_of c1)" -ge 1000 ] || { note "slabinfo: $(count_of c1)"; return 1; }
	awk 'NR > 1 && ($5 == "-" || $7 == "-" || $8 == "-") { bad = 1 } END { exit bad }' "$LINUX/live" || return 1
	refused EBUSY "cache destroy name=c1" && refused EEXIST "cache create name=c1 size=8" || return 1
	ctl "free tag=c1
shrink cache=c1
cache destroy name=c1" || return 1
	refused ENOENT "cache destroy name=c1" && refused ENOENT "shrink cache=c1" &&
		refused ENOENT "alloc object cache=c1" && [ ! "$(count_of c1)" ]
}

# The same name again and again, with objects freed just before.
names_come_again() {
	local round
	for round in $(seq 50); do
		ctl "cache create name=again size=$((round * 8)) flags=no_merge
alloc object cache=again count=100
free all
cache destroy name=again" || { note "round $round: $(tail -n 1 "$LINUX/result")"; return 1; }
	done
}

# One cache with every property that this kernel has.
properties_are_taken() {
	local flag
	for flag in hwalign account reclaim typesafe no_merge redzone poison track checks hwalign,account,typesafe; do
		ctl "cache create name=p size=100 flags=$flag" || { note "$flag: $(tail -n 1 "$LINUX/result")"; return 1; }
		ctl "alloc object cache=p count=200
free all
cache destroy name=p" || { note "$flag"; return 1; }
	done
	ctl "cache create name=made size=100 ctor=1
alloc object cache=made count=10" && refused EINVAL "alloc object cache=made gfp=GFP_KERNEL|__GFP_ZERO" &&
		ctl "free all
cache destroy name=made"
}

cache_mistakes() {
	refused EINVAL "cache create name=x size=100 flags=x" && refused EINVAL "cache create size=8" &&
		refused EINVAL "cache create name=x size=9M" && refused EINVAL "cache create name=x size=8 align=4M" &&
		refused ERANGE "cache create name=x size=8 align=3" && refused EINVAL "cache create name=x size=4 ctor=1"
}

object_mistakes() {
	local gfp
	refused EINVAL "alloc object size=8M" && refused EINVAL "alloc object" || return 1
	for gfp in __GFP_HIGHMEM __GFP_DMA32 __GFP_NOFAIL __GFP_MEMALLOC; do
		refused EINVAL "alloc object size=8 gfp=GFP_KERNEL|$gfp" || return 1
	done
}

percpu_mistakes() {
	refused EINVAL "alloc percpu size=33K" && refused EINVAL "alloc percpu size=8 align=8K" &&
		refused EINVAL "alloc percpu size=8 gfp=GFP_KERNEL|__GFP_THISNODE" &&
		refused EINVAL "alloc percpu size=8 gfp=GFP_HIGHUSER"
}

area_mistakes() {
	refused EBUSY "alloc vmalloc size=4096G" && refused EINVAL "alloc vmalloc size=4K align=1G" &&
		refused EINVAL "alloc vmalloc size=4K gfp=GFP_KERNEL|__GFP_DMA" &&
		refused EINVAL "alloc vmalloc size=4K gfp=GFP_KERNEL|__GFP_HIGHMEM|__GFP_COMP" && refused EBUSY "alloc vmalloc size=300M"
}

# What is held of each kind counts in bytes, against one limit.
limit_is_for_all() {
	ctl "alloc object size=1M count=30
alloc vmalloc size=50M" || return 1
	refused EBUSY "alloc pages order=10 count=50" && refused EBUSY "alloc percpu size=32K count=100000" &&
		ctl "free all
alloc pages order=3 count=2000
free all" && [ "$(held)" -eq 0 ]
}

# After a grace period; in the meantime nothing of it is held, and the cache waits for its objects.
deferred_frees() {
	ctl "cache create name=late size=300 flags=no_merge
alloc object cache=late count=500 tag=late
alloc object size=100 count=500 tag=late
alloc vmalloc size=8K count=5 tag=late
alloc pages tag=whole" || return 1
	refused EOPNOTSUPP "free all defer=1" && [ "$(held)" -eq 1006 ] || return 1
	ctl "free tag=late defer=1" && [ "$(held)" -eq 1 ] && ctl "cache destroy name=late
free all"
}

signal_ends_objects() {
	signal_ends "alloc object size=64 count=1000000" 4000 16000 64000 256000 1000000
}

# Each online CPU adds to its own copy; `percpu` is the view that shows them.
each_cpu_adds() {
	local id
	ctl "alloc percpu size=16" || return 1
	id=$(column 1)
	ctl "add percpu id=$id
add percpu id=$id value=41" && refused ENOENT "add percpu id=$((id + 1))" || return 1
	[ "$(column 4)" -eq $((16 * ($(sed 's/.*-//' /sys/devices/system/cpu/possible) + 1))) ] || return 1
	ctl "free all
alloc pages" && refused EINVAL "add percpu id=$((id + 1))" && ctl "free all"
}

# alone NAME COMMAND: a check that leaves nothing to the next, however it ends.
alone() {
	check "$@"
	ctl "free all"
}

plan 17
alone "object: kmalloc() takes its class, or whole pages" classes_are_taken
alone "node: every kind lies where it was asked for" nodes_place_kinds
alone "node: a memoryless one is served, a hundred thousand times" memoryless_serves
alone "cache: lives from create to destroy" cache_lives
alone "cache: a name can be used again at once" names_come_again
alone "cache: properties and the constructor are taken" properties_are_taken
alone "refused: caches that Linux would warn about" cache_mistakes
alone "refused: objects that Linux would warn about" object_mistakes
alone "refused: per-CPU variables that Linux would warn about" percpu_mistakes
alone "refused: areas that Linux would warn about" area_mistakes
alone "limit: max_mb is for all kinds together" limit_is_for_all
alone "free: after a grace period" deferred_frees
alone "ctl: a signal ends the allocation of objects" signal_ends_objects
alone "percpu: each CPU adds to its own copy" each_cpu_adds
check "Linux is told not to warn of failures" [ "$(dmesg | grep -c 'allocation failure')" -eq 0 ]
check "no cache is left" [ "$(grep -c '^oxmm-' /proc/slabinfo)" -eq 0 ]
check "nothing is held" [ "$(held)" -eq 0 ]
