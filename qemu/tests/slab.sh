#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The views of slab caches against /sys/kernel/slab, /proc/slabinfo and against what is held.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

SLAB=/sys/kernel/slab
CACHES=$LINUX/cache

# KASAN keeps freed objects back for a while: SLUB counts them as used, and so do we.
grep -q KernelAddressSanitizer /tmp/dmesg && KASAN=yes

# on CPU LINES: writes LINES to ctl on that CPU.
on() {
	# shellcheck disable=SC2016  # That shell expands them.
	LINES=$2 taskset "$(printf %x $((1 << $1)))" sh -c 'echo "$LINES" >"$0"' "$LINUX/ctl" 2>/dev/null
}

# fact CACHE NAME: the number that the line NAME of CACHE's file `used` has.
fact() { awk -v name="$2" '$1 == name { print $2 }' "$CACHES/$1/used"; }

cpus() { awk 'NR > 1 { print $1 }' "$CACHES/$1/cpu_sheaves"; }

# node_of CPU: the node whose barn that CPU uses.
node_of() {
	local dir
	for dir in /sys/devices/system/cpu/cpu"$1"/node[0-9]*; do
		# A kernel without NUMA has node 0 and no such file.
		if [ -e "$dir" ]; then echo "${dir##*node}"; else echo 0; fi
	done
}

has_sheaves() { [ "$(cat "$CACHES/$1/sheaf_capacity")" -gt 0 ]; }

# same_files CACHE: whatever sysfs says of it, we say.
same_files() {
	local file ours theirs
	for file in object_size slab_size align order objs_per_slab min_partial sheaf_capacity aliases \
		slabs partial total_objects objects objects_partial; do
		read -r ours <"$CACHES/$1/$file"
		read -r theirs <"$SLAB/oxmm-$1/$file"
		# A kernel without NUMA has no nodes to print.
		[ -d /sys/devices/system/node ] || ours=${ours%% N*}
		[ "$ours" = "$theirs" ] && continue
		note "$1/$file: $ours, sysfs $theirs"
		return 1
	done
}

# The first six columns of /proc/slabinfo.
same_slabinfo() {
	local ours theirs
	ours=$(sed 1d "$CACHES/$1/slabinfo")
	theirs=$(awk -v name="oxmm-$1" '$1 == name { print substr($1, 6), $2, $3, $4, $5, $6 }' /proc/slabinfo)
	[ "$ours" = "$theirs" ] && return
	note "$ours, slabinfo $theirs"
	return 1
}

# adds_up CACHE: every object is in one place, and what is used is what is held.
adds_up() {
	awk -v kasan="$KASAN" -v cache="$1" '
		{ n[$1] = $2 }
		END {
			sum = n["used"] + n["on_slabs"] + n["in_sheaves"] + n["in_barns"] + n["waiting"]
			if (kasan ? n["used"] >= n["held"] : n["used"] == n["held"])
				if (sum == n["objects"]) exit 0
			for (name in n) print "# " cache ": " name " " n[name]
			exit 1
		}' "$CACHES/$1/used"
}

# lists_add_up CACHE: the partial lists by node, against the sums; sheaves and barns too.
lists_add_up() {
	local sheaves barns slabs
	sheaves=$(awk 'NR > 1 { n += $4 + $5 } END { print n + 0 }' "$CACHES/$1/cpu_sheaves")
	barns=$(awk 'NR > 1 { n += $4 } END { print n + 0 }' "$CACHES/$1/barns")
	slabs=$(awk 'NR > 1 {
			if ($3 + $4 + $5 + $6 + $7 + $8 != $2) exit bad = 1
			n += $10
		} END { print bad ? "no sum" : n + 0 }' "$CACHES/$1/partial_fullness")
	[ "$sheaves $barns $slabs" = "$(fact "$1" in_sheaves) $(fact "$1" in_barns) $(fact "$1" on_slabs)" ]
}

all_agree() {
	same_files "$1" && same_slabinfo "$1" && adds_up "$1" && lists_add_up "$1"
}

SHAPES='size=8 size=100 size=100,flags=hwalign size=1500 size=4096 size=10000 size=200,align=512
	size=64,flags=typesafe size=64,ctor=1 size=300,flags=redzone,poison size=40000'

