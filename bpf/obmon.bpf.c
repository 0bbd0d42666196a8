/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * obmon's kernel side: one object, loaded and pinned once, shared by all runs of the host.
 * Each domain has a file of its own; they are one compilation unit because they share maps and helpers.
 */
#include "file.bpf.c"
#include "exec.bpf.c"
#include "net.bpf.c"
#include "guard.bpf.c"
#include "identify.bpf.c"

char LICENSE[] SEC("license") = "GPL";
