#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ft-chat as people and programs use it, on tiny models (whose answers are noise, but always the same).
. "$(dirname "$0")/lib.sh"

MODEL=$ROOT/tests/golden/hf_tiny/qwen2
LORA=$ROOT/tests/golden/hf_tiny/qwen2_lora_peft

chat() { ft-chat -m "$MODEL" --template chatml --dtype float32 --max-new-tokens 8 "$@"; }
bare() { ft-chat -m "$MODEL" --template chatml "$@"; }
lines() { printf '%b' "$1" | chat 2>"$T/err" | LC_ALL=C cat; }
json() { printf '%s\n' "$1" | chat --json; }
# is_refused TEXT NAME COMMAND...: exit code 2, one line on stderr that holds TEXT, nothing on stdout.
is_refused()
{
	text=$1 name=$2
	shift 2
	exits 2 "$name is refused" "$@"
	has "$T/err" "$text" "$name: the line says so"
	one_line "$T/err" "$name: one line"
	[ ! -s "$T/out" ]
	ok $? "$name: nothing on stdout"
}

exits 0 "a prompt is answered" chat Hello world
cp "$T/out" "$T/hello"
[ -s "$T/hello" ]
ok $? "on stdout"
is "$(cat "$T/err")" "note: the answer was cut at --max-new-tokens 8" "and stderr says that it was cut"
exits 0 "the words in one argument" chat "Hello world"
same "$T/out" "$T/hello" "are the same prompt"
exits 0 "with one thread" chat --threads 1 "Hello world"
same "$T/out" "$T/hello" "the same answer"
exits 0 "the reference device" chat --device ref "Hello world"
same "$T/out" "$T/hello" "the same answer by the reference"
exits 0 "a system prompt" chat --system "You are a pirate" "Hello world"
! cmp -s "$T/out" "$T/hello"
ok $? "changes the answer"
exits 0 "an adapter" chat -a "$LORA" "Hello world"
! cmp -s "$T/out" "$T/hello"
ok $? "changes the answer, too"
exits 0 "the adapter twice" chat -a "$LORA,$LORA" "Hello world"
cp "$T/out" "$T/twice"
exits 0 "a GGUF file" ft-chat -m "$ROOT/tests/golden/gguf/qwen2.gguf" --template chatml "Hello"

# Template and system prompt come from the adapter.
cp -r "$LORA" "$T/lora"
printf '{"tool": "ft-sft", "template": "chatml", "system": "You are a pirate"}\n' >"$T/lora/anekdot.json"
exits 0 "an adapter that names its template" \
	ft-chat -m "$MODEL" -a "$T/lora" --dtype float32 --max-new-tokens 8 "Hello world"
cp "$T/out" "$T/pirate"
exits 0 "the same by options" chat -a "$LORA" --system "You are a pirate" "Hello world"
same "$T/out" "$T/pirate" "its template and system prompt are used"
exits 0 "--template alone" chat -a "$T/lora" "Hello world"
same "$T/out" "$T/pirate" "leaves its system prompt"

# Drawing.
exits 0 "temperature" chat --temperature 2 --seed 1 "Hello world"
cp "$T/out" "$T/one"
exits 0 "the same seed" chat --temperature 2 --seed 1 --threads 1 "Hello world"
same "$T/out" "$T/one" "the same answer"
exits 0 "another seed" chat --temperature 2 --seed 2 "Hello world"
! cmp -s "$T/out" "$T/one"
ok $? "another answer"
exits 0 "top-k 1" chat --temperature 2 --top-k 1 "Hello world"
same "$T/out" "$T/hello" "is greedy"

# Stop strings.
word=$(head -c 6 "$T/hello" | tail -c 2)
exits 0 "a stop string" chat --stop nothing --stop "$word" "Hello world"
is "$(cat "$T/out")" "$(printf '%s\n' "$(cat "$T/hello")" | awk -v w="$word" '{ print substr($0, 1, index($0, w) - 1) }')" \
	"ends the answer before it"

