#!/usr/bin/env bash
# Installs krew-wasm VERSION for the steps that follow, and the plugins of the lock file LOCK. KREW_WASM_DOWNLOADS is another place of
# the release.
set -euo pipefail
[[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || { echo "::error::\"$VERSION\" is not a version" && exit 1; }
downloads=${KREW_WASM_DOWNLOADS:-https://github.com/$GITHUB_ACTION_REPOSITORY/releases/download/v$VERSION}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
curl -fsSL --retry 3 -o "$work/install.sh" "$downloads/install.sh"
if [ -z "${KREW_WASM_DOWNLOADS:-}" ]; then
  gh attestation verify "$work/install.sh" --repo "$GITHUB_ACTION_REPOSITORY"
fi
bin=$HOME/.local/share/krew-wasm-action/bin
KREW_WASM_DOWNLOADS=$downloads sh "$work/install.sh" --dir "$bin"
printf '%s\n' "$bin" "$HOME/.krew-wasm/bin" >>"$GITHUB_PATH"
if [ -n "$LOCK" ]; then "$bin/krew-wasm" sync "$LOCK"; fi
