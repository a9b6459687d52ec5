#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# make.pl ROOT: the bad files that are too large to keep, or are a good file with one thing wrong,
# into the current folder. zstd makes the frames.
use strict;
use warnings;

my $root = shift;
my $tiny = "$root/tests/golden/hf_tiny/qwen2";

sub slurp { my ($name) = @_; local $/; open my $f, '<:raw', $name or die "$name: $!"; return <$f>; }
sub put { my ($name, @text) = @_; open my $f, '>:raw', $name or die "$name: $!"; print $f @text; close $f; }
sub zstd { my ($bytes) = @_; put('raw', $bytes); return scalar `zstd -qc --check --no-progress raw`; }

# ---- JSON ----
put('deep.jsonl', '{"instruction":"a","output":', '[' x 1e6, ']' x 1e6, "}\n");
put('deep.json', '[' x 1e6);
put('deep.line', '{"text":', '[' x 1e6, "\n");
my $whole = qq([{"instruction":"\\u00e9","output":"b"},\n{"instruction":"a","output":"c"}]);
mkdir 'cut';
put(sprintf('cut/%03d.json', $_), substr($whole, 0, $_)) for 0 .. length($whole) - 1;
truncate_to('hole', 4 * 2**30);	# sparse: 4 GiB of NUL

sub truncate_to { my ($name, $n) = @_; put($name); truncate $name, $n or die "$name: $!"; }

# ---- YAML ----
put('brackets.yaml', 'template: ', '[' x 1e5);
put('large.yaml', "# x\n" x 300000);

# ---- shards: a good one, and forged ones ----
my $head = qq({"format":"anekdot-shard","version":1,"stage":"sft","vocab_size":%d,"template":null,"system":null,)
	. qq("tokenizer":%s,"sources":[],"settings":{},"examples":%d,"tokens":%d,"trained":%d,"spans":%d}\n);

