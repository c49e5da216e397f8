#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Whose the pages of the private manager are: the view `owners` beside what is held and beside what
# the zones have given out, `page` by the page, and that `check` agrees with all of it. Then poison: pages
# that change while they are free are found, named with their last owner, and kept out of use.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=qemu/tests/private-lib.sh
. "${0%/*}/private-lib.sh"

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
	local reader
	(while :; do cat "$PRIVATE/owners" "$PRIVATE/check" >/dev/null; done) &
	reader=$!
	on_all_cpus storm
	kill $reader
	wait $reader 2>/dev/null
	whole && ctl "free all
drain" && nobody
}

# split PAGES: into how many blocks a range of so many pages, which begins at a multiple of 1024, is cut.
split() { awk -v left="$1" 'BEGIN { for (size = 1024; size >= 1; size /= 2) while (left >= size) { left -= size; n++ }; print n }'; }

# The blocks of a range are whose the range is, wherever what was there has been moved to.
ranges_and_moves_are_counted() {
	local node pages=1237
	for node in $(nodes_with_memory); do
		ctl "alloc pages count=3000 node=$node type=movable gfp=GFP_KERNEL|__GFP_THISNODE fill=1 tag=m
alloc pages order=3 count=200 node=$node type=movable gfp=GFP_KERNEL|__GFP_THISNODE fill=1 tag=n" || return 1
		free_every_other m && ctl "compact node=$node" || return 1
		whole && ctl "verify all" || return 1
		ctl "alloc range size=$((pages * 4096)) align=4M node=$node gfp=GFP_KERNEL|__GFP_THISNODE tag=r" || return 1
		if ! rows | grep -q "^lab:r $(split $pages) $pages\$" || ! sound; then
			note "$(rows)"
			return 1
		fi
		ctl "verify all" && ctl "free all
drain" && nobody || return 1
	done
}

# free_every_other TAG: frees half of what has the tag, here and there.
free_every_other() {
	awk -v tag="$1" '$9 == tag && ++n % 2 { print "free id=" $1 }' "$PRIVATE/live" >/tmp/lines
	cat /tmp/lines >"$PRIVATE/ctl"
}

# ---- Poison -----------------------------------------------------------------------

# reload [PARAMETER]: loads anew.
reload() { rmmod oxmm && insmod "$MODULE" ${1:+"$1"}; }

# count NAME: of vmstat.
count() { awk -v name="$1" '$1 == name { print $4 }' "$PRIVATE/vmstat"; }

# all_clean: nothing was found, whatever was done.
all_clean() {
	[ "$(count poison_single_bit) $(count poison_corruption) $(count nr_bad_pages)" = "0 0 0" ] && return
	note "$(grep -e poison -e bad "$PRIVATE/vmstat")"
	return 1
}

# free_pair NODE: sets `pfn` to the first of two free pages, which lab:was had last.
free_pair() {
	ctl "alloc pages order=1 node=$1 gfp=GFP_KERNEL|__GFP_THISNODE tag=was" || return 1
	pfn=$(awk '$9 == "was" { print $5 }' "$PRIVATE/live")
	ctl "free tag=was" && ctl drain
}

# One bit in a page, some bytes in the next: both are found when the node is filled, by name.
damage_is_found() {
	local node pfn bad=0
	for node in $(nodes_with_memory); do
		free_pair "$node" || return 1
		ctl "poke pfn=$pfn offset=12 value=0xab
poke pfn=$((pfn + 1)) offset=5 value=0
poke pfn=$((pfn + 1)) offset=7 value=1" || return 1
		grep -q 'wrote 0x01 for 0xaa' "$PRIVATE/result" || return 1
		fill "$node" 0 && ctl "free all" || return 1
		bad=$((bad + 2))
		if ! grep -q "poison   page $pfn: single bit error at offset 12: ab, last owner lab:was\$" "$PRIVATE/check" ||
			! grep -q "poison   page $((pfn + 1)): memory corruption at offset 5 to 7: 00 aa 01, last owner lab:was\$" "$PRIVATE/check"; then
			note "node $node, page $pfn: $(cat "$PRIVATE/check")"
			return 1
		fi
		[ "$(count poison_single_bit) $(count poison_corruption) $(count nr_bad_pages)" = "$((bad / 2)) $((bad / 2)) $bad" ] || return 1
		if [ "$(rows)" != "bad $bad $bad" ] || [ "$(in_use)" -lt $bad ]; then
			note "$(rows)"
			return 1
		fi
		ask page "pfn=$pfn" && [ "$(value owner) $(value state)" = "bad allocated" ] || return 1
		awk '$2 != "poison" && $3 != "ok" && NR > 1 { bad = 1 } END { exit bad }' "$PRIVATE/check" || return 1
		dmesg | grep -q "oxmm: page $pfn: single bit error at offset 12" || return 1
	done
}

