# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# The front door. Kbuild builds the module, cargo everything else; this file only picks the
# cargo and knows where things are installed.

PREFIX ?= /usr/local
# A kernel of your own to build the module for; without it, that of the test VM.
KDIR ?=
# How long `make fuzz` looks, for each target.
FUZZ_SECONDS ?= 120
# Where mdevctl looks for callouts, whatever PREFIX is; before version 1.3 in
# /etc/mdevctl.d/scripts.d/callouts. Empty: install none.
CALLOUTS ?= /usr/lib/mdevctl/scripts.d/callouts

# The host's cargo if it is new enough and can link, else that of the build root.
host_cargo := $(shell v=$$(cargo --version 2> /dev/null | cut -d ' ' -f 2) && [ -n "$$v" ] && \
	printf '%s\n' 1.85 "$$v" | sort -VC && cc --version > /dev/null 2>&1 && echo cargo)
cargo := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(or $(host_cargo),tests/vm/in-root cargo)
target := $(if $(host_cargo),$(or $(CARGO_TARGET_DIR),target),target/root)

help:
	@echo 'make demo      show what vmig does, in a VM'
	@echo 'make test      everything; the last line counts what passed and failed'
	@echo 'make check     all that needs no VM and no build root'
	@echo 'make fuzz      look for inputs that break the helper; FUZZ_SECONDS=120 for each target'
	@echo 'make modules   vmig.ko for the kernel in KDIR=..., else for the kernel of the test VM'
	@echo 'make bench     what the vmig command takes for up to 100,000 sources, the vfio-user programs for'
	@echo '               their clients, and the devices in a VM; each beside a peer. Figures and charts are'
	@echo '               left in target/bench'
	@echo 'make helper    the vmig command and the vfio-user programs: $(target)/release/vmig, vmig-serial, vmig-accel'
	@echo 'make conform-mtty   put what the kernel'\''s sample driver does into tests/CONFORMANCE.md'
	@echo 'make install   commands, man pages, completions, the callout of mdevctl and (with KDIR=...) the module;'
	@echo '               DESTDIR, PREFIX, CALLOUTS'
	@echo 'make clean     remove what was built here; the cache shared by all checkouts stays'

demo test check conform-mtty:
	@$(cargo) vmtest $@

ifeq ($(KDIR),)
modules:
	@$(cargo) vmtest modules
else
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(CURDIR)/target/module modules
endif

fuzz:
	@$(cargo) run --quiet --package vmig-fuzz -- $(FUZZ_SECONDS)

helper:
	$(cargo) build --release --package vmig-cli --package vmig-vfio-user

bench: helper
	$(cargo) run --release --package vmig-bench -- run $(target)/release/vmig
	$(cargo) run --release --package vmig-bench -- programs $(target)/release target/bench
	@$(cargo) vmtest bench
	$(cargo) run --release --package vmig-bench -- charts target/bench

# What `make helper` left, whoever ran it; built only if there is nothing.
install: prefix := $(DESTDIR)$(PREFIX)
install:
	@set -e; vmig=$$(ls -t target/release/vmig $(target)/release/vmig target/root/release/vmig 2> /dev/null | head -n 1); \
	[ -n "$$vmig" ] || { $(MAKE) helper; vmig=$(target)/release/vmig; }; \
	install -D -m 755 "$$vmig" $(prefix)/bin/vmig; \
	$(if $(CALLOUTS),install -D -m 755 "$${vmig%/*}/vmig-mdevctl" $(DESTDIR)$(CALLOUTS)/vmig;) \
	for program in vmig-serial vmig-accel; do \
		install -D -m 755 "$${vmig%/*}/$$program" $(prefix)/bin/$$program; \
		install -d $(prefix)/share/vfio-user; \
		sed 's|@bindir@|$(PREFIX)/bin|' helper/vfio-user/50-$$program.json \
			> $(prefix)/share/vfio-user/50-$$program.json; \
	done
	install -D -m 644 -t $(prefix)/share/doc/vmig helper/boot/55-vmig.rules helper/boot/vmig.conf
	install -d $(addprefix $(prefix)/share/,man/man1 \
		bash-completion/completions zsh/site-functions fish/vendor_completions.d)
	$(prefix)/bin/vmig man --directory $(prefix)/share/man/man1
	$(prefix)/bin/vmig completions bash > $(prefix)/share/bash-completion/completions/vmig
	$(prefix)/bin/vmig completions zsh > $(prefix)/share/zsh/site-functions/_vmig
	$(prefix)/bin/vmig completions fish > $(prefix)/share/fish/vendor_completions.d/vmig.fish
ifneq ($(KDIR),)
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(CURDIR)/target/module \
		INSTALL_MOD_PATH=$(DESTDIR) modules_install
endif

clean:
	rm -rf target

.PHONY: help demo test check fuzz conform-mtty modules helper bench install clean