# Lines of one conversation.
lines 'Hello world\n' >"$T/l1"
same "$T/l1" "$T/hello" "one line is one prompt"
lines 'Hello world\n\nagain\r\n' >"$T/l2"
lines 'Hello world\nagain' >"$T/l3"
same "$T/l2" "$T/l3" "empty lines and the last newline do not matter"
head -c "$(wc -c <"$T/hello")" "$T/l2" >"$T/l4"
same "$T/l4" "$T/hello" "the first answer is as before"
printf '%s\n' '{"prompt":"Hello world"}' | chat --json >"$T/j1"
first=$(sed 's/{"answer": \(".*"\), "tokens".*/\1/' "$T/j1")
json '{"messages":[{"role":"user","content":"Hello world"},{"role":"assistant","content":'"$first"'},{"role":"user","content":"again"}]}' >"$T/j2"
has "$T/j2" '"tokens": 8, "stopped": false' "a cut answer says so"
second=$(tail -c +$(($(wc -c <"$T/hello") + 1)) "$T/l2")
ft-chat -m "$MODEL" --template chatml --dtype float32 --max-new-tokens 8 again >"$T/fresh" 2>/dev/null
[ "$second" != "$(cat "$T/fresh")" ]
ok $? "the second line knows of the first"
python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["answer"])' "$T/j2" >"$T/j2.txt" 2>/dev/null &&
	is "$(cat "$T/j2.txt")" "$second" "messages are answered as the conversation was"

# JSON lines.
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	printf '{"prompt": "question %d", "max_new_tokens": %d}\n' $i $((i % 7 + 1))
done >"$T/many"
chat --json <"$T/many" >"$T/together"
while read -r line; do json "$line"; done <"$T/many" >"$T/single"
same "$T/together" "$T/single" "twenty requests together and one by one"
printf '%s\n' '{"prompt":"x"}' '{"prompt":"Hello","temperature":2,"seed":9}' | chat --json | tail -n 1 >"$T/a"
json '{"prompt":"Hello","temperature":2,"seed":9}' >"$T/b"
same "$T/a" "$T/b" "a request's own seed draws the same wherever it stands"
json '{"prompt":"Hello world","stop":["'"$word"'"]}' >"$T/a"
has "$T/a" '"stopped": true' "a stop string of a request"
is "$(chat --json </dev/null)" "" "no requests, no answers"
# A program that waits for each answer.
mkfifo "$T/in" "$T/answers"
chat --json <"$T/in" >"$T/answers" &
exec 3>"$T/in" 4<"$T/answers"
echo '{"prompt":"question 1","max_new_tokens":2}' >&3
read -r one <&4
echo '{"prompt":"question 2","max_new_tokens":3}' >&3
read -r two <&4
exec 3>&-
wait
printf '%s\n' "$one" "$two" >"$T/a"
head -n 2 "$T/single" >"$T/b"
same "$T/a" "$T/b" "a program that waits gets its answer before it asks again"

# A terminal.
if script -qefc true /dev/null >/dev/null 2>&1; then	# there is a pseudo-terminal to be had
	printf 'Hello world\nclear\nHello world\nexit\nnever\n' |
		script -qefc "ft-chat -m $MODEL --template chatml --dtype float32 --max-new-tokens 8" /dev/null \
			2>/dev/null | tr -d '\r' >"$T/term"
	is "$(grep -cF -- "$(cat "$T/hello")" "$T/term")" 2 "clear begins anew, the answer is the same"
	has "$T/term" "(a new conversation)" "and says so"
fi

# Streaming: pieces that together are the answer, in the order of the requests.
printf '%s\n' '{"prompt":"Hello world","stream":true}' '{"prompt":"again","max_new_tokens":2}' >"$T/two"
chat --json <"$T/two" >"$T/a"
is "$(grep -c '^{"delta": ' "$T/a" | awk '{ print ($1 > 1) }')" 1 "a streamed answer comes in pieces"
sed -n 's/^{"delta": "\(.*\)"}$/\1/p' "$T/a" | tr -d '\n' >"$T/b"
is "$(cat "$T/b")" "$(grep '"answer"' "$T/a" | sed -n '1s/{"answer": "\(.*\)", "tokens".*/\1/p')" "which together are the answer"
grep '"answer"' "$T/a" >"$T/b"
sed 's/,"stream":true//' "$T/two" | chat --json >"$T/c"
same "$T/b" "$T/c" "the last lines are those of answers that are not streamed"
tail -n 1 "$T/a" >"$T/b"
tail -n 1 "$T/c" >"$T/d"
same "$T/b" "$T/d" "and stand in order"
has "$T/c" '"finish_reason": "length", "usage": {"prompt_tokens": ' "why it ended, and what it took"
chat --json --stream <"$T/two" >"$T/a"
is "$(tail -n 2 "$T/a" | grep -c delta)" 1 "--stream: every answer comes in pieces"
exits 2 "--stream without --json" chat --stream x

