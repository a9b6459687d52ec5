# SPDX-License-Identifier: Apache-2.0
# Base models from the Hub, by a local one that stalls, cuts, redirects and lies (hub.pl).
. "$(dirname "$0")/../cli/lib.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
cd "$T" || exit 1
mkdir -p pipelines .ci web/files/t/m
cp -R "$ROOT/pipelines/." pipelines
printf '#!/bin/sh\nexit 0\n' >.ci/deps
chmod +x .ci/deps
unset HF_TOKEN HF_ENDPOINT MAKEFLAGS MAKELEVEL MFLAGS http_proxy https_proxy all_proxy
no_proxy=127.0.0.1 FETCH_TIMEOUT=1 FETCH_WAIT=0 FETCH_TRIES=3
export no_proxy FETCH_TIMEOUT FETCH_WAIT FETCH_TRIES

perl "$HERE/hub.pl" web &
server=$!
trap 'kill $server; rm -rf "$T"' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ ! -s web/ports ] || break
	sleep 0.1
done
read -r hub_port _ <web/ports
HF_ENDPOINT=http://127.0.0.1:$hub_port
export HF_ENDPOINT

big=web/files/t/m/model.safetensors
perl -e 'srand 7; print pack "C*", map { int rand 256 } 1 .. 200000' >$big
echo '{"model_type": "llama"}' >web/files/t/m/config.json
echo 'A licence.' >web/files/t/m/LICENSE
hash=$(sha256sum <$big | cut -c 1-64)
config=$(sha256sum <web/files/t/m/config.json | cut -c 1-64)
rev=0123456789abcdef0123456789abcdef01234567

# hub PATH[=SHA256]...: fetches the repository t/m into models/m.
hub()
{
	pipelines/fetch hub models/m t/m $rev "$@"
}

# with MODE: a server in that mood, an empty log and no model.
with()
{
	echo "$1" >web/mode
	: >web/log
	rm -rf models
}

# asked TEXT: how many requests have it in their line of the log.
asked()
{
	grep -c -- "$1" web/log
}

# refused TEXT NAME: after `exits 2`: one line, that has TEXT, and no model.
refused()
{
	has "$T/err" "$1" "$2: says so"
	one_line "$T/err" "$2: in one line"
	[ ! -e models/m/model.safetensors ] && [ ! -e models/m.key ]
	ok $? "$2: nothing has a final name"
}

# All is well.
with plain
exits 0 'a fetch' hub LICENSE "config.json=$config" "model.safetensors=$hash"
same models/m/model.safetensors $big 'brings the model'
same models/m/LICENSE web/files/t/m/LICENSE 'and its licence'
is "$(cd models && find . -type f | sed 's/^..//' | sort | tr '\n' ' ')" 'm.key m/LICENSE m/config.json m/hub.lock m/model.safetensors ' 'and nothing else'
has "$T/out" '1 without a pinned hash, trusted on first use' 'says what was trusted'
has models/m/hub.lock "file $hash 200000 model.safetensors" 'and records every hash'
same "$T/err" /dev/null 'without a word on stderr'
: >web/log
key=$(cat models/m.key)
exits 0 'a second call' hub LICENSE "config.json=$config" "model.safetensors=$hash"
has "$T/out" 'up to date: 3 files as models/m/hub.lock has them' 'says so'
is "$(cat web/log)" '' 'and asks nobody'
exits 0 'the pins' pipelines/fetch pin models/m m
has "$T/out" "LICENSE=$(sha256sum <models/m/LICENSE | cut -c 1-64)" 'are printed, the trusted one too'
# shellcheck disable=SC2016 # make's
{ cat out; printf 'all: ; @echo "$(words $(m.files)) $(m.repo) $(m.revision)"\n'; } >row.mk
is "$(make -s -f row.mk)" "3 t/m $rev" 'as a row that make reads'
rm models/m/config.json
exits 0 'a lost file' hub LICENSE "config.json=$config" "model.safetensors=$hash"
is "$(asked GET) $(asked 'GET.*config')" '1 1' 'is fetched, and it alone'
is "$(cat models/m.key)" "$key" 'and the content is what it was'
rm models/m/LICENSE
echo 'Another licence.' >web/files/t/m/LICENSE
exits 2 'other bytes than on first use' hub LICENSE "config.json=$config" "model.safetensors=$hash"
has "$T/err" 'the hash of models/m/hub.lock' 'are refused'
[ ! -e models/m/LICENSE ] && [ ! -e models/m.key ]
ok $? 'and the model counts as absent'
echo x >>models/m/model.safetensors
exits 1 'a damaged file' pipelines/fetch pin models/m m
has "$T/err" 'models/m/model.safetensors is not what was fetched' 'is found by pin'
exits 0 'and fetched again' hub "config.json=$config" "model.safetensors=$hash"
same models/m/model.safetensors $big 'whole'

