#!/bin/bash
# SPDX-License-Identifier: MIT
# tutum/lamp: makes the database at its first use, then becomes the supervisor of Apache and MySQL.
set -eu

if [ ! -d /var/lib/mysql/mysql ]; then
    echo '=> An empty or uninitialized MySQL volume is detected in /var/lib/mysql'
    echo '=> Installing MySQL ...'
    password=${MYSQL_PASS:-$(od -An -N 6 -tx8 /dev/urandom | tr -d ' ')}
    chown mysql:mysql /var/lib/mysql
    mariadb-install-db --user=mysql --skip-test-db >/dev/null
    mariadbd --bootstrap --user=mysql --log-warnings=0 <<-END >/dev/null 2>&1
	FLUSH PRIVILEGES;
	CREATE USER admin@'%' IDENTIFIED BY '${password//\'/\'\'}';
	GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION;
	CREATE USER 'www-data'@localhost IDENTIFIED VIA unix_socket;
	END
    echo '=> Done!'
    echo "You can now connect to this MySQL Server using: mysql -uadmin -p$password -h<host> -P<port>"
else
    echo '=> Using an existing volume of MySQL'
fi
exec supervisord -n -c /etc/supervisor/supervisord.conf
