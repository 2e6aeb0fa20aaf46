#!/bin/sh
# SPDX-License-Identifier: MIT
# dockerinaction/ch2_agent: asks the web server for its page every second; when it does not answer, tells
# the mailer and ends. The two are reached by the names that --link gave them. A site that was started just before and
# makes its database first has a minute to answer for the first time.

trap 'exit 0' TERM INT

# A redirection is an answer, too: WordPress sends its first visitor to its installation.
answers() {
    printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 2 insideweb 80 2>/dev/null | grep -q '^HTTP/1\.[01] [23]'
}

patience=60
while :; do
    if answers; then
        echo 'System up.'
        patience=0
    elif [ "$patience" -gt 0 ]; then
        patience=$((patience - 1))
    else
        echo 'System down.'
        printf 'To: admin@work  Message: The service is down!' | nc -w 5 insidemailer 33333
        exit 1
    fi
    sleep 1 &
    wait "$!"
done
