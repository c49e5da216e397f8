#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# `would` against figures worked out by hand from /proc/zoneinfo, and against what Linux does:
# thousands of requests while the watermarks of one zone after another move around its free pages.
# `gfp` against the names and bits that the kernel has.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

WOULD=$LINUX/would
MIN_FREE=/proc/sys/vm/min_free_kbytes

# ask WORDS: writes a question; says nothing, the status tells.
ask() { echo "$1" 2>/dev/null >"$WOULD"; }

# ---- By hand -----------------------------------------------------------------------

# hand ORDER GFP CMA PART HA: each line of `would` for that request has the numbers that follow
# from zoneinfo. CMA is 1 if free CMA pages count; PART says how much of min must stay in the slow
# path (whole, half, atomic). HA lists the attempts that may use the highatomic reserve.
hand() {
	local order=$1 gfp=$2 cma=$3 part=$4 ha=$5
	ask "order=$order gfp=$gfp" || return 1
	awk -v order="$order" -v cma="$cma" -v part="$part" -v ha="$ha" '
	function one(what, ours, expected) {
		if (ours != expected) { print "# " zone " " $1 " " what ": " ours ", expected " expected; bad = 1 }
	}
	FILENAME ~ /zoneinfo/ && $1 == "Node" { sub(",", "", $2); zone = $2 " " $4; if (!($4 in index_of)) index_of[$4] = kinds++; next }
	FILENAME ~ /zoneinfo/ && $1 == "pages" { theirs[zone, "free"] = $3; next }
	FILENAME ~ /zoneinfo/ && $1 == "protection:" {
		gsub(/[(),]/, " "); for (i = 2; i <= NF; i++) theirs[zone, "reserve", i - 2] = $i; next
	}
	FILENAME ~ /zoneinfo/ { if (!((zone, $1) in theirs)) theirs[zone, $1] = $2; next }
	FNR == 2 { highest = $8; next }
	$1 != "first" && $1 != "slow" || NF < 10 { next }
	{
		lines++
		zone = $3 " " $4
		for (pages = 1, i = 0; i < order; i++) pages *= 2
		unusable = pages - 1
		if (ha !~ $1) unusable += theirs[zone, "free_highatomic:"]
		if (!cma) unusable += theirs[zone, "nr_free_cma"]
		mark = $1 == "first" ? theirs[zone, "low"] : theirs[zone, "min"]
		min = mark
		if ($1 == "slow" && part != "whole") min -= int(min / 2)
		if ($1 == "slow" && part == "atomic") min -= int(min / 4)
		reserve = theirs[zone, "reserve", index_of[highest]]
		one("free", $7, theirs[zone, "free"])
		one("unusable", $8, unusable)
		one("mark", $9, mark)
		one("min", $10, min)
		one("reserve", $11, reserve)
		left = theirs[zone, "free"] - unusable - min - reserve
		one("left", $12, left)
		if ($5 == "pass" && left <= 0) { print "# passes without pages: " $0; bad = 1 }
		if ($5 == "watermark" && left + reserve > 0) { print "# stopped above the mark: " $0; bad = 1 }
	}
	END { exit bad || !lines }' /proc/zoneinfo "$WOULD"
}

# Which attempts of a high-order atomic request may use the highatomic reserve: from 7.3 on both.
HIGHATOMIC=slow
case $(uname -r) in 7.[012].* | 7.[012]-*) ;; *) HIGHATOMIC=first,slow ;; esac

by_hand() {
	retry 50 hand 0 GFP_KERNEL 0 whole none &&
		retry 50 hand 4 "GFP_KERNEL|__GFP_DMA32" 0 whole none &&
		retry 50 hand 0 GFP_NOWAIT 0 whole slow &&
		retry 50 hand 0 GFP_ATOMIC 0 atomic slow &&
		retry 50 hand 3 GFP_ATOMIC 0 atomic "$HIGHATOMIC" &&
		retry 50 hand 2 "GFP_KERNEL|__GFP_HIGH" 0 half slow &&
		retry 50 hand 9 GFP_HIGHUSER_MOVABLE 1 whole none
}

