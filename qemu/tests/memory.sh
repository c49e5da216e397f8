#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Where memory is, and the counters that say so: `memory` against /proc/meminfo, `vmstat` against
# /proc/vmstat and /proc/zoneinfo. A file of ours is read between two readings of the kernel's by one
# program, and must show a value between the two.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

MEMORY=$LINUX/memory
VMSTAT=$LINUX/vmstat

# Each amount that has a line in /proc/meminfo is what that line says.
same_as_meminfo() {
	awk -v ours="$MEMORY" -v pages_kib=4 '
	function meminfo(to) {
		while ((getline <"/proc/meminfo") > 0) { sub(":", "", $1); value[to, $1] = $2 }
		close("/proc/meminfo")
	}
	BEGIN {
		meminfo(1)
		while ((getline <ours) > 0) if ($5 != "-" && $5 != "meminfo") { amount[$1 " " $2] = $3; name[$1 " " $2] = $5 }
		meminfo(2)
		for (line in amount) {
			kib = amount[line] * pages_kib
			low = value[1, name[line]]; high = value[2, name[line]]
			if (low > high) { other = low; low = high; high = other }
			seen++
			if (low == "" || kib < low || kib > high) {
				print "# " line ": " kib ", meminfo " low " to " high; bad = 1
			}
		}
		exit bad || seen < 20
	}'
}

# The parts are the whole, by both columns, whatever moves.
parts_are_the_whole() {
	awk '
	$1 == "total" { fast = $3; exact = $4 }
	$1 == "part" { sum_fast += $3; sum_exact += $4; parts++; if ($2 == "unaccounted") rest = $4 }
	END {
		if (fast != sum_fast || exact != sum_exact) {
			print "# total " fast " " exact ", parts " sum_fast " " sum_exact; exit 1
		}
		if (rest < -exact / 100 || rest > exact / 4) { print "# unaccounted " rest; exit 1 }
		exit parts < 15
	}' "$MEMORY"
}

# What is available is the sum of its terms, and each that is kept is half or the low marks.
terms_are_available() {
	awk '
	function kept(amount, stays) {
		half = int(amount / 2); if (half > low) half = low
		if (stays != -half) { print "# of " amount " " stays " is kept, low marks " low; bad = 1 }
	}
	$2 == "low_marks" { low = $3 }
	$1 == "term" { sum += $3; term[$2] = $3 }
	$1 == "available" { if ($3 != (sum > 0 ? sum : 0)) { print "# " $3 " is not " sum; bad = 1 } found = 1 }
	END {
		kept(term["page_cache"], term["page_cache_kept"])
		kept(term["reclaimable"], term["reclaimable_kept"])
		exit bad || !found
	}' "$MEMORY"
}

# Low marks and reserves are those of zoneinfo: zones without pages have marks too.
low_marks_are_those_of_zoneinfo() {
	awk '
	FILENAME ~ /zoneinfo/ { if ($1 == "low" && NF == 2) low += $2; next }
	$2 == "low_marks" { ours = $3 }
	END { if (ours != low) { print "# zoneinfo " low ", memory " ours; exit 1 } }' /proc/zoneinfo "$MEMORY"
}

# Every counter of /proc/vmstat that nodes or zones have is the sum of ours.
same_as_vmstat() {
	awk -v ours="$VMSTAT" '
	function vmstat(to) {
		while ((getline <"/proc/vmstat") > 0) {
			if (to == 1) order[++names] = $1
			value[to, $1] = $2
		}
		close("/proc/vmstat")
	}
	BEGIN {
		vmstat(1)
		while ((getline <ours) > 0) if ($1 != "name") { sum[$1] += $4; lines[$1]++ }
		vmstat(2)
		for (i = 1; i <= names; i++) {
			name = order[i]
			if (name ~ /^numa_/) continue
			if (name == "nr_dirty_threshold") break
			seen++
			if (!(name in lines)) { print "# no " name; bad = 1; continue }
			unit = name ~ /hugepages$|pmdmapped$/ ? 512 : 1
			low = value[1, name] * unit; high = value[2, name] * unit
			if (low > high) { other = low; low = high; high = other }
			mine = sum[name] > 0 ? sum[name] : 0
			if (mine < low || mine >= high + unit) {
				print "# " name ": " mine ", vmstat " low " to " high; bad = 1
			}
			delete lines[name]
		}
		for (name in lines) { print "# " name " is not in /proc/vmstat"; bad = 1 }
		exit bad || seen < 50
	}'
}

# Each zone and node by itself, against its part of zoneinfo, which is silent on the counters of a
# node without memory.
same_as_zoneinfo() {
	awk -v ours="$VMSTAT" '
	function zoneinfo(to,    node, zone, own) {
		while ((getline <"/proc/zoneinfo") > 0) {
			if ($1 == "Node") { sub(",", "", $2); node = $2; own = zone = $4; continue }
			if ($1 == "per-node") { zone = "-"; shown[node] = 1; continue }
			if ($1 == "pages") zone = own
			if ($1 ~ /^(nr_|workingset_|pg)/ && NF == 2) value[to, node, zone, $1] = $2
		}
		close("/proc/zoneinfo")
	}
	BEGIN {
		zoneinfo(1)
		while ((getline <ours) > 0) if ($1 != "name") mine[$2 SUBSEP $3 SUBSEP $1] = $4 > 0 ? $4 : 0
		zoneinfo(2)
		for (key in mine) {
			split(key, part, SUBSEP)
			if (part[3] ~ /hugepages$|pmdmapped$/) continue
			if (part[2] == "-" && !(part[1] in shown)) continue
			if (!((1, key) in value)) { print "# zoneinfo has no " part[3]; bad = 1; continue }
			low = value[1, key]; high = value[2, key]
			if (low > high) { other = low; low = high; high = other }
			seen++
			if (mine[key] < low || mine[key] > high) {
				print "# " part[1] " " part[2] " " part[3] ": " mine[key] ", zoneinfo " low " to " high; bad = 1
			}
		}
		exit bad || seen < 50
	}'
}

