#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# The view `page` against /proc/kpageflags, kpagecount, kpagecgroup and pagemap, for thousands of
# pages; and nonsense, which must do no harm.
# shellcheck source=qemu/tests/lib.sh
. "${0%/*}/lib.sh"

PAGE=$LINUX/page
export PAGE

# For awk: ask(question) fills `page` with the record, by the names of its lines.
# shellcheck disable=SC2016 # awk expands
ASK='function ask(question,   line, word) {
		split("", page)
		print question >ENVIRON["PAGE"]; close(ENVIRON["PAGE"])
		while ((getline line <ENVIRON["PAGE"]) > 0) { split(line, word, " "); page[word[1]] = word[2] }
		close(ENVIRON["PAGE"])
	}'

# record QUESTION: prints the record.
record() { echo "$1" >"$PAGE" && cat "$PAGE"; }

# fact QUESTION NAME: prints one fact.
fact() { record "$1" | awk -v name="$2" '$1 == name { print $2 }'; }

# The groups of 512 pfns that are compared: the first 2 MiB, the ends of zones and what is beside
# them, the last of memory, and some in between.
groups() {
	awk '
	NR == FNR { seed = $1; next }
	FNR == 1 { srand(seed); print 0; next }
	{
		from = int($3 / 512); to = int(($3 + $4 - 1) / 512)
		print from; print to; print to + 1
		for (i = 0; i < 2; i++) print from + int(rand() * (to - from))
		if (from) print from - 1
	}' /proc/uptime "$LINUX/zones" | sort -n | uniq
}

# dump GROUP: "pfn flags mapcount inode" a page, of one group of 512. Flags come as two halves, for a
# number of awk is exact to 53 bits; what is past the end of the file reads as no page.
dump() {
	local file
	for file in kpageflags kpagecount kpagecgroup; do
		{ dd if=/proc/$file bs=4096 skip="$1" count=1 2>/dev/null; cat /dev/zero; } |
			head -c 4096 | od -A n -v -t u4 -w8 >/tmp/$file
	done
	awk -v first="$1" '
	FNR == 1 { file++ }
	{ halves[file, FNR] = $1 " " $2; if (file == 3) print first * 512 + FNR - 1, halves[1, FNR], halves[2, FNR], $0 }
	' /tmp/kpageflags /tmp/kpagecount /tmp/kpagecgroup
}

# The records of a group, in a form that `compare` reads.
ask_group() {
	awk -v first="$1" "$ASK"'
	BEGIN {
		for (pfn = first * 512; pfn < first * 512 + 512; pfn++) {
			ask("pfn=" pfn)
			print pfn, page["pfn"], page["online"], page["state"], page["type"], page["flags"],
				page["compound"], page["mapping"], page["mapcount"], page["memcg_ino"], page["reserved"]
		}
	}'
}

# compare BEFORE OURS AFTER: what the kernel says twice is what we say in between.
compare() {
	awk '
	function is(bit) { return (bit < 32 ? int(low / power[bit]) : int(high / power[bit - 32])) % 2 }
	function same(what, theirs, ours) {
		if (theirs == ours) return
		print "# pfn " $1 " " what ": the kernel says " theirs ", page says " ours ": " $0
		bad++
	}
	BEGIN {
		power[0] = 1; for (i = 1; i < 32; i++) power[i] = power[i - 1] * 2
		split("locked 0 referenced 2 uptodate 3 dirty 4 lru 5 active 6 writeback 8 reclaim 9 " \
			"swapbacked 14 unevictable 18 reserved 32 mlocked 33 owner_2 34 private 35 private_2 36 " \
			"owner_priv_1 37 arch_1 38", words, " ")
		for (i = 1; i in words; i += 2) bit[words[i]] = words[i + 1]
	}
	FNR == 1 { file++ }
	file == 1 { before[$1] = $0; next }
	file == 2 { after[$1] = $0; next }
	before[$1] != after[$1] { moved++; next }
	{
		split(before[$1], word, " "); low = word[2]; high = word[3]
		# The programs that dump are gone when we ask, and the next ones take the same pages: mapped,
		# for tables, or of a group in both dumps, and free in between.
		if (($4 == "pcp" || $4 == "free") && (word[4] > 0 || word[6] > 0 || is(26))) { moved++; next }
		# Or, a few of them, the program that asks has them meanwhile: anonymous and not, mapped and not.
		anon = $8 == "anon" || $8 == "ksm"
		if (is(12) != anon && (word[4] > 0) != ($9 > 0) && ++reused <= 2) { moved++; next }
		pages++
		if ($2 != $1) { print "# asked for " $1 ", got " $2; bad++ }
		if ($3 != "yes") { same("flags", low + high, 0); offline++; next }
		online++
		# Writing what is compared here moves the pages of its file between the lists of reclaim.
		tmpfs = $8 == "file" && is(bit["swapbacked"])
		for (name in bit) {
			if (tmpfs && (name == "lru" || name == "active" || name == "referenced")) continue
			same(name, is(bit[name]), ("," $6 ",") ~ ("," name ","))
		}
		same("buddy", is(10), $4 == "free")
		same("slab", is(7), $5 == "slab")
		same("page table", is(26), $5 == "table")
		same("offline", is(23), $5 == "offline")
		same("compound head", is(15), $7 == "head")
		same("compound tail", is(16), $7 == "tail")
		if ($5 == "-" && $4 != "free") {
			same("anon", is(12), anon)
			same("ksm", is(21), $8 == "ksm")
		}
		# The programs that dump share pages with each other; process_pages() has the exact count.
		same("mapped", word[4] > 0, $9 > 0)
		same("group", word[6], $10 == "-" ? 0 : $10)
	}
	END {
		print "# " pages + 0 " pages, " online + 0 " of them online; " moved + 0 " moved meanwhile"
		exit bad != 0
	}' "$1" "$3" "$2"
}

