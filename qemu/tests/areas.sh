#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Areas and per-CPU variables, page by page and copy by copy, against /proc/vmallocinfo, the flags of
# the pages, /proc/meminfo and debugfs percpu_stats.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

VMALLOC=$LINUX/vmalloc
PERCPU=$LINUX/percpu

# Every area is in vmallocinfo at its address, with its pages, and as many on each node.
same_as_vmallocinfo() {
	awk '
	FILENAME ~ /oxmm/ {
		if ($2 != "vmalloc") next
		pages[$3] += $6; on[$3, $8] += $6; nodes[$8]
		next
	}
	{
		address = $1; sub("-.*", "", address); sub("^0x", "", address)
		if (!(address in pages)) next
		theirs = 0
		for (i = 3; i <= NF; i++) {
			if ($i ~ /^pages=/) { theirs = substr($i, 7) }
			if ($i ~ /^N[0-9]+=/) { split(substr($i, 2), part, "="); count[address, part[1]] = part[2]; numa = 1 }
		}
		if (theirs != pages[address]) { print "# " address ": " pages[address] " pages: " $0; bad = 1 }
		for (node in nodes) {
			if (numa && count[address, node] + 0 != on[address, node] + 0) {
				print "# " address " node " node ": " on[address, node] + 0 ": " $0; bad = 1
			}
		}
		delete pages[address]
		seen++
	}
	END {
		for (address in pages) { print "# vmallocinfo has no " address; bad = 1 }
		exit bad || !seen
	}' "$VMALLOC" /proc/vmallocinfo
}

# The runs of a thing follow each other without a gap, and are as many pages as it has.
runs_are_complete() {
	awk '
	NR == 1 { next }
	{
		if ($5 != next_page[$1] + 0) { print "# gap before: " $0; bad = 1 }
		next_page[$1] = $5 + $6; asked[$1] = $4
		if ($1 == last && $7 == follows && $8 == node && $9 == zone) { print "# not merged: " $0; bad = 1 }
		last = $1; follows = $7 + $6; node = $8; zone = $9
		if ($2 == "object" && $5 != 0) { print "# an object is scattered: " $0; bad = 1 }
	}
	END {
		for (id in asked) {
			if (next_page[id] != int((asked[id] + 4095) / 4096)) { print "# id " id ": " next_page[id] " pages"; bad = 1 }
			seen++
		}
		exit bad || !seen
	}' "$VMALLOC"
}

# No page is in two runs, and each lies in the zone of the line.
runs_are_apart() {
	awk '
	FILENAME ~ /zones/ { if (FNR > 1) { start[$1, $2] = $3; end[$1, $2] = $3 + $4 } next }
	FNR == 1 { next }
	{
		for (i = 0; i < $6; i++) {
			if (($7 + i) in owner) { print "# pfn " $7 + i " is in " owner[$7 + i] " too: " $0; bad = 1 }
			owner[$7 + i] = $1
		}
		if ($7 < start[$8, $9] || $7 + $6 > end[$8, $9]) { print "# outside of its zone: " $0; bad = 1 }
		seen++
	}
	END { exit bad || !seen }' "$LINUX/zones" "$VMALLOC"
}

# flags PFN: prints the flags of a page, in hex.
flags() { dd if=/proc/kpageflags bs=8 skip="$1" count=1 2>/dev/null | od -An -tx8 | tr -d ' '; }

# The first page of each run is no buddy page and there; of large objects it is one compound page.
flags_fit() {
	local kind pfn word rest list
	list=$(awk 'NR > 1 && n[$1]++ < 3 { print $2, $7 }' "$VMALLOC")
	while read -r kind pfn; do
		word=0x$(flags "$pfn")
		# Bit 10 is BUDDY, 20 NOPAGE, 12 ANON, 5 LRU.
		[ $((word & (1 << 10 | 1 << 20 | 1 << 12 | 1 << 5))) -eq 0 ] || { note "$kind $pfn: $word"; return 1; }
	done <<-EOF
	$list
	EOF
}

