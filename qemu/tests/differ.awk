# SPDX-License-Identifier: GPL-2.0
# Writes random scripts to the two managers and compares what becomes of them; see differ.sh.
#
# usage: awk -v seed=N -v scripts=N -v oxmm=DIRECTORY -v node=N -f differ.awk
#
# node is that of the CPU it runs on. Prints KTAP diagnostics, and ends with one line for each thing
# that was compared: its name and what is wrong, or nothing. Status 1 if anything is.

# A sequence of its own (Park and Miller), the same in every awk.
function draw(below) {
	seed = (seed * 16807) % 2147483647
	return int(seed / 7) % below
}

function pick(words, list, n) {
	n = split(words, list, " ")
	return list[1 + draw(n)]
}

# ---- What is there -----------------------------------------------------------------

function slurp(file, text, line) {
	text = ""
	while ((getline line < file) > 0) text = text line "\n"
	close(file)
	return text
}

# Notes the zones of a side: which there are, and how many pages lie above the high marks. Scripts
# leave the highest zone of every node above its mark; where there is too little for that, those of
# the whole node, and the zone is not compared.
function read_zones(side, line, field, id, sum, last) {
	while ((getline line < (oxmm "/" side "/zones")) > 0) {
		split(line, field)
		if (field[1] == "node") continue
		has[side, field[1], field[2]] = 1
		last[field[1]] = field[8] - field[13]
		if (last[field[1]] > 0) sum[field[1]] += last[field[1]]
		if (side == "private" && field[8] >= 512) roomy[field[2]]++
		if (side == "linux") zones_of[field[2]]++
	}
	close(oxmm "/" side "/zones")
	for (id in last) {
		if (last[id] < LITTLE) {
			tight[id] = 1
			last[id] = sum[id]
		}
		if (last[id] + 0 < room) room = last[id] + 0
	}
}

function read_nodes(line, field) {
	while ((getline line < (oxmm "/linux/nodes")) > 0) {
		split(line, field)
		if (field[1] == "node") continue
		nodes = nodes " " field[1]
		nr_nodes++
	}
	close(oxmm "/linux/nodes")
}

# ---- Scripts ------------------------------------------------------------------------

# Flags that go with one another in any way; those of zones that the mirror is without are left away.
function flags(words, text) {
	words = "GFP_KERNEL GFP_KERNEL GFP_KERNEL GFP_ATOMIC GFP_NOWAIT GFP_NOIO GFP_NOFS GFP_USER" \
		" GFP_HIGHUSER GFP_HIGHUSER_MOVABLE GFP_TRANSHUGE GFP_TRANSHUGE_LIGHT GFP_KERNEL_ACCOUNT 0xcc0 0x0"
	text = pick(words)
	while (draw(3) == 0)
		text = text "|" pick("__GFP_THISNODE __GFP_THISNODE __GFP_MOVABLE __GFP_RECLAIMABLE __GFP_ZERO" \
			" __GFP_NORETRY __GFP_RETRY_MAYFAIL __GFP_HIGH __GFP_NOMEMALLOC __GFP_COMP __GFP_HARDWALL" \
			" __GFP_WRITE __GFP_NOWARN __GFP_HIGHMEM __GFP_KSWAPD_RECLAIM __GFP_DIRECT_RECLAIM")
	if (draw(60) == 0) text = text "|" pick("__GFP_NOFAIL __GFP_MEMALLOC 0x80000000 GFP_KERNAL __GFP_ |")
	if (draw(80) == 0) text = text "|__GFP_DMA|__GFP_DMA32"
	return text
}

# A set of nodes, mostly of those that there are.
function node_set(last, first) {
	if (draw(30) == 0) return pick("0-1023 1,0 0, - 0-0-0 1024 0,1000 any")
	first = draw(nr_nodes)
	last = first + draw(nr_nodes - first)
	if (first == last) return first
	return first pick("- ,") last
}

function placement(text) {
	text = ""
	if (draw(4)) return text
	if (draw(5)) text = " nodes=" node_set()
	if (draw(4)) text = text " policy=" (draw(20) ? pick("local bind preferred interleave") : "weighted")
	return text
}

