#!/bin/sh
# SPDX-License-Identifier: MIT
# wordpress:4: refuses to start without a database, whatever it was asked to run.

if [ -z "$WORDPRESS_DB_HOST" ] && [ -z "$MYSQL_PORT_3306_TCP" ]; then
    echo >&2 'error: missing WORDPRESS_DB_HOST and MYSQL_PORT_3306_TCP environment variables'
    echo >&2 '  Did you forget to --link some_mysql_container:mysql or set an external db'
    echo >&2 '  with -e WORDPRESS_DB_HOST=hostname:port?'
    exit 1
fi
exec docker-entrypoint.sh "$@"
