#!/bin/sh
# Runs stkit from this checkout: tools/stkit.sh ARGUMENTS...
# Installs what is missing and builds on the first run and after a change to the sources; otherwise
# it costs one `find`. Exits with 69 when stkit cannot be built, else as stkit does.
set -eu

script=$(readlink -f -- "$0")
root=${script%/tools/stkit.sh}
build=$root/build/release
binary=$build/tools/stkit/stkit
stamp=$build/.built

sources="CMakeLists.txt CMakePresets.json cmake include src tools/stkit"
# A new commit changes what --version says.
if [ -f "$root/.git/logs/HEAD" ]; then sources="$sources .git/logs/HEAD"; fi

up_to_date() {
  # shellcheck disable=SC2086  # a list of names
  [ -x "$binary" ] && [ -f "$stamp" ] &&
    [ -z "$(cd "$root" && find $sources -newer "$stamp" -print -quit 2>&1)" ]
}

if ! up_to_date; then
  . "$root/tools/dev/setup.sh"
  lock_build "$build"
  # Another call may have built while this one waited.
  if ! up_to_date; then
    if [ -f "$stamp" ]; then
      say "building stkit (its sources changed)..."
    else
      say "building stkit (first run, a few minutes)..."
    fi
    touch "$build/.building"
    set_up_build
    build_preset release quiet stkit_tool
    mv "$build/.building" "$stamp"
  fi
  unlock_build
fi

exec "$binary" "$@"
