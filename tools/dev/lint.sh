#!/bin/sh
# Runs clang-tidy 19 over the library and the program: tools/dev/lint.sh [FILE.cc...]
# `--changed [REF]` takes the files that differ from REF (default: HEAD). Needs build/dev configured.
set -eu
cd "$(dirname -- "$(readlink -f -- "$0")")/../.."
if [ ! -f build/dev/compile_commands.json ]; then cmake --preset dev >&2; fi
# A file takes 2 to 3 s of one core, those of tools/stkit 5 s: 13 minutes of CPU for 305 files.
# Generated headers must exist before anything is parsed.
if [ "${1-}" = --changed ]; then
  set -- $(git diff --name-only --diff-filter=d "${2:-HEAD}" -- 'src/*.cc' 'tools/*.cc')
elif [ $# -eq 0 ]; then
  set -- $(git ls-files -- 'src/*.cc' 'tools/*.cc')
fi
[ $# -gt 0 ] || exit 0
printf '%s\0' "$@" |
  xargs -0 -n 1 -P "$(getconf _NPROCESSORS_ONLN)" "${CLANG_TIDY:-clang-tidy-19}" --quiet -p build/dev
