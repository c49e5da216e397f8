#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The private manager: its views beside Linux's, what commands do to its counters, exhaustion, a
# storm from all CPUs, and that Linux gets all of its memory back.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=qemu/tests/private-lib.sh
. "${0%/*}/private-lib.sh"

load() { insmod "$MODULE" "$@"; }
unload() { rmmod oxmm; }

# ---- Views ------------------------------------------------------------------------

# The first line of each view has the words that it has in linux/. The private manager has page lists
# of more orders: in pcp Linux's words are all there, in Linux's order.
same_columns() {
	local file ours theirs
	# Without a write `result` has nothing to show.
	ctl "" && echo >"$LINUX/ctl"
	for file in nodes zones free_area zonelists vmstat pcp pageblocks page would gfp result live; do
		ours=$(head -n 1 "$PRIVATE/$file" | tr -s ' ')
		theirs=$(head -n 1 "$LINUX/$file" | tr -s ' ')
		[ "$file" = pcp ] && ours=$(echo "$theirs" "= $ours" | tr ' ' '\n' | awk '
			$1 == "=" { second = 1; next }
			!NF { next }
			!second { theirs[$1]; next }
			$1 in theirs { printf "%s%s", space, $1; space = " " }') && theirs=${theirs% }
		[ "$ours" = "$theirs" ] || { note "$file: $ours"; note "$file: $theirs"; return 1; }
	done
}

# Nodes, who is served by whom, CPUs and distances are Linux's.
same_nodes() {
	awk '
	FNR == 1 { next }
	FILENAME ~ /linux/ { theirs[$1] = $2 " " $3 " " $9; nodes++; next }
	theirs[$1] != $2 " " $3 " " $9 { print "# node " $1 ": " $2, $3, $9 ", not " theirs[$1]; bad = 1 }
	{ nodes-- }
	END { exit bad || nodes }' "$LINUX/nodes" "$PRIVATE/nodes"
}

# Every node with memory gave some, and no more than was asked for and than a quarter of it.
sizes_are_right() {
	awk -v most="$1" '
	FNR == 1 { next }
	FILENAME ~ /linux/ { managed[$1] = $7; next }
	$7 > most || $7 > managed[$1] / 4 || ($7 > 0) != (managed[$1] > 0 && most >= 512) {
		print "# node " $1 " has " $7 " of " managed[$1] " pages"; bad = 1
	}
	END { exit bad }' "$LINUX/nodes" "$PRIVATE/nodes"
}

# The nodes of each fallback list come in the order in which Linux has them.
same_fallback() {
	awk '
	FNR == 1 || $4 == "-" { next }
	FILENAME != last { last = FILENAME; split("", seen) }
	($1, $2, $4) in seen { next }
	{ seen[$1, $2, $4] = 1 }
	FILENAME ~ /linux/ { theirs[$1, $2] = theirs[$1, $2] " " $4; next }
	{ ours[$1, $2] = ours[$1, $2] " " $4 }
	END {
		for (list in theirs) {
			if (ours[list] == theirs[list]) continue
			print "# " list ": " ours[list] ", not " theirs[list]; bad = 1
		}
		exit bad
	}' "$LINUX/zonelists" "$PRIVATE/zonelists"
}

# ---- Pages ------------------------------------------------------------------------

# at_start: everything is free and in the zones, as when the module was loaded.
at_start() {
	[ "$(counters)" = "$start" ] && sound && views_agree
}

# moves NODE ORDER COUNT: the free pages of the node move by exactly those, and come back.
moves() {
	local before during
	free_of "$1"
	before=$free
	ctl "alloc pages order=$2 count=$3 node=$1 gfp=GFP_KERNEL|__GFP_THISNODE" || return 1
	free_of "$1"
	during=$free
	awk -v node="$1" -v order="$2" -v size="$((1 << $2))" -v count="$3" '
		FILENAME ~ /zones/ { if (FNR > 1) { start[$1, $2] = $3; end[$1, $2] = $3 + $4 } next }
		FNR == 1 { next }
		$7 != node || $6 != order || $5 < start[$7, $8] || $5 + size > end[$7, $8] || $5 % size {
			print "# " $0; bad = 1
		}
		$5 in seen { print "# twice: " $0; bad = 1 }
		{ seen[$5]; n++ }
		END { exit bad || n != count }' "$PRIVATE/zones" "$PRIVATE/live" || return 1
	sound || return 1
	ctl "free all" || return 1
	free_of "$1"
	[ $((before - during)) -eq $(($3 << $2)) ] && [ "$before" -eq "$free" ] && return
	note "node $1 order $2: before $before, during $during, after $free"
	return 1
}

every_node_and_order_moves() {
	local node order
	for node in $(nodes_with_memory); do
		for order in 0 1 2 3 4 5 6 7 8 9; do
			moves "$node" "$order" 3 || return 1
		done
		moves "$node" 0 2000 || return 1
	done
	ctl drain && at_start
}

# All of a node can be had, page by page and in the largest blocks; then there is no more; the next
# node of the list serves who may go there.
gives_all() {
	local node order pages next
	for node in $(nodes_with_memory); do
		for order in 0 3 9; do
			fill "$node" "$order" || { note "node $node order $order"; return 1; }
			ctl "drain" && free_of "$node"
			# The marks keep a few from ordinary requests.
			[ "$free" -lt 1100 ] || { note "node $node order $order: $free are left"; return 1; }
			refused ENOMEM "alloc pages order=$order node=$node count=$(((1200 >> order) + 1)) gfp=GFP_KERNEL|__GFP_THISNODE" || return 1
			sound || return 1
			next=$(awk -v node="$node" 'NR > 1 && $1 == node && $2 == "fallback" && $4 != node { print $4; exit }' "$PRIVATE/zonelists")
			if [ "$next" ] && [ "$order" -eq 0 ]; then
				ctl "alloc pages count=2000 node=$node tag=next" || return 1
				pages=$(awk -v next_node="$next" '$9 == "next" && $7 == next_node { n++ } END { print n + 0 }' "$PRIVATE/live")
				[ "$pages" -gt 0 ] || { note "node $node: nothing came from node $next"; return 1; }
			fi
			ctl "free all
drain" && at_start || return 1
		done
	done
}

# boost NODE: by how much its marks are raised, in all of its zones.
boost() { awk -v node="$1" 'NR > 1 && $1 == node { sum += $10 } END { print sum + 0 }' "$PRIVATE/zones"; }

# Types that mix raise the marks, so that reclaim makes room; whoever is refused for that wakes the
# reclaimers, who take it off again when they are done: what is left behind keeps no memory from anybody.
boosts_end() {
	local node left movable="gfp=GFP_KERNEL|__GFP_THISNODE|__GFP_NORETRY type=movable"
	for node in $(nodes_with_memory); do
		scatter 400 "alloc pages count=40 node=$node tag=keep $movable
alloc pages count=40 node=$node tag=drop $movable" || return 1
		ctl "alloc pages count=1000 node=$node gfp=GFP_KERNEL|__GFP_THISNODE" || return 1
		[ "$(boost "$node")" -gt 0 ] || { note "node $node: no boost"; return 1; }
		fill "$node" 0
		ctl drain && left=$(zones_free "$node")
		[ "$(boost "$node")" -eq 0 ] || { note "node $node: boosted by $(boost "$node"), $left free pages are left"; return 1; }
		ctl "free all
drain" && at_start || return 1
	done
}

# numa NODE EVENT: how often that was counted.
numa() { awk -v node="$1" -v event="$2" '$1 == event && $2 == node { sum += $5 } END { print sum + 0 }' "$PRIVATE/vmstat"; }

# A page that another node gives is a miss there and foreign where it was wanted; one in turn is
# counted where its turn was.
numa_events_are_counted() {
	local node next pages foreign miss turns
	for node in $(nodes_with_memory); do
		next=$(awk -v node="$node" 'NR > 1 && $1 == node && $2 == "fallback" && $4 != node { print $4; exit }' "$PRIVATE/zonelists")
		[ "$next" ] || continue
		fill "$node" 0 || return 1
		foreign=$(numa "$node" numa_foreign) miss=$(numa "$next" numa_miss)
		ctl "drain
alloc pages node=$node gfp=GFP_KERNEL|__GFP_NORETRY count=500 tag=next" || return 1
		pages=$(awk -v next_node="$next" '$9 == "next" && $7 == next_node { n++ } END { print n + 0 }' "$PRIVATE/live")
		foreign=$(($(numa "$node" numa_foreign) - foreign)) miss=$(($(numa "$next" numa_miss) - miss))
		ctl "free all" || return 1
		turns=$(numa "$next" numa_interleave)
		ctl "alloc pages policy=interleave nodes=$((node < next ? node : next)),$((node < next ? next : node)) count=10
free all
drain" || return 1
		turns=$(($(numa "$next" numa_interleave) - turns))
		[ "$pages" -gt 0 ] && [ "$foreign" -eq "$pages" ] && [ "$miss" -eq "$pages" ] && [ "$turns" -eq 5 ] && continue
		note "node $node: $pages pages from node $next, $foreign foreign, $miss missed, $turns in turn"
		return 1
	done
}

# Without __GFP_THISNODE a memoryless node is served by the node that `nodes` names.
memoryless_served() {
	local node server got
	while read -r node server; do
		[ "$node" ] || continue
		refused ENOMEM "alloc pages node=$node gfp=GFP_KERNEL|__GFP_THISNODE" || return 1
		grep -q "node $node has no memory.* node $server serves" "$PRIVATE/result" || return 1
		ctl "alloc pages node=$node" || return 1
		got=$(awk 'NR == 2 { print $7 }' "$PRIVATE/live")
		ctl "free all"
		[ "$got" = "$server" ] || { note "node $node: $got, not $server"; return 1; }
	done <<-END
		$(awk 'NR > 1 && $7 == 0 { print $1, $2 }' "$PRIVATE/nodes")
	END
}

# What `would` predicts is what happens, for each node and some orders.
would_is_right() {
	local node order predicted got
	for node in $(nodes); do
		for order in 0 2 7 10; do
			ask would "order=$order node=$node" || return 1
			predicted=$(awk 'NR == 2 { print $2 }' "$PRIVATE/would")
			ctl "alloc pages order=$order node=$node" || predicted="$predicted failed"
			got=$(awk 'NR == 2 { print $7 }' "$PRIVATE/live")
			ctl "free all"
			[ "$predicted" = "$got" ] || { note "node $node order $order: $predicted, got $got"; return 1; }
		done
	done
}

# The second page of a block belongs to it; a single page is allocated, then on a list of a CPU, then
# free again.
page_follows() {
	local pfn state
	# A list that is full already would hand on at once what is freed.
	ctl "drain
alloc pages order=1 tag=two
alloc pages tag=one" || return 1
	ask page "pfn=$(awk '$9 == "two" { print $5 + 1 }' "$PRIVATE/live")" || return 1
	state="$(value state) $(value compound) $(value compound_order) $(value held_by)"
	pfn=$(awk '$9 == "one" { print $5 }' "$PRIVATE/live")
	ctl "free tag=one" && ask page "pfn=$pfn" || return 1
	state="$state, $(value state) $(value held_by)"
	ctl drain || return 1
	state="$state, $(value state)"
	ctl "free all" || return 1
	case $state in
	"allocated tail 1 "[1-9]*", pcp -, free") return 0 ;;
	esac
	note "$state"
	return 1
}

