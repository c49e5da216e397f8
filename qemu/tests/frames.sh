#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Per-CPU page lists and pageblocks against the kernel's own files for the same facts, taken back to
# back.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

# The columns of each file by name, for awk: col["count"] is the number of that column.
# shellcheck disable=SC2016 # awk's own
COLUMNS='function columns(   i) { split("", col); for (i = 1; i <= NF; i++) col[$i] = i }
	function get(name) { return $(col[name]) }
	function num(name) { return $(col[name]) + 0 }'

# Sizes and thresholds of every CPU and zone against the pagesets of /proc/zoneinfo, which is read
# before and after: reading takes and frees pages, so that only what zoneinfo says twice is compared,
# and that must be most of it.
same_pagesets() {
	awk "$COLUMNS"'
	function one(field, ours) {
		if (theirs[1, key, field] != theirs[2, key, field]) return
		same++
		if (theirs[1, key, field] != ours) {
			print "# " key " " field ": zoneinfo " theirs[1, key, field] ", pcp " ours
			bad = 1
		}
	}
	FNR == 1 { file++ }
	file != 2 && $1 == "Node" { sub(",", "", $2); zone = $2 " " $4; cpu = ""; next }
	file != 2 && $1 == "cpu:" { cpu = $2; sets++; next }
	file != 2 && $1 == "vm" && cpu != "" { theirs[file == 1 ? 1 : 2, zone " " cpu, "threshold"] = $4; next }
	file != 2 { if (cpu != "") theirs[file == 1 ? 1 : 2, zone " " cpu, $1] = $2; next }
	FNR == 1 { columns(); next }
	{ line[++lines] = $0 }
	END {
		for (i = 1; i <= lines; i++) {
			$0 = line[i]
			key = $1 " " $2 " " $3
			one("count:", num("count")); one("high:", num("high")); one("batch:", num("batch"))
			one("high_min:", num("high_min")); one("high_max:", num("high_max"))
			one("threshold", num("threshold"))
		}
		if (2 * lines != sets || !sets) { print "# zoneinfo " sets / 2 " pagesets, pcp " lines; bad = 1 }
		if (same < 5 * lines) { print "# only " same " figures of " 6 * lines " stood still"; bad = 1 }
		exit bad
	}' /proc/zoneinfo "$LINUX/pcp" /proc/zoneinfo
}

# The lists of each CPU hold its count of pages; the name of a list ends in its order.
lists_add_up() {
	local used=1
	# A kernel for one CPU alone does not use its lists.
	grep -q "vm stats threshold" /proc/zoneinfo || used=0
	awk '
	FNR == 1 {
		for (i = 1; i <= NF; i++) {
			if ($i == "count") count = i
			if ($i == "free_diff") first = i + 1
			order = $i; sub(/^[A-Z]+/, "", order)
			size[i] = 1; while (order-- > 0) size[i] *= 2
		}
		if (NF - first + 1 < 12) { print "# lists are missing: " $0; bad = 1 }
		next
	}
	/\+/ { print "# not counted to the end: " $0; bad = 1 }
	{
		pages = 0
		for (i = first; i <= NF; i++) { pages += $i * size[i]; if ($i) kinds[i] = 1 }
		if (pages != $count) { print "# lists have " pages ": " $0; bad = 1 }
	}
	END {
		for (i in kinds) n++
		if (used && n < 3) { print "# only " n + 0 " lists in use"; bad = 1 }
		exit bad
	}' used="$used" "$LINUX/pcp"
}

# The fast and the exact free count differ by what the CPUs keep, and by no more than the bound.
drift_is_bounded() {
	awk "$COLUMNS"'
	FNR == 1 { columns(); next }
	FILENAME ~ /pcp/ {
		sum[$1, $2] += num("free_diff"); bound[$1, $2] += num("threshold")
		if (num("free_diff") * num("free_diff") > num("threshold") * num("threshold")) { print "# over its threshold: " $0; bad = 1 }
		next
	}
	{
		apart = num("free_exact") - num("free"); zones++
		if (apart != sum[$1, $2]) { print "# " $1, $2, "differ by", apart, "CPUs keep", sum[$1, $2]; bad = 1 }
		if (num("free_bound") != bound[$1, $2]) { print "# bound: " $0; bad = 1 }
	}
	END { exit bad || !zones }' "$LINUX/pcp" "$LINUX/zones"
}

