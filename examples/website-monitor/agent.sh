#!/bin/sh
# SPDX-License-Identifier: MIT
# dockerinaction/ch2_agent: asks the web server for its page every second; when it does not answer, tells
# the mailer and ends. The two are reached by the names that --link gave them.

trap 'exit 0' TERM INT

while :; do
    if printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 2 insideweb 80 2>/dev/null | grep -q '200 OK'; then
        echo 'System up.'
    else
        echo 'System down.'
        printf 'To: admin@work  Message: The service is down!' | nc -w 5 insidemailer 33333
        exit 1
    fi
    sleep 1 &
    wait "$!"
done
