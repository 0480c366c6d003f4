#!/usr/bin/env bash
#
# What `make install` puts down can be found and used by pkg-config and by
# CMake, and `make uninstall` takes all of it back.

set -euo pipefail
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MFLAGS MAKELEVEL

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
passed=0 failed=0 skipped=0

try() { # NAME COMMAND...
    local status
    set +e # behind || the shell would forget about set -e
    (set -e; "${@:2}") >"$place/log" 2>&1
    status=$?
    set -e
    case $status in
    0) passed=$((passed + 1)) ;;
    77)
        skipped=$((skipped + 1))
        echo "skipped $1: $(tail -n 1 "$place/log")"
        ;;
    *)
        failed=$((failed + 1))
        sed 's/^/    /' "$place/log"
        echo "FAIL $1"
        ;;
    esac
}

quiet_make() {
    make -s BUILD=build PREFIX="$place/usr" "$@"
}

installs() {
    quiet_make install
    test -f "$place/usr/include/crdtsync.h"
}

write_program() {
    mkdir -p "$place/program"
    cat >"$place/program/main.c" <<'END'
#define CRDTSYNC_IMPLEMENTATION
#include <crdtsync.h>
#include <stdio.h>

int main(void)
{
    puts(crdt_err_name(CRDT_OK));
    return 0;
}
END
    cat >"$place/program/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.10)
project(program C)
find_package(crdtsync 0.1 REQUIRED)
add_executable(program main.c)
target_link_libraries(program crdtsync::crdtsync)
END
}

by_pkg_config() {
    command -v pkg-config || { echo 'no pkg-config here'; return 77; }
    export PKG_CONFIG_PATH=$place/usr/share/pkgconfig
    local version
    version=$(sed -n 's/^#define CRDTSYNC_VERSION "\(.*\)"/\1/p' crdtsync.h)
    test "$(pkg-config --modversion crdtsync)" = "$version"
    ${CC:-cc} -o "$place/by-pkg-config" "$place/program/main.c" \
        $(pkg-config --cflags --libs crdtsync)
    test "$("$place/by-pkg-config")" = CRDT_OK
}

by_cmake() {
    command -v cmake || { echo 'no cmake here'; return 77; }
    cmake -S "$place/program" -B "$place/cmake" \
        -DCMAKE_PREFIX_PATH="$place/usr"
    cmake --build "$place/cmake"
    test "$("$place/cmake/program")" = CRDT_OK
}

cmake_refuses_other_versions() {
    command -v cmake || { echo 'no cmake here'; return 77; }
    sed -i 's/crdtsync 0.1 REQ/crdtsync 99.0 REQ/' \
        "$place/program/CMakeLists.txt"
    ! cmake -S "$place/program" -B "$place/cmake-99" \
        -DCMAKE_PREFIX_PATH="$place/usr"
}

# An example of ours against what is installed, as C and as C++.
example() { # COMPILER...
    export PKG_CONFIG_PATH=$place/usr/share/pkgconfig
    sed 's|"../crdtsync.h"|<crdtsync.h>|' demo/hello.c >"$place/hello.c"
    "$@" -o "$place/hello" "$place/hello.c" $(pkg-config --cflags crdtsync)
    "$place/hello" | grep -i beach
}

example_as_cpp() {
    command -v g++ || { echo 'no g++ here'; return 77; }
    example g++ -std=c++11 -x c++
}

# As FetchContent does with what it has fetched.
by_subdirectory() {
    command -v cmake || { echo 'no cmake here'; return 77; }
    mkdir "$place/fetch"
    cp "$place/program/main.c" "$place/fetch"
    cat >"$place/fetch/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.14)
project(program C)
include(FetchContent)
FetchContent_Declare(crdtsync SOURCE_DIR "$PWD")
FetchContent_MakeAvailable(crdtsync)
add_executable(program main.c)
target_link_libraries(program crdtsync::crdtsync)
END
    cmake -S "$place/fetch" -B "$place/fetched"
    cmake --build "$place/fetched"
    test "$("$place/fetched/program")" = CRDT_OK
}

# An archive that has all, and is the same a second time.
releases() {
    quiet_make release >"$place/first"
    quiet_make release | cmp - "$place/first"
    tar -tzf build/crdtsync-[0-9]*.tar.gz | grep -x '.*/crdtsync.h'
}

obeys_destdir() {
    quiet_make install PREFIX=/opt/x DESTDIR="$place/stage"
    grep -x 'prefix=/opt/x' "$place/stage/opt/x/share/pkgconfig/crdtsync.pc"
}

uninstalls() {
    quiet_make uninstall
    test -z "$(find "$place/usr" -type f)"
}

write_program
try 'make install' installs
try 'pkg-config' by_pkg_config
try 'an example, as C' example "${CC:-cc}"
try 'an example, as C++' example_as_cpp
try 'CMake find_package' by_cmake
try 'CMake FetchContent' by_subdirectory
try 'make release' releases
try 'CMake refuses another version' cmake_refuses_other_versions
try 'DESTDIR' obeys_destdir
try 'make uninstall' uninstalls

((skipped)) && more=", $skipped skipped" || more=
echo "$passed passed, $failed failed$more"
((failed == 0))
