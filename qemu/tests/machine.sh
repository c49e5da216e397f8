#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Machines of the private manager: described line by line, built, used to the last page, replaced;
# shadow machines of any size; early memory; and the way back to the machine of load time.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=qemu/tests/private-lib.sh
. "${0%/*}/private-lib.sh"

# says PATTERN: the last line of `result` has it.
says() {
	tail -n 1 "$PRIVATE/result" | grep -q "$1" && return
	note "$(tail -n 1 "$PRIVATE/result")"
	return 1
}

# refused_for ERRNO PATTERN LINES: the write fails with it, and the sentence has the pattern.
refused_for() { refused "$1" "$3" && says "$2"; }

# build LINES [ORDER]: describes and builds a machine; a draft that was begun is forgotten.
build() {
	ctl "free all
machine reset" && ctl "$1" && ctl "machine build ${2:+order=$2}" && return
	note "$(tail -n 1 "$PRIVATE/result")"
	return 1
}

# The machine of load time, with all that it had.
back() {
	ctl "free all
machine reset" && [ "$(counters)" = "$start" ] && sound && views_agree
}

# has FILE LINES: the fields of the view that are listed, line by line, are those of LINES; a field is
# a number before a colon.
has() {
	echo "$2" | awk '
		FNR == 1 { file++ }
		file == 1 { wanted[++lines] = $0; next }
		FNR == 1 { next }
		{
			at = FNR - 1
			fields = split(wanted[at], want, " ")
			if (at > lines) { print "# too many: " $0; bad = 1; exit }
			for (i = 1; i <= fields; i++) {
				split(want[i], pair, ":")
				if ($pair[1] != pair[2]) { print "# field " pair[1] " is not " pair[2] ": " $0; bad = 1 }
			}
			seen++
		}
		END { exit bad || seen != lines }' - "$PRIVATE/$1"
}

# ---- Shapes -----------------------------------------------------------------------

# Two nodes, the second without memory; pages begin at 0, nobody names a CPU.
plain_machine() {
	local left
	build "machine node=0 mem=16M
machine node=1" || return 1
	left=$((4096 - $(kept 0)))
	if [ "$left" -ge 4096 ] || [ "$left" -le 3900 ]; then
		note "$left of 4096 pages are left"
		return 1
	fi
	has nodes "1:0 2:0 4:0 5:4096 6:4096 7:$left 8:$left 9:10,20
1:1 2:0 3:- 5:0 7:0 9:20,10" || return 1
	has zones "1:0 2:Normal 3:0 4:4096 5:4096 6:$left 7:0 8:$left" || return 1
	has memblock "1:boot 2:memory 3:0 4:0x0 5:0x1000000 6:16777216
1:boot 2:allocated 3:0 5:0x1000000 7:tables" && sound && views_agree || return 1
	# A page of a table is there, and nobody can have it.
	ask page "pfn=4095" && grep -q '^present *yes' "$PRIVATE/page" && grep -q '^reserved *yes' "$PRIVATE/page" &&
		refused ENOMEM "alloc range size=4K min=$((4095 * 4096))" &&
		ask page "pfn=0" && grep -q '^reserved *no' "$PRIVATE/page"
}