# The zones of each list in order, without those above the highest.
steps() {
	local node=$1 gfp=$2 list=$3 highest=$4
	ask "gfp=$gfp node=$node" || return 1
	awk -v node="$node" -v list="$list" -v highest="$highest" '
	BEGIN { split("DMA DMA32 Normal Movable Device", names, " "); for (i in names) rank[names[i]] = i }
	FILENAME ~ /zonelists/ {
		if ($1 == node && $2 == list && $4 != "-" && rank[$5] <= rank[highest]) theirs[n++] = $4 " " $5
		next
	}
	FNR == 2 && $8 != highest { print "# highest " $8; bad = 1 }
	FNR == 2 { next }
	($1 == "first" || $1 == "slow") && NF >= 10 {
		if ($3 " " $4 != theirs[$2]) { print "# " $0 ": expected " theirs[$2]; bad = 1 }
		lines++
	}
	END { exit bad || lines != 2 * n }' "$LINUX/zonelists" "$WOULD"
}

lists_are_walked() {
	local node
	awk 'NR > 1 { print $1 }' "$LINUX/nodes" >/tmp/nodes
	while read -r node; do
		steps "$node" GFP_KERNEL fallback Normal && steps "$node" "GFP_KERNEL|__GFP_DMA" fallback DMA &&
			steps "$node" GFP_NOWAIT\|__GFP_DMA32 fallback DMA32 &&
			steps "$node" GFP_HIGHUSER_MOVABLE fallback Movable || return 1
		steps "$node" "GFP_KERNEL|__GFP_THISNODE" nofallback Normal || return 1
	done </tmp/nodes
}

wrong_questions() {
	! ask order=19 && ! ask gfp=GFP_NOTHING && ! ask pfn=1 && ! ask "node=x" || return 1
	local words
	for words in order=11 node=63 gfp=GFP_KERNEL\|__GFP_NOFAIL type=cma gfp=0x80000000; do
		ask "$words" || return 1
		awk 'NR == 2 && $1 == "refused" && NF > 4 { ok = 1 } END { exit !ok }' "$WOULD" ||
			{ note "not refused: $words"; return 1; }
	done
	ask "" && awk 'NR == 2 { exit !($4 == 0 && $12 == "GFP_KERNEL") }' "$WOULD"
}

# ---- Against what Linux does -------------------------------------------------------

# A sequence of its own, the same in every run: sets `drawn` to a number below $1.
seed=20260101
draw() {
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	drawn=$((seed / 65536 % $1))
}

FLAGS="GFP_NOWAIT GFP_ATOMIC GFP_KERNEL GFP_KERNEL|__GFP_HIGH GFP_ATOMIC|__GFP_DMA32
GFP_NOWAIT|__GFP_DMA GFP_NOWAIT|__GFP_MOVABLE GFP_TRANSHUGE_LIGHT
GFP_ATOMIC|__GFP_NOMEMALLOC|__GFP_THISNODE __GFP_HIGH|__GFP_THISNODE __GFP_NOWARN|__GFP_THISNODE
GFP_NOWAIT|__GFP_THISNODE GFP_ATOMIC|__GFP_THISNODE GFP_NOWAIT|__GFP_RECLAIMABLE|__GFP_THISNODE
GFP_ATOMIC|__GFP_MOVABLE|__GFP_HIGHMEM|__GFP_THISNODE"

# Draws a request: half are single pages or small, few are large.
draw_request() {
	# shellcheck disable=SC2086 # split on purpose
	set -- $FLAGS
	draw $#
	shift "$drawn"
	gfp=$1
	draw 4
	case $drawn in
	0) order=0 ;;
	1) draw 4 && order=$drawn ;;
	*) draw 11 && order=$drawn ;;
	esac
}

# Draws a nodemask or a policy for a third of the requests; node $1, which has memory, is in it.
draw_placement() {
	placement=
	draw 3
	[ "$drawn" -eq 0 ] || return 0
	draw 3
	case $drawn in
	0) placement="nodes=$1" ;;
	1) placement="nodes=0-$1" ;;
	*) placement="nodes=$1-$((nodes - 1))" ;;
	esac
	draw 4
	case $drawn:$gfp in
	0:* | 1:*THISNODE*) ;;
	1:*) placement="policy=bind $placement" ;;
	2:*) placement="policy=preferred $placement" ;;
	*) placement="policy=interleave $placement" ;;
	esac
}

