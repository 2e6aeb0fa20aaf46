#!/bin/sh
# SPDX-License-Identifier: MIT
exec mysqld_safe
