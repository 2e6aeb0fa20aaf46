#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh - the book's WordPress farm, from the first command to the last: one database and one mailer, and for each of
# two clients a site and an agent that watches it. Every command is shown with its output, every output is checked; engine
# and registry are their own and leave nothing behind.
#
# With KEEP=1 the farm stays until Enter is pressed: look at the sites in a browser.
set -uo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib.sh
. "$HERE/../../scripts/lib.sh"
# shellcheck source=scripts/shown.sh
. "$ROOT/scripts/shown.sh"

CLIENTS=(dockerinaction acme)

shown_engine dhow-farm
# The scripts are the book's, with `dhow` for `docker`; the client behind that word is the chosen one.
NAME=dhow
cd "$HERE" || exit 1

shown_stop() {
    "$ROOT/examples/images/registry" stop "$E_DIR/registry"
}

# site CLIENT: the address that its container is published on.
site() {
    printf 'http://127.0.0.1:%s/' "$(dhow port "wp_$1" 80 | sed -n '1s/.*://p')"
}

# until_page CLIENT REGEX: the site answers with 200 and that text, after its redirections, within a minute.
until_page() {
    local end=$((SECONDS + 60))
    until grep -qE -- "$2" <<<"$(curl -fsSL --max-time 10 "$(site "$1")" 2>/dev/null)"; do
        ((SECONDS < end)) || failed "the site of $1 does not show: $2"
        sleep 0.2
    done
}

say "The images, made from Debian's packages (a few minutes the first time), in a registry that stands for docker.io"
mirror=$("$ROOT/examples/images/registry" start "$E_DIR/registry") || failed "there is no registry"
engine_start --registry-mirror "$mirror" || failed "the daemon does not start"

say "What all clients share"
# Not by `shown`: this shell must learn the two IDs.
SHOWN='. ./start-shared.sh'
printf '\n$ %s\n' "$SHOWN"
# shellcheck source=examples/wordpress-farm/start-shared.sh
. ./start-shared.sh
{ [ -n "$DB_CID" ] && [ -n "$MAILER_CID" ]; } || failed "there are no IDs"

say "Nobody is provisioned without a name"
SHOWN='./start-wp-for-client.sh'
./start-wp-for-client.sh >"$OUT" && failed "it should have been refused"
must_show '^Client ID not set$'

for client in "${CLIENTS[@]}"; do
    say "The client $client"
    shown "CLIENT_ID=$client ./start-wp-for-client.sh"
done

for client in "${CLIENTS[@]}"; do
    until_page "$client" '<title>WordPress .* Installation</title>'
    until_log "agent_$client" '^System up\.'
done
show 'ps'
for client in "${CLIENTS[@]}"; do
    must_show " Up .* wp_$client *\$"
    must_show " Up .* agent_$client *\$"
    printf '\n%s: %s asks for its installation, its agent says "System up."\n' "$client" "$(site "$client")"
done

if [ -n "${KEEP:-}" ]; then
    read -r -p 'Press Enter to go on. ' </dev/tty
fi

say "A site is stopped: its agent notices, the mailer writes"
show "stop wp_${CLIENTS[0]}"
until_log "$MAILER_CID" 'Sending email'
show "logs $MAILER_CID"
must_show '^Sending email: To: admin@work  Message: The service is down!'
until_page "${CLIENTS[1]}" '<title>WordPress .* Installation</title>'
echo
echo "The other client's site answers as before."

say "Cleaning up"
show 'rm -vf $(dhow ps -a -q)'
shown_end
printf '\nThe WordPress farm works.\n'
