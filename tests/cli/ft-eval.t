# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
. "$(dirname "$0")/lib.sh"

cd "$T" || exit 1
M=$ROOT/tests/golden/hf_tiny/qwen2
A=$ROOT/tests/golden/hf_tiny/qwen2_lora_peft

# ---- log-probabilities ----

# pl CODE FILE...: with JSON read by j(FILE) (one object) and l(FILE) (lines).
pl()
{
	code=$1
	shift
	perl -MJSON::PP -e 'sub slurp { local (@ARGV, $/) = $_[0]; <> }
		sub j { decode_json(slurp($_[0])) } sub l { map { decode_json($_) } split /\n/, slurp($_[0]) }
		sub near { abs($_[0] - $_[1]) < ($_[2] || 1e-6) ? "near" : "off: $_[0] $_[1]" }
		sub save { open my $f, ">", $_[0]; print $f encode_json($_[1]) } '"$code" "$@"
}
# golden EXPECTED: its cases as input for --logprobs.
golden()
{
	# shellcheck disable=SC2016 # perl's
	pl 'for (@{j($ARGV[0])}) { print encode_json({ ids => $_->{ids} }), "\n" }' "$1"
}
# losses EXPECTED OUTPUT: "ok" when the log-probabilities are the golden ones.
losses()
{
	# shellcheck disable=SC2016 # perl's
	pl '@w = @{j($ARGV[0])}; @g = l($ARGV[1]); @w == @g or die "lines";
		for (@g) {
			($null, @p) = @{$_->{logprobs}}; @n = @{(shift @w)->{nll_per_token}};
			!defined $null && @p == @n or die "length";
			for (@p) { $d = abs($_ + shift @n); $worst = $d if $d > $worst }
		}
		print $worst < 1e-4 ? "ok" : "off by $worst"' "$1" "$2"
}
for model in qwen2 llama gguf; do
	dir=$ROOT/tests/golden/hf_tiny/$model path=$ROOT/tests/golden/hf_tiny/$model
	[ $model = gguf ] && dir=$M path=$ROOT/tests/golden/gguf/qwen2.gguf
	golden "$dir/expected.json" >ids.jsonl
	ft-eval --logprobs -m "$path" --dtype float32 <ids.jsonl >got.jsonl
	ok $? "--logprobs of $model"
	is "$(losses "$dir/expected.json" got.jsonl)" ok "equal the golden losses"
done
golden "$A/expected.json" >ids.jsonl
ft-eval --logprobs -m "$M" -a "$A" --dtype float32 <ids.jsonl >lora.jsonl
ok $? "--logprobs through an adapter"
is "$(losses "$A/expected.json" lora.jsonl)" ok "equal the golden losses"
ft-eval --logprobs -m "$M" -a "$A" --dtype float32 --threads 1 -o file.jsonl <ids.jsonl
same lora.jsonl file.jsonl "to a file, with one thread: the same"
is "$(echo '{"ids": [7], "more": 1}' | ft-eval --logprobs -m "$M")" '{"logprobs":[null]}' "one id has none before it"
is "$(ft-eval --logprobs -m "$M" </dev/null | wc -c | tr -d ' ')" 0 "nothing in, nothing out"

# A folder whose config.json calls another head than the embedding tied: the file's head is the model's.
F=$ROOT/tests/golden/families/llama2
mkdir tied
cp "$F/model.safetensors" tied
sed 's/"tie_word_embeddings": false/"tie_word_embeddings": true/' "$F/config.json" >tied/config.json
echo '{"ids": [3, 4, 5]}' >in
is "$(ft-eval --logprobs -m tied <in)" "$(ft-eval --logprobs -m "$F" <in)" "a head of its own, though called tied, counts"

# Dynamic RoPE scaling beyond the trained positions.
F=$ROOT/tests/golden/families/llama_dynamic_beyond
# shellcheck disable=SC2016 # perl's
pl 'print encode_json({ ids => $_->{ids} }), "\n" for @{j($ARGV[0])->{cases}}' "$F/expected.json" >ids.jsonl
code=0
ft-eval --logprobs -m "$F" <ids.jsonl >out 2>err || code=$?
is $code 2 "more positions than were trained have to be asked for"
has err "40 ids; the model takes 1 to 16" "and it says how many there are"
ft-eval --logprobs -m "$F" --dtype float32 --context 40 <ids.jsonl >got.jsonl
ok $? "--context prepares for more"
# shellcheck disable=SC2016 # perl's
pl 'save("cases.json", j($ARGV[0])->{cases})' "$F/expected.json"
is "$(losses cases.json got.jsonl)" ok "with frequencies as transformers has them for that many"