# tries REQUEST: asks, allocates, compares. Sets `word`, the answer, and `agree` to yes, no, or
# skip where the answer is to reclaim.
tries() {
	local from_node from_zone node zone tag
	agree=skip
	echo "$1" >"$WOULD" || return 1
	# The answer, then the flags of both attempts, then the first zone's line.
	{
		read -r _ && read -r word from_node from_zone _
		read -r _ && read -r _ && read -r _ && read -r _ && read -r _ && read -r _
		read -r _ step _ _ verdict _
	} <"$WOULD"
	[ "$word" != reclaim ] || return 0
	# Direct reclaim would change what is compared.
	case "$1:$word" in *gfp=GFP_KERNEL*:slow) return 0 ;; esac
	node=- zone=-
	if echo "alloc pages $1 tag=try" 2>/dev/null >"$LINUX/ctl"; then
		while read -r _ _ _ _ _ _ node zone tag _; do [ "$tag" != try ] || break; done <"$LINUX/live"
		echo "free tag=try" >"$LINUX/ctl"
	fi
	agree=no
	[ "$node:$zone" != "$from_node:$from_zone" ] || agree=yes
	outcome="$word $from_node $from_zone, got $node $zone"
}

# one_request NODE ZONE: draws a request for the node and tries it; a disagreement is tried again at once. One that goes away
# was a race: memory moved between question and allocation. One that stays is a mistake.
one_request() {
	local request node=$1
	draw_request
	draw_placement "$1"
	draw 4
	# Now and then another node asks, which may have no memory.
	if [ "$drawn" -eq 0 ]; then
		draw "$nodes"
		node=$drawn
	fi
	request="order=$order gfp=$gfp node=$node${placement:+ $placement}"
	tries "$request" || return 1
	case $agree in
	skip) skipped=$((skipped + 1)) && return ;;
	yes) agreed=$((agreed + 1)) ;;
	esac
	case $word$step$verdict in first0no_fragment) apart=$((apart + 1)) ;; esac
	[ "$outcome" = "${outcome#"$word $1 $2,"}" ] && elsewhere=$((elsewhere + 1))
	case $word in
	first) first=$((first + 1)) ;;
	slow) slow=$((slow + 1)) ;;
	*) none=$((none + 1)) ;;
	esac
	[ "$agree" = no ] || return 0
	for _ in 1 2 3; do
		tries "$request" || return 1
		[ "$agree" = no ] || break
	done
	if [ "$agree" = no ]; then
		mistakes=$((mistakes + 1))
		note "$request: $outcome"
	else
		races=$((races + 1))
	fi
}

# set_min ZONE_FREE ZONE_MANAGED PART: moves min so that PART of it, in 1/1000, is about the free
# pages of the zone, give or take a few.
set_min() {
	local free=$1 managed=$2 part=$3 min
	draw 129
	min=$(((free + drawn - 64) * 1000 / part))
	[ "$min" -gt 100 ] || min=100
	echo $((min * total * 4 / managed)) >"$MIN_FREE"
}

# free_of NODE ZONE: sets `pages` and `managed`, without another program.
free_of() {
	local node zone
	while read -r node zone _ _ _ managed _ pages _; do
		[ "$node:$zone" != "$1:$2" ] || return 0
	done <"$LINUX/zones"
	return 1
}

# Blocks of order 4 taken and every other one given back: the zone DMA has no larger block left but
# those at its ends, and far more free pages than its marks.
fragmented() {
	local text='' pair=0
	while [ $pair -lt 110 ]; do
		pair=$((pair + 1))
		text="${text}alloc pages order=4 gfp=GFP_NOWAIT|__GFP_DMA tag=keep
alloc pages order=4 gfp=GFP_NOWAIT|__GFP_DMA tag=gap
"
	done
	# The last lines may find nothing any more.
	ctl "$text"
	ctl "free tag=gap" || return 1
	requests "$ROUNDS" 0 DMA "GFP_NOWAIT|__GFP_DMA GFP_ATOMIC|__GFP_DMA
GFP_ATOMIC|__GFP_DMA|__GFP_RECLAIMABLE GFP_NOWAIT|__GFP_DMA|__GFP_MOVABLE" || return 1
	ctl "free all"
	note "fragmented zone DMA: $agreed agree, $races races, $mistakes mistakes"
}

# requests COUNT NODE ZONE FLAGS: so many requests with some of these flags.
requests() {
	local left=$1 flags=$FLAGS
	FLAGS=$4
	while [ "$left" -gt 0 ]; do
		left=$((left - 1))
		one_request "$2" "$3" || return 1
	done
	FLAGS=$flags
}

# blocks ORDER TYPE: how many free blocks of those the zone Normal of node 0 has.
blocks() {
	awk -v at=$((4 + $1)) -v type="$2" '$1 == 0 && $2 == "Normal" && $3 == type { print $at + 0 }' \
		"$LINUX/free_area"
}