# ---- Refusals ---------------------------------------------------------------------

wrong_orders_refused() {
	refused ERANGE "alloc pages order=11" && refused ERANGE "alloc pages order=18" &&
		refused ERANGE "alloc pages order=19"
}

not_there_yet() {
	local line
	for line in "alloc object size=100" "alloc percpu size=8" "alloc vmalloc size=1M" \
		"cache create name=x size=100" "memcg create path=/a" \
		"alloc pages memcg=/a" "alloc pages kind=file"; do
		refused EOPNOTSUPP "$line" || return 1
	done
}

bad_requests_refused() {
	refused ENODEV "alloc pages node=1000" && refused EINVAL "alloc pages gfp=GFP_KERNEL|__GFP_NOFAIL" &&
		refused EINVAL "alloc pages type=cma" && refused ENOENT "free id=1000000"
}

# ---- Storms -----------------------------------------------------------------------

# The CPUs that are online, from lists such as 0-1,3.
cpus() {
	awk 'NR > 1 && $3 != "-" { gsub(",", "\n", $3); print $3 }' "$PRIVATE/nodes" |
		awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }'
}

# storm CPU: allocates and frees there, as fast as it can, with tags of its own.
storm() {
	local round order
	for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		for order in 0 3 0 1 9 0 5 2; do
			ctl "alloc pages order=$order count=$((1 + 200 / (1 << order))) tag=s$1
alloc pages order=0 count=150 tag=t$1 type=movable"
			ctl "free tag=s$1"
		done
		[ $((round % 5)) -eq 0 ] && ctl drain
		ctl "free tag=t$1"
	done
	return 0
}

