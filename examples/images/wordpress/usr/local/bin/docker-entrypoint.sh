#!/bin/bash
# SPDX-License-Identifier: MIT
# wordpress: fills /var/www/html at its first use, finds its database, then becomes the given command.
#
# WORDPRESS_DB_HOST, _USER, _PASSWORD, _NAME, WORDPRESS_TABLE_PREFIX, and the eight keys and salts; or the variables
# that a link called "mysql" brings. With none of them WordPress asks for its database in the browser.
set -euo pipefail

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

copy_wordpress() {
    echo "WordPress not found in $PWD - copying now..." >&2
    if [ -n "$(ls -A)" ]; then
        echo "WARNING: $PWD is not empty! (copying anyhow)" >&2
    fi
    cp -a /usr/src/wordpress/. .
    echo "Complete! WordPress has been successfully copied to $PWD" >&2
}

# A link tells where its server listens and, in its server's own environment, the passwords.
find_database() {
    local host=${WORDPRESS_DB_HOST:-}
    if [ -z "$host" ] && [ -n "${MYSQL_PORT_3306_TCP:-}" ]; then
        host=mysql
    fi
    [ -n "$host" ] || return 1
    : "${WORDPRESS_DB_USER:=${MYSQL_ENV_MYSQL_USER:-root}}"
    if [ "$WORDPRESS_DB_USER" = root ]; then
        : "${WORDPRESS_DB_PASSWORD:=${MYSQL_ENV_MYSQL_ROOT_PASSWORD:-}}"
    else
        : "${WORDPRESS_DB_PASSWORD:=${MYSQL_ENV_MYSQL_PASSWORD:-}}"
    fi
    : "${WORDPRESS_DB_NAME:=${MYSQL_ENV_MYSQL_DATABASE:-wordpress}}"
    if [ -z "$WORDPRESS_DB_PASSWORD" ] && [ -z "${MYSQL_ENV_MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
        fail 'error: missing required WORDPRESS_DB_PASSWORD environment variable' \
            '  Did you forget to -e WORDPRESS_DB_PASSWORD=... ?' '' \
            '  (Also of interest might be WORDPRESS_DB_USER and WORDPRESS_DB_NAME.)'
    fi
    WORDPRESS_DB_HOST=$host
    export WORDPRESS_DB_HOST WORDPRESS_DB_USER WORDPRESS_DB_PASSWORD WORDPRESS_DB_NAME
}

# The keys that nobody gave are made once, with the file.
write_config() {
    local line key
    while IFS= read -r line; do
        while [[ $line == *@RANDOM@* ]]; do
            key=$(od -An -N 32 -tx8 /dev/urandom | tr -d ' \n')
            line=${line/@RANDOM@/$key}
        done
        printf '%s\n' "$line"
    done </usr/local/share/wordpress/wp-config.php >wp-config.new
    chown www-data:www-data wp-config.new
    chmod 640 wp-config.new
    mv wp-config.new wp-config.php
}

if [[ ${1:-} == apache2* ]]; then
    [ -e wp-includes/version.php ] || copy_wordpress
    if find_database; then
        [ -e wp-config.php ] || write_config
        php /usr/local/share/wordpress/create-database.php
    fi
fi
exec "$@"
