# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# What the tests of the private manager share, on top of lib.sh: commands go to it from here on.

PRIVATE=$OXMM/private
# shellcheck disable=SC2034 # lib.sh uses it
SIDE=$PRIVATE

# Free pages, of zones and by blocks, and runs of pageblocks say the same.
views_agree() {
	awk '
	FNR == 1 { next }
	FILENAME ~ /zones/ { free[$1, $2] = $8; managed[$1, $2] = $6; next }
	FILENAME ~ /free_area/ && $3 == "all" {
		for (i = NF; i >= 4; i--) blocks[$1, $2] = blocks[$1, $2] * 2 + $i
	}
	FILENAME ~ /pageblocks/ { pages[$1, $2] += $5; of_blocks[$1, $2] += $6 }
	END {
		for (zone in free) {
			if (free[zone] == blocks[zone] && free[zone] == of_blocks[zone] && managed[zone] == pages[zone]) continue
			print "# " zone, free[zone], blocks[zone], of_blocks[zone], managed[zone], pages[zone]; bad = 1
		}
		exit bad
	}' "$PRIVATE/zones" "$PRIVATE/free_area" "$PRIVATE/pageblocks"
}

sound() {
	awk 'NR > 1 && $3 != "ok" { print "# " $0; bad = 1 } END { exit bad }' "$PRIVATE/check"
}

# free_of NODE: sets `free` to the free pages of a node, those on the CPUs' lists too.
# shellcheck disable=SC2034 # for the caller
free_of() {
	free=$(awk -v node="$1" '
		FNR == 1 || (node != "all" && $1 != node) { next }
		FILENAME ~ /zones/ { sum += $8; next }
		{ sum += $4 }
		END { print sum + 0 }' "$PRIVATE/zones" "$PRIVATE/pcp")
}

# zones_free NODE: says its free pages, without those on lists.
zones_free() { awk -v node="$1" 'NR > 1 && $1 == node { sum += $8 } END { print sum + 0 }' "$PRIVATE/zones"; }

# kept NODE: says how many pages of the node its machine's tables have, from its top down.
kept() { awk -v node="$1" '$1 == "boot" && $2 == "allocated" && $3 == node { sum += $6 } END { print int((sum + 4095) / 4096) }' "$PRIVATE/memblock"; }

nodes() { awk 'NR > 1 { print $1 }' "$PRIVATE/nodes"; }

nodes_with_memory() { awk 'NR > 1 && $7 > 0 { print $1 }' "$PRIVATE/nodes"; }

# What does not depend on which CPU was used: blocks of all types together, and free pages.
counters() {
	awk '$3 == "all" || FILENAME !~ /free_area/' "$PRIVATE/free_area" "$PRIVATE/nodes" "$PRIVATE/live"
}

# Frees all: everything is in the zones again, as when `start` was set to `counters`.
back_at_start() {
	ctl "free all
drain"
	counters >/tmp/counters
	# shellcheck disable=SC2154 # the caller's
	echo "$start" | diff - /tmp/counters | sed 's/^/# /' | head -n 5
	[ "$(counters)" = "$start" ] && sound
}

# value FACT: from `page`, of the page that was asked for last.
value() { awk -v fact="$1" '$1 == fact { print $2 }' "$PRIVATE/page"; }

# on_all_cpus FUNCTION: as many of it at once as there are CPUs, each with a number; waits for all.
on_all_cpus() {
	local number=0 pids=''
	while [ $number -lt "$(nproc)" ]; do
		"$1" $number &
		pids="$pids $!"
		number=$((number + 1))
	done
	# shellcheck disable=SC2086 # a list of numbers
	wait $pids
}

# scatter ROUNDS LINES: does the lines so many times over, until there is no more memory and one of them
# fails; then frees what has the tag drop, here and there.
scatter() {
	awk -v rounds="$1" -v lines="$(echo "$2" | tr '\n' ';')" 'BEGIN {
		gsub(/;/, "\n", lines)
		for (i = 0; i < rounds; i++) printf "%s", lines
	}' >/tmp/lines
	cat /tmp/lines 2>/dev/null >"$PRIVATE/ctl"
	ctl "free tag=drop
drain"
}

# fill NODE ORDER: takes blocks, fewer and fewer at a time, until there are none.
fill() {
	local count=4096
	while [ $count -gt 0 ]; do
		ctl "alloc pages order=$2 node=$1 count=$count gfp=GFP_KERNEL|__GFP_THISNODE|__GFP_NORETRY" || count=$((count / 4))
	done
	[ "$(held)" -gt 0 ]
}