# One by one and all: then they are as others, and everything can be had again.
damage_is_taken_back() {
	local pfn
	pfn=$(awk '$2 == "poison" { sub(":", "", $4); print $4; exit }' "$PRIVATE/check")
	refused ENOENT "unpoison pfn=1000000000" && refused ENOENT "unpoison pfn=$((pfn + 2))" || return 1
	ctl "unpoison pfn=$pfn" || return 1
	grep -q "page $pfn:" "$PRIVATE/check" && return 1
	ctl "unpoison all
drain" && nobody && [ "$(count nr_bad_pages)" = 0 ]
}

# A page of a block that is not a single one: the others are free, and can be had.
one_page_of_a_block() {
	local pfn order free
	for order in 3 9; do
		ctl "alloc pages order=$order tag=was" || return 1
		pfn=$(awk '$9 == "was" { print $5 }' "$PRIVATE/live")
		ctl "free all
drain" || return 1
		free=$(in_use)
		ctl "poke pfn=$((pfn + 6)) offset=4095 value=0x55" || return 1
		while ! grep -q "page $((pfn + 6)):" "$PRIVATE/check"; do
			ctl "alloc pages order=$order" || return 1
		done
		ctl "free all
drain" && [ $(($(in_use) - free)) -eq 1 ] || return 1
		ctl "unpoison all
drain" && [ "$(in_use)" -eq "$free" ] && nobody || return 1
	done
}

pokes_are_refused() {
	local pfn=''
	ctl "alloc pages tag=mine" || return 1
	pfn=$(awk '$9 == "mine" { print $5 }' "$PRIVATE/live")
	refused EBUSY "poke pfn=$pfn offset=0 value=1" && refused ENOENT "poke pfn=1000000000 offset=0 value=1" &&
		refused ERANGE "poke pfn=$pfn offset=65536 value=1" && refused ERANGE "poke pfn=$pfn offset=0 value=256" &&
		refused EINVAL "poke pfn=$pfn value=1" && ctl "free all" || return 1
	SIDE=$LINUX
	refused EOPNOTSUPP "poke pfn=$pfn offset=0 value=1" && refused EOPNOTSUPP "unpoison all"
	pfn=$?
	SIDE=$PRIVATE
	return $pfn
}

# Blocks move while they are freed, ranges come and go, pages are had by the dozen: every place that is
# left is poison again, or the node would not be clean when all of it is taken.
churn() {
	local round=0
	while [ $round -lt 8 ]; do
		ctl "alloc pages count=300 type=movable fill=1 tag=a$1
alloc pages order=3 count=20 type=movable fill=1 tag=b$1
alloc range size=1M type=movable fill=1 tag=c$1
alloc pages count=200 type=movable fill=1 tag=d$1"
		ctl "free tag=a$1"
		ctl compact
		ctl "alloc pages order=9 fill=1 tag=e$1"
		ctl "free tag=c$1" && ctl "free tag=b$1"
		ctl "verify all" || echo "$1" >>/tmp/eio
		ctl "free tag=e$1" && ctl "free tag=d$1"
		round=$((round + 1))
	done
}

moves_leave_poison() {
	local node moved
	moved=$(count pgmigrate_success)
	rm -f /tmp/eio
	on_all_cpus churn
	for node in $(nodes_with_memory); do
		ctl "alloc pages count=3000 node=$node type=movable gfp=GFP_KERNEL|__GFP_THISNODE fill=1 tag=m" || return 1
		free_every_other m && ctl "compact node=$node" && ctl "verify all" && whole || return 1
	done
	[ ! -e /tmp/eio ] && ctl "free all
drain" || return 1
	[ "$(count pgmigrate_success)" -gt "$moved" ] || return 1
	for node in $(nodes_with_memory); do
		fill "$node" 0 || return 1
	done
	ctl "free all
drain" && all_clean && nobody
}

# Pages that compaction would move to, and those of a range, are looked at too.
damage_is_found_by_others() {
	local node pfn
	for node in $(nodes_with_memory); do
		ctl "alloc range size=2M align=2M node=$node gfp=GFP_KERNEL|__GFP_THISNODE tag=was" || return 1
		pfn=$(awk '$9 == "was" { print $5 }' "$PRIVATE/live")
		ctl "free all
drain
poke pfn=$((pfn + 200)) offset=9 value=1
alloc range size=2M align=2M node=$node gfp=GFP_KERNEL|__GFP_THISNODE tag=is" || return 1
		ask page "pfn=$((pfn + 200))" && [ "$(value owner)" = bad ] || return 1
		[ "$(rows | grep -v bad)" = "lab:is 1 512" ] || { note "$(rows)"; return 1; }
		ctl "free all
unpoison all
drain" && nobody || return 1
		# Every other page in use, each of the free ones damaged: nowhere to move to.
		ctl "alloc pages count=1600 node=$node type=movable gfp=GFP_KERNEL|__GFP_THISNODE fill=1 tag=m" && free_every_other m && ctl drain || return 1
		awk -v node="$node" '$9 == "m" && $7 == node { print $5 }' "$PRIVATE/live" | sort -n >/tmp/held
		awk 'NR > 1 && $1 == last + 2 { print "poke pfn=" last + 1 " offset=7 value=7" } { last = $1 }' /tmp/held >/tmp/lines
		cat /tmp/lines >"$PRIVATE/ctl" 2>/dev/null || { note "$(tail -n 1 "$PRIVATE/result")"; return 1; }
		[ -s /tmp/lines ] && ctl "compact node=$node" && ctl "verify all" && whole_but_bad || return 1
		note "node $node: $(count nr_bad_pages) of $(wc -l </tmp/lines) found by compaction"
		[ "$(count nr_bad_pages)" -gt 0 ] || return 1
		ctl "free all
unpoison all
drain" && fill "$node" 0 && ctl "free all
unpoison all
drain" && nobody || return 1
	done
}