# An area that may only come from one node has all of its pages there.
thisnode_keeps_areas() {
	local node
	# shellcheck disable=SC2013 # a number a line
	for node in $(awk 'NR > 1 && $7 > 0 { print $1 }' "$LINUX/nodes"); do
		ctl "alloc vmalloc size=1M node=$node gfp=GFP_KERNEL|__GFP_THISNODE tag=here" || return 1
		awk -v node="$node" 'NR > 1 && $8 != node { print "# " $0; bad = 1 } END { exit bad || NR < 2 }' "$VMALLOC" || return 1
		ctl "free tag=here" || return 1
	done
}

# Every possible CPU has a copy of each variable, at an address of its own.
copies_are_complete() {
	awk -v possible="$(cat /sys/devices/system/cpu/possible)" '
	BEGIN {
		n = split(possible, range, ",")
		for (i = 1; i <= n; i++) { split(range[i], ends, "-"); cpus += (ends[2] == "" ? ends[1] : ends[2]) - ends[1] + 1 }
	}
	NR == 1 { next }
	{
		copies[$1]++
		if ($4 in at) { print "# address twice: " $0; bad = 1 }
		at[$4]
	}
	END {
		for (id in copies) if (copies[id] != cpus) { print "# id " id ": " copies[id] " copies, " cpus " CPUs"; bad = 1 }
		exit bad || !length(copies)
	}' "$PERCPU"
}

# A copy lies on the node of its CPU, if that has memory.
copies_are_local() {
	awk '
	FILENAME ~ /nodes/ {
		if (FNR == 1 || $7 == 0 || $3 == "-") next
		n = split($3, range, ",")
		for (i = 1; i <= n; i++) {
			split(range[i], ends, "-")
			for (cpu = ends[1]; cpu <= (ends[2] == "" ? ends[1] : ends[2]); cpu++) home[cpu + 0] = $1
		}
		next
	}
	FNR > 1 && ($3 in home) { seen++; if ($6 != home[$3]) { print "# CPU of node " home[$3] ": " $0; bad = 1 } }
	END { exit bad || !seen }' "$LINUX/nodes" "$PERCPU"
}

# values ID: prints the values of the copies of online CPUs.
values() {
	awk -v id="$1" '
	FILENAME ~ /online/ {
		n = split($1, range, ",")
		for (i = 1; i <= n; i++) {
			split(range[i], ends, "-")
			for (cpu = ends[1]; cpu <= (ends[2] == "" ? ends[1] : ends[2]); cpu++) online[cpu + 0]
		}
		next
	}
	$1 == id && ($3 in online) { printf "%s ", $7 }' /sys/devices/system/cpu/online "$PERCPU"
}

# Each online CPU counts in its own copy, once for each command, and up to the width of the word.
cpus_count() {
	local id
	ctl "alloc percpu size=8 tag=count
alloc percpu size=2 tag=count" || return 1
	id=$(awk '$2 == "percpu" && $3 == 8 { id = $1 } END { print id }' "$LINUX/live")
	ctl "add percpu id=$id
add percpu id=$id value=41
add percpu id=$((id + 1)) value=65537" || return 1
	values "$id" | awk '{ for (i = 1; i <= NF; i++) if ($i != 42) exit 1; exit !NF }' || { note "$(values "$id")"; return 1; }
	values $((id + 1)) | awk '{ for (i = 1; i <= NF; i++) if ($i != 1) exit 1; exit !NF }' || { note "$(values $((id + 1)))"; return 1; }
	ctl "free tag=count"
}

# stat FILE NAME: sets `stat` to the number beside that name, without starting a program.
stat() {
	local name number rest
	stat=''
	while read -r name number rest; do
		[ "${name%:}" = "$2" ] && [ "$number" != : ] && stat=$number
		[ "${name%:}" = "$2" ] && [ "$number" = : ] && stat=$rest
	done <"$1"
}