# take_blocks ORDER TYPE FLAG: takes them, by requests that are served from there.
take_blocks() {
	local count
	count=$(blocks "$1" "$2")
	[ "$count" -eq 0 ] || ctl "alloc pages order=$1 count=$count node=0 gfp=GFP_NOWAIT|__GFP_THISNODE$3"
}

# Normal above its marks, without a free pageblock, and with reclaimable pages in small blocks only:
# the first attempt leaves it to DMA32, so as not to mix types. A request that must stay on the
# node, or has no DMA32 left, mixes them after all.
kept_apart() {
	local order before=$agreed
	free_of 0 DMA32 && [ "$pages" -gt 60000 ] && free_of 0 Normal && [ "$pages" -gt 20000 ] || return 0
	ctl "alloc vmalloc size=$(((pages - 8000) * 4))K node=0 gfp=GFP_KERNEL|__GFP_THISNODE" || return 1
	# Low marks, so that they do not keep those blocks from being taken.
	echo 64 >"$MIN_FREE"
	# Those that per-CPU lists had are free by the second time.
	for order in 10 9 9 9; do take_blocks $order all "|__GFP_MOVABLE" || return 1; done
	for order in 9 8 7 6 5 4 3; do take_blocks $order Reclaimable "|__GFP_RECLAIMABLE" || return 1; done
	apart=0
	requests "$ROUNDS" 0 Normal "GFP_NOWAIT|__GFP_RECLAIMABLE GFP_ATOMIC|__GFP_RECLAIMABLE
GFP_NOWAIT|__GFP_RECLAIMABLE|__GFP_THISNODE GFP_NOWAIT|__GFP_MOVABLE" || return 1
	echo "$usual" >"$MIN_FREE"
	note "types kept apart: $((agreed - before)) agree, no_fragment sent $apart of them to DMA32"
	ctl "free all"
}

# rounds NODE ZONE ROUNDS: moves the marks around that zone's free pages. What a mark stops at: the
# low mark, min, and what is left of min with rights; each give or take, and values in between.
# Where the zone is the only one with memory, min stays below its free pages: what runs in this
# guest needs some too.
rounds() {
	local node=$1 zone=$2 left=$3 part
	while [ "$left" -gt 0 ]; do
		left=$((left - 1))
		free_of "$node" "$zone" || return 1
		draw 8
		case $zones:$drawn in
		*:[01]) part=1250 ;;
		1:*) draw 300 && part=$((1100 + drawn)) ;;
		*:[23]) part=1000 ;;
		*:4) part=500 ;;
		*:5) part=375 ;;
		*) draw 2000 && part=$((400 + drawn)) ;;
		esac
		set_min "$pages" "$managed" $part
		for _ in 1 2 3 4 5 6 7 8; do one_request "$node" "$zone" || return 1; done
	done
}

# fill NODE ZONE: leaves a quarter of the zone free, so that the other zones are far from their
# marks and what runs in this guest finds memory there.
fill() {
	local take
	[ "$zones" -gt 1 ] || return 0
	free_of "$1" "$2" || return 1
	take=$((pages - managed / 4))
	[ "$take" -ge 1000 ] || return 0
	ctl "alloc vmalloc size=$((take * 4))K node=$1 gfp=GFP_KERNEL|__GFP_THISNODE tag=fill"
}

# Fills and squeezes one node after the other; the lab's usual limit is below what that takes.
predicts() {
	local node zone status=0
	rmmod oxmm && insmod "$MODULE" max_mb=65536 arena_mb=4 || return 1
	# The shell reads byte by byte, of which such a file gives one.
	usual=$(cat "$MIN_FREE")
	agreed=0 races=0 mistakes=0 skipped=0 first=0 slow=0 none=0 elsewhere=0 apart=0
	total=$(awk 'NR > 1 && $2 != "Movable" { sum += $6 } END { print sum }' "$LINUX/zones")
	# The highest zone of each node, where requests begin; small ones have nothing to fill.
	awk 'NR > 1 && $6 > 20000 { top[$1] = $2 } END { for (node in top) print node, top[node] }' \
		"$LINUX/zones" >/tmp/tops
	nodes=$(awk 'END { print NR - 1 }' "$LINUX/nodes")
	zones=$(awk 'NR > 1 && $6 > 20000 { n++ } END { print n + 0 }' "$LINUX/zones")
	while read -r node zone; do
		fill "$node" "$zone" || { note "cannot fill $node $zone"; tail -n 1 "$LINUX/result"; status=1; break; }
		rounds "$node" "$zone" "$ROUNDS" || { status=1; break; }
		echo "$usual" >"$MIN_FREE"
		ctl "free all"
		note "node $node zone $zone: $agreed agree, $races races, $mistakes mistakes, $skipped would reclaim"
	done </tmp/tops
	echo "$usual" >"$MIN_FREE"
	ctl "free all"
	fragmented && kept_apart || status=1
	note "answers: first $first, slow $slow, none $none; $elsewhere not from the zone at its marks"
	tried=$((agreed + races + mistakes))
	return $status
}