# No counter is further from the truth than its bound, whenever it is read.
bounds_hold() {
	awk '
	NR > 1 {
		far = $5 - $4; if (far < 0) far = -far
		lines++
		if (far > $6) { print "# " $0; bad = 1 }
	}
	END { exit bad || !lines }' "$VMSTAT"
}

# The bound of a zone is the sum of the thresholds of all CPUs.
bounds_are_thresholds() {
	awk '
	FILENAME ~ /zoneinfo/ && $1 == "Node" { sub(",", "", $2); zone = $2 " " $4; next }
	FILENAME ~ /zoneinfo/ && /vm stats threshold:/ { sum[zone] += $NF; next }
	FILENAME ~ /zoneinfo/ || FNR == 1 { next }
	$3 != "-" && $6 != sum[$2 " " $3] + 0 { print "# " $0 ", thresholds " sum[$2 " " $3]; bad = 1 }
	END { exit bad }' /proc/zoneinfo "$VMSTAT"
}

# A page more in tmpfs is in the exact count at once, wherever the CPU keeps it.
exact_counts_each_page() {
	awk -v ours="$VMSTAT" -v file=/tmp/page '
	function shmem(    sum) {
		while ((getline <ours) > 0) if ($1 == "nr_shmem") sum += $5
		close(ours)
		return sum
	}
	BEGIN {
		for (i = 1; i <= 7; i++) {
			before = shmem()
			name = file i
			print "x" >name
			close(name)
			after = shmem()
			if (after != before + 1) { print "# page " i ": " before " " after; bad = 1 }
		}
		exit bad
	}'
}

# Once every CPU has folded what it keeps, the counter is what the exact value was before.
folded_is_exact() {
	awk -v ours="$VMSTAT" '
	function values(column, to) {
		while ((getline <ours) > 0) if ($1 ~ /^nr_(shmem|file_pages|vmalloc|kernel_stack)$/) value[to, $1 " " $2] = $column
		close(ours)
	}
	BEGIN {
		values(5, 1)
		print 1 >"/proc/sys/vm/stat_refresh"
		close("/proc/sys/vm/stat_refresh")
		values(4, 2)
		for (key in value) {
			split(key, part, SUBSEP)
			if (part[1] != 1) continue
			seen++
			if (value[2, part[2]] != value[key]) {
				print "# " part[2] ": exact " value[key] ", folded " value[2, part[2]]; bad = 1
			}
		}
		exit bad || !seen
	}'
}

# amount NAME: sets `amount` to the exact value of a part, without starting a program.
amount() {
	local kind name exact _
	amount=''
	while read -r kind name _ exact _; do
		[ "$kind $name" = "part $1" ] && amount=$exact
	done <"$MEMORY"
}

# Pages that the lab takes are shown as such and leave what is unaccounted where it was.
held_pages_are_accounted() {
	local held rest free pcp slack=200
	amount oxmm_pages; held=$amount
	amount unaccounted; rest=$amount
	amount free; free=$amount
	amount pcp; pcp=$amount
	ctl "alloc pages order=4 count=64 tag=memory" || return 1
	amount oxmm_pages; held=$((amount - held))
	amount unaccounted; rest=$((amount - rest))
	amount free; free=$((amount - free))
	amount pcp; pcp=$((amount - pcp))
	ctl "free tag=memory" || return 1
	note "held $held, unaccounted $rest, free $free, pcp $pcp"
	[ "$held" -eq 1024 ] && [ "${rest#-}" -lt $slack ] || return 1
	free=$((free + pcp + 1024))
	[ "${free#-}" -lt $slack ]
}

plan 12
check "memory: amounts are those of meminfo" retry 50 same_as_meminfo
check "memory: the parts are the whole" parts_are_the_whole
check "memory: the terms add up to what is available" terms_are_available
check "memory: low marks are those of all zones" retry 5 low_marks_are_those_of_zoneinfo
check "memory: held pages are accounted" retry 5 held_pages_are_accounted
check "vmstat: sums are those of /proc/vmstat" retry 50 same_as_vmstat
check "vmstat: nodes and zones are those of zoneinfo" retry 50 same_as_zoneinfo
check "vmstat: no counter leaves its bound" bounds_hold
check "vmstat: the bound of a zone is the sum of its thresholds" retry 5 bounds_are_thresholds
check "vmstat: the exact count has every page at once" retry 5 exact_counts_each_page
if [ -e /proc/sys/vm/stat_refresh ]; then
	check "vmstat: what is folded is what was exact" retry 10 folded_is_exact
else
	skip "vmstat: what is folded is what was exact" "this kernel has no stat_refresh"
fi
check "nothing is held" [ "$(held)" -eq 0 ]