# Every zone there is, a part of which is for CMA areas; distances given in one direction hold for the
# other; numbers of nodes need not follow each other.
mixed_machine() {
	local low high
	build "machine node=0 zones=dma:4M,dma32:8M,normal:8M,movable:4M cma=4M cpus=0 distance=10,15,15,30
machine node=3 mem=8M" || return 1
	# The tables of all zones of a node are in the highest that is not Movable.
	low=$(kept 0) high=$(kept 3)
	has nodes "1:0 2:0 3:0 4:0 5:1051648 6:6144 7:$((6144 - low)) 8:$((6144 - low)) 9:10,30
1:3 2:3 3:- 4:1051648 5:2048 6:2048 7:$((2048 - high)) 9:30,10" || return 1
	has zones "1:0 2:DMA 3:0 4:1024 7:0 8:1024
1:0 2:DMA32 3:4096 4:2048 7:0 8:2048
1:0 2:Normal 3:1048576 4:2048 5:2048 7:1024 8:$((2048 - low))
1:0 2:Movable 3:1050624 4:1024 7:0 8:1024
1:3 2:Normal 3:1051648 4:2048 7:0 8:$((2048 - high))" || return 1
	has zonelists "1:0 2:fallback 3:0 4:0 5:Movable 6:10
1:0 2:fallback 3:1 4:0 5:Normal 6:10
1:0 2:fallback 3:2 4:0 5:DMA32 6:10
1:0 2:fallback 3:3 4:0 5:DMA 6:10
1:0 2:fallback 3:4 4:3 5:Normal 6:30
1:0 2:nofallback 3:0 4:0 5:Movable 6:10
1:0 2:nofallback 3:1 4:0 5:Normal 6:10
1:0 2:nofallback 3:2 4:0 5:DMA32 6:10
1:0 2:nofallback 3:3 4:0 5:DMA 6:10
1:3 2:fallback 3:0 4:3 5:Normal 6:10
1:3 2:fallback 3:1 4:0 5:Movable 6:30
1:3 2:fallback 3:2 4:0 5:Normal 6:30
1:3 2:fallback 3:3 4:0 5:DMA32 6:30
1:3 2:fallback 3:4 4:0 5:DMA 6:30
1:3 2:nofallback 3:0 4:3 5:Normal 6:10" || return 1
	# 2048 + 2048 + 1024 pages above DMA, less tables, by 256 and as far as the request may go.
	[ "$(awk '$1 == 0 && $2 == "DMA" { print $NF }' "$PRIVATE/zones")" = "0,8,$(((4096 - low) / 256)),$(((5120 - low) / 256))" ] || return 1
	grep -q "^boot  *reserved  *-  *0x100400000  *0x100800000  *4194304 cma$" "$PRIVATE/memblock" || return 1
	[ "$(awk '$2 == "Normal" && $1 == 0 && $3 == "CMA" { print $NF }' "$PRIVATE/free_area")" = 1 ] &&
		sound && views_agree
}

# from GFP: the zone of node 0 that serves a page.
from() {
	ctl "alloc pages node=0 gfp=$1" || return 1
	awk 'NR == 2 { print $7 $8 }' "$PRIVATE/live"
	ctl "free all"
}

# Requests come from the highest zone that they may use; those below are kept from them as far as
# `lowmem_reserve` goes, and CMA areas from all but movable ones.
zones_serve() {
	local gfp zone got
	while read -r gfp zone; do
		got=$(from "$gfp")
		[ "$got" = "$zone" ] || { note "$gfp: $got, not $zone"; return 1; }
	done <<-END
		GFP_KERNEL 0Normal
		GFP_DMA32|GFP_KERNEL 0DMA32
		GFP_DMA|GFP_KERNEL 0DMA
		GFP_HIGHUSER_MOVABLE 0Movable
	END
	ctl "alloc pages order=0 count=1000 node=0 gfp=GFP_HIGHUSER_MOVABLE|__GFP_THISNODE" || return 1
	ctl "alloc pages order=0 count=2000 node=0 gfp=GFP_HIGHUSER_MOVABLE|__GFP_THISNODE" || return 1
	ctl drain
	got=$(awk '$1 == 0 && $2 == "Normal" { print $8 }' "$PRIVATE/zones")
	# A pageblock may be left that the first requests made unmovable.
	[ "$got" -lt 700 ] || { note "$got of 2048 pages are left in Normal: CMA was not used"; return 1; }
	ctl "free all" && sound && views_agree
}

# Each order, those of whole machines too, on machines whose largest blocks have other orders. What
# is left at the end is below the marks.
largest_orders() {
	local largest order
	for largest in 0 1 5 8 9 10; do
		build "machine node=0 mem=33M" $largest || return 1
		[ "$(head -n 1 "$PRIVATE/free_area" | awk '{ print $NF }')" = "o$largest" ] || return 1
		sound && views_agree || return 1
		refused ERANGE "alloc pages order=$((largest + 1))" || return 1
		for order in 0 $largest; do
			fill 0 "$order" || return 1
			sound || return 1
			ctl "free all
drain" && views_agree || return 1
			free_of 0
			[ "$free" -eq $((8448 - $(kept 0))) ] || { note "order $largest: $free"; return 1; }
		done
	done
}

# ---- Commands ---------------------------------------------------------------------

