#!/bin/sh
# SPDX-License-Identifier: MIT
# One client's whole system: database, mailer, site and agent, all with generated names. It can be run again and again.

DB_CID=$(dhow create -e MYSQL_ROOT_PASSWORD=ch2demo mysql:5.7)

dhow start "$DB_CID"

MAILER_CID=$(dhow create dockerinaction/ch2_mailer)
dhow start "$MAILER_CID"

WP_CID=$(dhow create --link "$DB_CID":mysql -p 80 \
    --read-only -v /run/apache2/ --tmpfs /tmp \
    wordpress:5.0.0-php7.2-apache)

dhow start "$WP_CID"

AGENT_CID=$(dhow create --link "$WP_CID":insideweb \
    --link "$MAILER_CID":insidemailer \
    dockerinaction/ch2_agent)

dhow start "$AGENT_CID"
