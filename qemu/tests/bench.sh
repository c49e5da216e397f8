#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The view `bench`: every kind of work is measured, nothing stays behind, and what cannot be measured
# is refused. Whether figures are small is no matter of a test.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=qemu/tests/private-lib.sh
. "${0%/*}/private-lib.sh"

BENCH=$LINUX/bench
SIDE=$LINUX

# measured LINE: the view then has one row with figures above zero where the work has some.
measured() {
	if ! echo "$1" 2>/dev/null >"$BENCH"; then
		note "$1: $(tail -n 1 "${BENCH%/*}/result")"
		return 1
	fi
	awk -v line="$1" '
	NR == 1 { ok = $1 == "work" && $NF == "free_ns"; next }
	{ rows++; ok = ok && NF == 9 && ($7 > 0 || $8 > 0 && $9 > 0) }
	END {
		if (rows == 1 && ok) exit 0
		print "# " line ": " rows " rows, or no figures"
		exit 1
	}' "$BENCH"
}

every_work() {
	local work
	for work in pair bulk batch; do
		measured "work=$work count=500 rounds=3" && measured "work=$work order=3 count=100 rounds=3" || return 1
	done
	measured "work=bulk order=9 count=2 rounds=2"
}

every_pattern() {
	local pattern
	for pattern in fifo lifo random; do
		measured "work=bulk count=1000 pattern=$pattern rounds=2" || return 1
		grep -q " $pattern " "$BENCH" || return 1
	done
}

on_all_cpus() {
	local cpus
	cpus=$(nproc)
	measured "work=bulk count=300 threads=$cpus rounds=3" && measured "work=remote count=300 threads=$cpus rounds=3" &&
		grep -q " $cpus  *300 " "$BENCH"
}

# two_cpus SIDE: both do every work at once, with small and large blocks, and one frees what the other
# allocated.
two_cpus() {
	local BENCH=$1/bench order work
	for order in 0 3 9; do
		for work in pair bulk remote; do
			measured "work=$work order=$order count=$((2048 >> order)) threads=2 rounds=3" || return 1
			awk -v work=$work -v order=$order 'NR == 2 { exit !($1 == work && $2 == order && $4 == 2) }' "$BENCH" || return 1
		done
	done
}

# The blocks are back, in the zones or on the lists of the two CPUs that freed them, and on no other's.
private_two_cpus() {
	local SIDE=$PRIVATE start on_lists
	ctl drain
	start=$(counters)
	two_cpus "$PRIVATE" || return 1
	on_lists=$(awk 'NR > 1 && $4 > 0 { print $3 }' "$PRIVATE/pcp" | sort -nu | tr '\n' ' ')
	[ "$on_lists" = "0 1 " ] || { note "pages on the lists of CPUs $on_lists"; return 1; }
	back_at_start
}

# floor_is THREADS NAME...: these are the costs that are told.
floor_is() {
	local threads=$1
	shift
	echo "work=floor threads=$threads" >"$BENCH"
	[ "$(awk 'NR > 1 && $7 >= 0 { print $1 }' "$BENCH" | tr '\n' ' ')" = "$* " ]
}

floor_is_told() {
	floor_is 1 irqsave spinlock count locked_add &&
		{ [ "$(nproc)" -lt 2 ] || floor_is 2 irqsave spinlock count locked_add handover shared_add; } &&
		awk 'NR > 1 && $4 != (/handover|shared_add/ ? 2 : 1) { exit 1 }' "$BENCH"
}

many_lines_make_a_table() {
	printf 'work=pair count=10 rounds=1\n\nwork=bulk count=10 rounds=1\n' >"$BENCH"
	[ "$(wc -l <"$BENCH")" -eq 3 ]
}

# bad ERRNO LINE: the write fails, and `result` says why.
bad() {
	echo "$2" 2>/dev/null >"$BENCH" && return 1
	awk -v errno="$1" 'END { exit !($2 == errno && NF > 5) }' "$LINUX/result"
}

mistakes() {
	bad EINVAL "work=none" && bad EINVAL "order=1" && bad ERANGE "work=pair rounds=0" && bad EBUSY "work=bulk count=1000000 order=9" &&
		bad EOPNOTSUPP "work=floor threads=1000000" && bad ERANGE "work=pair order=11" && bad EOPNOTSUPP "work=pair threads=1000000" && bad EINVAL "work=pair gfp=__GFP_NOFAIL|GFP_KERNEL"
}

# A measurement that runs out of memory gives back what it has.
too_little() {
	local before after slack=2000
	count_free all all
	before=$free
	echo "work=bulk order=10 count=12 threads=$(nproc) rounds=2 gfp=GFP_NOWAIT" 2>/dev/null >"$BENCH"
	settle
	count_free all all
	after=$free
	[ $((before - after)) -lt $slack ] && [ "$(held)" -eq 0 ]
}

plan 9
check "every kind of work is measured" every_work
check "blocks are freed in every order" every_pattern
check "all CPUs work at once" on_all_cpus
for side in linux private; do
	name="two CPUs do every work at once: $side"
	if [ "$(nproc)" -lt 2 ]; then
		skip "$name" "there is one"
	elif [ $side = linux ]; then
		check "$name" two_cpus "$LINUX"
	else
		check "$name" private_two_cpus
	fi
done
check "the floor is told" floor_is_told
check "lines of one write make a table" many_lines_make_a_table
check "mistakes are refused" mistakes
check "too little memory leaves nothing behind" too_little
