<?php
// SPDX-License-Identifier: MIT
// Waits for the database server and makes sure that the database exists.

const PATIENCE = 90;

mysqli_report(MYSQLI_REPORT_OFF);
[$host, $port] = explode(':', getenv('WORDPRESS_DB_HOST'), 2) + [1 => ''];
$socket = null;
if ($port !== '' && !ctype_digit($port)) {
	$socket = $port;
	$port = '';
}
$name = getenv('WORDPRESS_DB_NAME');
$last = '';
for ($end = time() + PATIENCE; ; sleep(1)) {
	$db = @new mysqli($host, getenv('WORDPRESS_DB_USER'), getenv('WORDPRESS_DB_PASSWORD'), '', (int)$port, $socket);
	if (!$db->connect_error) {
		break;
	}
	if ($db->connect_error !== $last) {
		$last = $db->connect_error;
		fwrite(STDERR, "Waiting for the database: ($db->connect_errno) $last\n");
	}
	if (time() >= $end) {
		fwrite(STDERR, "error: no database at $host after " . PATIENCE . " seconds\n");
		exit(1);
	}
}
// A user who may not create one may have been given one.
if (!$db->select_db($name) && !$db->query('CREATE DATABASE IF NOT EXISTS `' . str_replace('`', '``', $name) . '`')) {
	fwrite(STDERR, "error: the database $name cannot be made: $db->error\n");
	exit(1);
}
