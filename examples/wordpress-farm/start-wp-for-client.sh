#!/bin/sh
# SPDX-License-Identifier: MIT
# A client's site and the agent that watches it: CLIENT_ID=dockerinaction ./start-wp-for-client.sh

if [ -z "$CLIENT_ID" ]; then
    echo "Client ID not set"
    exit 1
fi

WP_CID=$(dhow create \
    --link "$DB_CID":mysql \
    --name "wp_$CLIENT_ID" \
    -p 80 \
    --restart always \
    --read-only -v /run/apache2/ --tmpfs /tmp \
    -e WORDPRESS_DB_NAME="$CLIENT_ID" \
    --read-only wordpress:5.0.0-php7.2-apache)

dhow start "$WP_CID"

AGENT_CID=$(dhow create \
    --name "agent_$CLIENT_ID" \
    --link "$WP_CID":insideweb \
    --link "$MAILER_CID":insidemailer \
    dockerinaction/ch2_agent)

dhow start "$AGENT_CID"