# ---- Flags -------------------------------------------------------------------------

gfp_of() { echo "gfp=$1" >"$LINUX/gfp" && awk -v what="$2" '$1 == what { print $2 }' "$LINUX/gfp"; }

flags_are_decoded() {
	[ "$(gfp_of 'GFP_ATOMIC|__GFP_ZERO' flags)" = "__GFP_HIGH|__GFP_ZERO|__GFP_KSWAPD_RECLAIM" ] &&
		[ "$(gfp_of 0xcc0 bits)" = 0xcc0 ] &&
		[ "$(gfp_of 0xcc0 flags)" = "__GFP_IO|__GFP_FS|__GFP_DIRECT_RECLAIM|__GFP_KSWAPD_RECLAIM" ] &&
		[ "$(gfp_of GFP_ATOMIC min)" = 37.5% ] && [ "$(gfp_of GFP_KERNEL min)" = 100.0% ] &&
		[ "$(gfp_of 'GFP_KERNEL|__GFP_HIGH' min)" = 50.0% ] &&
		[ "$(gfp_of GFP_HIGHUSER_MOVABLE zone)" = Movable ] &&
		[ "$(gfp_of __GFP_RECLAIMABLE type)" = Reclaimable ] &&
		[ "$(gfp_of GFP_TRANSHUGE kswapd)" = no ] && [ "$(gfp_of GFP_NOFS fs)" = no ] &&
		[ "$(gfp_of 'GFP_KERNEL|__GFP_NORETRY' effort)" = light ] &&
		[ "$(gfp_of 'GFP_KERNEL|__GFP_NOFAIL' failure)" = never ] &&
		[ "$(gfp_of GFP_KERNEL refused)" = - ] && [ "$(gfp_of __GFP_NOFAIL refused)" != - ]
}

# Without a question every combination has a line, whose flags add up to its bits.
combinations_add_up() {
	echo >"$LINUX/gfp" || return 1
	local name bits flags rest sum
	awk 'NR > 1 { print $1, $2, $NF }' "$LINUX/gfp" >/tmp/combinations
	[ "$(grep -c GFP "$LINUX/gfp")" -ge 14 ] || return 1
	while read -r name bits flags; do
		sum=0
		rest=$flags
		while [ "$rest" ]; do
			sum=$((sum | $(gfp_of "${rest%%|*}" bits)))
			case $rest in *\|*) rest=${rest#*|} ;; *) rest= ;; esac
		done
		[ $((bits)) -eq $sum ] || { note "$name: $bits, flags have $sum"; return 1; }
	done </tmp/combinations
	echo >"$LINUX/gfp"
}

old_names_are_answered() {
	! echo gfp=__GFP_WAIT 2>/dev/null >"$LINUX/gfp" && grep -q __GFP_DIRECT_RECLAIM "$LINUX/result" &&
		! ctl "alloc pages gfp=__GFP_REPEAT" && grep -q __GFP_RETRY_MAYFAIL "$LINUX/result"
}

# A debug kernel is slow, and moves memory on its own.
ROUNDS=200
[ -e "$DEBUG/kmemleak" ] && ROUNDS=60

plan 10
check "would: every number follows from zoneinfo" by_hand
check "would: the zones are those of the list, from the highest down" lists_are_walked
check "would: what alloc refuses is refused, and nothing asked is a page" wrong_questions
check "would: requests at the watermarks were tried" predicts
check "would: no prediction was wrong three times in a row" [ "$mistakes" -eq 0 ]
check "would: races are few" [ $((races * 50)) -le "$tried" ]
check "would: both attempts and failure were seen" [ "$first" -gt 0 -a "$slow" -gt 0 -a "$none" -gt 0 ]
check "gfp: flags are decoded" flags_are_decoded
check "gfp: combinations have the bits of their flags" combinations_add_up
check "gfp: old names are answered with what became of them" old_names_are_answered
rmmod oxmm && insmod "$MODULE"
