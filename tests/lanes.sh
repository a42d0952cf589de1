#!/usr/bin/env bash
# Every test, in two lanes beside each other: real parts mostly wait, so two cores do both in the time of one.
#   tests/lanes.sh PYTHON [pytest's arguments]
# The first lane is seen as it goes, the second when it has ended. Exit status: 0 only when both lanes passed.
set -uo pipefail
cd "$(dirname "$0")/.."
python=$1; shift
said=$(mktemp)
trap 'rm -f "$said"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM

lane() {  # NAME [arguments]: one lane (tests/conftest.py), with a cache of its own
  local name=$1; shift
  "$python" -m pytest --lane "$name" -o cache_dir=".pytest_cache/$name" "$@"
}

lane rest "$@" >"$said" 2>&1 &
rest=$!
echo "== Lane 1 of 2: the parts, the whole product over SIP, vectors"
lane parts "$@"
first=$?
wait "$rest"
second=$?
echo "== Lane 2 of 2: unit and house tests, properties, real browsers, network namespaces, one whole installation"
cat "$said"
verdict() { [ "$1" = 0 ] && echo passed || echo "FAILED (exit status $1)"; }
echo "== Lane 1 $(verdict $first), lane 2 $(verdict $second)"
[ "$first" = 0 ] && [ "$second" = 0 ]
