# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# shown.sh - what the demo and the examples share: an engine of their own, and commands that are shown with their
# output, which is checked. Loaded after lib.sh.

# shown_engine NAME: prepares the engine, in /tmp/NAME.*; start it with engine_start.
shown_engine() {
    need_root
    engine_prepare "$(mktemp -d "/tmp/$1.XXXXXX")"
    OUT=$E_DIR/out
    NAME=$CLI
    SHOWN=
    trap shown_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# What else an example has to end; called before the engine is taken away.
shown_stop() {
    :
}

shown_cleanup() {
    local status=$?
    trap - EXIT INT TERM
    shown_stop
    engine_destroy
    exit "$status"
}

# The good end: takes everything away and looks that it is gone.
shown_end() {
    shown_stop
    engine_destroy
    [ ! -e "$E_DIR" ] || failed "$E_DIR is left"
    [ ! -e "/sys/class/net/$E_BRIDGE" ] || failed "the bridge $E_BRIDGE is left"
    trap - EXIT
}

failed() {
    printf '\n*** FAILED: %s\n' "$*" >&2
    printf '*** after: %s\n' "$SHOWN" >&2
    [ ! -s "$E_LOG" ] || { echo '*** the daemon said:' >&2; tail -n 20 "$E_LOG" >&2; }
    exit 1
}

say() {
    printf '\n# %s\n' "$*"
}

# shown 'COMMAND LINE': shows it as typed, runs it, shows and keeps what it says.
shown() {
    SHOWN=$1
    printf '\n$ %s\n' "$SHOWN"
    eval "$1" 2>&1 | tee "$OUT"
    [ "${PIPESTATUS[0]}" = 0 ] || failed "exit code ${PIPESTATUS[0]}"
}

# show 'COMMAND': the client's.
show() {
    shown "$NAME $1"
}

# on_terminal 'COMMAND' STEPS...: the same on a terminal of its own (steps as in scripts/on-pty).
on_terminal() {
    local command=$1
    shift
    SHOWN="$NAME $command"
    printf '\n$ %s\n' "$SHOWN"
    # shellcheck disable=SC2086
    "$ROOT/scripts/on-pty" "$@" -- "$NAME" $command | tee "$OUT"
    [ "${PIPESTATUS[0]}" = 0 ] || failed "it did not go as expected"
}

must_show() {
    grep -qE -- "$1" "$OUT" || failed "its output lacks: $1"
}

# until_log NAME REGEX: the log of a container will show it within two minutes, on a busy machine, too.
until_log() {
    until_so "the log of $1 does not show: $2" sh -c 'docker logs "$1" 2>&1 | grep -qE -- "$2"' sh "$1" "$2"
}

# until_so COMPLAINT COMMAND...
until_so() {
    local end=$((SECONDS + 120)) complaint=$1
    shift
    until "$@"; do
        ((SECONDS < end)) || failed "$complaint"
        sleep 0.1
    done
}
