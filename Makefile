# SPDX-License-Identifier: Apache-2.0
#
#   make          build/obmon                      make demo    the main job, for real (test VM if need be)
#   make unit     unit tests, seconds, no VM       make check   every test on every kernel of KERNELS
#   make asan     unit tests under ASan and UBSan  make bench   measurements, in instructions
#   make lint     clang-format, clang-tidy, shellcheck
#   make install  PREFIX, DESTDIR as usual
#
# KERNELS="6.1 6.12" is the default matrix; KERNELS=all adds 7.2.

VERSION := 0.1.0
PREFIX ?= /usr
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/obmon
MANDIR ?= $(PREFIX)/share/man
BUILD ?= build

CC := gcc
CLANG ?= clang
BPFTOOL ?= bpftool
ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) $(EXTRA_CFLAGS) -Iinclude -Iuserspace -I$(BUILD) \
	-DOBMON_VERSION='"$(VERSION)"' -DOBMON_DATA_DIR='"$(DATADIR)"'
LIBS := -lbpf -lelf -lz -lyaml -ljansson -lldns -lcrypto -lcap
BPF_CFLAGS := -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
	-Ivmlinux -Iinclude -Ibpf

LIB_SOURCES := $(filter-out userspace/cli/%,$(wildcard userspace/*/*.c))
CLI_SOURCES := $(wildcard userspace/cli/*.c)
LIB_OBJECTS := $(LIB_SOURCES:%.c=$(BUILD)/%.o)
CLI_OBJECTS := $(CLI_SOURCES:%.c=$(BUILD)/%.o)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
PROBES := $(patsubst tests/probe/%.c,$(BUILD)/tests/probe/%,$(wildcard tests/probe/*.c))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all tests unit asan lint check demo bench install clean setup-build setup-vm setup-test setup-lint vmlinux

all: setup-build
	@$(MAKE) --no-print-directory $(BUILD)/obmon

setup-build setup-vm setup-test setup-lint: setup-%:
	@scripts/setup --$*

$(BUILD)/obmon.bpf.o: bpf/obmon.bpf.c $(wildcard bpf/*.c bpf/lib/*.h include/obmon/abi/*.h) vmlinux/vmlinux.h Makefile
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/obmon.skel.h: $(BUILD)/obmon.bpf.o
	$(BPFTOOL) gen skeleton $< name obmon_bpf >$@

$(BUILD)/userspace/engine/load.o: $(BUILD)/obmon.skel.h

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libobmon.a: $(LIB_OBJECTS)
	rm -f $@
	ar rcs $@ $^

$(BUILD)/obmon: $(CLI_OBJECTS) $(BUILD)/libobmon.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libobmon.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

# What runs inside a run: no dependency on the rest, so that a test shows the kernel's answer and nothing else.
$(BUILD)/tests/probe/%: tests/probe/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -Iinclude $< -o $@ -luring -lpthread

tests: $(BUILD)/obmon $(UNIT_TESTS) $(PROBES)

unit: setup-build
	@$(MAKE) --no-print-directory $(UNIT_TESTS)
	@tests/unit/run $(UNIT_TESTS)

asan: setup-build
	@$(MAKE) --no-print-directory unit BUILD=$(BUILD)/asan \
		EXTRA_CFLAGS='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'

check: setup-build setup-vm setup-test
	@tests/check

demo: all setup-vm
	@scripts/demo

bench: setup-build setup-vm setup-test
	@$(MAKE) --no-print-directory tests
	@tests/bench/run

lint: setup-build setup-lint
	@$(MAKE) --no-print-directory $(BUILD)/obmon.skel.h
	@scripts/lint

vmlinux: setup-vm
	@scripts/vmlinux

install: all
	install -D -m 755 $(BUILD)/obmon $(DESTDIR)$(BINDIR)/obmon
	install -d $(DESTDIR)$(DATADIR)/profiles $(DESTDIR)$(MANDIR)/man1
	install -m 644 profiles/*.yaml $(DESTDIR)$(DATADIR)/profiles/
	install -m 644 docs/obmon.1 $(DESTDIR)$(MANDIR)/man1/obmon.1

clean:
	rm -rf $(BUILD)

-include $(LIB_OBJECTS:.o=.d) $(CLI_OBJECTS:.o=.d) $(UNIT_TESTS:=.d)
