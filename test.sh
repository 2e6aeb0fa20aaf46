#!/bin/sh
# Builds everything and runs every test: one line a test, and at the end "N passed, N failed".
#   ./test.sh [unit] [system] [book] [runtime] [torture]    only these (default: all)
set -eu
cd "$(dirname "$0")"
scripts/deps build test examples
exec scripts/run-tests "$@"
