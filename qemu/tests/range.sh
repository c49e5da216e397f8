#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Ranges of pages that are no power of two: their sizes, where they are, what is moved for them, and
# that all of it comes back.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=qemu/tests/private-lib.sh
. "${0%/*}/private-lib.sh"

# zone NODE [SIZE]: sets `first` and `end` to the first page of the zone that the node's requests reach
# first, its highest, or the highest that has so many pages, and the one after its last, `from` and `to`
# to those of its longest stretch without a hole: what Linux gave has some. `lowest` is the first page of
# the lowest of them.
zone() {
	local start past pfn begin=''
	read -r start past lowest <<-END
		$(awk -v node="$1" -v size="${2:-1}" 'NR > 1 && $1 == node && $6 >= size { if (low == "") low = $3; from = $3; to = $3 + $4 } END { print from, to, low }' "$PRIVATE/zones")
	END
	first='' end=0 from=0 to=0 pfn=$start
	while [ "$pfn" -le "$past" ]; do
		if [ "$pfn" -lt "$past" ] && ask page "pfn=$pfn" && grep -q '^present *yes' "$PRIVATE/page"; then
			[ -n "$begin" ] || begin=$pfn
			[ -n "$first" ] || first=$pfn
			end=$((pfn + 512))
		elif [ -n "$begin" ]; then
			[ $((pfn - begin)) -le $((to - from)) ] || { from=$begin; to=$pfn; }
			begin=''
		fi
		pfn=$((pfn + 512))
	done
	# The manager's tables are at its end.
	end=$((end - $(kept "$1")))
	[ "$to" -le "$end" ] || to=$end
}

# of TAG FIELD: a field of the first line of `live` with the tag.
of() { awk -v tag="$1" -v field="$2" '$9 == tag { print $field; exit }' "$PRIVATE/live"; }

holder() { ask page "pfn=$1" && value held_by; }

GFP="gfp=GFP_KERNEL|__GFP_THISNODE"

# Exactly so many pages are taken, each is the range's, the next is not; all come back.
sizes() {
	local node pages before id pfn
	for node in $(nodes_with_memory); do
		for pages in 1 2 3 5 7 64 511 513 1023 1025 3000; do
			before=$(zones_free "$node")
			ctl "alloc range size=$((pages * 4096 - 100)) node=$node $GFP fill=1 tag=r" || { note "$(tail -n 1 "$PRIVATE/result")"; return 1; }
			[ $((before - $(zones_free "$node"))) -eq "$pages" ] || { note "$pages: $before, then $(zones_free "$node")"; return 1; }
			[ "$(of r 2) $(of r 3) $(of r 4) $(of r 6) $(of r 7)" = "pages $((pages * 4096 - 100)) $((pages * 4096)) - $node" ] || { cat "$PRIVATE/live"; return 1; }
			id=$(of r 1) pfn=$(of r 5)
			[ "$(holder "$pfn") $(holder $((pfn + pages - 1))) $(holder $((pfn + pages)))" = "$id $id -" ] || return 1
			ctl "verify id=$id" && grep -q " 1 that were filled" "$PRIVATE/result" && sound || return 1
			ctl "free id=$id
drain" && [ "$before" -eq "$(zones_free "$node")" ] || return 1
		done
	done
	back_at_start
}

# The highest place that fits, or the lowest; at multiples of what is larger than the range.
places() {
	local node from to first end lowest align
	for node in $(nodes_with_memory); do
		zone "$node"
		for align in 4K 8K 64K 1M 2M 8M; do
			ctl "alloc range size=12K align=$align node=$node $GFP tag=top
alloc range size=12K align=$align node=$node $GFP bottom_up=1 tag=low" || return 1
			awk -v align=$align '
				BEGIN { n = align + 0; unit = align ~ /M/ ? 256 : 1 / 4; step = n * unit }
				$9 == "top" || $9 == "low" { if ($5 % step) { print "# " align ": " $0; bad = 1 }; at[$9] = $5 }
				END { exit bad || at["low"] >= at["top"] }' "$PRIVATE/live" || return 1
			ctl "free all" || return 1
		done
		ctl "alloc range size=4K node=$node $GFP tag=top
alloc range size=4K node=$node $GFP bottom_up=1 tag=low" || return 1
		[ "$(of top 5) $(of low 5)" = "$((end - 1)) $first" ] || { note "$(of top 5) $(of low 5), not $((end - 1)) $first"; return 1; }
		back_at_start || return 1
	done
}

# By min and max a range is put exactly, or there is none.
exact_places() {
	local node from to first end lowest at
	for node in $(nodes_with_memory); do
		zone "$node"
		at=$(((from + to) / 2 - 77))
		ctl "alloc range size=400K min=$((at * 4096)) max=$(((at + 100) * 4096)) node=$node $GFP tag=r" || return 1
		[ "$(of r 5)" = "$at" ] || return 1
		refused ENOMEM "alloc range size=4K min=$(((at + 99) * 4096)) max=$(((at + 100) * 4096)) node=$node $GFP" || return 1
		ctl "alloc range size=4K min=$(((at + 100) * 4096 - 1)) max=$(((at + 101) * 4096 + 1)) node=$node $GFP tag=n" || return 1
		[ "$(of n 5)" = "$((at + 100))" ] || return 1
		refused ENOMEM "alloc range size=400K min=$((at * 4096)) max=$(((at + 99) * 4096)) node=$node $GFP" || return 1
		refused ENOMEM "alloc range size=4K min=$((end * 4096)) node=$node $GFP" || return 1
		refused ENOMEM "alloc range size=4K max=$((lowest * 4096)) node=$node $GFP" || return 1
		back_at_start || return 1
	done
}