storm_leaves_all_well() {
	local cpu pids=''
	for cpu in $(cpus); do
		(
			taskset -p "$(printf %x $((1 << cpu)))" "$(sh -c 'echo $PPID')" >/dev/null
			storm "$cpu"
		) &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # a list of numbers
	wait $pids
	sound || return 1
	ctl "free all
drain" && at_start
}

# ---- Coming and going ---------------------------------------------------------------

# All of the arenas is allocated when the module goes: Linux has its memory back.
removal_gives_all_back() {
	local node before after
	unload || return 1
	settle
	count_free all all
	before=$free
	load || return 1
	for node in $(nodes_with_memory); do
		fill "$node" 3 || return 1
	done
	note "$(held) blocks are held"
	unload || return 1
	settle
	count_free all all
	after=$free
	load || return 1
	note "$before $after"
	[ $((before - after)) -lt 256 ]
}

arena_is_what_was_asked_for() {
	local mb
	for mb in 0 1 2 9 32 100000000; do
		unload && load arena_mb=$mb || return 1
		sizes_are_right $((mb * 256)) && sound || return 1
		if [ $mb -eq 0 ]; then
			refused ENOMEM "alloc pages" && [ "$(awk 'END { print NR }' "$PRIVATE/zones")" = 1 ] || return 1
		fi
	done
	unload && load
}

