#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The modules of samples/: each loads and goes, and what it says in the kernel log is what the
# kernel's own files say. `scripts/check` brings them to /root.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

SAID=/tmp/said
CLASHES=/tmp/clashes
: >$CLASHES

# A debug kernel moves pages on its own, see alloc.sh.
SLACK=0
[ -e "$DEBUG/kmemleak" ] && SLACK=64

unload() { rmmod "sample_$1"; }

# load NAME PARAMETER...: loads a sample; what it said is in $SAID, without its name.
load() {
	local name=$1 status=0
	shift
	dmesg -c >/dev/null
	insmod "/root/sample_$name.ko" "$@" 2>/dev/null || status=1
	listen "$name"
	return $status
}

listen() {
	dmesg | sed -n "s/^.*\] *sample_$1: //p" >$SAID
	dmesg | grep 'already exists' >>$CLASHES
}

# Loaded beside oxmm, no sample brought along a KUnit suite or a file that is oxmm's.
nothing_is_there_twice() {
	head -n 5 $CLASHES | sed 's/^/# /'
	[ ! -s $CLASHES ]
}

# The sample does not load with these parameters.
does_not_load() {
	load "$@" || return 0
	note "loaded with: $*"
	unload "$1"
	return 1
}

# Nor does it begin with anything.
is_refused() { does_not_load "$@" && [ ! -s $SAID ]; }

# same NAME A B: two files are the same.
same() {
	cmp -s "$2" "$3" && return 0
	note "$1:"
	diff "$2" "$3" | sed 's/^/# /'
	return 1
}

memory_nodes() { awk '$1 == "node" && $2 ~ /:$/ && $3 > 0 { print $2 + 0 }' $SAID; }
memoryless_nodes() { awk '$1 == "node" && $2 ~ /:$/ && $3 == 0 { print $2 + 0, $NF }' $SAID; }

# ---- pages_zones -----------------------------------------------------------------

# node ZONE present managed min low high, of every zone that has pages.
zones_of_kernel() {
	awk '
	function show() { if (v["present"]) print node, zone, v["present"], v["managed"], v["min"], v["low"], v["high"] }
	/^Node/ { show(); node = $2 + 0; zone = $4; delete v; next }
	/pagesets/ { inside = 0 }
	$1 == "pages" && $2 == "free" { inside = 1 }
	inside && NF == 2 && !($1 in v) { v[$1] = $2 }
	END { show() }' /proc/zoneinfo
}

zones_are_those_of_zoneinfo() {
	load pages_zones && unload pages_zones || return 1
	zones_of_kernel >/tmp/kernel
	awk '$4 == "present" { sub(/:/, "", $3); print $2, $3, $5, $7, $9, $10, $11 }' $SAID >/tmp/sample
	[ -s /tmp/sample ] && same "/proc/zoneinfo and the sample" /tmp/kernel /tmp/sample
}

# Nobody takes from the lowest zone; in the others the sample itself, its image and the programs of
# this test come between the two readings.
blocks_are_those_of_buddyinfo() {
	load pages_zones order=4 || return 1
	awk '{ sub(/,/, "", $2); printf "%s %s:", $2, $4; for (i = 5; i <= NF; i++) printf " %d", $i; print "" }' \
		/proc/buddyinfo >/tmp/kernel
	unload pages_zones
	awk '$4 == "free" { printf "%s %s", $2, $3; for (i = 7; i <= NF; i++) printf " %d", $i; print "" }' \
		$SAID >/tmp/sample
	[ -s /tmp/sample ] || return 1
	awk '
	function pages(   i, sum) { sum = 0; for (i = NF; i > 2; i--) sum = sum * 2 + $i; return sum }
	NR == FNR { row[$1 " " $2] = $0; sum[$1 " " $2] = pages(); next }
	{
		key = $1 " " $2
		near = sum[key] - pages()
		if (!(key in row) || near > 2048 || near < -2048 || (FNR == 1 && row[key] != $0)) {
			print "# buddyinfo " $0 "; sample " row[key]
			bad = 1
		}
	}
	END { exit bad }' /tmp/sample /tmp/kernel
}

# taken: the first pfn, the number of pages, node and zone that the sample says it took.
taken() { awk '/ pages of order / { print $7, $1, $(NF - 1), $NF }' $SAID; }

# in_zone PFN NODE ZONE: by /proc/zoneinfo's first page of each zone, the pfn is in that one.
in_zone() {
	awk -v pfn="$1" -v want="$2 $3" '
	/^Node/ { here = ($2 + 0) " " $4 }
	/^  *present/ { present = $2 }
	/start_pfn:/ && present > 0 && $2 + 0 <= pfn + 0 && $2 + 0 >= best + 0 { best = $2; found = here }
	END { if (found != want) { print "# pfn " pfn " is in " found; exit 1 } }' /proc/zoneinfo
}

