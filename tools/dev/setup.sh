# Shared by tools/stkit.sh and tools/test.sh, which source it with `root` set: gets a machine ready
# to build, and builds. Everything it says goes to stderr.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $1"
  shift
  for line in "$@"; do say "  hint: $line"; done
  exit 69
}

has() { command -v "$1" >/dev/null 2>&1; }

job_count() { getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2; }

# Two calls at once take turns. Without flock (not Linux) the second relies on the build tool.
lock_build() {
  mkdir -p "$1"
  exec 9>"$1/.lock"
  if has flock; then flock 9; fi
}

unlock_build() { exec 9>&-; }

# --- packages -----------------------------------------------------------------------------------

is_debian() { has apt-get && has dpkg-query; }

# How to run a command as root; fails where that is impossible.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif has sudo && [ -t 0 ]; then
    sudo "$@"
  elif has sudo; then
    sudo -n "$@"
  else
    return 1
  fi
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# RUNLEVEL: nginx is wanted for tests, and not as a service of this machine.
apt() {
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# install_packages PACKAGE...: as many of them as this system has, if it is Debian or Ubuntu.
# Never fails: whether something essential is missing is for the caller to see.
install_packages() {
  is_debian || return 0
  missing=
  for package in "$@"; do
    is_installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  say "installing with apt-get:$missing"
  log=$(mktemp)
  if apt update >"$log" 2>&1; then
    available=
    for package in $missing; do
      if apt-cache show "$package" >/dev/null 2>&1; then
        available="$available $package"
      else
        say "  this system has no package $package"
      fi
    done
    # shellcheck disable=SC2086  # a list of names
    apt install -y --no-install-recommends $available >"$log" 2>&1 || report_packages "$log"
  else
    report_packages "$log"
  fi
  rm -f "$log"
}

report_packages() {
  tail -n 5 "$1" >&2
  say "warning: could not install:$missing"
  say "  hint: as root: apt-get install$missing"
}

# --- what a build needs -------------------------------------------------------------------------

# The compiler is known by what it can do: std::expected in C++23.
can_compile() {
  printf '#include <expected>\nstd::expected<int, int> answer = 42;\n' |
    "$1" -std=c++23 -x c++ -fsyntax-only - >/dev/null 2>&1
}

# Sets CXX to the first compiler that can, the user's own choice before all others.
choose_compiler() {
  for compiler in ${CXX:-} c++ g++ g++-15 g++-14 g++-13 g++-12 clang++ clang++-20 clang++-19; do
    if has "$compiler" && can_compile "$compiler"; then
      export CXX="$compiler"
      return 0
    fi
  done
  return 1
}

cmake_is_new_enough() {
  has cmake || return 1
  version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9]*\.[0-9]*\).*/\1/p')
  [ "${version%.*}" -gt 3 ] || { [ "${version%.*}" -eq 3 ] && [ "${version#*.}" -ge 24 ]; }
}

set_up_build() {
  tools=
  choose_compiler || tools="$tools g++"
  cmake_is_new_enough || tools="$tools cmake"
  has ninja || has make || tools="$tools ninja-build"
  # shellcheck disable=SC2086  # a list of names
  install_packages $tools libssl-dev zlib1g-dev libcurl4-openssl-dev libfmt-dev libsimdjson-dev \
    libhwy-dev libcli11-dev libspdlog-dev
  choose_compiler ||
    die "no C++ compiler with std::expected" "install g++ 12 or newer, or clang 19 or newer"
  cmake_is_new_enough ||
    die "no CMake 3.24 or newer" "install a newer one, for example with: pipx install cmake"
}

set_up_tests() {
  # nginx is the real server of the download tests, and openssl makes its certificate.
  install_packages libgtest-dev libgmock-dev nginx-light openssl $(has python3 || echo python3)
  has python3 || die "no python3, which tests need" "install Python 3.8 or newer"
}

# --- building -----------------------------------------------------------------------------------

# build_preset PRESET loud|quiet TARGET...: configures and builds; on failure says why and ends.
build_preset() {
  build_dir=$root/build/$1
  volume=$2
  preset_name=$1
  shift 2
  # A copied or moved checkout brings a build folder that belongs to another place.
  if [ -f "$build_dir/CMakeCache.txt" ] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$build_dir/CMakeCache.txt"; then
    rm -rf "$build_dir/CMakeCache.txt" "$build_dir/CMakeFiles"
  fi
  if [ ! -f "$build_dir/CMakeCache.txt" ] && [ -z "${CMAKE_GENERATOR-}" ] && has ninja; then
    export CMAKE_GENERATOR=Ninja
  fi
  if [ "$volume" = loud ]; then
    configure_and_build "$@" >&2 || die "the build failed"
  elif ! configure_and_build "$@" >"$build_dir/build.log" 2>&1; then
    tail -n 40 "$build_dir/build.log" >&2
    die "stkit could not be built" "the whole log is in $build_dir/build.log"
  fi
}

configure_and_build() (
  cd "$root" &&
    cmake --preset "$preset_name" &&
    cmake --build "$build_dir" --parallel "$(job_count)" --target "$@"
)
