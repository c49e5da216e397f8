# SPDX-License-Identifier: GPL-2.0
# A front end to scripts/ and qemu/, and no more. The kernel's build reads Kbuild.

export KERNEL KSRC KDIR

.DEFAULT_GOAL := all
.PHONY: all samples run check guest bench lint clean help

all:
	@scripts/module "$(KDIR)"

samples:
	@scripts/module "$(KDIR)" SAMPLES=y

run:
	@scripts/setup --quiet
	@scripts/run

check:
	@scripts/setup --quiet
	@scripts/check

guest:
	@scripts/setup --quiet
	@qemu/guest --interactive -- sh

bench:
	@scripts/setup --quiet
	@scripts/bench

lint:
	@scripts/setup --quiet
	@scripts/lint

clean:
	rm -rf build

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

#: make             builds oxmm.ko
#: make samples     builds samples/ too, a module each
#: make run         boots a two-node guest, loads oxmm and shows it at work
#: make check       runs every test there is
#: make guest       a shell in the guest
#: make bench       measures, and writes build/bench.tsv and build/bench.svg
#: make lint        rustfmt, clippy, shellcheck and the rules of the rooms
#: make clean       removes what was built here; the kernels' cache in ~/.cache/oxmm stays
#:
#: KDIR=directory   the kernel to build for: a built tree or installed headers
#: KERNEL=7.3       a kernel of another series than 7.2, built once and cached
#: KSRC=directory   the same from a source tree of yours, which is only read