# free_of PFN COUNT: how many of the pages are free in the buddy (KPF_BUDDY, bit 10).
free_of() {
	dd if=/proc/kpageflags bs=8 skip="$1" count="$2" 2>/dev/null | od -A n -v -t x8 |
		awk '{ for (i = 1; i <= NF; i++) if (substr($i, length($i) - 2, 1) ~ /[4-7c-f]/) n++ } END { print n + 0 }'
}

# moved DOING WANTED: what the sample says of a zone's free pages, and what its blocks add up to.
moved() {
	awk -v doing="$1:" -v node="$3" -v zone="$4" -v wanted="$2" -v slack="$SLACK" '
	$1 == doing && $3 == node && $4 == zone {
		free = $6 + 0
		for (i = 8; i < NF; i += 2) {
			size = 1
			for (n = substr($i, 2); n > 0; n--) size *= 2
			blocks += size * $(i + 1)
		}
	}
	function near(a, b) { return a - b <= slack && b - a <= slack }
	END {
		if (near(free, wanted) && near(blocks, wanted)) exit 0
		print "# free " free ", blocks " blocks ", not " wanted
		exit 1
	}' $SAID
}

# The pages of one node, from the allocation to the end: in the zone that the sample names, not free
# while it has them, free again after.
pages_come_and_go() {
	local pfn count node zone used back
	load pages_zones order=8 node="$1" thisnode=1 || return 1
	read -r pfn count node zone <<-END
		$(taken)
	END
	used=$(free_of "$pfn" "$count")
	moved allocating -256 "$node" "$zone"
	set -- "$1" $?
	dmesg -c >/dev/null
	unload pages_zones
	back=$(free_of "$pfn" "$count")
	listen pages_zones
	note "node $1: $count pages from $pfn, $used free while taken, $back after"
	[ "$2" -eq 0 ] && moved freeing 256 "$node" "$zone" || return 1
	[ "$node" -eq "$1" ] && [ "$count" -eq 256 ] && [ $((pfn % 256)) -eq 0 ] || return 1
	in_zone "$pfn" "$node" "$zone" && [ "$used" -eq 0 ] && [ "$back" -ge 128 ]
}

every_node_gives_pages() {
	local node
	load pages_zones order=0 && unload pages_zones || return 1
	for node in $(memory_nodes); do
		retry 10 pages_come_and_go "$node" || return 1
	done
}

# Alone a node without memory refuses; else the one that serves it gives.
memoryless_nodes_are_served() {
	local node server pfn count found zone
	load pages_zones order=0 && unload pages_zones || return 1
	memoryless_nodes >/tmp/nodes
	while read -r node server; do
		does_not_load pages_zones order=5 node="$node" thisnode=1 || return 1
		load pages_zones order=5 node="$node" && unload pages_zones || return 1
		taken >/tmp/taken
		read -r pfn count found zone </tmp/taken
		note "node $node is served by $found"
		[ "$found" -eq "$server" ] || return 1
	done </tmp/nodes
}

bad_orders_and_nodes_are_refused() {
	is_refused pages_zones order=11 && is_refused pages_zones order=64 &&
		is_refused pages_zones order=4294967295 && is_refused pages_zones node=63
}

# ---- vmalloc ---------------------------------------------------------------------

# What /proc/vmallocinfo says of the area that the sample has, and what the sample says: its pages,
# and how many of them each node has.
area_is_that_of_vmallocinfo() {
	local address
	load vmalloc pages="$1" node="$2" || return 1
	address=$(sed -n 's/^vmalloc: .* at \(0x[0-9a-f]*\), .*/\1/p' $SAID)
	grep "^$address-" /proc/vmallocinfo | awk '{ for (i = 3; i <= NF; i++) if ($i ~ /^(pages|N[0-9]+)=/) print $i }' |
		sort >/tmp/kernel
	unload vmalloc
	awk '
	/^vmalloc: .* taken / { print "pages=" $5 }
	/^vmalloc: page / { sub(/,/, "", $7); n[$9] += $7 - $5 + 1 }
	END { for (node in n) print "N" node "=" n[node] }' $SAID | sort >/tmp/sample
	# Without NUMA the kernel does not tell the nodes.
	grep -q ^N /tmp/kernel || sed -i /^N/d /tmp/sample
	[ -s /tmp/kernel ] && same "$1 pages of node $2" /tmp/kernel /tmp/sample
}

