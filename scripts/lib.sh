# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts here: where things are, messages, progress, locks and
# the toolchain. Sourced, never run. Messages go to stderr: stdout is for results.
# shellcheck shell=bash
# shellcheck disable=SC2034  # The names are for the scripts that source this.

oxmm_root=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
HOME=${HOME:-~}
oxmm_cache=${XDG_CACHE_HOME:-$HOME/.cache}/oxmm
oxmm_tools=$oxmm_cache/tools

# The release that builds debug kernels and whose libclang bindgen reads C with.
llvm_version=19

# A make above us must not decide what the kernel's make does: it would hand down
# its own variables and job server, and the environment may carry ARCH or LLVM.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES MAKEFILES
unset ARCH CROSS_COMPILE LLVM CC LD O M MO KBUILD_OUTPUT KBUILD_EXTMOD KCFLAGS RUSTC RUSTFLAGS
export LC_ALL=C

# Distribution compilers only: a rustup toolchain earlier in PATH has no source of
# the core library, which the kernel compiles itself.
use_toolchain() {
	export PATH=$oxmm_tools/bin:/usr/bin:/bin:/usr/sbin:/sbin
	export LIBCLANG_PATH=/usr/lib/llvm-$llvm_version/lib
}

say() { printf 'oxmm: %s\n' "$*" >&2; }

die() {
	say "$@"
	exit 1
}

elapsed() { printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); }

# take_lock FILE: held until this shell exits.
take_lock() {
	local fd
	exec {fd}>"$1"
	flock -n "$fd" && return
	say "waiting for another run to finish with ${1%/*}"
	flock "$fd"
}

# with_progress LABEL LOG MEASURE COMMAND...: runs COMMAND with its output in LOG
# and says every so often how far it is (what MEASURE prints) and for how long.
with_progress() {
	local label=$1 log=$2 measure=$3 start=$SECONDS status=0 pid
	shift 3
	"$@" </dev/null >>"$log" 2>&1 &
	pid=$!
	# A background job ignores the terminal's interrupt: pass it on.
	# shellcheck disable=SC2064  # Now is when pid is known.
	trap "kill $pid 2>/dev/null; wait $pid 2>/dev/null; exit 130" INT TERM HUP
	report_until_exit "$pid" "$label" "$measure" "$start"
	wait "$pid" || status=$?
	trap - INT TERM HUP
	if [ "$status" -ne 0 ]; then
		show_failure "$label" "$log"
		return "$status"
	fi
	say "$label: done in $(elapsed $((SECONDS - start)))"
}

# A line every 10 s in a log, the same line again and again on a terminal.
report_until_exit() {
	local pid=$1 label=$2 measure=$3 start=$4 last=$SECONDS
	while kill -0 "$pid" 2>/dev/null; do
		if [ -t 2 ]; then
			printf '\r\033[Koxmm: %s: %s, %s' "$label" "$($measure)" "$(elapsed $((SECONDS - start)))" >&2
		elif [ $((SECONDS - last)) -ge 10 ]; then
			last=$SECONDS
			say "$label: $($measure), $(elapsed $((SECONDS - start)))"
		fi
		sleep 0.3
	done
	if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}

show_failure() {
	say "$1: failed; the last lines of $2:"
	tail -n 30 "$2" >&2
}
