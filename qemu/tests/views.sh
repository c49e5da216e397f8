#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Every view of linux/ against the kernel's own files for the same facts, taken back to back.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

NODES=/sys/devices/system/node

# Prints "node cpus distances" from a file of ours or from sysfs.
nodes_of_sysfs() {
	local dir id
	for dir in "$NODES"/node[0-9]*; do
		id=${dir##*node}
		echo "$id" "$(sed 's/^$/-/' "$dir/cpulist")" "$(tr -s ' ' ',' <"$dir/distance")"
	done | sort -n
}

same_nodes() { [ "$(awk 'NR > 1 { print $1, $3, $9 }' "$LINUX/nodes")" = "$(nodes_of_sysfs)" ]; }

# members STATE: the nodes of ours in that state, as sysfs lists them.
members() {
	awk -v state="$1" '
		NR > 1 && ("," $NF ",") ~ ("," state ",") {
			if (n && $1 == last + 1) { last = $1; next }
			if (n) list = list (first == last ? first : first "-" last) ","
			first = last = $1; n = 1
		}
		END { if (n) print list (first == last ? first : first "-" last) }' "$LINUX/nodes"
}

same_states() {
	local state
	for state in online has_normal_memory has_memory has_cpu has_generic_initiator; do
		[ -e "$NODES/$state" ] || continue
		[ "$(members $state)" = "$(cat "$NODES/$state")" ] || { note "$state differs"; return 1; }
	done
}

# Managed and free pages of each node, in KiB, against its meminfo.
same_node_sizes() {
	awk '
	FILENAME ~ /oxmm/ { if (FNR > 1) { total[$1] = $7 * 4; free[$1] = $8 * 4 } next }
	$3 == "MemTotal:" && $4 != total[$2] { print "# node " $2 " total " $4 " " total[$2]; bad = 1 }
	$3 == "MemFree:" && $4 != free[$2] { print "# node " $2 " free " $4 " " free[$2]; bad = 1 }
	END { exit bad }' "$LINUX/nodes" "$NODES"/node[0-9]*/meminfo
}

# The span and the present pages of each node, from those of its zones.
same_node_spans() {
	awk '
	FILENAME ~ /zoneinfo/ && $1 == "Node" { sub(",", "", $2); node = $2; next }
	FILENAME ~ /zoneinfo/ && $1 == "spanned" { spanned = $2 }
	FILENAME ~ /zoneinfo/ && $1 == "present" { here = $2; present[node] += $2 }
	FILENAME ~ /zoneinfo/ && $1 == "start_pfn:" && here {
		if (!(node in start) || $2 < start[node]) start[node] = $2
		if ($2 + spanned > end[node]) end[node] = $2 + spanned
	}
	FILENAME ~ /zoneinfo/ || FNR == 1 { next }
	$6 != present[$1] + 0 { print "# node " $1 " present " $6 " " present[$1]; bad = 1 }
	$6 && ($4 != start[$1] || $5 != end[$1] - start[$1]) {
		print "# node " $1 " span " $4 " " $5 ": " start[$1] " " end[$1]; bad = 1
	}
	END { exit bad }' /proc/zoneinfo "$LINUX/nodes"
}

# Sizes, marks and reserves of each zone against /proc/zoneinfo.
same_zones() {
	awk '
	function one(field, ours) {
		if (theirs[zone, field] != ours) {
			print "# " zone " " field ": zoneinfo " theirs[zone, field] ", zones " ours
			bad = 1
		}
	}
	FILENAME ~ /zoneinfo/ && $1 == "Node" { sub(",", "", $2); zone = $2 " " $4; zones++; next }
	FILENAME ~ /zoneinfo/ && $1 == "pages" { theirs[zone, $2] = $3; next }
	FILENAME ~ /zoneinfo/ && $1 == "protection:" {
		sub(/.*\(/, ""); sub(/\).*/, ""); gsub(" ", ""); theirs[zone, "reserve"] = $0; next
	}
	FILENAME ~ /zoneinfo/ && $1 == "present" && $2 == 0 { zones-- }
	FILENAME ~ /zoneinfo/ { if (!((zone, $1) in theirs)) theirs[zone, $1] = $2; next }
	FNR == 1 { next }
	{
		zone = $1 " " $2; ours++
		one("start_pfn:", $3); one("spanned", $4); one("present", $5); one("managed", $6)
		one("cma", $7); one("free", $8); one("boost", $10); one("min", $11); one("low", $12)
		one("high", $13); one("promo", $14); one("reserved_highatomic:", $15)
		one("free_highatomic:", $16); one("reserve", $18)
	}
	END {
		if (ours != zones) { print "# zones: zoneinfo " zones ", zones " ours; bad = 1 }
		exit bad
	}' /proc/zoneinfo "$LINUX/zones"
}

# same_rows TYPE FILE: the rows of free_area of that type against the lines of a file of the
# kernel's, which start with "Node N, zone NAME". One program reads both, for starting another in
# between would move pages.
same_rows() {
	awk -v type="$1" '
	FILENAME !~ /oxmm/ {
		sub(",", "", $2)
		for (i = 5; i <= NF; i++) theirs[$2, $4, i - 5] = $i
		rows++
		next
	}
	$3 != type { next }
	{
		rows--
		for (i = 4; i <= NF; i++) {
			if (theirs[$1, $2, i - 4] != $i) {
				print "# " $1, $2, "order", i - 4, theirs[$1, $2, i - 4], $i
				bad = 1
			}
		}
	}
	END { if (rows) { print "# rows differ by " rows; bad = 1 } exit bad }
	' "$2" "$LINUX/free_area"
}

same_types() {
	awk '
	FILENAME ~ /pagetypeinfo/ && /^Node/ && $5 == "type" {
		sub(",", "", $2); sub(",", "", $4)
		for (i = 7; i <= NF; i++) theirs[$2, $4, $6, i - 7] = $i
		rows++
		next
	}
	FILENAME ~ /pagetypeinfo/ || $3 ~ /^(type|all|unusable|extfrag)$/ { next }
	{
		rows--
		for (i = 4; i <= NF; i++) {
			if (theirs[$1, $2, $3, i - 4] != $i) {
				print "# " $1, $2, $3, "order", i - 4, theirs[$1, $2, $3, i - 4], $i
				bad = 1
			}
		}
	}
	END { if (rows) { print "# rows differ by " rows; bad = 1 } exit bad }
	' /proc/pagetypeinfo "$LINUX/free_area"
}

# Free pages in the buddy are the blocks of all orders; the exact counter says the same.
free_adds_up() {
	awk '
	FILENAME ~ /zones/ { if (FNR > 1) exact[$1, $2] = $9; next }
	$3 == "all" {
		pages = 0
		for (i = NF; i >= 4; i--) pages = pages * 2 + $i
		if (pages != exact[$1, $2]) { print "# " $1, $2, pages, exact[$1, $2]; bad = 1 }
	}
	END { exit bad }' "$LINUX/zones" "$LINUX/free_area"
}

# The nodes of each fallback list, in order, against what the kernel said when it built them.
same_fallback() {
	awk '
	FILENAME ~ /zonelists/ {
		if ($2 == "fallback" && (!($1 in last) || $4 != last[$1])) { order[$1] = order[$1] " " $4; last[$1] = $4 }
		next
	}
	match($0, /Fallback order for Node [0-9]+:/) {
		split(substr($0, RSTART, RLENGTH - 1), words, " ")
		theirs = substr($0, RSTART + RLENGTH); sub(/ +$/, "", theirs)
		said++
		if (order[words[5]] != theirs) { print "# node " words[5] ":" theirs ":" order[words[5]]; bad = 1 }
	}
	END { exit bad || !said }' "$LINUX/zonelists" /tmp/dmesg
}

# Each list starts at the highest zone, and distances are those of the matrix.
lists_are_sound() {
	awk '
	FILENAME ~ /nodes/ {
		if (FNR > 1) { memory[$1] = $7; split($9, row, ","); for (i in row) far[$1, i - 1] = row[i] }
		next
	}
	FNR == 1 { next }
	$2 == "nofallback" && $4 != "-" && $4 != $1 { print "# nofallback leaves node: " $0; bad = 1 }
	$2 == "nofallback" && ($4 == "-") != (memory[$1] == 0) { print "# memoryless: " $0; bad = 1 }
	$4 != "-" && far[$1, $4] != $6 { print "# distance: " $0 " " far[$1, $4]; bad = 1 }
	$4 != "-" && $7 == 0 { print "# empty zone listed: " $0; bad = 1 }
	END { exit bad }' "$LINUX/nodes" "$LINUX/zonelists"
}

# A memoryless node is served by the first node of its fallback list; any other by itself.
served_by_whom() {
	awk '
	FILENAME ~ /zonelists/ { if ($2 == "fallback" && $3 == 0) first[$1] = $4; next }
	FNR > 1 && $2 != first[$1] { print "# " $0; bad = 1 }
	FNR > 1 && ($7 > 0) != ($2 == $1) { print "# " $0; bad = 1 }
	END { exit bad }' "$LINUX/zonelists" "$LINUX/nodes"
}

version_is_running() { [ "$(awk '$1 == "running_kernel" { print $2 }' "$OXMM/version")" = "$(uname -r)" ]; }

versions_are_complete() { awk 'NF < 2 { print "# empty: " $0; bad = 1 } END { exit bad }' "$OXMM/version"; }

readme_lists_files() {
	local file
	for file in "$LINUX"/*; do
		grep -q "^  ${file##*/} " "$OXMM/README" || { note "README is silent on $file"; return 1; }
	done
}