# How long it took.
chat --json --timings <"$T/two" | grep '"answer"' >"$T/a"
is "$(grep -cE ', "timings": \{"prompt_seconds": [0-9.e-]+, "answer_seconds": [0-9.e-]+\}\}$' "$T/a")" 2 \
	"--timings: every answer says its seconds"
sed 's/, "timings": .*/}/' "$T/a" >"$T/b"
same "$T/b" "$T/c" "and is otherwise the same"
awk -F'"(prompt|answer)_seconds": ' '{ if ($2 + 0 <= 0 || $3 + 0 < 0 || $2 + $3 > 60) bad = 1 } END { exit bad }' "$T/a"
ok $? "which are seconds"
exits 2 "--timings without --json" chat --timings x

# A file of prompts.
printf 'Hello world\n\nagain\r\n' >"$T/prompts"
exits 0 "a file of prompts" chat --batch "$T/prompts"
head -c "$(wc -c <"$T/hello")" "$T/out" >"$T/a"
same "$T/a" "$T/hello" "is answered in order"
cp "$T/out" "$T/batch"
is "$(tail -c +$(($(wc -c <"$T/hello") + 1)) "$T/batch")" "$(cat "$T/fresh")" "each for itself"
chat --batch - <"$T/prompts" >"$T/a"
same "$T/a" "$T/batch" "also from standard input"
for n in 1 3 16; do
	chat --batch "$T/many" --json --streams $n >"$T/a"
	same "$T/a" "$T/together" "a file of requests, $n at a time, is answered as the same lines are"
done
for n in 1 2 3 7 16; do
	chat --dtype bfloat16 --batch "$T/many" --streams $n >"$T/b$n"
	same "$T/b$n" "$T/b1" "bfloat16, $n at a time: the same bytes"
done
: >"$T/empty"
is "$(chat --batch "$T/empty" --json)" "" "an empty file, no answers"
# refused_batch LINE PLACE TEXT NAME: nothing is answered, not even the line before.
refused_batch()
{
	printf '{"prompt":"a"}\n%s\n' "$1" >"$T/bad.jsonl"
	is_refused "$3" "$4" ft-chat -m "$MODEL" --template chatml --batch "$T/bad.jsonl"
	has "$T/err" "bad.jsonl:$2: " "$4: with its place"
}
refused_batch '{"prompt": }' 2:12 "near '}'" "broken JSON"
refused_batch '{"prompt":"a", "temprature":1}' 2:16 'did you mean "temperature"' "a mistyped key"
refused_batch '{"prompt":"a", "top_p":7}' 2:16 "from 0 to 1" "a number out of range"
refused_batch '{"messages":[{"role":"user","content":"a"},{"role":"king","content":"b"}]}' 2:52 king "an unknown role"
refused_batch 'plain' 2:1 "plain" "text among requests"
refused_batch '{"messages":[{"role":"assistant","content":"a"}]}' 2:1 "take turns" "an answer without a question"
printf 'a\n\377\n' >"$T/bad.txt"
is_refused "bad.txt:2:1: " "a prompt that is not UTF-8" chat --batch "$T/bad.txt"
exits 2 "--batch and a prompt" chat --batch "$T/prompts" x
is_refused "No such file" "a file that is not there" chat --batch "$T/none"

# Conversations longer than the context.
talk='{"role":"user","content":"one two three"},{"role":"assistant","content":"four five six"}'
long="{\"messages\":[$talk,$talk,$talk,{\"role\":\"user\",\"content\":\"Hello world\"}],\"max_new_tokens\":8}"
printf '%s\n' "$long" | chat --json --context 64 >"$T/a"
dropped=$(sed 's/.*"dropped_turns": \([0-9]*\).*/\1/' "$T/a")
[ "$dropped" -ge 1 ] && [ "$dropped" -le 3 ]
ok $? "whole turns are dropped ($dropped), and counted"
short=$talk
[ "$dropped" = 1 ] && short="$talk,$talk"
[ "$dropped" = 3 ] && short=
short="{\"messages\":[$short${short:+,}{\"role\":\"user\",\"content\":\"Hello world\"}],\"max_new_tokens\":8}"
printf '%s\n' "$short" | chat --json --context 64 >"$T/b"
is "$(sed 's/"dropped.*//' "$T/a")" "$(sed 's/"dropped.*//' "$T/b")" "what is left is answered as if it were all"
printf 'a b c d e f\na b c d e f\na b c d e f\na b c d e f\na b c d e f\n' | chat --context 80 >/dev/null 2>"$T/err"
has "$T/err" "no longer fits into 80 positions: the oldest" "said aloud in a conversation"
is_refused "80 positions less 8 for the answer" "a message too long by itself" \
	chat --context 80 "$(awk 'BEGIN { for (i = 0; i < 60; i++) printf "%d ", i }')"

