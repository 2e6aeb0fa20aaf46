# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# What all clients share: one MySQL and one mailer. Read it into your shell, `. ./start-shared.sh`: the scripts for the
# clients take the two IDs from the environment.

export DB_CID=$(dhow run -d --restart always -e MYSQL_ROOT_PASSWORD=ch2demo mysql:5.7)

export MAILER_CID=$(dhow run -d dockerinaction/ch2_mailer)