areas_are_those_of_vmallocinfo() {
	local pages node
	load vmalloc && unload vmalloc || return 1
	for pages in 1 2 23 100; do
		area_is_that_of_vmallocinfo $pages -1 || return 1
	done
	load pages_zones order=0 && unload pages_zones || return 1
	for node in $(memory_nodes); do
		area_is_that_of_vmallocinfo 23 "$node" || return 1
		awk -v node="$node" '/^vmalloc: page / && $9 != node { exit 1 }' $SAID || return 1
	done
}

# One run, of a power of two that holds what was asked for.
kmalloc_is_one_run() {
	load vmalloc pages=23 && unload vmalloc || return 1
	awk '
	/^kmalloc: 23 pages asked, 32 taken/ { taken = 1 }
	/^kmalloc: page 0: / { sub(/,/, "", $7); run = $7 - $5 + 1; aligned = $5 % 32 == 0; lines++ }
	END { exit !(taken && run == 32 && aligned && lines == 1) }' $SAID
}

large_areas_have_no_kmalloc() {
	load vmalloc pages=2000 && unload vmalloc || return 1
	grep -q '^kmalloc: has no 8192000 bytes' $SAID && grep -q '^vmalloc: 2000 pages asked, 2000 taken' $SAID
}

bad_sizes_are_refused() {
	is_refused vmalloc pages=0 && is_refused vmalloc pages=4097 && is_refused vmalloc node=63
}

# ---- percpu_counter --------------------------------------------------------------

