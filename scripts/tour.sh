#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The tour of `make run`, in the guest: what the files show, and physical pages that go at once.

linux=/sys/kernel/debug/oxmm/linux

title() { printf '\n== %s\n' "$*"; }

show() {
	title "$2"
	echo "\$ cat $linux/$1"
	cat "$linux/$1"
}

# The free blocks of each zone by order, all migratetypes together.
blocks() { awk 'NR == 1 || $3 == "all"' "$linux/free_area"; }

# What changed between two such tables: blocks gone (-) or come (+), by node, zone and order.
difference() {
	awk '
	FNR == 1 { next }
	FNR == NR { for (i = 4; i <= NF; i++) before[$1, $2, i] = $i; next }
	{
		for (i = 4; i <= NF; i++) {
			moved = $i - before[$1, $2, i]
			pages[$1 " " $2] += moved * scale(i - 4)
			if (moved) line[$1 " " $2] = line[$1 " " $2] sprintf("  o%d %+d", i - 4, moved)
		}
	}
	END { for (zone in line) printf "node %-8s %+6d pages:%s\n", zone, pages[zone], line[zone] }
	function scale(order,  pages) { for (pages = 1; order > 0; order--) pages *= 2; return pages }
	' "$1" "$2"
}

command() {
	echo "\$ echo $1 > $linux/ctl"
	echo "$1" >"$linux/ctl"
	cat "$linux/result"
}

show nodes "The nodes: who has memory, who has CPUs, how far they are"
show zones "Their zones: sizes, watermarks, reserves (pages)"
title "Free blocks by order, a line a zone (all migratetypes; the file has each of them)"
echo "\$ awk 'NR == 1 || \$3 == \"all\"' $linux/free_area"
blocks
show zonelists "Which zones a request for each node tries, in order"

title "Does alloc_pages() take physical pages at once? 2^8 pages from node 1"
blocks >/tmp/before
command "alloc pages order=8 node=1 tag=tour"
blocks >/tmp/during
echo
echo "\$ cat $linux/live"
cat "$linux/live"
echo
echo "Before -> during:"
difference /tmp/before /tmp/during
echo
command "free tag=tour"
blocks >/tmp/after
echo
echo "During -> after:"
difference /tmp/during /tmp/after
echo
echo "Before -> after:"
difference /tmp/before /tmp/after
echo "(what is left is what the shell and the kernel took or gave back meanwhile)"

title "rmmod"
rmmod oxmm && echo "oxmm is removed; what it held would have gone back with it"