# fill_up NODE: movable pages everywhere, filled; a quarter of them is free.
fill_up() {
	local how="node=$1 gfp=GFP_KERNEL|__GFP_THISNODE|__GFP_NORETRY type=movable"
	scatter 300 "alloc pages count=48 fill=1 tag=keep $how
alloc pages count=16 tag=drop $how"
}

# Movable blocks in the way are moved, with their contents; who may not wait gets none; what cannot
# move stays.
moved_out_of_the_way() {
	local node from to first end lowest at
	for node in $(nodes_with_memory); do
		zone "$node" 4096
		at=$(((from + to) / 2 - 100))
		fill_up "$node"
		refused ENOMEM "alloc range size=1M min=$((at * 4096)) max=$(((at + 256) * 4096)) node=$node gfp=GFP_NOWAIT|__GFP_THISNODE" || return 1
		ctl "alloc range size=1M min=$((at * 4096)) max=$(((at + 256) * 4096)) node=$node $GFP fill=1 tag=r" || { note "$(tail -n 1 "$PRIVATE/result")"; return 1; }
		[ "$(of r 5)" = "$at" ] && ctl "verify all" && sound || return 1
		awk -v from="$at" '$9 == "keep" && $5 >= from && $5 < from + 256 { print "# " $0; bad = 1 } END { exit bad }' "$PRIVATE/live" || return 1
		# Anywhere, and larger than any block.
		if ! ctl "alloc range size=5000K node=$node $GFP fill=1 tag=r" || ! ctl "verify all" || ! sound; then
			note "$(tail -n 1 "$PRIVATE/result")"
			return 1
		fi
		refused ENOMEM "alloc range size=1M min=$(((at + 100) * 4096)) max=$(((at + 356) * 4096)) node=$node $GFP" || return 1
		back_at_start || return 1
	done
}

# A range of several orders is freed while others allocate, and ranges may be many.
many() {
	local node i
	for node in $(nodes_with_memory); do
		i=1
		while [ $i -le 60 ]; do
			ctl "alloc range size=$((i * 4096)) node=$node $GFP fill=1 tag=r$((i % 3))" || return 1
			i=$((i + 1))
		done
		ctl "free tag=r1" && ctl "verify all" && sound || return 1
		ctl compact && ctl "verify all" && grep -q " 40 that were filled" "$PRIVATE/result" && back_at_start || return 1
	done
}

# No node has 100 MiB of its own here, and the limit of the smallest guest is above that.
refusals() {
	refused EINVAL "alloc range" && refused ERANGE "alloc range size=0" && refused ENOMEM "alloc range size=100M" &&
		refused EBUSY "alloc range size=1000000G" && refused ERANGE "alloc range size=4K align=2G" &&
		refused ENODEV "alloc range size=4K node=1000" && refused EINVAL "alloc range size=4K order=1" &&
		refused EINVAL "alloc range size=4K type=cma"
}

# Linux gives exactly so many pages, too, and takes them back.
of_linux() {
	local before
	SIDE=$LINUX
	settle
	count_free all all
	before=$free
	ctl "alloc range size=20K tag=a
alloc range size=4M tag=b
alloc range size=4K align=1M node=0 tag=c" && awk '
		NR == 1 { next }
		{ taken = taken " " $2 "," $3 "," $4 "," $6 }
		$9 == "c" && $5 % 256 { bad = 1 }
		END { exit bad || taken != " pages,20480,20480,- pages,4194304,4194304,- pages,4096,4096,-" }' "$LINUX/live" &&
		refused ERANGE "alloc range size=5M" && refused ERANGE "alloc range size=4K align=8M" &&
		refused EOPNOTSUPP "alloc range size=4K min=16M" && refused EOPNOTSUPP "alloc range size=4K bottom_up=1" &&
		refused EOPNOTSUPP "alloc range size=12K gfp=GFP_KERNEL|__GFP_COMP" &&
		ask page "pfn=$(awk '$9 == "a" { print $5 + 4 }' "$LINUX/live")" &&
		[ "$(awk '$1 == "held_by" { print $2 }' "$LINUX/page")" = "$(awk '$9 == "a" { print $1 }' "$LINUX/live")" ]
	set -- $?
	ctl "free all"
	settle
	count_free all all
	note "$before pages were free, $free are"
	SIDE=$PRIVATE
	[ "$1" -eq 0 ] && [ $((before - free)) -lt 512 ]
}

ctl "free all
drain"
start=$(counters)
plan 9
check "range: exactly as many pages as are wanted" sizes
check "range: highest or lowest place, and alignment above the size" places
check "range: exact places, and none beside them" exact_places
check "range: what is movable is moved out of the way" moved_out_of_the_way
check "range: many, under compaction" many
check "refused: bad requests" refusals
check "linux/: a range is a part of a block" of_linux
check "counters are those of the start" back_at_start
check "nothing is held" [ "$(held)" -eq 0 ]
