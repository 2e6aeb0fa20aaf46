#!/bin/sh
# SPDX-License-Identifier: MIT
. /etc/apache2/envvars
exec apache2 -D FOREGROUND
