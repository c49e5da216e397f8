#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The same random scripts on both managers: outcome, errno, ids and sentences of every line, what is
# held and on which node and zone, and how the counters move. differ.awk makes them and compares.
#
# SEED and SCRIPTS of the environment say where the sequence begins and how long it is; what is
# printed of a failure can be had again by them.
#
# Known differences, on purpose, which no script meets:
#   drain; objects, variables, areas, caches, groups, machines, memblock: each manager offers some,
#       and says in its own words what it does not.
#   pages: which ones, for the private manager has other page frames.
#   numa_interleave: Linux's moves with set_mempolicy(2) alone.
#   exhaustion: the private manager has less memory; what both do then is in private.sh and would.sh.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

if grep -q KernelAddressSanitizer /tmp/dmesg; then usual=200 arena=64; else usual=1200 arena=128; fi
SEED=${SEED:-$(date +%s)}
SCRIPTS=${SCRIPTS:-$usual}

# run CPU: the scripts on that CPU; leaves what differs in /tmp/differ.
run() {
	local node
	node=$(awk -v cpu="$1" 'NR > 1 {
		n = split($3, parts, ",")
		for (i = 1; i <= n; i++) {
			if (split(parts[i], ends, "-") < 2) ends[2] = ends[1]
			if (parts[i] != "-" && ends[1] <= cpu && cpu <= ends[2]) print $1
		}
	}' "$LINUX/nodes")
	note "CPU $1, SEED=$SEED SCRIPTS=$SCRIPTS"
	taskset "$(printf '%x' $((1 << $1)))" awk -v seed="$SEED" -v scripts="$SCRIPTS" -v oxmm="$OXMM" \
		-v node="$node" -f "${0%/*}/differ.awk" >/tmp/differ
	grep '^#' /tmp/differ
}

# nothing WORD NAME: nothing was wrong with it.
nothing() {
	if grep -q '^scarce' /tmp/differ; then
		skip "CPU $cpu: $2" "a node has next to no memory"
	else
		check "CPU $cpu: $2" [ "$(grep "^$1 " /tmp/differ)" = "$1 " ]
	fi
}

# Ids and turns begin anew on both sides; zones are large enough for blocks of every order.
rmmod oxmm && insmod "$MODULE" "arena_mb=$arena" || exit 1
plan 6
for cpu in 0 $(($(nproc) - 1)); do
	run "$cpu"
	nothing same "both managers do and say the same"
	nothing counters "counters move by what was done"
	nothing sound "the private manager is sound throughout"
	SEED=$((SEED + 1))
done
rmmod oxmm && insmod "$MODULE"