# Large variables are in the kernel's own sum of per-CPU memory, once for each possible CPU.
meminfo_has_percpu() {
	local before grown taken slack=1024
	ctl "free all" || return 1
	stat /proc/meminfo Percpu; before=$stat
	ctl "alloc percpu size=32K count=32 tag=large" || return 1
	stat /proc/meminfo Percpu; grown=$((stat - before))
	taken=$(awk '$2 == "percpu" { sum += $4 } END { print sum / 1024 }' "$LINUX/live")
	ctl "free tag=large"
	note "taken $taken KiB, Percpu grew by $grown KiB"
	[ $((grown - taken)) -lt $slack ] && [ $((taken - grown)) -lt $slack ]
}

# Each variable is one more allocation for percpu_stats.
percpu_stats_count() {
	local before
	stat "$DEBUG/percpu_stats" nr_cur_alloc; before=$stat
	ctl "alloc percpu size=16 count=10 tag=stats" || return 1
	stat "$DEBUG/percpu_stats" nr_cur_alloc
	ctl "free tag=stats"
	[ $((stat - before)) -eq 10 ] || { note "$before, then $stat"; return 1; }
}

# What is held of vmalloc() is in Linux's counter, and beside what `memory` leaves unaccounted.
memory_has_areas() {
	local kind name exact ours all _
	ctl "free all" || return 1
	while read -r kind name _ exact _; do [ "$kind $name" = "part vmalloc" ] && all=$exact; done <"$LINUX/memory"
	ctl "alloc vmalloc size=2M count=2 tag=parts" || return 1
	while read -r kind name _ exact _; do
		[ "$kind $name" = "part vmalloc" ] && all=$((exact - all))
		[ "$kind $name" = "within oxmm_vmalloc" ] && ours=$exact
	done <"$LINUX/memory"
	ctl "free tag=parts" || return 1
	note "held $ours, vmalloc grew by $all"
	# Linux's array of pointers to the pages is an area too.
	[ "$ours" -eq 1024 ] && [ "$all" -ge 1024 ] && [ "$all" -lt 1060 ]
}

freed_are_gone() {
	ctl "free all" || return 1
	[ "$(wc -l <"$VMALLOC")" -eq 1 ] && [ "$(wc -l <"$PERCPU")" -eq 1 ]
}

plan 14
check "vmalloc: an area that may only come from one node lies there" thisnode_keeps_areas
ctl "alloc vmalloc size=5 tag=a
alloc vmalloc size=300K count=3 tag=a
alloc vmalloc size=12M tag=a
alloc object size=300K tag=a
alloc object size=64K tag=a
alloc percpu size=8 count=3 tag=a
alloc percpu size=5000 align=4K tag=a
alloc percpu size=1 tag=a"
report $? "areas, objects and per-CPU variables are held"
check "vmalloc: pages and nodes are those of vmallocinfo" same_as_vmallocinfo
check "vmalloc: the runs of each area are complete" runs_are_complete
check "vmalloc: no page is in two runs" runs_are_apart
check "vmalloc: pages have the flags of kernel memory" flags_fit
check "percpu: every possible CPU has a copy of its own" copies_are_complete
check "percpu: a copy lies on the node of its CPU" copies_are_local
check "percpu: each CPU counts in its own copy" cpus_count
check "percpu: large variables are in meminfo" retry 3 meminfo_has_percpu
if [ -e "$DEBUG/percpu_stats" ]; then
	check "percpu: variables are counted by percpu_stats" retry 5 percpu_stats_count
else
	skip "percpu: variables are counted by percpu_stats" "this kernel has none"
fi
check "memory: areas are in what vmalloc has" retry 5 memory_has_areas
check "what is freed is gone from the views" freed_are_gone
check "nothing is held" [ "$(held)" -eq 0 ]