# agrees_after STATE LINES: the cache t does once LINES brought it to that state.
agrees_after() {
	ctl "$2" && all_agree t && return
	note "$1: $2"
	return 1
}

# For each shape a cache of its own; it is compared empty, filled, thinned out, emptied, shrunk.
every_shape_agrees() {
	local shape
	for shape in $SHAPES; do
		shape=$(echo "$shape" | sed 's/,\(flags\|align\|ctor\)=/ \1=/g')
		agrees_after empty "cache create name=t $shape" || return 1
		agrees_after filled "alloc object cache=t count=150 tag=a
alloc object cache=t count=31 tag=b
alloc object cache=t count=70 tag=a" || return 1
		agrees_after "thinned out" "free tag=a" || return 1
		agrees_after emptied "free all" || return 1
		agrees_after shrunk "shrink cache=t" || return 1
		ctl "cache destroy name=t" || return 1
	done
}

# Objects go from one CPU to another, and are asked from every node.
every_cpu_agrees() {
	local cpu node last
	ctl "cache create name=t size=256" || return 1
	last=$(cpus t | tail -n 1)
	for cpu in $(cpus t); do
		on "$cpu" "alloc object cache=t count=200 tag=c$cpu" && adds_up t && lists_add_up t || return 1
	done
	# shellcheck disable=SC2013 # a number a line
	for node in $(awk 'NR > 1 { print $1 }' "$LINUX/nodes"); do
		on 0 "alloc object cache=t count=20 node=$node tag=n" && adds_up t && same_files t || return 1
	done
	for cpu in $(cpus t); do
		on $((last - cpu)) "free tag=c$cpu" && adds_up t && lists_add_up t && same_files t || return 1
	done
	ctl "free all
cache destroy name=t"
}

