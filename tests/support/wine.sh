#!/bin/sh
# wine.sh DIRECTORY PROGRAM.exe ARGS...: runs a program for Windows under Debian 12's wine64 (apt-get install wine64 lld clang).
#
# Deno's runtime needs two functions of Windows that Wine 8 lacks or implements differently:
# - ProcessPrng of bcryptprimitives.dll: a library beside the program calls advapi32's random numbers;
# - VirtualAlloc2, with placeholders: without that name in kernelbase.dll, V8 does without. The changed library is mounted over Wine's in
#   a mount namespace of this process, which takes root, or a system that allows users namespaces.
#
# DIRECTORY keeps the prefix, which the first call makes, and the libraries. The program's directory must be writable.
set -eu
here=$1
program=$2
shift 2
builtin=$(dpkg -L libwine 2>/dev/null | grep '/x86_64-windows/kernelbase\.dll$')
wine=$(dpkg -L wine64 2>/dev/null | grep '/wine/wine64$')

if [ ! -e "$here/kernelbase.dll" ]; then
  mkdir -p "$here"
  printf '' | clang --target=x86_64-pc-windows-msvc -c -x c - -o "$here/empty.obj"
  lld-link /dll /noentry /machine:x64 /nodefaultlib "/out:$here/bcryptprimitives.dll" \
    /export:ProcessPrng=advapi32.SystemFunction036 "$here/empty.obj"
  # The loader needs sorted names.
  LC_ALL=C sed 's/VirtualAlloc2\x00/VirtualAlloc1\x00/g' "$builtin" >"$here/kernelbase.new"
  mv "$here/kernelbase.new" "$here/kernelbase.dll"
fi
# A program of Wine's own (`cmd`) has no path.
case $program in
  */*)
    beside=$(dirname "$program")/bcryptprimitives.dll
    [ -e "$beside" ] || cp "$here/bcryptprimitives.dll" "$beside"
    ;;
esac

export WINEPREFIX="$here/prefix" WINEDEBUG="${WINEDEBUG:--all}" HOME="$here"
namespace=--mount
[ "$(id -u)" = 0 ] || namespace='--mount --map-root-user'
# shellcheck disable=SC2016,SC2086 -- the inner shell expands its own arguments; the namespace's flags are words
exec unshare $namespace sh -c 'mount --bind "$1" "$2"; shift 2; exec "$@"' sh \
  "$here/kernelbase.dll" "$builtin" "$wine" "$program" "$@"
