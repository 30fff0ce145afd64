#!/bin/sh
# The lowering in blocks of channels on a processor that this one can emulate: correctness, not speed. Needs qemu-x86_64 (Debian: qemu-user).
#
#   bench/lowering/emulated.sh [Haswell|Westmere] [test files]
#
# Haswell has AVX2 but no AVX-512, Westmere SSE4.2 alone; ONNX Runtime takes blocks of 8 channels on both. About a minute for the default file.
set -e
processor=${1:-Haswell}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- src/lowering/cpu/blocked/blocked.test.ts
# Threads, because child processes would run on the true processor.
exec qemu-x86_64 -cpu "$processor" "$(command -v node)" node_modules/vitest/vitest.mjs run --project src --pool=threads --maxWorkers=1 "$@" 2>&1 |
  grep -v "TCG doesn't support requested feature"
