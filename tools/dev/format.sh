#!/bin/sh
# Formats every C++ file with clang-format 19; with --check only names those that would change.
set -eu
cd "$(dirname -- "$(readlink -f -- "$0")")/../.."
mode=-i
if [ "${1-}" = --check ]; then mode="--dry-run --Werror"; fi
# shellcheck disable=SC2086  # two words
git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cc' |
  xargs -0 "${CLANG_FORMAT:-clang-format-19}" $mode