# Blocks of one line: few pages, or one large block where there is room. A script asks for half of
# what there is at most.
function size(order, count, limit) {
	limit = room / 16
	order = draw(3) ? draw(4) : draw(8)
	count = 1
	if (draw(3) == 0) count = 2 + draw(6)
	if (draw(20) == 0) { order = 0; count = 60 + draw(80) }
	if (draw(25) == 0) {
		order = 8 + draw(3)
		count = 1
		# So that whole blocks are left for it on both sides, whatever else is held.
		limit = room / 8
	}
	if (limit > room / 2 - planned) limit = room / 2 - planned
	while (order && count * two[order] > limit) order--
	if (count * two[order] > limit) count = 1
	planned += count * two[order]
	# Nothing but what is refused may come to more.
	if (draw(60) == 0) order = pick("11 18 19 -1 3K 0x")
	if (draw(60) == 0) count = pick("0 1000001 1x 1000000")
	# A million of them is more than there may be, while one is had on both sides, as would is asked.
	if (count == 1000000 && order + 0 < 4) order = 4
	return (order || draw(2) ? " order=" order : "") (count != 1 || draw(4) == 0 ? " count=" count : "")
}

function alloc(text) {
	text = "alloc pages" size()
	if (draw(3)) text = text " node=" (draw(25) ? draw(nr_nodes) : pick("any 1023 1024 -1 x"))
	text = text placement()
	if (draw(3)) text = text " gfp=" flags()
	if (draw(4) == 0) text = text " type=" (draw(12) ? pick("unmovable movable reclaimable") : pick("highatomic cma isolate mobile"))
	wish = text
	sub(/ count=[^ ]*/, "", wish)
	sub(/alloc pages ?/, "", wish)
	if (draw(2)) text = text " tag=" pick("a b c d")
	if (low_kinds != "" && draw(12) == 0)
		text = "alloc pages order=" draw(2) " gfp=" pick("GFP_KERNEL GFP_NOWAIT GFP_ATOMIC") "|__GFP_" pick(low_kinds)
	return text
}

function free(kind, text) {
	kind = draw(20)
	if (kind < 12 && nr_held) text = "free id=" held[1 + draw(nr_held)]
	else if (kind < 13) text = "free id=" (last_id + 1 - draw(50))
	else if (kind < 18) text = "free tag=" pick("a b c d")
	else if (kind < 19) text = "free all"
	else text = pick("free~id=1000000 free~tag=nobody free~all")
	gsub(/~/, " ", text)
	if (draw(30) == 0) text = text " defer=" draw(3)
	return text
}

# Lines with a mistake that the grammar or a manager finds; those that one manager offers are left to
# the list of known differences.
function wrong(text) {
	return pick("alloc~pages~ordr=1 alloc~page alloc frobnicate alloc~pages~order=1~order=2 free" \
		" free~id=1~all free~id=0 free~id=x free~12 alloc~pages~tag= alloc~pages~~tag alloc~pages~now" \
		" alloc~pages~gfp=GFP_KERNEL||GFP_USER alloc~pages~nodes= alloc~pages~policy= free~all=1" \
		" alloc~pages~tag=0123456789012345678901234567890123456789 drain~now shrink cache memcg~create" \
		" machine~node=any memblock~add machine~cpus=1 would~order=1 alloc~pages~kind=none")
}

function any_line(kind) {
	kind = draw(100)
	if (kind < 66) return alloc()
	if (kind < 95) return free()
	kind = kind < 97 ? pick("# ~ #~alloc~pages") : wrong()
	gsub(/~/, " ", kind)
	return kind
}

function script(text, lines) {
	text = ""
	planned = pages
	if (nr_held > 50 || pages > room / 3) {
		text = "free all\n"
		planned = 0
	}
	for (lines = 1 + draw(8); lines > 0; lines--) text = text any_line() "\n"
	return text
}

# ---- Comparison ---------------------------------------------------------------------

function send(side, text, file) {
	file = oxmm "/" side "/ctl"
	printf "%s", text > file
	close(file)
}