# Each line is refused with its errno and a sentence that names what is wrong (_ is a blank); the machine and the
# draft stay as they were.
drafts_refused() {
	local errno line word before
	ctl "machine reset" && ctl "machine node=1 mem=8M cpus=0" || return 1
	before=$(cat "$PRIVATE/nodes" "$PRIVATE/zones")
	while read -r errno word line; do
		refused_for "$errno" "$(echo "$word" | tr _ ' ')" "machine $line" || { note "$line"; return 1; }
	done <<-END
		EEXIST node_1 node=1 mem=1M
		EEXIST CPU_0 node=2 cpus=0
		ERANGE CPU_1000 node=2 cpus=1000
		ERANGE node_64 node=64
		EINVAL 4097 node=2 mem=4097
		EINVAL node_2 node=2 mem=8M zones=normal:4M
		EINVAL CMA node=2 mem=8M cma=1M
		EINVAL node_2 node=2 mem=8M cma=16M
		ERANGE node_2 node=2 distance=10,20,11
		ERANGE node_0 node=2 distance=9,20,10
		EINVAL speed node=2 speed=1
	END
	[ "$(cat "$PRIVATE/nodes" "$PRIVATE/zones")" = "$before" ] || return 1
	ctl "machine build" && has nodes "1:1 3:0 6:2048"
}

# What makes no machine is refused when it is built, and the one that there is runs on.
builds_refused() {
	local errno word lines before
	ctl "machine reset" || return 1
	refused EINVAL "machine build" && says "no node is described" || return 1
	before=$(counters)
	while IFS='|' read -r errno word lines; do
		ctl "machine reset" || return 1
		ctl "$(echo "$lines" | tr ';' '\n')" || { note "$lines"; return 1; }
		refused_for "$errno" "$word" "machine build" || { note "$lines"; return 1; }
		[ "$(counters)" = "$before" ] || { note "another machine after: $lines"; return 1; }
	done <<-END
		EINVAL|dma, dma32 or normal|machine node=0
		EINVAL|dma, dma32 or normal|machine node=0 zones=movable:64M
		EINVAL|node 1 and node 2|machine node=0 mem=8M distance=10,20,20;machine node=1 distance=20,10;machine node=2
		ERANGE|DMA32|machine node=0 zones=dma32:5000M shadow=1
		EBUSY|max_mb|machine node=0 mem=100000M
		EBUSY|max_mb|machine node=0 mem=8M;machine node=1 mem=100000M;machine node=2 mem=1G shadow=1
		ENOMEM|the state would take|machine node=0 mem=16384G shadow=1;machine node=1 mem=16384G shadow=1
	END
	ctl "machine reset" && ctl "machine node=0 mem=8M" || return 1
	refused ERANGE "machine build order=11" && says "shadow=1" && refused ERANGE "machine build order=19"
}

# A draft outlives a build that fails, and is gone after one that does not.
drafts_are_kept() {
	ctl "machine reset" && ctl "machine node=1 mem=8M distance=25,10
machine node=0" || return 1
	refused ERANGE "machine build order=12" && ctl "machine build" || return 1
	has nodes "1:0 2:1 9:10,25
1:1 2:1 6:2048 9:25,10" || return 1
	refused EINVAL "machine build" && says "no node is described" || return 1
	ctl "machine node=1 mem=4M
machine build" && has nodes "1:1 6:1024"
}

# While anything is allocated nothing changes, whichever way it is asked.
busy_refused() {
	local before
	build "machine node=0 mem=8M" && ctl "alloc pages order=1 tag=kept
machine node=0 mem=4M" || return 1
	before=$(counters)
	refused EBUSY "machine build" && says "free all" || return 1
	refused EBUSY "machine reset" && [ "$(counters)" = "$before" ] && sound || return 1
	ctl "free tag=kept
machine build" && has nodes "1:0 6:1024"
}

# A benchmark keeps its machine too: either it was first, or it ran on the new one.
bench_is_busy() {
	local tries=0
	build "machine node=0 mem=64M" || return 1
	while [ $tries -lt 20 ]; do
		tries=$((tries + 1))
		echo work=pair count=200000 rounds=20 >"$PRIVATE/bench" &
		usleep 100000
		ctl "machine reset" || { says EBUSY && wait && return 0; }
		wait
	done
	return 1
}

# ---- Shadows ------------------------------------------------------------------------

# More memory than any guest has, with its state alone.
four_tib() {
	local tib=1 node lines=''
	for node in 0 1 2 3; do lines="$lines${lines:+
}machine node=$node mem=1024G shadow=1"; done
	ctl "machine reset" && ctl "$lines" || return 1
	if ! ctl "machine build"; then
		says "the state would take" && note "too little memory for 4 TiB of state" || return 1
		tib=0
		build "machine node=0 mem=256G shadow=1
