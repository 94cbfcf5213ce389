#!/bin/sh
# Builds and runs every test: tools/test.sh [--preset test|dev|asan|tsan] [CTEST ARGUMENTS...]
# Installs what is missing first. `test` is Debug; `dev` is the same with warnings as errors.
set -eu

script=$(readlink -f -- "$0")
root=${script%/tools/test.sh}
preset=test
if [ "${1-}" = --preset ]; then
  preset=$2
  shift 2
fi

. "$root/tools/dev/setup.sh"
build=$root/build/$preset
lock_build "$build"
set_up_build
set_up_tests
build_preset "$preset" loud all all_verify_interface_header_sets
unlock_build

exec ctest --test-dir "$build" --output-on-failure --parallel "$(job_count)" "$@"
