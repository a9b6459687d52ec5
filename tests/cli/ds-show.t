# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
. "$(dirname "$0")/lib.sh"

cd "$T" || exit 1
zstd -dqc "$ROOT/tests/golden/token/qwen3.tokenizer.json.zst" >q.json
printf '[{"instruction":"hi","output":"a\\u001b[31mb"},{"instruction":"x","output":"y"}]' >d.json
ds-tokenize -t q.json --template qwen3_nothink -d d.json -o a.tok.zst 2>/dev/null

exits 0 "a shard as text" ds-show -t q.json -n 1 a.tok.zst
cat >want <<'EOF'

=== 1: N tokens, N trained
<|im_start|>user
hi<|im_end|>
<|im_start|>assistant
[[a\x1b[31mb<|im_end|>
]]
EOF
tail -n +2 out | sed '/^===/s/[0-9]* t/N t/g' >got
same got want "trained tokens are marked, control characters harmless"
exits 0 "without tokenizer" ds-show a.tok.zst
has out "[[" "ids are marked too"
is "$(ds-show --header a.tok.zst | wc -l | tr -d ' ')" 1 "--header is one line"
is "$(ds-show --json a.tok.zst | wc -l | tr -d ' ')" 2 "--json is a line an example"
is "$(ds-show --json -n 1 a.tok.zst | wc -l | tr -d ' ')" 1 "-n counts"
ds-show --json -t q.json a.tok.zst >out
has out '"text": "<|im_start|>user\nhi' "--json with text"
is "$(ds-show --header - <a.tok.zst)" "$(ds-show --header a.tok.zst)" "standard input"

head -c 100 a.tok.zst >b.tok.zst
exits 2 "a shard cut short" ds-show b.tok.zst
has err "b.tok.zst: no seek table" "says so"
one_line err "in one line"
is "$(wc -c <out | tr -d ' ')" 0 "and prints nothing"
n=$(($(wc -c <a.tok.zst) - 60))
{ head -c $n a.tok.zst; printf '\377'; tail -c +$((n + 2)) a.tok.zst; } >b.tok.zst
exits 2 "a changed byte" ds-show b.tok.zst
has err "b.tok.zst: frame" "names the frame"
exits 2 "no such file" ds-show nothere.tok.zst
exits 2 "two shards" ds-show a.tok.zst a.tok.zst

finish