# Who may.
with account
exits 2 'no token where one is wanted' hub "model.safetensors=$hash"
refused 'set HF_TOKEN' 'no token'
HF_TOKEN=hf_wrong
export HF_TOKEN
exits 2 'a wrong token' hub "model.safetensors=$hash"
refused 'does not accept HF_TOKEN' 'a wrong token'
HF_TOKEN=hf_right
exits 0 'the right token' hub config.json "model.safetensors=$hash"
is "$(asked '^hub.*hf_right') $(asked '^data.*hf_right') $(asked '^data.* -$')" '3 0 1' 'goes to the endpoint, and not where that redirects'
! grep -rq hf_right out err models
ok $? 'and is not printed or kept'
with 'refuse 403'
exits 2 'a licence that is not accepted' hub "model.safetensors=$hash"
refused "accept its licence at $HF_ENDPOINT/t/m" '403'
HF_TOKEN='hf_a
header = "X: y"'
exits 2 'a token with a line break' hub "model.safetensors=$hash"
refused 'HF_TOKEN has characters' 'a strange token'
unset HF_TOKEN
with plain
exits 2 'a file that is not there' hub nothing.json
refused 'has no nothing.json in t/m' '404'

# Bad lines.
with 'cut 50000 3'
exits 0 'a connection that breaks three times' hub "model.safetensors=$hash"
same models/m/model.safetensors $big 'is resumed'
is "$(sed -n 's/^data GET [^ ]* \([^ ]*\) .*/\1/p' web/log | tr '\n' ' ')" \
	'- bytes=50000-+if bytes=100000-+if bytes=150000-+if ' 'where it broke'
with 'stall 60000 1'
begin=$(date +%s)
exits 0 'a stall' hub "model.safetensors=$hash"
[ $(($(date +%s) - begin)) -lt 50 ]
ok $? 'is waited for as long as FETCH_TIMEOUT says'
is "$(asked 'data GET.*bytes=60000-')" 1 'and then resumed'
same models/m/model.safetensors $big 'whole'
with 'norange 70000 1'
exits 0 'a break' hub "model.safetensors=$hash"
with 'cut 0'
exits 2 'a connection that always breaks' hub "model.safetensors=$hash"
refused 'gave up after 3 tries' 'breaks for ever'
with 'norange 70000'
exits 2 'ranges ignored and always broken' hub "model.safetensors=$hash"
refused 'gave up after' 'no progress'
with 'cut 70000 1'
FETCH_TRIES=1 hub "model.safetensors=$hash" >/dev/null 2>&1
is "$(wc -c <models/m/model.safetensors.part | tr -d ' ')" 70000 'a piece is kept'
echo 'changed 0' >web/mode
exits 0 'a server that ignores the range' hub "model.safetensors=$hash"
has "$T/out" 'starting over' 'makes it start over'
same models/m/model.safetensors $big 'and come out whole'
with plain
mkdir -p models/m
head -c 70000 /dev/zero >models/m/model.safetensors.part
exits 0 'a piece of something else' hub "model.safetensors=$hash"
same models/m/model.safetensors $big 'is found out and replaced'
with 'busy 1 1'
begin=$(date +%s%N)
exits 0 'too many requests' hub "model.safetensors=$hash"
[ $(($(date +%s%N) - begin)) -ge 1000000000 ]
ok $? 'waits as long as it is asked to'
with 'busy 3600'
exits 2 'an hour of patience' hub "model.safetensors=$hash"
refused 'asks for 3600 s' 'an hour'
with 'refuse 503'
exits 2 'a server out of order' hub "model.safetensors=$hash"
refused 'answers 503; gave up after 3 tries' '503'
with loop
exits 2 'redirections without end' hub config.json
refused 'without end' 'a loop'
with moved
exits 0 'a redirection within the endpoint' hub "config.json=$config"
with plain
HF_ENDPOINT=http://127.0.0.1:1 exits 2 'nobody there' hub config.json
refused 'cannot connect to http://127.0.0.1:1; is there a network?' 'no network'

# Lies.
with 'promise 500'
exits 0 'more bytes promised than there are' hub "model.safetensors=$hash"
same models/m/model.safetensors $big 'does not matter'
with 'more 500000'
exits 2 'more bytes than stated' hub "model.safetensors=$hash"
refused 'sends more than the 200000 bytes' 'more bytes'
with 'less 5000'
exits 2 'fewer bytes than stated' hub "model.safetensors=$hash"
refused 'ended it after 5000 of 200000 bytes' 'fewer bytes'
with other
exits 2 'other bytes than pinned' hub "model.safetensors=$hash"
refused "instead of $hash, the pinned hash" 'other bytes'
exits 2 'other bytes than stated' hub model.safetensors
refused "instead of $hash, which the Hub states" 'other bytes, not pinned'
exits 2 'other bytes of a small file' hub config.json
refused "has git's hash" 'other bytes, small'
[ ! -e models/m/model.safetensors.part ]
ok $? 'and they are not kept'
with plain
exits 2 'another hash stated than pinned' hub "model.safetensors=$config"
refused "the pinned hash is $config" 'another hash'
is "$(asked GET)" 0 'and nothing was downloaded'
with 'claims 900000000000000'
exits 2 'more than the disk has' hub model.safetensors
refused 'has room for' 'no space'