# shard(NAME, header, records, frame of the records): with a seek table that agrees
sub shard
{
	my ($name, $header, $records, $frame, $size) = @_;
	my @frames = (zstd($header), $frame // zstd($records));
	my @sizes = (length $header, $size // length $records);
	my $table = join '', map { pack('V V', length $frames[$_], $sizes[$_]) . substr $frames[$_], -4 } 0, 1;
	$table .= pack 'V C V', 2, 0x80, 0x8F92EAB1;
	put($name, @frames, pack('V V', 0x184D2A5E, length $table), $table);
}

sub header { return sprintf $head, @_; }

my $record = pack 'V*', 3, 1, 1, 3, 5, 6, 7;	# three ids, one span [1, 3)
shard('good.tok.zst', header(400, 'null', 1, 3, 2, 1), $record);
my $good = slurp('good.tok.zst');
put('cut.tok.zst', substr $good, 0, length($good) - 30);
put('more.tok.zst', $good, 'x');
my $flip = $good;
substr($flip, 30, 1) ^= "\x40";
put('flip.tok.zst', $flip);
shard('beyond.tok.zst', header(6, 'null', 1, 3, 2, 1), $record);
shard('span.tok.zst', header(400, 'null', 1, 3, 2, 1), pack 'V*', 3, 1, 3, 1, 5, 6, 7);
shard('empty.tok.zst', header(400, 'null', 1, 0, 0, 0), pack 'V*', 0, 0);
shard('over.tok.zst', header(400, 'null', 1, 3, 2, 1), pack 'V*', 2**31, 1, 1, 3, 5, 6, 7);
shard('other.tok.zst', header(151, '"00"', 1, 3, 2, 1), $record);
# 2 KB of RLE blocks that become 2^26 bytes; counts for 2^52 bytes; a window of 2^31; a dictionary; two
# frames, and a skippable one, where the table has one
my $block = substr pack('V', 1 << 1 | 131072 << 3), 0, 3;
shard('bomb.tok.zst', header(400, 'null', 1, 2**24 - 4, 1, 1), '',
	pack('V C V', 0xFD2FB528, 0xA4, 2**26) . "$block\0" x 511 . "\3\0\x10\0" . 'xxxx', 2**26);
shard('bomb2.tok.zst', header(400, 'null', 2**40, 2**50, 1, 1), $record);
shard('window.tok.zst', header(400, 'null', 1, 3, 2, 1), '',
	pack('V C C V', 0xFD2FB528, 0x84, 0xA8, 28) . "\1\0\0" . 'xxxx', 28);
shard('dictionary.tok.zst', header(400, 'null', 1, 3, 2, 1), '',
	pack('V C C C', 0xFD2FB528, 0x25, 7, 28) . "\1\0\0" . 'xxxxxx', 28);
shard('two.tok.zst', header(400, 'null', 1, 3, 2, 1), '',
	zstd(substr $record, 0, 16) . zstd(substr $record, 16), 28);
shard('skip.tok.zst', header(400, 'null', 1, 3, 2, 1), '', pack('V V', 0x184D2A50, 12) . 'x' x 12, 28);

# ---- models: the tiny one with another header, or other bytes ----
my $st = slurp("$tiny/model.safetensors");
my $json = substr $st, 8, unpack('Q<', $st);
my $data = substr $st, 8 + length $json;

sub model
{
	my ($name, @bytes) = @_;
	mkdir $name;
	symlink "$tiny/$_", "$name/$_" for 'config.json', 'tokenizer.json';
	put("$name/model.safetensors", @bytes);
}

sub st { my ($text, $bytes) = @_; return pack('Q<', length $text) . $text . ($bytes // $data); }

sub edited { my ($from, $to) = @_; my $text = $json; $text =~ s/$from/$to/ or die $from; return st($text); }

model('st-huge', pack('Q<', 2**63), $json, $data);
model('st-beyond', pack('Q<', length($st)), $json, $data);
model('st-zero', pack('Q<', 0), $json, $data);
model('st-list', st("[$json]"));
model('st-tail', $st, 'PK');
my ($nth, $over) = (0, $json);	# the second tensor begins a number before the first one's end
$over =~ s/"data_offsets": ?\[(\d+), ?(\d+)\]/$nth++ == 1 ? sprintf '"data_offsets":[%d,%d]', $1 - 4, $2 - 4 : $&/ge;
model('st-overlap', st($over));
model('st-overflow', edited(qr/"shape": ?\[\d+/, '"shape":[9223372036854775807'));
model('st-negative', edited(qr/"shape": ?\[/, '"shape":[-'));
model('st-float', edited(qr/"shape": ?\[(\d+)/, '"shape":[$1.0'));
model('st-dims', edited(qr/"shape": ?\[/, '"shape":[' . '1,' x 64));
model('st-type', edited(qr/"F32"/, '"F31"'));
model('st-int', edited(qr/"F32"/, '"I32"'));
my $renamed = $json;
$renamed =~ s/mlp\.up_proj/mlp.upp_proj/g;
model('st-renamed', st($renamed));
my $layers = $json;
$layers =~ s/model\.layers\.0/model.layers.7/g;
model('st-layer', st($layers));
model('st-good', $st);
mkdir "st-$_" for 'up', 'absolute';
for (['st-up', '../../../etc/passwd'], ['st-absolute', '/etc/passwd']) {
	symlink "$tiny/config.json", "$_->[0]/config.json";
	put("$_->[0]/model.safetensors.index.json", qq({"weight_map": {"model.norm.weight": "$_->[1]"}}));
}

# ---- GGUF: one field of the tiny model changed ----
my $gguf = slurp("$root/tests/golden/gguf/qwen2.gguf");
sub gguf { my ($name, $at, $bytes) = @_; my $g = $gguf; substr($g, $at, length $bytes) = $bytes; put($name, $g); }
gguf('tensors.gguf', 8, pack 'Q<', 2**61);
gguf('keys.gguf', 16, pack 'Q<', 2**61);
gguf('string.gguf', 24, pack 'Q<', 2**63);
put('cut.gguf', substr $gguf, 0, length($gguf) - 100);
# A file of one key and one tensor
sub text { my ($s) = @_; return pack('Q<', length $s) . $s; }
sub small { my ($name, $align, $dims, $type, $at) = @_;
	my $g = 'GGUF' . pack('V Q< Q<', 3, 1, 1) . text('general.alignment') . pack('V V', 4, $align)
		. text('w') . $dims . pack('V Q<', $type, $at);
	put($name, $g, "\0" x 128); }
my $one = pack 'V Q<', 1, 8;
small('align0.gguf', 0, $one, 0, 0);
small('align31.gguf', 2**31, $one, 0, 0);
small('dims.gguf', 32, pack('V Q<', 2**32 - 1, 8), 0, 0);
small('offset.gguf', 32, $one, 0, 2**40);
small('type.gguf', 32, $one, 999, 0);

# ---- tokenizer ----
put('merges.json', '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [', '"a a",' x 1e7, '"a a"]}}');

# ---- adapters ----
my $lora = "$root/tests/golden/hf_tiny/qwen2_lora_peft";
my $lst = slurp("$lora/adapter_model.safetensors");
my $lcfg = slurp("$lora/adapter_config.json");
sub adapter { my ($name, $cfg, $bytes) = @_; mkdir $name;
	put("$name/adapter_config.json", $cfg); put("$name/adapter_model.safetensors", $bytes); }
sub lora_with { my ($value) = @_; my $n = unpack('Q<', $lst); my $b = $lst;
	substr($b, 8 + $n, 4) = pack 'f<', $value; return $b; }
(my $rank = $lcfg) =~ s/"r": *\d+/"r": 0/;
adapter('lora-rank', $rank, $lst);
(my $alpha = $lcfg) =~ s/"lora_alpha": *[\d.]+/"lora_alpha": "x"/;
adapter('lora-alpha', $alpha, $lst);
(my $shape = $lst) =~ s/"shape": ?\[(\d+), ?(\d+)\]/sprintf '"shape":[%d,%d]%s', $2, $1, ' ' x (length($&) - length sprintf '"shape":[%d,%d]', $2, $1)/e;
adapter('lora-shape', $lcfg, $shape);
(my $odd = $lst) =~ s/lora_A/lora_E/;
adapter('lora-odd', $lcfg, $odd);
adapter('lora-nan', $lcfg, lora_with('nan'));
adapter('lora-inf', $lcfg, lora_with('inf'));
adapter('lora-huge', $lcfg, lora_with(1e30));
adapter('lora-good', $lcfg, $lst);
adapter('lora-base', $lcfg, $lst);
put('lora-base/anekdot.json', '{"tool": "ft-sft", "base": "models/other", "base_sha256": "00", "template": "chatml"}');