modes_are_root_only() {
	local odd
	odd=$(find "$OXMM" -type f ! -perm 400 ! -perm 200 ! -perm 600)
	[ -z "$odd" ] || { note "$odd"; return 1; }
}

plan 18
check "nodes: online CPUs and distances are those of sysfs" same_nodes
check "nodes: states are those of sysfs" same_states
check "nodes: managed and free pages are those of meminfo" retry 50 same_node_sizes
check "nodes: spans and present pages are those of their zones" same_node_spans
check "nodes: a memoryless node names who serves it" served_by_whom
check "zones: every figure is that of zoneinfo" retry 50 same_zones
check "zones: the exact free count is the sum of the free blocks" retry 50 free_adds_up
check "free_area: blocks are those of buddyinfo" retry 50 same_rows all /proc/buddyinfo
check "free_area: blocks by type are those of pagetypeinfo" retry 50 same_types
check "free_area: the unusable index is that of extfrag" retry 50 same_rows unusable "$DEBUG/extfrag/unusable_index"
check "free_area: the fragmentation index is that of extfrag" retry 50 same_rows extfrag "$DEBUG/extfrag/extfrag_index"
check "zonelists: fallback order is what the kernel said at boot" same_fallback
check "zonelists: lists, distances and sizes fit the nodes" lists_are_sound
check "version: names the running kernel" version_is_running
check "version: leaves nothing empty" versions_are_complete
check "README: names every file" readme_lists_files
check "modes: every file is root's alone" modes_are_root_only
check "nothing is held" [ "$(held)" -eq 0 ]