# refused LINE TEXT NAME: the second line of the input is wrong.
refused()
{
	printf '{"ids":[1,2]}\n%s\n' "$1" >in
	code=0
	ft-eval --logprobs -m "$M" -o never <in >out 2>err || code=$?
	is "$code" 2 "$3"
	is "$(cat err)" "ft-eval: standard input:2: $2" "and says so"
	is "$(ls never 2>/dev/null)" "" "and nothing is written"
}
refused '{"ids":[]}' '"ids" is empty' "no ids"
refused '{"ids":[1,99999]}' "id 99999 is beyond the model's vocabulary of 3759" "an id too large"
refused '{"ids":[1,-1]}' 'element 1 of "ids" is not a token id' "a negative id"
refused '{"ids":[1,1.5]}' 'element 1 of "ids" is not a token id' "a fraction"
refused '{"ids":[4294967296]}' 'element 0 of "ids" is not a token id' "an id beyond 32 bits"
refused '{"text":"x"}' 'no "ids" that is an array' "no ids at all"
refused '[1,2]' 'no "ids" that is an array' "no object"
refused "{\"ids\":[$(seq -s, 1 600)]}" '600 ids; the model takes 1 to 512' "more ids than positions"
printf '{"ids":[1,2]\n' | ft-eval --logprobs -m "$M" >out 2>err
has err "standard input:1: column" "broken JSON has a place"

# ---- data sets ----

cat >d.json <<'EOF'
[{"instruction": "Tell me a joke.", "output": "Not this."},
 {"instruction": "Hello!", "output": "Hello yourself."},
 {"instruction": "And then?", "output": "Nothing.", "history": [["Hi", "Hi!"]]}]
EOF
common="-m $M --template qwen --dtype float32 --max-new-tokens 24"
# shellcheck disable=SC2086 # words
exits 0 "answers" ft-eval $common -d d.json -o first.json
has out "data set  kind  " "a table"
is "$(grep -c '^d.json  *sft  *3  *0/3 ' out)" 1 "with the data set's line"
# What the model said becomes the data, so that two are exact; the third is said by a trained set.
# shellcheck disable=SC2016 # perl's
pl '@said = map { $_->{answer} } @{j("first.json")->{datasets}[0]{samples}};
	length > 20 or die "too short" for @said;
	$d = j("d.json");
	$d->[0]{output} = "$said[0] \n"; $d->[2]{output} = $said[2];
	save("e.json", $d);
	save("t.json", [{ instruction => "Another.", output => "So: $said[1] And so on." },
		{ instruction => "Tell me a joke.", output => $said[0] }]);
	save("p.json", [{ instruction => "Hello!", chosen => $said[1], rejected => "zebra" },
		{ instruction => "Hello!", chosen => "zebra " x 20, rejected => "z" }]);'
cat >dataset_info.json <<'EOF'
{"e": {"file_name": "e.json",
       "columns": {"prompt": "instruction", "response": "output", "history": "history"}},
 "p": {"file_name": "p.json", "ranking": true,
       "columns": {"prompt": "instruction", "chosen": "chosen", "rejected": "rejected"}}}
EOF
# shellcheck disable=SC2086 # words
exits 0 "by name, sliced, gated" ft-eval $common --dataset-dir . -d e -d 'e[0:1]' -d 'e[-1:]' -d 'e[1:2]' -d p \
	--trained t.json -o second.json --require 'e:exact>=2' --require 'e[0:1]:exact==1' --require 'e:leak<=1' \
	--require 'p:preferred<=1' --require 'e[1:2]:chrf<100'
is "$(awk '{ print $1, $2, $3, $4, $6 }' out | tr '\n' ';')" \
	"data set kind records chrF;e sft 3 2/3 1/3;e[0:1] sft 1 1/1 0/1;e[-1:] sft 1 1/1 0/1;e[1:2] sft 1 0/1 1/1;p preference 2 - -;" \
	"exact matches and leaks of every slice"
