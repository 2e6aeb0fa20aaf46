#!/bin/sh
# SPDX-License-Identifier: MIT
# dockerinaction/ch5_ff: fails fast when it was started without a link called "database".

if [ -z "${DATABASE_PORT+x}" ]; then
    echo "Link alias 'database' was not set!"
    exit
fi
exec "$@"