# Drawing by min-p, and several adapters.
exits 0 "min-p 1" chat --temperature 2 --min-p 1 "Hello world"
same "$T/out" "$T/hello" "is greedy"
cp -r "$LORA" "$T/half"
sed 's/"lora_alpha": *\([0-9.]*\)/"lora_alpha": 0/' "$LORA/adapter_config.json" >"$T/half/adapter_config.json"
exits 0 "an adapter beside one that does nothing" chat -a "$T/half,$LORA" "Hello world"
cp "$T/out" "$T/a"
exits 0 "the adapter" chat -a "$LORA" "Hello world"
same "$T/out" "$T/a" "is the adapter alone"
! cmp -s "$T/out" "$T/twice"
ok $? "twice is not once"
ft-merge -m "$MODEL" -a "$LORA,$LORA" -o "$T/merged" >/dev/null 2>&1
exits 0 "both merged" ft-chat -m "$T/merged" --template chatml --dtype float32 --max-new-tokens 8 "Hello world"
same "$T/out" "$T/twice" "say what both beside the weights say"

# What is wrong.
exits 2 "no model" ft-chat x
has "$T/err" "which model?" "is asked for"
exits 2 "--json and a prompt" chat --json x
exits 2 "an empty stop string" chat --stop "" x
is_refused "no such model" "a model that is not there" ft-chat -m "$T/none" x
is_refused "--template" "a model without a template" ft-chat -m "$MODEL" x
is_refused "qwen" "an unknown template" ft-chat -m "$MODEL" --template nonsense x
is_refused "adapter" "an adapter that is not there" bare -a "$T/adapter" x
is_refused "bfloat16" "an unknown dtype" bare --dtype half x
is_refused "device" "an unknown device" bare --device quantum x
is_refused "UTF-8" "a prompt that is not UTF-8" chat "$(printf 'a\377')"
is_refused "room for" "a prompt without end" chat "$(awk 'BEGIN { for (i = 0; i < 3000; i++) printf "%d ", i }')"

# refused_json REQUEST TEXT NAME
refused_json()
{
	printf '%s\n' '{"prompt":"question 1","max_new_tokens":2}' "" "$1" '{"prompt":"never"}' >"$T/bad"
	got=0
	chat --json <"$T/bad" >"$T/out" 2>"$T/err" || got=$?
	is $got 2 "$3 is refused"
	has "$T/err" "standard input:3: " "$3: with its line"
	has "$T/err" "$2" "$3: and what is wrong"
	one_line "$T/err" "$3: in one line"
	is "$(cat "$T/out")" "$(head -n 1 "$T/single")" "$3: after the answer to the line before"
}
refused_json '{"prompt":' "column" "broken JSON"
refused_json '[]' "object" "a list"
refused_json '{}' "there must be" "an empty object"
refused_json '{"prompt":"a","messages":[]}' "there must be" "both forms"
refused_json '{"prompt":7}' "there must be" "a number as prompt"
refused_json '{"prompt":"a","temprature":1}' "temprature" "an unknown key"
refused_json '{"prompt":"a","temperature":"hot"}' "must be a number" "a word as temperature"
refused_json '{"prompt":"a","max_new_tokens":0}' "must be from 1" "no tokens"
refused_json '{"prompt":"a","seed":1.5}' "whole" "half a seed"
refused_json '{"prompt":"a","stop":[""]}' "stop" "an empty stop string"
refused_json '{"prompt":"a","system":1}' "system" "a number as system prompt"
refused_json '{"messages":[{"role":"user"}]}' "message 1" "a message without content"
refused_json '{"messages":[{"role":"king","content":"a"}]}' "king" "an unknown role"
refused_json '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}' "last message" "an answer as the last message"
refused_json '{"messages":[1]}' "message 1" "a number as message"
finish