# What is held, without the pages' numbers; zones where both sides have them.
function compare_live(n, ours, theirs, a, b, file, other) {
	file = oxmm "/linux/live"
	other = oxmm "/private/live"
	nr_held = pages = 0
	getline theirs < file
	getline ours < other
	for (;;) {
		n = (getline theirs < file)
		if ((getline ours < other) != n) { bad = "the lengths of live differ"; break }
		if (n <= 0) break
		split(theirs, a)
		split(ours, b)
		held[++nr_held] = a[1]
		pages += a[4] / 4096
		seen[a[7], a[8]]++
		if (a[8] != b[8] && !tight[a[7]] && has["private", b[7], a[8]]) { bad = "the zones of id " a[1] " differ"; break }
		a[5] = b[5] = a[8] = b[8] = "-"
		if (joined(a) != joined(b)) { bad = "id " a[1] " differs"; break }
	}
	close(file)
	close(other)
	return bad == ""
}

function joined(field) {
	return field[1] " " field[2] " " field[3] " " field[4] " " field[6] " " field[7] " " field[9] " " field[10] " " field[11]
}

# What both say to the last request that was made: the answer, and what it was understood as.
function compare_would(file, other, ours, theirs, a, b) {
	file = oxmm "/linux/would"
	other = oxmm "/private/would"
	print wish > file
	close(file)
	print wish > other
	close(other)
	getline theirs < file
	getline theirs < file
	getline ours < other
	getline ours < other
	close(file)
	close(other)
	split(theirs, a)
	split(ours, b)
	answers[a[1]]++
	if (a[1] != "refused" && (tight[a[2]] || !has["private", b[2], a[3]])) {
		sub(/^[^ ]+ +[^ ]+ +[^ ]+ +/, a[1] " " a[2] " ", theirs)
		sub(/^[^ ]+ +[^ ]+ +[^ ]+ +/, b[1] " " b[2] " ", ours)
	}
	if (ours != theirs) bad = "would differs on " wish "\n" theirs "\n" ours
}

# Adds up what the lines of a result say they did, and what kinds there were.
function account(text, of, rows, field, source, n, i) {
	n = split(text, rows, "\n")
	split(of, source, "\n")
	for (i = 2; i < n; i++) {
		split(rows[i], field)
		outcomes[field[2]]++
		if (field[2] != "ok") continue
		if (field[4] == "allocated") {
			blocks += field[5]
			if (source[field[1]] ~ /policy=interleave/) turns += field[5]
			allocated += field[9] / 4096
			last_id = field[3]
			sub(/.*-/, "", last_id)
			orders[field[8] + 0]++
		}
		if (field[4] == "freed") freed += field[6] / 4096
	}
}

# The counters of both sides: of nodes for NUMA, of the machine for pages.
function read_counters(to, line, field, i, list, n, file) {
	delete to
	while ((getline line < (oxmm "/private/vmstat")) > 0) {
		split(line, field)
		if (field[1] ~ /^numa_/) to["private", field[1], field[2]] += field[5]
		if (field[1] == "pgalloc" || field[1] == "pgfree") to["private", field[1]] += field[5]
	}
	close(oxmm "/private/vmstat")
	while ((getline line < "/proc/vmstat") > 0) {
		split(line, field)
		if (field[1] ~ /^pgalloc_/) to["linux", "pgalloc"] += field[2]
		if (field[1] == "pgfree") to["linux", "pgfree"] += field[2]
	}
	close("/proc/vmstat")
	n = split(nodes, list, " ")
	for (i = 1; i <= n; i++) {
		file = "/sys/devices/system/node/node" list[i] "/numastat"
		while ((getline line < file) > 0) {
			split(line, field)
			sub(/local_node/, "numa_local", field[1])
			sub(/other_node/, "numa_other", field[1])
			to["linux", field[1], list[i]] = field[2]
		}
		close(file)
	}
}

function moved(what, is) {
	if (is == "") return
	if (counters == "") counters = what ": " is
}