machine node=1 mem=256G shadow=1" || return 1
	fi
	note "$(tail -n 1 "$PRIVATE/result")"
	[ $tib -eq 0 ] || [ "$(awk '{ sum += $8 } END { print sum }' "$PRIVATE/zones")" -eq 1073741824 ] || return 1
	ctl "alloc pages order=10 count=1000 node=1
alloc pages count=5000 node=0 gfp=GFP_KERNEL|__GFP_ZERO tag=small" || return 1
	ask page "id=$(awk '$9 == "small" { print $1; exit }' "$PRIVATE/live")" || return 1
	grep -q "^state *allocated" "$PRIVATE/page" || return 1
	ctl "free all
drain" && views_agree
}

# A GiB to its last page, though there is no page; then all of it is there again.
shadow_gives_all() {
	build "machine node=0 mem=512M shadow=1
machine node=1 zones=dma32:256M,normal:256M shadow=1" || return 1
	while ctl "alloc pages count=65536 gfp=GFP_ATOMIC|__GFP_HIGHMEM"; do :; done
	while ctl "alloc pages count=512 gfp=GFP_ATOMIC|__GFP_HIGHMEM"; do :; done
	ctl drain && free_of all
	note "$(held) pages are held, $free free"
	[ "$(held)" -gt 258000 ] && [ $(($(held) + free)) -eq 262144 ] && sound || return 1
	awk 'NR > 1 { if ($5 in seen) exit 1; seen[$5] }' "$PRIVATE/live" || { note "a page was given twice"; return 1; }
	ctl "free all
drain" && free_of all && [ "$free" -eq 262144 ] && sound && views_agree
}

# Blocks that span regions, of every type: taken whole, counted as such, and whole again.
giant_blocks() {
	local order
	build "machine node=0 mem=10G shadow=1" 18 || return 1
	sound && views_agree || return 1
	for order in 15 16 17 18; do
		ctl "alloc pages order=$order type=movable
alloc pages order=$order
alloc pages order=$order type=reclaimable" || { note "order $order"; return 1; }
		sound && views_agree || return 1
		ctl "alloc pages count=3" && views_agree && ctl "free all
drain" && views_agree || return 1
		free_of 0
		[ "$free" -eq 2621440 ] || return 1
	done
	ask would "order=18" && [ "$(awk 'NR == 2 { print $2 }' "$PRIVATE/would")" = 0 ]
}

# Some nodes with memory behind them, some without: a page of the first kind has an address.
half_shadow() {
	local backed shadow
	build "machine node=0 mem=8M
machine node=1 mem=64G shadow=1" || return 1
	ctl "alloc pages node=0 tag=backed
alloc pages node=1 tag=shadow" || return 1
	backed=$(awk '$9 == "backed" { print $7 }' "$PRIVATE/live")
	shadow=$(awk '$9 == "shadow" { print $7 }' "$PRIVATE/live")
	ctl "free all"
	[ "$backed$shadow" = 01 ]
}

# ---- Early memory -------------------------------------------------------------------

scratch() { awk '$1 == "scratch" { print $2, $3, $4, $5 }' "$PRIVATE/memblock"; }

