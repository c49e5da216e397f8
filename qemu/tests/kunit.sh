#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Runs the module's KUnit suites, which wait to be asked, and passes on what they say.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

# suite NAME: runs it; every one of its tests passed, and there was one.
suite() {
	local dir=$DEBUG/kunit/$1
	[ -e "$dir/run" ] || { note "no suite $1"; return 1; }
	echo 1 >"$dir/run"
	sed 's/^ */# /' "$dir/results"
	awk '/^ *not ok/ { bad = 1 } /^ *ok / && !/# SKIP/ { ok++ } END { exit bad || ok < 2 }' "$dir/results"
}

if [ ! -d "$DEBUG/kunit" ]; then
	plan 1
	skip "KUnit" "this kernel has none"
	exit 0
fi
set -- \
	oxmm_address \
	oxmm_bench \
	oxmm_bulk \
	oxmm_caches \
	oxmm_contents \
	oxmm_cpu \
	oxmm_exact \
	oxmm_gfp \
	oxmm_kmalloc \
	oxmm_kmem_cache \
	oxmm_live \
	oxmm_memory \
	oxmm_node \
	oxmm_page \
	oxmm_pageblock \
	oxmm_pages \
	oxmm_pcp \
	oxmm_percpu \
	oxmm_percpu_typed \
	oxmm_pinned \
	oxmm_private \
	oxmm_private_arena \
	oxmm_private_control \
	oxmm_private_holders \
	oxmm_private_memory \
	oxmm_private_owner \
	oxmm_private_poison \
	oxmm_slub \
	oxmm_thread \
	oxmm_typed_cache \
	oxmm_vmalloc \
	oxmm_vmstat \
	oxmm_would \
	oxmm_zone
plan $(($# + 1))
for name in "$@"; do
	check "$name" suite "$name"
done
suites=$#
set -- "$DEBUG"/kunit/oxmm_*
check "no suite is left out" [ $# -eq $suites ]
