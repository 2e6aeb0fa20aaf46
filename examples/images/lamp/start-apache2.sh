#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck source=/dev/null
. /etc/apache2/envvars
exec apache2 -D FOREGROUND