start=$(counters)
plan 22
check "views: columns are those of linux/" same_columns
check "nodes: CPUs, distances and who serves whom are Linux's" same_nodes
check "nodes: sizes are those that were to be taken" sizes_are_right 16384
check "zonelists: nodes come in Linux's order" same_fallback
check "views: free pages are the same in each" views_agree
check "check: all is well" sound
check "pages: each node and order moves the counters exactly" every_node_and_order_moves
check "pages: a node gives all that it has, then the next one does" gives_all
check "pages: marks that were boosted keep nothing back for good" boosts_end
check "pages: misses, foreign pages and turns are counted" numa_events_are_counted
check "pages: a memoryless node is served by the nearest" memoryless_served
check "would: says from where pages will come" would_is_right
check "page: follows a page from user to list to free block" page_follows
check "refused: orders too large" wrong_orders_refused
check "refused: what is not there yet" not_there_yet
check "refused: bad requests" bad_requests_refused
check "drain: all counters are back at their start" ctl "drain"
check "counters are those of the start" at_start
check "a storm from all CPUs leaves all well" storm_leaves_all_well
check "removal with all allocated gives Linux its memory back" removal_gives_all_back
check "arena_mb is what is taken of each node" arena_is_what_was_asked_for
check "nothing is held" [ "$(held)" -eq 0 ]
