<?php
// Made by docker-entrypoint.sh. What the container's environment says is read at each request.

define('DB_NAME', getenv('WORDPRESS_DB_NAME'));
define('DB_USER', getenv('WORDPRESS_DB_USER'));
define('DB_PASSWORD', getenv('WORDPRESS_DB_PASSWORD'));
define('DB_HOST', getenv('WORDPRESS_DB_HOST'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');

define('AUTH_KEY', getenv('WORDPRESS_AUTH_KEY') ?: '@RANDOM@');
define('SECURE_AUTH_KEY', getenv('WORDPRESS_SECURE_AUTH_KEY') ?: '@RANDOM@');
define('LOGGED_IN_KEY', getenv('WORDPRESS_LOGGED_IN_KEY') ?: '@RANDOM@');
define('NONCE_KEY', getenv('WORDPRESS_NONCE_KEY') ?: '@RANDOM@');
define('AUTH_SALT', getenv('WORDPRESS_AUTH_SALT') ?: '@RANDOM@');
define('SECURE_AUTH_SALT', getenv('WORDPRESS_SECURE_AUTH_SALT') ?: '@RANDOM@');
define('LOGGED_IN_SALT', getenv('WORDPRESS_LOGGED_IN_SALT') ?: '@RANDOM@');
define('NONCE_SALT', getenv('WORDPRESS_NONCE_SALT') ?: '@RANDOM@');

$table_prefix = getenv('WORDPRESS_TABLE_PREFIX') ?: 'wp_';

// HTTP/1.0 has no such header; WordPress reads it all the same.
$_SERVER['HTTP_HOST'] ??= 'localhost';

// The port that the site is published on is another one after each new container: the address is the visitor's.
if (preg_match('/^[A-Za-z0-9.-]+(:[0-9]+)?$/', $_SERVER['HTTP_HOST'])) {
	define('WP_HOME', 'http://' . $_SERVER['HTTP_HOST']);
	define('WP_SITEURL', WP_HOME);
}

// Neither the machine that tests this nor a read-only container can be updated from the network.
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_DEBUG', false);

if (!defined('ABSPATH')) {
	define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