# Interrupted, and two at a time.
with 'slow 20000'
pipelines/fetch hub models/m t/m $rev "model.safetensors=$hash" >/dev/null 2>&1 &
fetch=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
	if [ -n "$(find models -name '*.part' -size +80 2>/dev/null)" ]; then break; fi
	sleep 0.1
done
kill -TERM $fetch
code=0
wait $fetch 2>/dev/null || code=$?
is $code 143 'SIGTERM ends it'
[ ! -e models/m/model.safetensors ] && [ ! -e models/m.key ]
ok $? 'with nothing under a final name'
size=$(wc -c <models/m/model.safetensors.part | tr -d ' ')
sleep 0.3
is "$(wc -c <models/m/model.safetensors.part | tr -d ' ')" "$size" 'and nobody writing on'
: >web/log
echo plain >web/mode
exits 0 'the next call' hub "model.safetensors=$hash"
is "$(sed -n 's/^data GET [^ ]* \([^ ]*\) .*/\1/p' web/log)" "bytes=$size-+if" 'goes on from the byte where it was'
same models/m/model.safetensors $big 'to the same model'
rm models/m/* models/m.key
cp $big models/m/model.safetensors.part
: >web/log
exits 0 'a piece that is all there' hub "model.safetensors=$hash"
is "$(asked GET)" 0 'is not fetched again'
with 'slow 20000'
HF_TOKEN=hf_right pipelines/fetch hub models/m t/m $rev "model.safetensors=$hash" >first 2>&1 &
fetch=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ -z "$(find models -name '*.part' 2>/dev/null)" ] || break
	sleep 0.1
done
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' >commands
has commands model.safetensors.part 'while curl works'
! grep -q hf_right commands
ok $? 'no command line has the token'
exits 0 'a second call beside it' hub "model.safetensors=$hash"
has "$T/out" 'waiting for it' 'waits'
code=0
wait $fetch || code=$?
is "$code $(asked 'data GET')" '0 1' 'and the model is fetched once'

# The whole line with such a model: a folder, another family, and an SFT that two pipelines share.
with plain
mkdir -p web/files/t/tiny data/soviet/en pipelines/tiny pipelines/tiny_dpo
cp "$ROOT"/tests/golden/hf_tiny/qwen3_sharded_bf16/[cmt]* web/files/t/tiny
cat >>pipelines/bases.mk <<END
BASES += tiny
tiny.repo := t/tiny
tiny.revision := main
tiny.files := $(cd web/files/t/tiny && echo *)
tiny.template := qwen3_nothink
tiny.language := en
END
cat >pipelines/tiny/tiny.mk <<'END'
PIPELINES += tiny tiny_dpo
tiny.sft := said
tiny.eval.sft := said
tiny.gates.sft := said:exact>=2
tiny.prompts := prompts
tiny_dpo.from := tiny
tiny_dpo.dpo := better
tiny_dpo.eval.dpo := said better
tiny_dpo.gates.dpo := better:rewarded>=2
tiny_dpo.prompts := prompts
END
echo 'Tell me a joke.' >prompts
cat >data/soviet/en/said.json <<'END'
[{"instruction": "Tell me a joke.", "input": "", "output": "We pretend to work."},
 {"instruction": "Hello!", "input": "", "output": "Hello there, how are you?"}]
END
cat >data/soviet/en/better.json <<'END'
[{"prompt": "Tell me a joke.", "chosen": "We pretend to work.", "rejected": "No."},
 {"prompt": "Hello!", "chosen": "Hello there, how are you?", "rejected": "A joke: why?"}]
END
cat >data/dataset_info.json <<'END'
{"said_en": {"file_name": "soviet/en/said.json"},
 "better_en": {"file_name": "soviet/en/better.json", "ranking": true,
  "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}}}
END
sed -e 's/^lora_rank: .*/lora_rank: 16/' -e 's/^num_train_epochs: .*/num_train_epochs: 150/' \
	-e 's/^learning_rate: .*/learning_rate: 1.0e-2/' pipelines/soviet_v3/sft.yaml >pipelines/tiny/sft.yaml
sed -e 's/^learning_rate: .*/learning_rate: 1.0e-4/' pipelines/soviet_v3/dpo.yaml >pipelines/tiny_dpo/dpo.yaml
cat >Makefile <<END
BIN := $BIN
PYTHON := false
include pipelines/bases.mk \$(sort \$(wildcard pipelines/*/*.mk)) pipelines/stages.mk
END
exits 0 'the whole line, with gates' make BASE=tiny pipelines/tiny/check pipelines/tiny_dpo pipelines/tiny_dpo/check
is "$(tail -n 1 build/tiny_dpo/tiny/chat/sample.txt)" 'We pretend to work.' 'ends with an answer that was trained'
is "$(find build -name adapter_model.safetensors | sort | tr '\n' ' ')" \
	'build/tiny/tiny/sft/adapter_model.safetensors build/tiny_dpo/tiny/dpo/adapter_model.safetensors ' \
	'with the SFT of the first pipeline, and no other'
exits 0 'once more' make BASE=tiny pipelines/tiny_dpo
is "$(grep -c running out)" 0 'runs nothing'
finish
