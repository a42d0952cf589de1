#!/usr/bin/env bash
# Where the Python environment goes: here, or below /opt where the parts' own users cannot enter this folder.
cd "$(dirname "$0")/.."
path=$PWD
while [ "$path" != / ]; do
  case $(stat -c %A "$path") in
    *x | *t) path=$(dirname "$path") ;;
    *) echo "/opt/quietline/venv-$(printf %s "$PWD" | sha256sum | cut -c1-12)"; exit ;;
  esac
done
echo "$PWD/.venv"
