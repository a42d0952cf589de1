#!/usr/bin/env bash
# Everything a fresh Debian 12 needs, as root or with sudo; quick when it is all there.
# usage: deploy/setup.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
say() { printf 'setup: %s\n' "$*" >&2; }

# Debian packages. Their own daemons stay off: Quietline starts its own.
wanted=$(sed 's/#.*//' deploy/packages.txt | xargs)
missing=()
for package in $wanted; do
  # a node that came another way is as good as Debian's
  case $package in nodejs) command -v node >/dev/null && continue ;; npm) command -v npm >/dev/null && continue ;; esac
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  if [ -d /run/systemd/system ]; then
    as_root systemctl mask kamailio rtpengine-daemon ngcp-rtpengine-daemon coturn stunnel4 >/dev/null 2>&1 || true
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# A user id for each process.
for part in vault edge relay call web shop; do
  id "quietline-$part" >/dev/null 2>&1 ||
    as_root useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "quietline-$part"
done

# The locked Python environment; made anew only when a lock changes.
locks=$(cat requirements/*.txt | sha256sum | cut -d' ' -f1)
if [ "$(cat "$venv/.locks" 2>/dev/null)" != "$locks" ]; then
  say "Python environment in $venv"
  mkdir -p "$(dirname "$venv")" 2>/dev/null || as_root install -d -o "$(id -u)" "$(dirname "$venv")"
  rm -rf "$venv"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" install -q --require-hashes -r requirements/uv.txt
  "$venv/bin/uv" pip install -q --python "$venv/bin/python" --require-hashes --compile-bytecode -r requirements/dev.txt
  printf '%s' "$locks" > "$venv/.locks"
fi

# The softphone's bundle.
bundle=src/quietline/web/static/bundle
front=$(cat package-lock.json package.json $(find src/quietline/web/frontend -type f | sort) | sha256sum | cut -d' ' -f1)
if [ "$(cat $bundle/.stamp 2>/dev/null)" != "$front" ]; then
  say "softphone bundle"
  npm ci --silent --no-audit --no-fund >&2
  npm run --silent build >&2
  printf '%s' "$front" > $bundle/.stamp
fi

# The package itself: editable where the parts' users can enter this folder, else a copy with its bundle.
install=("$venv/bin/uv" pip install -q --python "$venv/bin/python" --no-deps --no-build-isolation)
project=$(sha256sum pyproject.toml | cut -d' ' -f1)
case $venv in
  "$PWD"/*)
    if [ "$(cat "$venv/.project" 2>/dev/null)" != "$project" ]; then
      "${install[@]}" -e .
      printf '%s' "$project" > "$venv/.project"
    fi
    ;;
  *) "${install[@]}" --reinstall-package quietline . ;;
esac
