#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# Every file fed nonsense, empty, huge, binary and truncated writes, and odd reads.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

# says ERRNO: the last write ended in that errno, with a sentence.
says() {
	awk -v errno="$1" 'NR > 1 { outcome = $2; words = NF - 3 }
		END { if (outcome == errno && words >= 3) exit 0; print "# " outcome; exit 1 }' "$SIDE/result"
}

# feed FILE: writes what it reads in one write to FILE; the status is that of the write.
feed() { dd of="$1" bs=1M count=1 iflag=fullblock 2>/dev/null; }

empty_write() { feed "$SIDE/ctl" </dev/null && printf '\n\n\n' | feed "$SIDE/ctl"; }

binary_write() {
	printf '\000\001\002' | feed "$SIDE/ctl" && return 1
	says EINVAL || return 1
	printf 'alloc pages\000order=1' | feed "$SIDE/ctl" && return 1
	says EINVAL || return 1
	printf 'alloc pages \377\376' | feed "$SIDE/ctl" && return 1
	says EINVAL || return 1
	dd if=/dev/urandom bs=4096 count=1 2>/dev/null | feed "$SIDE/ctl" && return 1
	return 0
}

huge_write() {
	# 64 KiB are taken, one byte more is not.
	dd if=/dev/zero bs=65536 count=1 2>/dev/null | tr '\000' '\n' | feed "$SIDE/ctl" || return 1
	dd if=/dev/zero bs=65537 count=1 2>/dev/null | tr '\000' '\n' | feed "$SIDE/ctl" && return 1
	says E2BIG || return 1
	dd if=/dev/zero bs=1M count=1 2>/dev/null | feed "$SIDE/ctl" && return 1
	says E2BIG
}

long_line() {
	dd if=/dev/zero bs=600 count=1 2>/dev/null | tr '\000' a | feed "$SIDE/ctl" && return 1
	says E2BIG
}

truncated_write() {
	local line="alloc pages order=1 count=2 tag=t" i
	for i in 1 3 5 8 10 11 12 17 18 24; do
		# Some beginnings are commands of their own; all others are refused.
		printf '%s' "$line" | cut -c "1-$i" | feed "$SIDE/ctl" || says EINVAL || return 1
	done
	ctl "free all"
}

nonsense() {
	local line
	for line in x "alloc" "alloc pages pages" "alloc pages =" "alloc pages order" "alloc pages order=" \
		"alloc pages order=x" "alloc pages order=1 order=2" "alloc pages order=-1" \
		"alloc pages count=0 x=" "alloc pages gfp=GFP_KERNAL" "alloc pages gfp=|" "free" \
		"free id=x" "free id=1 all" "free all all" "alloc pages type=x" "alloc pages node=x"; do
		refused EINVAL "$line" || return 1
	done
	refused ERANGE "alloc pages count=0" && refused ERANGE "free id=0" &&
		refused ERANGE "alloc pages count=99999999999999999999"
}

near_name_is_offered() {
	refused EINVAL "alloc pages gfp=GFP_KERNAL" && grep -q GFP_KERNEL "$SIDE/result"
}

# files MODE: those with that mode, a line each.
files() { find "$SIDE" -type f -perm "$1"; }

# What may only be read cannot be written, and the other way round; root is not asked by mode
# alone, so that the file itself must refuse.
wrong_direction() {
	local file
	[ "$(files 200)" = "$SIDE/ctl" ] && [ "$(files 400 | wc -l)" -gt 8 ] || return 1
	[ ! "$(find "$OXMM" -type f ! -perm 200 ! -perm 400 ! -perm 600)" ] || return 1
	for file in "$OXMM/README" "$OXMM/version" $(files 400); do
		echo x 2>/dev/null >"$file" && { note "$file took a write"; return 1; }
	done
	cat "$SIDE/ctl" >/dev/null 2>&1 && { note "ctl was read"; return 1; }
	return 0
}

# bad_question FILE ERRNO TEXT: is refused, with a sentence, and leaves the answer as it was.
bad_question() {
	if printf '%b' "$3" | feed "$1"; then
		note "$1 took $3"
		return 1
	fi
	says "$2" || { note "$1: $3"; return 1; }
}

# Views that are asked something: nonsense is refused as it is by ctl, and no line is the default.
nonsense_questions() {
	local file number
	number=$(printf '%0600d' 0)
	for file in $(files 600); do
		feed "$file" </dev/null || { note "$file: empty"; return 1; }
		cat "$file" >/dev/null || return 1
		bad_question "$file" EINVAL 'x\n' && bad_question "$file" EINVAL 'order\n' &&
			bad_question "$file" EINVAL 'x=1\n' && bad_question "$file" EINVAL '=\n' &&
			bad_question "$file" EINVAL '\001\002' && bad_question "$file" EINVAL '\0377\0376' &&
			bad_question "$file" E2BIG "order=$number" || return 1
		dd if=/dev/urandom bs=4096 count=1 2>/dev/null | feed "$file" && return 1
		dd if=/dev/zero bs=1M count=1 2>/dev/null | feed "$file" && return 1
		cat "$file" >/dev/null || return 1
	done
}

bad_numbers() {
	bad_question "$SIDE/would" ERANGE 'order=19' && bad_question "$SIDE/would" EINVAL 'gfp=GFP_KERNAL' &&
		bad_question "$SIDE/would" EINVAL 'order=1 order=1' && bad_question "$SIDE/page" EINVAL 'pfn=1 id=1' &&
		bad_question "$SIDE/page" ERANGE 'pfn=0x10000000000000000' && bad_question "$SIDE/page" EINVAL 'addr=x' &&
		bad_question "$SIDE/gfp" ERANGE 'gfp=0x100000000' || return 1
	[ ! -e "$SIDE/kmalloc" ] || bad_question "$SIDE/kmalloc" ERANGE 'size=0'
}

# One byte at a time gives what one read gives; so does a read in the middle.
odd_reads() {
	local file
	for file in "$OXMM/README" "$OXMM/version" "$SIDE/zonelists" "$SIDE/live" "$SIDE/gfp"; do
		[ "$(dd if="$file" bs=7 2>/dev/null | md5sum)" = "$(md5sum <"$file")" ] || return 1
		dd if="$file" bs=1 skip=1000000 count=1 2>/dev/null | wc -c | grep -qx 0 || return 1
	done
}

plan 26
for SIDE in "$LINUX" "$OXMM/private"; do
	side=${SIDE##*/}
	check "$side: empty writes do nothing" empty_write
	check "$side: binary writes are refused" binary_write
	check "$side: huge writes are refused" huge_write
	check "$side: a long line is refused" long_line
	check "$side: truncated writes are refused or mean what they say" truncated_write
	check "$side: nonsense is refused" nonsense
	check "$side: a near name is offered" near_name_is_offered
	check "$side: files refuse the wrong direction" wrong_direction
	check "$side: views that are asked refuse nonsense" nonsense_questions
	check "$side: views that are asked refuse bad numbers" bad_numbers
	check "$side: odd reads fit together" odd_reads
	check "$side: result ends with the last write" ctl "free all"
	check "$side: nothing is held" [ "$(held)" -eq 0 ]
done
