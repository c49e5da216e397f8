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

ask() {
	echo "\$ echo $2 > $linux/$1; cat $linux/$1"
	echo "$2" >"$linux/$1"
	cat "$linux/$1"
}

title "Would an allocation pass? The zonelist as Linux walks it, and the rule that stops a zone"
ask would "order=3 gfp=GFP_ATOMIC node=1"

title "A driver's object of 1500 bytes: from kmalloc(), and from a cache of its own"
ask kmalloc size=1500
echo
command "cache create name=driver size=1500 flags=no_merge"
command "alloc object cache=driver count=100 tag=tour"
command "free tag=tour"
echo
echo "Nothing is used any more, and what /proc/slabinfo calls active is still there, in sheaves:"
echo "\$ cat $linux/caches"
cat "$linux/caches"
echo "cache destroy name=driver" >"$linux/ctl"

title "A per-CPU counter, counted on each CPU by on_each_cpu()"
command "alloc percpu size=8 tag=tour"
id=$(awk 'NR == 2 { print $1 }' "$linux/live")
command "add percpu id=$id value=42"
echo
echo "\$ cat $linux/percpu"
cat "$linux/percpu"
echo "free all" >"$linux/ctl"

show memory "Where is all of it? The parts of MemTotal, and MemAvailable term by term (pages)"

title "rmmod"
rmmod oxmm && echo "oxmm is removed; what it held would have gone back with it"