group_is_right() {
	dump "$1" >/tmp/before
	ask_group "$1" >/tmp/ours
	dump "$1" >/tmp/after
	compare /tmp/before /tmp/ours /tmp/after >/tmp/report
}

# A debug kernel takes its time: every third group is enough there.
kernel_agrees() {
	local group bad=0
	: >/tmp/said
	for group in $(groups | if [ -e "$DEBUG/kmemleak" ]; then awk 'NR % 3 == 1'; else cat; fi); do
		retry 5 group_is_right "$group" || { bad=1; head -n 5 /tmp/report; }
		tail -n 1 /tmp/report >>/tmp/said
	done
	awk '{ pages += $2; online += $4; moved += $8 } END {
		print "# " pages " pages, " online " online, " moved " moved meanwhile"
		exit !(online > 1000 && moved * 4 < pages)
	}' /tmp/said && [ $bad -eq 0 ]
}

# pfn_at PID ADDRESS: the page that a process has at this address (in base 16), from its pagemap.
pfn_at() {
	dd if="/proc/$1/pagemap" bs=8 skip=$((0x$2 / 4096)) count=1 2>/dev/null | od -A n -v -t u4 -w8 |
		awk '{ print $1 + ($2 % 8388608) * 4294967296 }'
}

# A process in a group of its own, and two it forked: what they share is mapped three times, is
# anonymous, and charged to that group.
process_pages() {
	local group=/sys/fs/cgroup/oxmm_page pid range end pfn count
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir -p $group || return 1
	sh -c 'echo $$ >/sys/fs/cgroup/oxmm_page/cgroup.procs
		exec sh -c "(read -r _ </tmp/hold) & (read -r _ </tmp/hold) & read -r _ </tmp/hold"' &
	pid=$!
	settle
	settle
	awk '$2 == "rw-p" { split($1, ends, "-"); print ends[1], ends[2] }' /proc/$pid/maps |
		while read -r range end; do
			while [ $((0x$range)) -lt $((0x$end)) ]; do
				pfn=$(pfn_at $pid "$range")
				count=$(dd if=/proc/kpagecount bs=8 skip="$pfn" count=1 2>/dev/null | od -A n -v -t u4)
				[ "$pfn" = 0 ] || echo "$pfn" "$count"
				range=$(printf %x $((0x$range + 4096)))
			done
		done >/tmp/mapped
	awk -v ino="$(stat -c %i $group)" "$ASK"'
	{
		ask("pfn=" $1); pages++
		if (page["mapcount"] != $2 || page["state"] != "allocated" || page["type"] != "-") {
			print "# " $0 ": mapped " page["mapcount"] ", " page["state"]; bad = 1
		}
		if (page["mapping"] == "anon" && page["swap_backed"] == "yes") anon++
		if (page["mapcount"] == 3) shared++
		if (page["memcg"] == "/oxmm_page" && page["memcg_ino"] == ino && page["memcg_online"] == "yes") charged++
	}
	END {
		print "# " pages + 0 " pages: " anon + 0 " anonymous, " shared + 0 " mapped three times, " charged + 0 " charged"
		exit bad || !anon || !shared || !charged
	}' /tmp/mapped
	set -- $?
	: >/tmp/hold
	wait $pid
	settle
	rmdir $group
	return "$1"
}

