#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Memory that is taken offline and brought back while every view of frames is being read.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

MEMORY=/sys/devices/system/memory

fact() { echo "$1" >"$LINUX/page" && awk -v name="$2" '$1 == name { print $2 }' "$LINUX/page"; }

# The first pfn of a memory block, and how many it has.
first_pfn() { echo $((0x$(cat "$MEMORY/memory$1/phys_index") * pages)); }

# Sets `block` to one that can be taken offline, the highest first, and leaves it online.
find_block() {
	local dir
	for dir in $(printf '%s\n' "$MEMORY"/memory[0-9]* | sort -t y -k 4 -n -r); do
		block=${dir##*/memory}
		offline "$block" && online "$block" && return 0
	done
	return 1
}

offline() { echo offline 2>/dev/null >"$MEMORY/memory$1/state"; }
online() { echo online 2>/dev/null >"$MEMORY/memory$1/state"; }

# has_runs FIRST: whether `pageblocks` has a run that reaches into the block that begins there.
has_runs() {
	awk -v first="$1" -v pages="$pages" '
	FNR > 1 && $3 < first + pages && $3 + $5 > first { found = 1 }
	END { exit !found }' "$LINUX/pageblocks"
}

# says PFN PRESENT ONLINE: what `page` says of it.
says() {
	[ "$(fact "pfn=$1" present)" = "$2" ] && [ "$(fact "pfn=$1" online)" = "$3" ] &&
		[ "$(fact "pfn=$1" section_online)" = "$3" ]
}

offline_is_seen() {
	local first
	first=$(first_pfn "$block")
	says "$first" yes yes && has_runs "$first" || return 1
	offline "$block" || return 1
	says "$first" yes no && says $((first + pages - 1)) yes no && ! has_runs "$first"
	set -- $?
	[ -z "$(fact "pfn=$first" state)$(fact "pfn=$first" node)" ] || set -- 1
	online "$block" || return 1
	says "$first" yes yes && has_runs "$first" || return 1
	return "$1"
}

# Reads everything, over and over, until /tmp/stop is there.
read_on() {
	local first offset
	first=$(first_pfn "$block")
	while [ ! -e /tmp/stop ]; do
		cat "$LINUX/pcp" "$LINUX/pageblocks" "$LINUX/zones" >/dev/null || return 1
		for offset in 0 1 511 4096 32767; do
			fact "pfn=$((first + offset))" state >/dev/null || return 1
		done
	done
}

readers_do_not_mind() {
	local i turns=0 reader
	rm -f /tmp/stop
	read_on &
	reader=$!
	for i in 1 2 3 4 5 6 7 8 9 10; do
		offline "$block" && turns=$((turns + 1))
		online "$block"
	done
	: >/tmp/stop
	wait $reader || return 1
	note "$turns times offline of $i"
	[ $turns -gt 0 ] && says "$(first_pfn "$block")" yes yes
}

# A whole node: its zone, with its per-CPU lists, goes with the last block.
node_goes_and_comes() {
	local node=$1 dir gone='' last=1
	rm -f /tmp/stop
	read_on &
	for dir in "/sys/devices/system/node/node$node"/memory[0-9]*; do
		dir=${dir##*/memory}
		offline "$dir" && gone="$gone $dir" || last=0
	done
	note "node $node: offline$gone"
	if [ $last -eq 1 ]; then
		awk -v node="$node" '$1 == node { exit 1 }' "$LINUX/pcp" || last=2
	fi
	for dir in $gone; do online "$dir"; done
	: >/tmp/stop
	wait $! || return 1
	awk -v node="$node" 'FNR > 1 && $1 == node { found = 1 } END { exit !found }' "$LINUX/pcp" || return 1
	[ $last -ne 2 ]
}

every_node() {
	local node
	while read -r node; do
		node_goes_and_comes "$node" || return 1
	done <<-END
		$nodes
	END
}

if [ ! -e $MEMORY/block_size_bytes ]; then
	plan 1
	skip "memory goes offline" "this kernel has no memory hotplug"
	exit 0
fi
pages=$((0x$(cat $MEMORY/block_size_bytes) / 4096))
if ! find_block; then
	plan 1
	skip "memory goes offline" "no memory block can be taken offline here"
	exit 0
fi
note "block $block"
plan 3
check "page and pageblocks see a block go offline and come back" offline_is_seen
check "readers do not mind memory that comes and goes" readers_do_not_mind
# Node 0 has what the kernel cannot do without.
nodes=$(awk 'FNR > 1 && $7 > 0 && $1 > 0 { print $1 }' "$LINUX/nodes")
if [ "$nodes" ]; then
	check "nodes go as far as they can, and come back" every_node
else
	skip "nodes go as far as they can" "node 0 alone has memory"
fi