# The owners are those of what is held, and of bad pages.
whole_but_bad() {
	[ "$(rows | grep -v bad)" = "$(live_rows)" ] && awk 'NR > 1 && $2 != "poison" && $3 != "ok" { print "# " $0; bad = 1 } END { exit bad }' "$PRIVATE/check"
}

# A machine that is built is poisoned from its first page on; pages without memory have owners, no contents.
machines_are_poisoned() {
	local pfn faults
	faults=$(grep poison_ "$PRIVATE/vmstat")
	ctl "machine node=0 zones=dma32:4M,normal:28M cma=4M
machine node=1 mem=64G shadow=1
machine build" || return 1
	ctl "alloc pages order=3 count=20 node=0 gfp=GFP_KERNEL|__GFP_THISNODE tag=a
alloc pages order=9 count=3 node=1 gfp=GFP_KERNEL|__GFP_THISNODE tag=b" && sound && all_clean || return 1
	[ "$(rows)" = "$(live_rows)" ] || return 1
	pfn=$(awk '$9 == "b" { print $5; exit }' "$PRIVATE/live")
	ctl "free tag=b
drain" && refused ENXIO "poke pfn=$pfn offset=1 value=1" || return 1
	pfn=$(awk '$9 == "a" { print $5; exit }' "$PRIVATE/live")
	ctl "free all
drain
poke pfn=$pfn offset=1 value=1" && fill 0 0 && ctl "free all" || return 1
	[ "$(count nr_bad_pages)" -eq 1 ] && grep -q "page $pfn: memory corruption at offset 1: 01, last owner lab:a" "$PRIVATE/check" || return 1
	ctl "machine node=0 mem=1024G shadow=1
machine build" || return 1
	[ -z "$(count nr_bad_pages)" ] && nobody || return 1
	ctl "alloc pages order=4 count=700 tag=s" && [ "$(rows)" = "lab:s 700 11200" ] && sound || return 1
	refused EOPNOTSUPP "unpoison all" && grep -q 'no memory behind' "$PRIVATE/result" || return 1
	pfn=$(awk '$9 == "s" { print $5; exit }' "$PRIVATE/live")
	ctl "free all
drain" && refused ENXIO "poke pfn=$pfn offset=1 value=1" && nobody || return 1
	# That of load time has not been looked at since.
	ctl "machine reset" && nobody && fill 0 0 && ctl "free all
drain" && nobody && [ "$(grep poison_ "$PRIVATE/vmstat")" = "$faults" ]
}

# Without poison=1 nobody looks.
without_poison() {
	local pfn
	reload "" && refused EOPNOTSUPP "unpoison all" || return 1
	[ -z "$(count nr_bad_pages)" ] || return 1
	pfn=$(awk 'NR == 2 { print $3 }' "$PRIVATE/zones")
	ctl "poke pfn=$pfn offset=0 value=1
alloc pages order=3 count=4
free all
drain" && nobody
}

storm_finds_nothing() { every_kind_is_counted && storm_leaves_all_well && all_clean; }

plan 18
check "owners: nobody has anything" nobody
check "owners: every order, type and node is counted, and the sum is what is in use" every_kind_is_counted
check "owners: 1500 of them have a line each" many_owners
check "page: says whose it is, and was" page_names_owner
check "owners: what failed and what is over leave nothing" nothing_is_left_behind
check "owners: a storm from all CPUs leaves all well" storm_leaves_all_well
check "owners: ranges, and blocks that move" ranges_and_moves_are_counted
check "poison: the module loads with it" reload poison=1
check "poison: a storm from all CPUs finds nothing" storm_finds_nothing
check "poison: what moves leaves poison behind" moves_leave_poison
check "poison: what changes while it is free is found, named and kept out" damage_is_found
check "poison: pages are taken back into use" damage_is_taken_back
check "poison: of a block one page is kept out" one_page_of_a_block
check "poison: what is moved to and ranges are looked at" damage_is_found_by_others
check "poison: machines have it where they have memory" machines_are_poisoned
check "poison: pokes of what is not free are refused" pokes_are_refused
check "poison: without it nothing is looked at" without_poison
check "nothing is held" [ "$(held)" -eq 0 ]