# What the lab holds says so, page by page, and so does its address in the direct map and its
# struct page; one page further on does not.
held_by_the_lab() {
	ctl "alloc pages order=3 tag=t gfp=GFP_KERNEL|__GFP_COMP" || return 1
	awk "$ASK"'
	NR == 2 {
		id = $1; pfn = $5
		ask("id=" id)
		if (page["pfn"] != pfn || page["held_by"] != id || page["compound"] != "head") bad = 1
		for (i = 0; i < 8; i++) {
			ask("pfn=" pfn + i)
			if (page["held_by"] != id || page["compound_head"] != pfn || page["compound_order"] != 3) bad = 1
			if (page["node"] != $7 || page["zone"] != $8 || page["state"] != "allocated") bad = 1
		}
		ask("pfn=" pfn + 8)
		if (page["held_by"] == id) bad = 1
		ask("id=" id + 1)
		if (page["pfn"] != "-") bad = 1
	}
	END { exit bad || !id }' "$LINUX/live"
	set -- $?
	ctl "free all"
	return "$1"
}

# A kernel for one CPU alone does not use its lists.
lists_are_used() { grep -q "vm stats threshold" /proc/zoneinfo; }

# Single pages that were freed lie in the list of a CPU, which is that of their pageblock's type;
# types without lists of their own, HighAtomic and CMA, go to the movable one.
freed_pages_are_found() {
	ctl "alloc pages order=0 count=32 type=$1" && ctl "alloc pages order=1 count=8 type=$1" || return 1
	awk 'NR > 1 { print $5 }' "$LINUX/live" >/tmp/pfns
	ctl "free all"
	awk -v used="$(lists_are_used && echo pcp || echo free)" "$ASK"'
	{
		ask("pfn=" $1); seen[page["state"]]++
		if (page["state"] != "pcp") next
		list[page["pcp_list"]]++
		order = page["free_order"]; of[order]++
		type = page["pageblock_type"] ~ /^[UR]/ ? substr(page["pageblock_type"], 1, 1) : "M"
		if (page["pcp_list"] != type order) {
			print "# pfn " $1 " of " page["pageblock_type"] " is in list " page["pcp_list"]; bad = 1
		}
	}
	END {
		for (state in seen) print "# " state, seen[state]
		for (name in list) print "# list " name, list[name]
		exit bad || !seen[used] || (used == "pcp" && (!of[0] || !of[1])) || seen["unknown"]
	}' /tmp/pfns
}

freed_pages_of_types() { freed_pages_are_found unmovable && freed_pages_are_found movable; }

# A page of the buddy names its block, which is aligned and free to its last page.
free_blocks_are_whole() {
	awk "$ASK"'
	FNR > 1 && $6 > 0 {
		for (i = 0; i < 16; i++) {
			pfn = $3 + int($5 * i / 16)
			ask("pfn=" pfn)
			if (page["state"] != "free") continue
			head = page["free_head"]; order = page["free_order"]; seen++
			size = 1; for (j = 0; j < order; j++) size *= 2
			if (head % size || pfn < head || pfn >= head + size) { print "# pfn " pfn ": " head, order; bad = 1 }
			ask("pfn=" head + size - 1)
			if (page["free_head"] != head || page["free_order"] != order) { print "# end of " head; bad = 1 }
		}
	}
	END { exit bad || !seen }' "$LINUX/pageblocks"
}

# The pageblock of a page is that of the run in `pageblocks`.
blocks_agree() {
	awk "$ASK"'
	FNR > 1 && $4 > 1 {
		pfn = $3 + int($5 / 2)
		ask("pfn=" pfn)
		if (page["pageblock_type"] != $9 || page["pageblock_isolated"] != $8) { print "# " $0; bad = 1 }
		if (page["node"] != $1 || page["zone"] != $2 || page["pageblock"] != pfn - pfn % 512) { print "# " $0; bad = 1 }
		runs++
	}
	END { exit bad || !runs }' "$LINUX/pageblocks"
}

# address_is ADDRESS KIND [KIND]: an address, in base 16, leads to a page; some architectures have
# no place of their own for the kernel's text, or for modules.
address_is() {
	local kind
	kind=$(fact "addr=0x$1" address)
	[ "$kind" = "$2" ] || [ "$kind" = "$3" ] || { note "$1 is in $kind"; return 1; }
	[ "$(fact "addr=0x$1" online)" = yes ]
}

