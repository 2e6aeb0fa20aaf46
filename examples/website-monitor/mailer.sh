#!/bin/sh
# SPDX-License-Identifier: MIT
# dockerinaction/ch2_mailer: takes one message a connection on port 33333 and "sends" it.

# As PID 1 a shell has no default action for SIGTERM; without this, `stop` would have to wait and kill.
trap 'kill "$nc"; exit 0' TERM INT

# An input that never ends: at the end of its input nc tells the other side so, which would then hang up,
# perhaps before it has said its message.
[ -p /tmp/silence ] || mkfifo /tmp/silence
exec 3<>/tmp/silence

echo "CH2 Example Mailer has started."
while :; do
    nc -l -p 33333 <&3 >/tmp/message &
    nc=$!
    wait "$nc"
    printf 'Sending email: %s\n' "$(cat /tmp/message)"
done
