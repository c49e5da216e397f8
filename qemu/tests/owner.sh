#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Whose the pages of the private manager are: the view `owners` beside what is held and beside what
# the zones have given out, `page` by the page, and that `check` agrees with all of it.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"
PRIVATE=$OXMM/private
SIDE=$PRIVATE

# value FACT: from `page`.
value() { awk -v fact="$1" '$1 == fact { print $2 }' "$PRIVATE/page"; }

sound() {
	awk 'NR > 1 && $3 != "ok" { print "# " $0; bad = 1 } $2 == "owners" { owners++ } END { exit bad || owners != 1 }' "$PRIVATE/check"
}

# rows: the owners, their blocks and their pages, in the order of their names.
rows() { awk 'NR > 1 { print $1, $3, $4 }' "$PRIVATE/owners" | sort; }

# live_rows: the same, worked out from what is held.
live_rows() {
	awk '
		NR > 1 {
			owner = "lab"
			if ($9 != "-") owner = "lab:" $9
			size = 1
			for (order = $6; order > 0; order--) size *= 2
			blocks[owner]++
			pages[owner] += size
		}
		END { for (owner in blocks) print owner, blocks[owner], pages[owner] }' "$PRIVATE/live" | sort
}

# in_use: what the zones have given out: managed, less free, less what lies on the lists of CPUs.
in_use() {
	awk 'FNR == 1 { next } FILENAME ~ /zones/ { sum += $6 - $8; next } { sum -= $4 } END { print sum + 0 }' \
		"$PRIVATE/zones" "$PRIVATE/pcp"
}

# The owners are those of what is held, the largest first, and their pages are all that is in use.
whole() {
	[ "$(rows)" = "$(live_rows)" ] || { note "$(rows)" "live: $(live_rows)"; return 1; }
	awk -v in_use="$(in_use)" '
		NR == 1 { next }
		last != "" && $4 > last { print "# not the largest first: " $0; bad = 1 }
		{ last = $4; sum += $4 }
		END { if (sum != in_use) { print "# " sum " pages, in use " in_use; bad = 1 } exit bad }' "$PRIVATE/owners" || return 1
	sound
}

nobody() { [ -z "$(rows)" ] && [ "$(head -n 1 "$PRIVATE/owners" | tr -s ' ')" = "owner group blocks pages" ] && sound; }

nodes_with_memory() { awk 'NR > 1 && $7 > 0 { print $1 }' "$PRIVATE/nodes"; }

# Each node, order and type, with tags and without, also through the lists and the bulk interface.
every_kind_is_counted() {
	local node order type
	for node in $(nodes_with_memory); do
		for order in 0 1 3 8 9; do
			for type in unmovable movable reclaimable; do
				ctl "alloc pages order=$order node=$node type=$type count=3 tag=$type" || return 1
			done
			ctl "alloc pages order=$order node=$node" || return 1
		done
		whole || return 1
		ctl "alloc pages node=$node count=700 tag=many" && whole || return 1
		ctl "free tag=movable" && whole || return 1
		ctl "free all" && nobody || return 1
	done
}

# As many tags as the table of accounts has never had room for at first; each has its own line.
many_owners() {
	local lines='' tag=0
	while [ $tag -lt 1500 ]; do
		lines="$lines
alloc pages tag=t$tag"
		tag=$((tag + 1))
	done
	ctl "$lines" && whole || return 1
	[ "$(awk 'NR > 1' "$PRIVATE/owners" | wc -l)" -eq 1500 ] || return 1
	ctl "free tag=t7" && ctl "alloc pages count=2 tag=t1499" && whole && ctl "free all" && nobody
}

# A page says whose it is, as any page of its block does; free, it says whose it was.
page_names_owner() {
	local pfn seen
	ctl "drain
alloc pages order=2 tag=mine" || return 1
	pfn=$(awk '$9 == "mine" { print $5 }' "$PRIVATE/live")
	ask page "pfn=$((pfn + 3))" || return 1
	seen="$(value owner) $(value owner_group) $(value last_owner)"
	ctl "free tag=mine" && ask page "pfn=$pfn" || return 1
	seen="$seen, $(value owner) $(value owner_group) $(value last_owner)"
	[ "$seen" = "lab:mine / -, - - lab:mine" ] && return
	note "$seen"
	return 1
}

# What a request could not have leaves no trace; nor does a benchmark, when it is over.
nothing_is_left_behind() {
	refused EBUSY "alloc pages order=9 count=100000 tag=toomuch" && nobody || return 1
	# More than an arena has, whichever limit is met first.
	ctl "alloc pages order=9 count=40 tag=much gfp=GFP_KERNEL|__GFP_THISNODE" && return 1
	nobody || return 1
	echo "work=bulk count=2000 rounds=3 threads=$(nproc)" >"$PRIVATE/bench" && nobody
}

# Tags come and go on all CPUs while the owners are read; in the end all agree.
storm() {
	local round=0
	while [ $round -lt 30 ]; do
		ctl "alloc pages order=$((round % 4)) count=50 tag=a$1.$round
alloc pages count=20 tag=b$((round % 5))"
		[ $((round % 3)) -eq 0 ] || ctl "free tag=a$1.$round"
		round=$((round + 1))
	done
}

storm_leaves_all_well() {
	local cpu=0 pids='' reader
	(while :; do cat "$PRIVATE/owners" "$PRIVATE/check" >/dev/null; done) &
	reader=$!
	while [ $cpu -lt "$(nproc)" ]; do
		storm $cpu &
		pids="$pids $!"
		cpu=$((cpu + 1))
	done
	# shellcheck disable=SC2086 # a list of numbers
	wait $pids
	kill $reader
	wait $reader 2>/dev/null
	whole && ctl "free all
drain" && nobody
}

plan 7
check "owners: nobody has anything" nobody
check "owners: every order, type and node is counted, and the sum is what is in use" every_kind_is_counted
check "owners: 1500 of them have a line each" many_owners
check "page: says whose it is, and was" page_names_owner
check "owners: what failed and what is over leave nothing" nothing_is_left_behind
check "owners: a storm from all CPUs leaves all well" storm_leaves_all_well
check "nothing is held" [ "$(held)" -eq 0 ]