# What moved since the start: exactly what was done here, and at least that much in Linux.
function compare_counters(key, part, ours, theirs, sum) {
	read_counters(now)
	for (key in now) {
		split(key, part, SUBSEP)
		if (part[1] != "private") continue
		ours = now[key] - start[key]
		if (part[3] != "") sum[part[2]] += ours
		# Only this CPU was at work.
		if (part[2] == (part[3] == node ? "numa_other" : "numa_local") && ours)
			moved(part[2] " of node " part[3], ours)
		# Linux alone decides whether it counts those.
		if (part[2] == "numa_interleave") continue
		if (part[3] != "") theirs = now["linux", part[2], part[3]] - start["linux", part[2], part[3]]
		else theirs = now["linux", part[2]] - start["linux", part[2]]
		if (theirs < ours) moved(part[2] " of node " part[3], theirs " in Linux, " ours " here")
	}
	ours = now["private", "pgalloc"] - start["private", "pgalloc"]
	if (ours != allocated) moved("pgalloc", ours ", not " allocated)
	ours = now["private", "pgfree"] - start["private", "pgfree"]
	if (ours != freed) moved("pgfree", ours ", not " freed)
	theirs = sum["numa_hit"] + sum["numa_miss"]
	if (theirs != blocks) moved("numa_hit and numa_miss", theirs ", not " blocks)
	theirs = sum["numa_local"] + sum["numa_other"]
	if (theirs != blocks) moved("numa_local and numa_other", theirs ", not " blocks)
	if (sum["numa_foreign"] != sum["numa_miss"]) moved("numa_foreign", sum["numa_foreign"] ", not " sum["numa_miss"])
	if (sum["numa_interleave"] != turns + 0) moved("numa_interleave", sum["numa_interleave"] ", not " turns)
}

function sound(text, rows, n, i, field) {
	n = split(slurp(oxmm "/private/check"), rows, "\n")
	for (i = 2; i < n; i++) {
		split(rows[i], field)
		if (field[3] != "ok") return 0
	}
	return n > 2
}

function note(text, rows, n, i) {
	n = split(text, rows, "\n")
	for (i = 1; i <= n; i++) if (rows[i] != "") print "# " rows[i]
}

function summary(of, text, key) {
	text = ""
	for (key in of) text = text " " key ":" of[key]
	return text
}

BEGIN {
	seed = (seed * 48271 + 11) % 2147483647
	for (n = two[0] = 1; n <= 10; n++) two[n] = two[n - 1] * 2
	# Pageblocks enough for each type of block to have some of its own.
	LITTLE = 4000
	room = 12000
	read_nodes()
	read_zones("linux")
	read_zones("private")
	if (room < 200) {
		print "# room for " room " pages"
		print "scarce"
		exit
	}
	for (kind in roomy)
		if (kind ~ /^DMA/ && roomy[kind] >= zones_of[kind]) low_kinds = low_kinds " " kind
	read_counters(start)
	for (n = 1; n <= scripts; n++) {
		text = script()
		send("linux", text)
		send("private", text)
		theirs = slurp(oxmm "/linux/result")
		ours = slurp(oxmm "/private/result")
		if (theirs != ours) bad = "the results differ"
		else {
			account(ours, text)
			if (compare_live() && n % 8 == 0 && wish != "") compare_would()
		}
		if (bad == "" && n % 100 == 0) {
			compare_counters()
			if (!sound()) unsound = "script " n
			if (counters != "" || unsound != "") break
		}
		if (bad != "") {
			note("script " n ": " bad)
			note(text)
			note("linux: " theirs)
			note("private: " ours)
			if (theirs == ours) note(slurp(oxmm "/linux/live") slurp(oxmm "/private/live"))
			break
		}
	}
	send("linux", "free all\n")
	send("private", "free all\n")
	account(slurp(oxmm "/private/result"), "free all")
	if (bad == "") compare_counters()
	if (!sound()) unsound = "in the end"
	note("node " node ": " (n - 1) " scripts, room for " room " pages; " blocks " blocks, " allocated " pages")
	note("outcomes" summary(outcomes))
	note("orders" summary(orders))
	note("held" summary(seen))
	note("would:" summary(answers))
	if (counters != "") note("counters: " counters)
	if (unsound != "") note("private/check: " unsound)
	gsub(/\n/, " ", bad)
	print "same " bad
	print "counters " counters
	print "sound " unsound
}
