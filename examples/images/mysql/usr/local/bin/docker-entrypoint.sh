#!/bin/bash
# SPDX-License-Identifier: MIT
# mysql: prepares the data directory at its first use as the MYSQL_ variables say, then becomes the server.
#
# MYSQL_ROOT_PASSWORD, or MYSQL_ALLOW_EMPTY_PASSWORD, or MYSQL_RANDOM_ROOT_PASSWORD; MYSQL_DATABASE; MYSQL_USER with
# MYSQL_PASSWORD; MYSQL_ROOT_HOST (default: any). Each can come from a file instead: MYSQL_ROOT_PASSWORD_FILE and so on.
# /docker-entrypoint-initdb.d/*.sh and *.sql are run once, in order.
set -eo pipefail

DATADIR=/var/lib/mysql
SOCKET=/run/mysqld/mysqld.sock

note() {
    printf '[Entrypoint] %s\n' "$*"
}

fail() {
    printf '[Entrypoint] ERROR: %s\n' "$@" >&2
    exit 1
}

# from_file NAME: NAME_FILE names a file that holds NAME's value.
from_file() {
    local file=${1}_FILE
    if [ -n "${!file:-}" ]; then
        [ -z "${!1:-}" ] || fail "both $1 and $file are set (but are exclusive)"
        export "$1=$(cat "${!file}")"
        unset "$file"
    fi
}

# A string as SQL writes it.
quoted() {
    local s=${1//\\/\\\\}
    printf "'%s'" "${s//\'/\'\'}"
}

identifier() {
    printf '`%s`' "${1//\`/\`\`}"
}

statements() {
    echo 'FLUSH PRIVILEGES;'
    echo "DELETE FROM mysql.global_priv WHERE User = '';"
    echo 'FLUSH PRIVILEGES;'
    echo "ALTER USER root@localhost IDENTIFIED BY $(quoted "$MYSQL_ROOT_PASSWORD");"
    if [ "$MYSQL_ROOT_HOST" != localhost ]; then
        echo "CREATE USER root@$(quoted "$MYSQL_ROOT_HOST") IDENTIFIED BY $(quoted "$MYSQL_ROOT_PASSWORD");"
        echo "GRANT ALL ON *.* TO root@$(quoted "$MYSQL_ROOT_HOST") WITH GRANT OPTION;"
    fi
    if [ -n "$MYSQL_DATABASE" ]; then
        echo "CREATE DATABASE IF NOT EXISTS $(identifier "$MYSQL_DATABASE");"
    fi
    if [ -n "$MYSQL_USER" ]; then
        echo "CREATE USER $(quoted "$MYSQL_USER")@'%' IDENTIFIED BY $(quoted "$MYSQL_PASSWORD");"
        if [ -n "$MYSQL_DATABASE" ]; then
            # The name of a database is a pattern here.
            local pattern=${MYSQL_DATABASE//_/\\_}
            echo "GRANT ALL ON $(identifier "${pattern//%/\\%}").* TO $(quoted "$MYSQL_USER")@'%';"
        fi
    fi
}

initialise() {
    local server file client=(mariadb --protocol=socket -uroot --socket="$SOCKET")
    note 'Initializing database files'
    mariadb-install-db --user=mysql --datadir="$DATADIR" --auth-root-authentication-method=normal \
        --skip-test-db --skip-log-bin >/dev/null
    note 'Database files initialized'
    # Only reachable from in here, until everything is said.
    "$@" --user=mysql --datadir="$DATADIR" --socket="$SOCKET" --skip-networking >/dev/null 2>&1 &
    server=$!
    until "${client[@]}" -e 'SELECT 1' >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || fail 'Unable to start server.'
        sleep 0.1
    done
    statements | "${client[@]}"
    client+=("${MYSQL_DATABASE:-mysql}")
    export MYSQL_PWD=$MYSQL_ROOT_PASSWORD
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) note "running $file"; bash "$file" ;;
        *.sql) note "running $file"; "${client[@]}" <"$file" ;;
        *.sql.gz) note "running $file"; gzip -dc "$file" | "${client[@]}" ;;
        esac
    done
    "${client[@]}" -e SHUTDOWN
    unset MYSQL_PWD
    wait "$server"
    note 'MySQL init process done. Ready for start up.'
}

# Options alone are the server's.
case ${1:-} in
-* | '') set -- mysqld "$@" ;;
esac

if [ "$1" = mysqld ]; then
    for name in MYSQL_ROOT_PASSWORD MYSQL_ROOT_HOST MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD; do
        from_file "$name"
    done
    if [ ! -d "$DATADIR/mysql" ]; then
        if [ -z "$MYSQL_ROOT_PASSWORD$MYSQL_ALLOW_EMPTY_PASSWORD$MYSQL_RANDOM_ROOT_PASSWORD" ]; then
            fail 'Database is uninitialized and password option is not specified' \
                'You need to specify one of MYSQL_ROOT_PASSWORD, MYSQL_ALLOW_EMPTY_PASSWORD and MYSQL_RANDOM_ROOT_PASSWORD'
        fi
        if [ -n "$MYSQL_USER" ] && [ -z "$MYSQL_PASSWORD" ]; then
            fail 'MYSQL_USER is set, but MYSQL_PASSWORD is not'
        fi
        if [ "$MYSQL_USER" = root ]; then
            fail 'MYSQL_USER=root: root exists; its password is MYSQL_ROOT_PASSWORD'
        fi
        if [ -n "$MYSQL_RANDOM_ROOT_PASSWORD" ]; then
            MYSQL_ROOT_PASSWORD=$(head -c 18 /dev/urandom | base64)
            note "GENERATED ROOT PASSWORD: $MYSQL_ROOT_PASSWORD"
        fi
        : "${MYSQL_ROOT_HOST:=%}"
        chown mysql:mysql "$DATADIR" /run/mysqld
        initialise "$@"
    fi
    chown mysql:mysql /run/mysqld
    set -- "$@" --user=mysql --datadir="$DATADIR" --socket="$SOCKET"
fi
exec "$@"