# What one CPU frees lies in its own sheaves, and what does not fit there in the barn of its node.
sheaves_are_the_cpus_own() {
	local cpu capacity node sheaves barn
	for cpu in $(cpus s); do
		ctl "cache create name=t size=256" || return 1
		capacity=$(cat "$CACHES/t/sheaf_capacity")
		node=$(node_of "$cpu")
		# From the node that serves this CPU, for a sheaf takes no object of another.
		on "$cpu" "alloc object cache=t count=$((capacity * 6)) tag=s
free tag=s" || return 1
		sheaves=$(awk -v cpu="$cpu" 'NR > 1 { n = $4 + $5 } NR > 1 && $1 == cpu { own = n }
			NR > 1 && $1 != cpu { others += n } END { print own, others + 0 }' "$CACHES/t/cpu_sheaves")
		barn=$(awk -v node="$node" 'NR > 1 { if ($1 == node) own = $2; else others += $2 }
			END { print own + 0, others + 0 }' "$CACHES/t/barns")
		note "cpu $cpu of node $node: its sheaves and others $sheaves, full sheaves of its barn and others $barn"
		[ "${sheaves% *}" -gt 0 ] && [ "${sheaves#* }" -eq 0 ] && [ "${barn#* }" -eq 0 ] || return 1
		[ "${barn% *}" -gt 0 ] && [ "${barn% *}" -le 10 ] || return 1
		ctl "cache destroy name=t" || return 1
	done
}

# A shrunk cache that holds nothing has nothing.
shrink_empties() {
	ctl "cache create name=t size=100
alloc object cache=t count=500 tag=a
free tag=a
shrink cache=t" || return 1
	read -r slabs <"$CACHES/t/slabs"
	note "$slabs slabs left"
	[ -n "$KASAN" ] || [ "$slabs" = 0 ] || return 1
	ctl "cache destroy name=t"
}

constructors_run_once() {
	local runs total
	ctl "cache create name=t size=100 ctor=1
alloc object cache=t count=500 tag=a
free tag=a
alloc object cache=t count=300 tag=a" || return 1
	runs=$(fact t constructed)
	read -r total _ <"$CACHES/t/total_objects"
	note "$runs runs for $total objects"
	# With KASAN a slab may have come and gone.
	if [ -n "$KASAN" ]; then [ "$runs" -ge "$total" ]; else [ "$runs" = "$total" ]; fi || return 1
	ctl "free all
cache destroy name=t"
}

# Classes of kmalloc as /proc/slabinfo lists them: name, size, objects and pages of a slab.
kmalloc_classes() {
	local ours theirs
	ours=$(awk 'NR > 1 { print $9, $2, $6, lshift(1, $5) }' "$LINUX/kmalloc" | sort)
	theirs=$(awk '$1 ~ /^kmalloc-[0-9]+k?$/ { print $1, $4, $5, $6 }' /proc/slabinfo | sort)
	[ -n "$ours" ] && [ "$ours" = "$theirs" ] && return
	note "ours: $ours"
	note "slabinfo: $theirs"
	return 1
}

# Whatever size is asked for: what is taken is the object of the class that it names, and no class
# is smaller and large enough.
kmalloc_answers() {
	local size
	for size in 1 8 9 64 65 96 97 128 129 192 193 1000 1500 2048 2049 4097 8192; do
		ask kmalloc "size=$size" || return 1
		awk -v size="$size" '
			FILENAME ~ /slabinfo/ { if ($1 ~ /^kmalloc-[0-9]+k?$/) taken[$1] = $4; next }
			$1 == "kmalloc" {
				if ($2 != size || $4 != taken[$11] || $5 != $4 - size) bad = 1
				if ($3 < size || $3 > $4) bad = 1
				n++
			}
			END { exit bad || n != 1 }' /proc/slabinfo "$LINUX/kmalloc" || { note "size $size"; cat "$LINUX/kmalloc"; return 1; }
	done
	echo >"$LINUX/kmalloc"
}

# The 1500 bytes of a driver: 548 are wasted, and a cache of its own wastes 4.
kmalloc_1500() {
	ask kmalloc size=1500 || return 1
	sed 's/^/# /' "$LINUX/kmalloc"
	awk '$1 == "kmalloc" { k = $3 " " $5 } $1 == "own" { o = $3 " " $5 }
		END { exit !(k == "2048 548" && o == "1500 4") }' "$LINUX/kmalloc"
}

# What the answer says of a cache of its own is what such a cache has.
own_cache_is_as_said() {
	local size said real
	for size in 24 100 520 1500 5000 70000; do
		ask kmalloc "size=$size" && ctl "cache create name=t size=$size flags=no_merge" || return 1
		said=$(awk '$1 == "own" { print $4, $7, $8 }' "$LINUX/kmalloc")
		real=$(cat "$SLAB/oxmm-t/slab_size" "$SLAB/oxmm-t/order" "$SLAB/oxmm-t/objs_per_slab" | tr '\n' ' ')
		[ "$said " = "$real" ] || { note "$size: said $said, has $real"; return 1; }
		ctl "cache destroy name=t" || return 1
	done
}

# kmalloc with whole pages, and beyond.
kmalloc_large() {
	ask kmalloc size=100000 || return 1
	awk '$1 == "kmalloc" { exit !($3 == 131072 && $7 == 5 && $11 == "pages") }' "$LINUX/kmalloc" || return 1
	ask kmalloc size=5M && grep -q '^# kmalloc gives no' "$LINUX/kmalloc"
}

directories_follow() {
	local name
	for name in a b c; do ctl "cache create name=$name size=64" || return 1; done
	[ "$(echo "$CACHES"/*)" = "$CACHES/a $CACHES/b $CACHES/c $CACHES/s" ] || return 1
	ctl "cache destroy name=b" && [ ! -e "$CACHES/b" ] && [ -e "$CACHES/c/used" ] || return 1
	# Gone and there again in one write.
	ctl "cache destroy name=a
cache create name=a size=128" || return 1
	[ "$(cat "$CACHES/a/object_size")" = 128 ] || return 1
	ctl "cache destroy name=a
cache destroy name=c" && [ "$(echo "$CACHES"/*)" = "$CACHES/s" ]
}

# Whoever has a file open keeps the module, not the cache: the file is at its end.
open_files_outlive_the_cache() {
	ctl "cache create name=t size=64" || return 1
	exec 3<"$CACHES/t/used" 4<"$CACHES/t/slabs"
	ctl "cache destroy name=t" || return 1
	[ ! -e "$CACHES/t" ] && [ ! -e "$SLAB/oxmm-t" ] || return 1
	cat <&3 >/dev/null 2>&1 && return 1
	exec 3<&- 4<&-
	ctl "cache create name=t size=64" && [ "$(fact t held)" = 0 ] && ctl "cache destroy name=t"
}

# Readers at work while caches come and go.
readers_and_writers() {
	local i reader
	(while :; do cat "$CACHES"/*/* "$LINUX/caches" >/dev/null 2>&1; done) &
	reader=$!
	for i in $(seq 40); do
		ctl "cache create name=t size=$((i * 10))
alloc object cache=t count=100 tag=t
free tag=t
cache destroy name=t" || { kill $reader; return 1; }
	done
	kill $reader
	wait $reader 2>/dev/null
	[ ! -e "$CACHES/t" ]
}

refusals() {
	ctl "cache create name=t size=64
alloc object cache=t tag=t" || return 1
	refused EBUSY "cache destroy name=t" && refused EEXIST "cache create name=t size=64" &&
		[ -e "$CACHES/t/used" ] && [ ! -e "$CACHES/nobody" ] || return 1
	refused EINVAL "cache create name=u size=8 flags=reclaim,nonsense" || return 1
	ctl "cache create name=u size=2M" && return 1
	ctl "cache create name=u size=8 align=2M" && return 1
	ctl "cache create name=u:v size=8" && return 1
	ctl "free tag=t
cache destroy name=t"
}

merged() {
	ctl "cache create name=t size=1000
cache create name=u size=1000
alloc object cache=t count=10 tag=t" || return 1
	if [ "$(cat "$CACHES/t/aliases")" -gt 0 ]; then
		[ "$(fact u used)" -ge 10 ] && [ "$(fact u held)" -eq 0 ]
	else
		[ "$(fact u used)" -eq 0 ]
	fi || return 1
	ctl "free all
cache destroy name=t
cache destroy name=u"
}

nothing_stays() {
	ctl "cache destroy name=s" || return 1
	set -- "$SLAB"/oxmm-*
	[ ! -e "$1" ] && ! grep -q oxmm- /proc/slabinfo && [ "$(held)" -eq 0 ] && [ ! -e "$CACHES/s" ]
}

# try NAME COMMAND...: a check that leaves nothing behind if it fails.
try() {
	check "$@"
	ctl "free all"
	ctl "cache destroy name=t"
	ctl "cache destroy name=u"
}

plan 17
# A cache that stays: it says which CPUs there are, and whether caches have sheaves.
ctl "cache create name=s size=64"
check "slub: the kernel's structs are known" sh -c "! dmesg | grep -q 'truth about slab caches'"
if [ ! -e "$SLAB/oxmm-s/sheaf_capacity" ]; then
	while [ $number -lt 17 ]; do skip "slab" "this kernel has no /sys/kernel/slab"; done
	exit 0
fi
try "cache: every shape agrees with sysfs, slabinfo and what is held" every_shape_agrees
if has_sheaves s; then
	try "cache: so it does for every CPU and node" every_cpu_agrees
	if [ -n "$KASAN" ]; then
		skip "sheaves: what a CPU frees lies with it, then with its node" "KASAN keeps freed objects back"
	else
		try "sheaves: what a CPU frees lies with it, then with its node" sheaves_are_the_cpus_own
	fi
else
	skip "cache: so it does for every CPU and node" "slab_debug leaves caches without sheaves"
	skip "sheaves: what a CPU frees lies with it, then with its node" "slab_debug leaves caches without sheaves"
fi
try "shrink: a cache that holds nothing has nothing" shrink_empties
try "constructor: runs once for each object" constructors_run_once
check "kmalloc: the classes are those of slabinfo" kmalloc_classes
check "kmalloc: a size takes the object of its class" kmalloc_answers
if [ -n "$KASAN" ] || ! has_sheaves s; then
	skip "kmalloc: 1500 bytes waste 548, or 4 in a cache of their own" "a debugging kernel takes more"
else
	check "kmalloc: 1500 bytes waste 548, or 4 in a cache of their own" kmalloc_1500
fi
try "kmalloc: a cache of its own is as said" own_cache_is_as_said
check "kmalloc: large sizes come in pages, larger ones not" kmalloc_large
try "cache: directories follow" directories_follow
try "cache: an open file outlives its cache and ends" open_files_outlive_the_cache
try "cache: readers keep nobody from destroying" readers_and_writers
try "cache: what Linux would warn of is refused" refusals
try "cache: merged caches show each other's objects" merged
check "nothing stays" nothing_stays
