#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# A Hugging Face Hub for tests, with bad manners on demand: perl hub.pl DIR
#
# Serves DIR/files/REPO/PATH as /REPO/resolve/REVISION/PATH on one port of 127.0.0.1; *.safetensors are
# redirected to the other port, as the Hub does with large files. DIR/ports gets both numbers. DIR/log
# gets a line a request: hub|data METHOD PATH RANGE TOKEN. DIR/mode holds what is to go wrong, and how
# often: `cut 5000 2`; nothing or `plain`: all is well.
use strict;
use warnings;
use Digest::SHA qw(sha1_hex sha256_hex);
use IO::Select;
use IO::Socket::INET;

my $dir = shift;
my %port = map { $_ => IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1', ReuseAddr => 1) || die } qw(hub data);
$SIG{CHLD} = 'IGNORE';

sub slurp { open my $f, '<:raw', $_[0] or return undef; local $/; return scalar <$f> }
sub spew { my ($f, $text) = @_; open my $o, '>:raw', "$f.new" or die; print $o $text; close $o; rename "$f.new", $f }

# What goes wrong now; a counted one is used up by each answer with a body.
sub mode
{
	my ($use) = @_;
	my @words = split ' ', slurp("$dir/mode") // '';
	my ($what, $arg, $times) = @words;
	return ('plain', 0) if !$what || (defined $times && $times <= 0);
	spew("$dir/mode", "$what $arg " . ($times - 1)) if $use && defined $times;
	return ($what, $arg // 0);
}

sub answer
{
	my ($c, $code, $head, $body, $only_head) = @_;
	my %h = ('Content-Length' => length($body), Connection => 'close', %$head);
	print $c "HTTP/1.1 $code x\r\n", (map { "$_: $h{$_}\r\n" } sort keys %h), "\r\n";
	print $c $body unless $only_head;
}

sub serve
{
	my ($c, $at) = @_;
	my ($method, $url) = split ' ', scalar(<$c>) // return;
	my %in;
	while (defined(my $line = <$c>)) {
		$line =~ s/\r?\n$//;
		last if $line eq '';
		$in{lc $1} = $2 if $line =~ /^([^:]+):\s*(.*)$/;
	}
	my $token = ($in{authorization} // '-') =~ s/^Bearer //r;
	open my $log, '>>', "$dir/log" or die;
	syswrite $log, join(' ', $at, $method, $url, ($in{range} // '-') . ($in{'if-range'} ? '+if' : ''), $token) . "\n";

	my $head = $method eq 'HEAD';
	my ($repo, $path) = $url =~ m{^(?:/moved)?/(\w+/[\w.]+)/resolve/[^/]+/(.+)$} or return answer($c, 400, {}, '', $head);
	my $body = slurp("$dir/files/$repo/$path");
	my $large = $path =~ /safetensors$/;
	my $last = $at eq 'data' || !$large;
	my ($mode, $arg) = mode($last && !$head);
	return answer($c, 401, {}, 'who?', $head) if $mode eq 'account' && $at eq 'hub' && $token ne 'hf_right';
	return answer($c, $arg, {}, 'no', $head) if $mode eq 'refuse';
	return answer($c, 429, { 'Retry-After' => $arg }, 'later', $head) if $mode eq 'busy' && $last && !$head;
	return answer($c, 404, {}, 'none', $head) if !defined $body;
	return answer($c, 302, { Location => $url }, '', $head) if $mode eq 'loop';
	return answer($c, 307, { Location => "/moved$url" }, '', $head) if $mode eq 'moved' && $at eq 'hub' && $url !~ /^.moved/;

	my $true = length $body;
	my %h = $large ? ('X-Linked-Etag' => '"' . sha256_hex($body) . '"', 'X-Linked-Size' => $true)
		: (ETag => '"' . sha1_hex("blob $true\0$body") . '"');
	$h{'X-Linked-Size'} = $arg if $mode eq 'claims';
	if (!$last) {
		$h{Location} = 'http://127.0.0.1:' . $port{data}->sockport . $url;
		return answer($c, 302, \%h, 'moved', $head);
	}
	$h{ETag} //= '"data-' . ($mode eq 'changed' ? 2 : 1) . '"';
	delete @h{qw(X-Linked-Etag X-Linked-Size)} if $at eq 'data';
	return answer($c, 200, \%h, $body, 1) if $head;

	$body = reverse $body if $mode eq 'other';
	$body .= 'x' x $arg if $mode eq 'more';
	$body = substr($body, 0, $arg) if $mode eq 'less';
	my $code = 200;
	my $ranged = $mode !~ /^(norange|changed)/ && (!$in{'if-range'} || $in{'if-range'} eq $h{ETag});
	if ($ranged && ($in{range} // '') =~ /^bytes=(\d+)-$/) {
		return answer($c, 416, {}, '', 0) if $1 >= length $body;
		$code = 206;
		$h{'Content-Range'} = "bytes $1-" . ($true - 1) . "/$true";
		$body = substr($body, $1);
	}
	$h{'Content-Length'} = length($body) + ($mode eq 'promise' ? $arg : 0);
	if ($mode =~ /^(cut|norange|stall)$/) {
		my $part = substr($body, 0, $arg);
		$c->autoflush(1);
		print $c "HTTP/1.1 $code x\r\n", (map { "$_: $h{$_}\r\n" } sort keys %h), "\r\n$part";
		sleep 60 if $mode eq 'stall';
	} elsif ($mode eq 'slow') {
		$c->autoflush(1);
		answer($c, $code, \%h, '', 1);
		for (my $i = 0; $i < length $body; $i += $arg) {
			print $c substr($body, $i, $arg) or last;
			select undef, undef, undef, 0.1;
		}
	} else {
		answer($c, $code, \%h, $body, 0);
	}
}

spew("$dir/ports", join(' ', map { $port{$_}->sockport } qw(hub data)) . "\n");
my $all = IO::Select->new(values %port);
while (1) {
	for my $ready ($all->can_read) {
		my $c = $ready->accept or next;
		if (!fork) {
			$SIG{PIPE} = sub { exit };
			serve($c, $ready == $port{hub} ? 'hub' : 'data');
			close $c;
			exit;
		}
		close $c;
	}
}
