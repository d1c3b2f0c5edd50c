#!/bin/sh
# Installs krew-wasm @VERSION@ without root, or removes it:
#
#   curl -fsSL @DOWNLOADS@/install.sh | sh
#   curl -fsSL @DOWNLOADS@/install.sh | sh -s -- --uninstall
#
# --dir DIRECTORY (or KREW_WASM_INSTALL_DIR) is where the program goes: ~/.local/bin without it.
# KREW_WASM_DOWNLOADS is another place of the archives. Their digests are in this file.
set -eu

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

digest_of() {
  case $1 in
@DIGESTS@
    *) fail "there is no krew-wasm for $1" ;;
  esac
}

platform() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=macos ;;
    *) fail "there is no krew-wasm for $(uname -s) here; on Windows use install.ps1" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "there is no krew-wasm for the processor $(uname -m)" ;;
  esac
  # A shell that Rosetta translates says x86_64 on Apple silicon.
  if [ "$os-$arch" = macos-x64 ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null || true)" = 1 ]; then arch=arm64; fi
  [ "$os" != linux ] || check_libc
}

check_libc() {
  if version=$(getconf GNU_LIBC_VERSION 2>/dev/null); then
    version=${version#glibc }
    major=${version%%.*} minor=${version#*.}
    if [ "$major" -lt 2 ] || { [ "$major" -eq 2 ] && [ "${minor%%.*}" -lt 27 ]; }; then
      fail "krew-wasm needs glibc 2.27 or later, this system has $version"
    fi
  elif ls /lib/ld-musl-* >/dev/null 2>&1; then
    fail "krew-wasm needs glibc, and this system has musl (Alpine?). Use the container image, or a system such as Debian"
  fi
}

download() {
  if command -v curl >/dev/null; then
    curl -fsSL --retry 3 -o "$2" "$1" || fail "cannot download $1"
  elif command -v wget >/dev/null; then
    wget -q -O "$2" "$1" || fail "cannot download $1"
  else
    fail "needs curl or wget"
  fi
}

sha256_of() {
  if command -v sha256sum >/dev/null; then
    sha256sum "$1"
  else
    shasum -a 256 "$1"
  fi | cut -d ' ' -f 1
}

install_program() {
  platform
  name=krew-wasm-@VERSION@-$os-$arch
  expected=$(digest_of "$os-$arch")
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  download "$downloads/$name.tar.gz" "$work/archive"
  found=$(sha256_of "$work/archive")
  [ "$found" = "$expected" ] ||
    fail "$downloads/$name.tar.gz is not what was released: its SHA-256 is $found, not $expected"
  tar -xzf "$work/archive" -C "$work"
  mkdir -p "$directory"
  # By a rename, so that a program that runs is not changed.
  cp "$work/$name/krew-wasm" "$directory/.krew-wasm.$$"
  chmod 755 "$directory/.krew-wasm.$$"
  mv "$directory/.krew-wasm.$$" "$directory/krew-wasm"
  ln -sf krew-wasm "$directory/kubectl-wasm"
  "$directory/krew-wasm" version >/dev/null || fail "$directory/krew-wasm does not start"
  echo "Installed krew-wasm @VERSION@ to $directory/krew-wasm"
  case :$PATH: in
    *:"$directory":*) ;;
    *) echo "It is not on your PATH yet. Add this line to your shell's start-up file:
  export PATH=\"$directory:\$PATH\"" ;;
  esac
}

uninstall_program() {
  [ -f "$directory/krew-wasm" ] || fail "there is no krew-wasm in $directory"
  rm -f "$directory/krew-wasm"
  if [ "$(readlink "$directory/kubectl-wasm" 2>/dev/null || true)" = krew-wasm ]; then rm -f "$directory/kubectl-wasm"; fi
  echo "Removed $directory/krew-wasm. Your plugins and their data are still in ~/.krew-wasm; remove that directory if you no longer want them."
}

main() {
  directory=${KREW_WASM_INSTALL_DIR:-$HOME/.local/bin}
  downloads=${KREW_WASM_DOWNLOADS:-@DOWNLOADS@}
  action=install_program
  while [ $# -gt 0 ]; do
    case $1 in
      --uninstall) action=uninstall_program ;;
      --dir)
        [ $# -gt 1 ] || fail "--dir needs a directory"
        directory=$2
        shift
        ;;
      *) fail "unknown option $1; there are --dir DIRECTORY and --uninstall" ;;
    esac
    shift
  done
  case $directory in /*) ;; *) directory=$PWD/$directory ;; esac
  $action
}

# Nothing runs before the whole file is here.
main "$@"