has second.json '"leak_of": "Another."' "the leak is named"
has second.json '"value": 2' "gates are in the report"
# shellcheck disable=SC2086 # words
exits 0 "again, one stream, one thread" ft-eval $common --dataset-dir . -d e -d 'e[0:1]' -d 'e[-1:]' -d 'e[1:2]' -d p \
	--trained t.json --json --streams 1 --threads 1 --require 'e:exact>=2' --require 'e[0:1]:exact==1' \
	--require 'e:leak<=1' --require 'p:preferred<=1' --require 'e[1:2]:chrf<100'
same second.json out "gives the same bytes"
# shellcheck disable=SC2086 # words
exits 1 "an unmet gate" ft-eval $common --dataset-dir . -d e --require 'exact>=3' --require 'e:cut>=0' -o third.json
is "$(cat err)" "ft-eval: exact>=3: it is 2" "is a line"
has third.json '"met": false' "and stands in the report"

# shellcheck disable=SC2086 # words
exits 0 "preferences with an adapter" ft-eval $common -a "$A" --dataset-dir . -d p --json
# shellcheck disable=SC2016 # perl's
is "$(pl '$d = j("out")->{datasets}[0];
	for (@{$d->{samples}}) {
		$c = $_->{logp_chosen} - $_->{ref_logp_chosen}; $r = $_->{logp_rejected} - $_->{ref_logp_rejected};
		$margin += ($c - $r) / 20; $change += $c / 2; $abs += abs($r) / 2; $rewarded += $c > $r;
		$preferred += $_->{logp_chosen} > $_->{logp_rejected}; $moved ||= $c != 0;
	}
	print join " ", near($margin, $d->{margin}), near($change, $d->{chosen_change}),
		near($abs, $d->{rejected_change_abs}), $rewarded - $d->{rewarded}, $preferred - $d->{preferred}, $moved')" \
	"near near near 0 0 1" "margins and changes follow from the log-probabilities"
# Sums over the answer alone: the same from --logprobs.
ds-tokenize -t "$M" --template qwen --dataset-dir . -d p -o p.tok.zst 2>/dev/null
ds-show --json p.tok.zst >p.jsonl
# shellcheck disable=SC2016 # perl's
pl 'print encode_json({ ids => [@{$_->{prompt}}, @{$_->{chosen}}] }), "\n" for l("p.jsonl")' >ids.jsonl
ft-eval --logprobs -m "$M" -a "$A" --dtype float32 <ids.jsonl >got
# shellcheck disable=SC2016 # perl's
is "$(pl '@g = l("got"); @s = @{j("out")->{datasets}[0]{samples}};
	for (l("p.jsonl")) {
		@p = @{(shift @g)->{logprobs}}; $sum = 0;
		$sum += $_ for @p[@{$_->{prompt}} .. $#p];
		print near($sum, (shift @s)->{logp_chosen}, 1e-4), " ";
	}')" "near near " "sums are over the answer"

# ---- what is refused ----

# bad NAME MESSAGE ARGUMENT...
bad()
{
	name=$1 message=$2
	shift 2
	# shellcheck disable=SC2086 # words
	exits 2 "$name" ft-eval $common --dataset-dir . "$@"
	has err "$message" "says why"
}
bad "an unknown data set" "nothere" -d nothere
bad "a slice of nothing" "e[3:]: no records" -d 'e[3:]'
bad "a broken slice" "e[x]: a range of records is NAME[BEGIN:END]" -d 'e[x]'
bad "a data set twice" "'e' is given twice" -d e -d e
bad "a gate without sense" "it takes NAME:METRIC>=NUMBER" -d e --require 'e:exact'
bad "a gate of no data set" "no --dataset 'q' is given" -d e --require 'q:exact>=1'
bad "a gate that is not measured" "'leak' needs --trained" -d e --require 'leak<=1'
bad "no data set" "which data set?" --json
bad "an unknown type" "is not auto, float32 or bfloat16" -d e --dtype int8
bad "no such template" "unknown template" -d e --template nothere
printf '[{"instruction": "x"}]' >f.json
bad "a broken record" "f.json:1:" -d f.json
exits 2 "no model" ft-eval -d e
exits 2 "data sets for the filter" ft-eval --logprobs -m "$M" -d e
exits 2 "no such model" ft-eval -m nothere -d e.json
one_line err "one line"
# shellcheck disable=SC2086 # words
exits 2 "a folder that is not there" ft-eval $common -d e.json -o nothere/x.json

finish