# The kernel counts an isolated block under Isolate.
same_blocks() {
	awk "$COLUMNS"'
	FILENAME ~ /pagetypeinfo/ && /^Number of blocks/ { for (i = 5; i <= NF; i++) type[i] = $i; types = NF; next }
	FILENAME ~ /pagetypeinfo/ && types && /^Node/ && NF == types {
		sub(",", "", $2)
		for (i = 5; i <= NF; i++) theirs[$2, $4, type[i]] = $i
	}
	FILENAME ~ /pagetypeinfo/ { if ($0 == "") types = 0; next }
	FNR == 1 { columns(); next }
	{ ours[$1, $2, get("isolated") == "yes" ? "Isolate" : get("type")] += num("blocks"); runs++ }
	END {
		for (key in theirs) {
			if (theirs[key] != ours[key] + 0) {
				split(key, word, SUBSEP)
				print "# " word[1], word[2], word[3], "pagetypeinfo", theirs[key], "pageblocks", ours[key] + 0
				bad = 1
			}
			seen++
		}
		for (key in ours) if (!(key in theirs)) { print "# not in pagetypeinfo: " key; bad = 1 }
		exit bad || !runs || !seen
	}' /proc/pagetypeinfo "$LINUX/pageblocks"
}

# The free pages of a zone are those of buddyinfo, the blocks that larger free blocks reach into
# included.
same_free_pages() {
	awk "$COLUMNS"'
	FILENAME ~ /buddyinfo/ {
		sub(",", "", $2); zones++
		for (i = NF; i >= 5; i--) theirs[$2, $4] = theirs[$2, $4] * 2 + $i
		next
	}
	FNR == 1 { columns(); next }
	{ ours[$1, $2] += num("free"); if (num("free") > num("pages")) { print "# " $0; bad = 1 } }
	END {
		for (key in theirs) {
			split(key, word, SUBSEP)
			if (ours[key] != theirs[key]) { print "# " word[1], word[2], theirs[key], ours[key]; bad = 1 }
		}
		exit bad || !zones
	}' /proc/buddyinfo "$LINUX/pageblocks"
}

# Runs are in order, inside of their zones, of whole blocks but at the ends, and never continue the
# run before them unchanged.
runs_are_sound() {
	awk "$COLUMNS"'
	FNR == 1 { columns(); next }
	FILENAME ~ /zones/ { start[$1, $2] = num("start_pfn"); end[$1, $2] = $3 + num("spanned"); next }
	{
		zone = $1 SUBSEP $2; from = num("start_pfn"); kind = get("type") get("isolated")
		if (from < start[zone] || from + num("pages") > end[zone]) { print "# outside: " $0; bad = 1 }
		if (zone == last && from < next_pfn) { print "# overlaps: " $0; bad = 1 }
		if (zone == last && from == next_pfn && kind == last_kind) { print "# not merged: " $0; bad = 1 }
		if (num("skipped") > num("blocks")) { print "# skipped: " $0; bad = 1 }
		if (get("type") == "?") { print "# no type: " $0; bad = 1 }
		last = zone; last_kind = kind; next_pfn = from + num("pages")
	}
	END { exit bad || !last }' "$LINUX/zones" "$LINUX/pageblocks"
}

# Pages that the lab takes from a pageblock are not free in it, and are again afterwards, but for a
# few that others took meanwhile.
taken_pages_are_seen() {
	local pfn during after
	ctl "alloc pages order=10 tag=t" || return 1
	pfn=$(awk 'NR == 2 { print $5 }' "$LINUX/live")
	during=$(free_at "$pfn")
	ctl "free all" || return 1
	after=$(free_at "$pfn")
	note "the run of pfn $pfn: $during free pages while 1024 are held, $after later"
	[ $((after - during)) -ge 960 ]
}

# free_at PFN: the free pages of the run that has this page.
free_at() {
	awk -v pfn="$1" "$COLUMNS"'
	FNR == 1 { columns(); next }
	num("start_pfn") <= pfn && pfn < $3 + num("pages") { print num("free") }' "$LINUX/pageblocks"
}

plan 7
check "pcp: sizes and thresholds are those of zoneinfo" retry 50 same_pagesets
check "pcp: the lists of a CPU add up to its count" retry 50 lists_add_up
check "zones: fast and exact free counts differ by what CPUs keep, within the bound" retry 50 drift_is_bounded
check "pageblocks: blocks by type are those of pagetypeinfo" retry 50 same_blocks
check "pageblocks: free pages are those of buddyinfo" retry 50 same_free_pages
check "pageblocks: runs are in order, inside of zones, and merged" retry 20 runs_are_sound
check "pageblocks: pages that are taken are not free" retry 20 taken_pages_are_seen