# The regions that commands make are shown, and are nobody else's.
memblock_commands() {
	local before
	before=$(counters)
	ctl "memblock reset" && [ -z "$(scratch)" ] || return 1
	ctl "memblock add base=1M size=16M node=0
memblock add base=17M size=16M node=1
memblock reserve base=2M size=4K
memblock alloc size=64K align=64K
memblock alloc size=4K max=4M node=0 bottom_up=1" || return 1
	says "allocated 4096 bytes at 0x100000$" || return 1
	[ "$(scratch)" = "memory 0 0x100000 0x1100000
memory 1 0x1100000 0x2100000
allocated 0 0x100000 0x101000
reserved - 0x200000 0x201000
allocated - 0x20f0000 0x2100000" ] || { scratch; return 1; }
	refused ENOMEM "memblock alloc size=17M" && refused ENOMEM "memblock alloc size=64K node=5 exact=1" || return 1
	ctl "memblock free base=2M size=4K
memblock remove base=17M size=16M" && says "changed 16777216 bytes" || return 1
	[ "$(scratch | wc -l)" -eq 3 ] && [ "$(counters)" = "$before" ] && ctl "memblock reset" && [ -z "$(scratch)" ]
}

# More regions than an array begins with; there is an end to that too.
memblock_grows() {
	local at=0 lines='' round=0
	ctl "memblock reset" || return 1
	while [ $round -lt 100 ]; do
		lines=''
		while [ ${#lines} -lt 32000 ]; do
			at=$((at + 2))
			lines="$lines
memblock add base=${at}M size=1M"
		done
		ctl "$lines" || break
		round=$((round + 1))
	done
	says "ENOMEM.*regions" || return 1
	[ "$(scratch | wc -l)" -eq 16384 ] || { note "$(scratch | wc -l) regions"; return 1; }
	ctl "memblock reset" && [ -z "$(scratch)" ]
}

# ---- Coming and going ---------------------------------------------------------------

# come_and_go ROUNDS: as many times two machines, one after the other.
come_and_go() {
	local round=0
	while [ $round -lt "$1" ]; do
		round=$((round + 1))
		ctl "machine node=0 zones=dma32:8M,normal:16M,movable:4M cma=4M
machine node=1 mem=7M cpus=0
machine build
alloc pages order=2 count=100
free all
machine node=0 mem=64G shadow=1
machine build order=18
alloc pages order=17
free all
machine reset" || { note "$(tail -n 1 "$PRIVATE/result")"; return 1; }
	done
}

# All that machines took is Linux's again after the last of a hundred. The first of them are let go
# by: what Linux keeps of memory that was freed grows with them. KASAN keeps the shadow of mapped areas
# until Linux unmaps the lot of them, which comes and goes; there kmemleak is asked, too.
nothing_leaks() {
	local before most=200
	! grep -q KernelAddressSanitizer /tmp/dmesg || most=2000
	come_and_go 15 || return 1
	settle
	count_free all all
	before=$free
	come_and_go 35 || return 1
	settle
	count_free all all
	note "$before $free"
	[ $((before - free)) -lt $most ]
}

# Machines come and go while others allocate: each line does all that it says, or says EBUSY.
storm() {
	local pids='' worker
	ctl "machine reset" || return 1
	for worker in 1 2 3; do
		(
			for _ in $(seq 150); do
				ctl "alloc pages count=20 tag=w$worker
free tag=w$worker"
				cat "$PRIVATE/zones" "$PRIVATE/free_area" "$PRIVATE/pcp" >/dev/null
			done
		) &
		pids="$pids $!"
	done
	for _ in $(seq 100); do
		ctl "machine node=0 mem=4M
machine build" || ctl "machine reset"
	done
	# shellcheck disable=SC2086 # a list of numbers
	wait $pids
	[ "$(held)" -eq 0 ] && sound
}

# The module goes with a machine of its own and pages of it held: Linux has all of its memory back.
removal() {
	local before after
	rmmod oxmm || return 1
	settle
	count_free all all
	before=$free
	insmod "$MODULE" && build "machine node=0 mem=32M
machine node=1 mem=1G shadow=1" && ctl "alloc pages count=4000
alloc pages order=9 count=100 node=1" || return 1
	rmmod oxmm || return 1
	settle
	count_free all all
	after=$free
	insmod "$MODULE" || return 1
	note "$before $after"
	[ $((before - after)) -lt 256 ]
}

start=$(counters)
plan 21
check "a plain machine is what its lines say" plain_machine
check "back to the machine of load time" back
check "a machine with all zones is what its lines say" mixed_machine
check "each zone serves whom it should" zones_serve
check "machines have largest blocks of any order" largest_orders
check "refused: lines that make no node" drafts_refused
check "refused: drafts that make no machine" builds_refused
check "a draft stays until a machine is made of it" drafts_are_kept
check "refused: another machine while pages are held" busy_refused
check "refused: another machine while a benchmark runs" bench_is_busy
check "shadow: 4 TiB" four_tib
check "shadow: a GiB gives all that it has" shadow_gives_all
check "shadow: blocks that span regions" giant_blocks
check "shadow: beside nodes with memory" half_shadow
check "memblock: commands work on regions of their own" memblock_commands
check "memblock: regions grow, to an end" memblock_grows
check "back with every counter of load time" back
check "a hundred machines leave nothing behind" nothing_leaks
check "machines come and go under load" storm
check "removal with a machine of its own gives all back" removal
check "nothing is held" [ "$(held)" -eq 0 ]
