<?php $db = @mysqli_connect('localhost', 'www-data'); ?>
<!DOCTYPE html>
<title>Hello world!</title>
<h1>Hello world!</h1>
<p>Apache and PHP <?= PHP_VERSION ?> serve this page.</p>
<p>MySQL: <?= $db ? htmlspecialchars(mysqli_get_server_info($db)) : 'no answer' ?></p>