# counted VALUE: an online CPU has this value in both counters, one that is offline has 0; one of
# them counted 1 more in the second; and there is a line for each possible CPU.
counted() {
	local cpu hits made wanted nr=0 more=0
	sed -n 's/^CPU \([0-9]*\): static \([0-9]*\), made \([0-9]*\)$/\1 \2 \3/p' $SAID >/tmp/counts
	while read -r cpu hits made; do
		wanted=$1
		nr=$((nr + 1))
		more=$((more + made - hits))
		[ "$(cat "/sys/devices/system/cpu/cpu$cpu/online" 2>/dev/null || echo 1)" = 1 ] || wanted=0
		if [ "$hits" != "$wanted" ] || [ "$made" -lt "$hits" ]; then
			note "CPU $cpu: $hits and $made, not $wanted"
			return 1
		fi
	done </tmp/counts
	# "0-3", or "0" alone: there are no gaps in these guests.
	wanted=$(cat /sys/devices/system/cpu/possible)
	[ "$nr" -eq $((${wanted#*-} + 1)) ] && [ "$more" -eq 1 ]
}

each_cpu_counts() {
	load percpu_counter add=3 times=5 && unload percpu_counter && counted 15 || return 1
	# The loader copies the first value again.
	load percpu_counter add=1 times=1000 && unload percpu_counter && counted 1000
}

# The task that loads it counts on its own CPU.
the_task_counts_where_it_is() {
	local cpu
	for cpu in 0 1; do
		dmesg -c >/dev/null
		taskset $((1 << cpu)) insmod /root/sample_percpu_counter.ko && unload percpu_counter || return 1
		listen percpu_counter
		grep -qx "this task counted one more on CPU $cpu" $SAID || return 1
		grep -qx "CPU $cpu: static 15, made 16" $SAID || return 1
	done
}

offline_cpus_do_not_count() {
	local online=/sys/devices/system/cpu/cpu1/online status
	echo 0 >$online || return 1
	load percpu_counter && unload percpu_counter && counted 15
	status=$?
	echo 1 >$online
	return $status
}

# How many allocations of per-CPU memory there are now. Each process has some too: those that have ended
# are waited for, and since an idle CPU keeps those of the last that ran on it, one ends on each.
allocations() {
	local cpu=0
	while [ $cpu -lt "$(nproc)" ]; do
		taskset "$(printf '%x' $((1 << cpu)))" true
		cpu=$((cpu + 1))
	done
	settle
	awk '$1 == "nr_cur_alloc" { print $3 }' "$DEBUG/percpu_stats"
}

# One for the made counter, one for all static variables of the module.
copies_come_and_go() {
	local before during after
	before=$(allocations)
	load percpu_counter || return 1
	during=$(allocations)
	unload percpu_counter
	after=$(allocations)
	note "$before allocations, $during, $after"
	[ $((during - before)) -eq 2 ] && [ "$after" -eq "$before" ]
}

bad_counters_are_refused() { is_refused percpu_counter times=1001; }

# ---- kmem_cache ------------------------------------------------------------------

SLAB=/sys/kernel/slab/sample-packet

# cost WHENCE: the bytes taken for an object, as the sample says.
cost() { sed -n "s/^$1: [0-9]* bytes asked, \([0-9]*\) taken.*/\1/p" $SAID; }

# used WHEN, runs WHEN: how many packets had been used before; how often the constructor had run.
used() { sed -n "s/^$1: .* taken, \([0-9]*\) of them .*/\1/p" $SAID; }
runs() { sed -n "s/^$1: .* constructor ran \([0-9]*\) .*/\1/p" $SAID; }

# The cache comes and goes with the sample; objects are as far apart as Linux says, and the
# constructor ran for each object of each slab.
cache_is_that_of_sysfs() {
	local apart total
	load kmem_cache || return 1
	apart=$(cat $SLAB/slab_size)
	total=$(sed 's/ .*//' $SLAB/total_objects)
	[ "$(cat $SLAB/object_size)" -eq 1500 ]
	set -- $?
	unload kmem_cache
	note "$(cost constructed) bytes, by sysfs $apart; constructor ran $(runs again) times for $total objects"
	[ "$1" -eq 0 ] && [ "$(cost constructed)" -eq "$apart" ] && [ "$(runs again)" -eq "$total" ] &&
		[ ! -e $SLAB ]
}

# 2048 bytes, or what debugging makes of them.
kmalloc_takes_its_class() {
	load kmem_cache && unload kmem_cache || return 1
	[ "$(cost kmalloc)" -eq "$(cat /sys/kernel/slab/kmalloc-2k/object_size)" ]
}

# A word for the free list is what a constructor costs.
a_constructor_costs_a_word() {
	load kmem_cache && unload kmem_cache || return 1
	note "plain $(cost plain), constructed $(cost constructed)"
	[ "$(cost plain)" -eq 1504 ] && [ "$(cost constructed)" -eq 1512 ]
}

# Objects that were freed are taken again as they were left, but where KASAN keeps them back. Of
# thousands most slabs have gone meanwhile.
freed_objects_come_again() {
	load kmem_cache && unload kmem_cache || return 1
	note "$(used again) of 64 were used before"
	[ "$(used first)" -eq 0 ] || return 1
	[ "$SLACK" -gt 0 ] || { [ "$(used again)" -ge 32 ] && [ "$(runs first)" -eq "$(runs again)" ]; } || return 1
	load kmem_cache count=4096 && unload kmem_cache && [ "$(runs again)" -gt "$(runs first)" ]
}

bad_counts_are_refused() { is_refused kmem_cache count=1 && is_refused kmem_cache count=4097; }

# ----------------------------------------------------------------------------------

if [ ! -e /root/sample_pages_zones.ko ]; then
	plan 1
	skip "samples" "the guest was started without them"
	exit 0
fi
plan 20
check "pages_zones: zones are those of /proc/zoneinfo" retry 10 zones_are_those_of_zoneinfo
check "pages_zones: free blocks are those of /proc/buddyinfo" retry 10 blocks_are_those_of_buddyinfo
check "pages_zones: every node gives pages and gets them back" every_node_gives_pages
check "pages_zones: a node without memory is served by another" memoryless_nodes_are_served
check "pages_zones: what cannot be is refused" bad_orders_and_nodes_are_refused
check "vmalloc: areas are those of /proc/vmallocinfo" areas_are_those_of_vmallocinfo
check "vmalloc: kmalloc() gives one run" kmalloc_is_one_run
check "vmalloc: a large area is no matter for kmalloc()" large_areas_have_no_kmalloc
check "vmalloc: what cannot be is refused" bad_sizes_are_refused
check "percpu_counter: each CPU counts in its copy" each_cpu_counts
check "percpu_counter: an offline CPU has a copy and does not count" offline_cpus_do_not_count
check "percpu_counter: the task counts on the CPU that it is on" the_task_counts_where_it_is
if [ -e "$DEBUG/percpu_stats" ]; then
	check "percpu_counter: the kernel counts its allocations" retry 10 copies_come_and_go
else
	skip "percpu_counter: the kernel counts its allocations" "this kernel has no percpu_stats"
fi
check "percpu_counter: what cannot be is refused" bad_counters_are_refused
check "kmem_cache: the cache is that of /sys/kernel/slab" cache_is_that_of_sysfs
check "kmem_cache: kmalloc() takes the class above" kmalloc_takes_its_class
if [ "$SLACK" -eq 0 ]; then
	check "kmem_cache: a constructor costs a word" a_constructor_costs_a_word
else
	skip "kmem_cache: a constructor costs a word" "KASAN leaves room for it in any object"
fi
check "kmem_cache: freed objects come again as they were left" freed_objects_come_again
check "kmem_cache: what cannot be is refused" bad_counts_are_refused
check "no sample brings what oxmm has" nothing_is_there_twice
