#!/bin/sh
# The main job, shown: builds Dhow, makes three images and runs the book's website monitor on them.
set -eu
cd "$(dirname "$0")"
scripts/deps build demo
scripts/build
exec scripts/demo