addresses_lead_to_pages() {
	local text module
	text=$(awk '$3 == "_text" || $3 == "_stext" { print $1; exit }' /proc/kallsyms)
	module=$(awk '$1 == "oxmm" { print substr($6, 3) }' /proc/modules)
	note "kernel text at $text, module at $module"
	address_is "$text" image direct_map && address_is "$module" module vmalloc
}

# The record of nonsense has its first lines and says that nothing is there, or what is.
nonsense_is_answered() {
	local question
	for question in pfn=0 pfn=0xffffffffffffffff pfn=0xfffffffffffff pfn=0x10000000000000 pfn=0x8000000000000 \
		pfn=4294967295 pfn=1099511627776 addr=0 addr=1 addr=0xfff addr=0x400000 addr=0x7fffffffffff \
		addr=0x800000000000 addr=0x8000000000000000 addr=0xffff7fffffffffff addr=0xffff800000000000 \
		addr=0xffff888000000000 addr=0xffffc87fffffffff addr=0xffffc90000000000 addr=0xffffe8ffffffffff \
		addr=0xffffea0000000000 addr=0xffffeaffffffffff addr=0xffffec0000000000 addr=0xfffffc0000000000 \
		addr=0xfffffe0000000000 addr=0xffffff8000000000 addr=0xffffffff7fffffff addr=0xffffffff80000000 \
		addr=0xffffffffbfffffff addr=0xffffffffc0000000 addr=0xfffffffffeffffff addr=0xffffffffff5ff000 \
		addr=0xffffffffff600000 addr=0xffffffffffffffff id=999999999; do
		record "$question" >/tmp/record || { note "$question was refused"; return 1; }
		grep -qE '^present +(yes|no)$' /tmp/record || { note "no answer for $question"; return 1; }
	done
	[ "$(fact addr=0 pfn)" = - ] && [ "$(fact pfn=0xffffffffffffffff online)" = no ] &&
		[ "$(fact id=999999999 pfn)" = - ]
}

# Addresses all over the kernel's half, and beside the ones that lead somewhere.
random_addresses() {
	awk "$ASK"'
	BEGIN {
		getline seed <"/proc/uptime"; srand(seed)
		split("8 9 a b c d e f", digit, " ")
		for (i = 0; i < 3000; i++) {
			address = "0xffff" digit[1 + int(rand() * 8)]
			for (j = 0; j < 11; j++) address = address sprintf("%x", int(rand() * 16))
			if (i % 3 == 1) address = "0xffffffff" substr(address, 8, 8)
			if (i % 3 == 2) address = "0xffffea00" substr(address, 8, 8)
			ask("addr=" address)
			seen[page["address"]]++
			if (page["present"] == "") { print "# no answer for " address; bad = 1 }
		}
		for (kind in seen) print "# " kind, seen[kind]
		exit bad
	}'
}

wrong_questions_are_refused() {
	local question
	for question in pfn=x pfn= pfn=-1 order=1 "pfn=1 id=1" addr id=0 pfn=18446744073709551616 node=0; do
		echo "$question" 2>/dev/null >"$PAGE" && { note "was accepted: $question"; return 1; }
	done
	record "" >/dev/null && [ "$(awk '$1 == "asked" { print $2 }' "$PAGE")" = - ]
}

mkfifo /tmp/hold
plan 11
if [ -e /proc/kpageflags ] && [ -e /proc/kpagecgroup ]; then
	check "flags, map counts and groups are those of kpageflags, kpagecount and kpagecgroup" kernel_agrees
else
	skip "flags, map counts and groups are those of the kernel" "this kernel has no page monitor"
fi
if [ -e /sys/fs/cgroup/cgroup.subtree_control ]; then
	check "pages of a process: map count of kpagecount, anonymous, charged to its group" process_pages
else
	skip "pages of a process" "no cgroup file system is mounted"
fi
check "what the lab holds is held by the lab" held_by_the_lab
check "pages just freed are found in the lists of CPUs, by type" retry 20 freed_pages_of_types
check "a page of the buddy names its block" retry 20 free_blocks_are_whole
check "pageblocks are those of pageblocks" retry 20 blocks_agree
check "addresses of kernel text and of the module lead to pages" addresses_lead_to_pages
check "nonsense is answered" nonsense_is_answered
check "random addresses are answered" random_addresses
check "wrong questions are refused" wrong_questions_are_refused
check "nothing is held" [ "$(held)" -eq 0 ]
