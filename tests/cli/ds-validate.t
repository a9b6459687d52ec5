# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"
cd "$ROOT/tests/bad/data" || exit 1

# fires FILE EXPECTED...: the first lines of findings in FILE, and nothing but them, in order.
fires()
{
	file=$1
	shift
	code=1
	case $1 in *': warning: '*) code=0 ;; esac
	exits $code "$file: exit code" ds-validate "$file"
	grep -v '^    ' "$T/out" >"$T/got"
	printf '%s\n' "$@" >"$T/want"
	same "$T/got" "$T/want" "$file: findings"
}

fires json-syntax.json "json-syntax.json:3:23: error: '}' expected near '\"output\"' [json-syntax]"
fires json-syntax-newline.json "json-syntax-newline.json:2:21: error: a line break inside a string, or a missing '\"'; a line break is written \\n [json-syntax]"
fires json-syntax-cut.jsonl "json-syntax-cut.jsonl:2:21: error: the record is not complete: string or '}' expected near end of file [json-syntax]"
fires json-syntax-surrogate.jsonl "json-syntax-surrogate.jsonl:1:32: error: invalid Unicode '\\uD800' near '\"\\ud800\"' [json-syntax]"
fires json-syntax-end.json "json-syntax-end.json:3:28: error: the file ends in the middle of a record [json-syntax]"
fires json-syntax-comma.json "json-syntax-comma.json:1:38: error: ',' missing between two records [json-syntax]" \
	"json-syntax-comma.json:1:74: error: ',' after the last record [json-syntax]"
fires json-syntax-after.json "json-syntax-after.json:2:1: error: text after the ']' that ends the array [json-syntax]"
fires encoding-gbk.json "encoding-gbk.json:2:20: error: the file is GBK (or GB18030), from byte offset 21 [encoding]"
fires encoding-utf16le.json "encoding-utf16le.json:1:1: error: the file is UTF-16 (little-endian) [encoding]"
fires encoding-utf16be.json "encoding-utf16be.json:1:1: error: the file is UTF-16 (big-endian) [encoding]"
fires encoding-latin1.jsonl \
	"encoding-latin1.jsonl:2:21: error: invalid UTF-8 sequence (0xE9) at byte offset 56 [encoding]" \
	"encoding-latin1.jsonl:3:33: error: invalid UTF-8 sequence (0xC0) at byte offset 107 [encoding]"
fires not-array-of-objects.json \
	"not-array-of-objects.json:3:3: error: a record is a string, an object is needed [not-array-of-objects]" \
	"not-array-of-objects.json:4:3: error: a record is an array, an object is needed [not-array-of-objects]" \
	"not-array-of-objects.json:5:3: error: a record is a number, an object is needed [not-array-of-objects]"
fires not-array-of-objects-text.json "not-array-of-objects-text.json:1:1: error: the file is neither a JSON array nor JSON lines [not-array-of-objects]"
fires not-array-of-objects-wrapped.json "not-array-of-objects-wrapped.json:1:10: error: the records are inside \"data\"; the file must be that array itself [not-array-of-objects]"
fires no-records.json "no-records.json:1:1: error: the file holds no records [no-records]"
fires missing-field.jsonl "missing-field.jsonl:2:1: error: no \"output\"; the record has \"instruction\" [missing-field]" \
	"missing-field.jsonl:3:32: error: \"output\" is null [missing-field]"
fires missing-field-messages.jsonl "missing-field-messages.jsonl:1:53: error: a message's \"value\" is missing, a string is needed [missing-field]"
fires wrong-type.jsonl "wrong-type.jsonl:1:32: error: \"output\" is an object, a string is needed [wrong-type]" \
	"wrong-type.jsonl:2:17: error: \"instruction\" is an array, a string is needed [wrong-type]" \
	"wrong-type.jsonl:3:48: error: \"history\" is a string, an array of [user, assistant] pairs is needed [wrong-type]"
fires wrong-type-messages.jsonl "wrong-type-messages.jsonl:1:82: error: a message's \"content\" is a number, a string is needed [wrong-type]"
fires empty-instruction.jsonl "empty-instruction.jsonl:1:17: error: what the user says is empty [empty-instruction]"
fires empty-output.jsonl "empty-output.jsonl:2:32: error: the answer is empty [empty-output]"
fires empty-output-pair.jsonl "empty-output-pair.jsonl:1:44: error: the rejected answer is empty [empty-output]"
fires malformed-history.jsonl "malformed-history.jsonl:1:61: error: history entry 2 is not a pair of user and assistant text [malformed-history]"
fires malformed-history-roles.jsonl \
	"malformed-history-roles.jsonl:1:62: error: message 2 is from user where the assistant is due [malformed-history]" \
	"malformed-history-roles.jsonl:2:47: error: the last message is not the assistant's: nothing to learn from [malformed-history]" \
	"malformed-history-roles.jsonl:3:29: error: role \"bot\" is not known; the tags are \"human\" and \"gpt\" [malformed-history]" \
	"malformed-history-roles.jsonl:4:19: error: no messages [malformed-history]"
fires duplicate-key.jsonl "duplicate-key.jsonl:1:37: error: duplicate object key near '\"output\"' [duplicate-key]"
fires chosen-equals-rejected.jsonl "chosen-equals-rejected.jsonl:1:44: error: chosen and rejected are the same text [chosen-equals-rejected]"
fires malformed-tools.jsonl "malformed-tools.jsonl:1:46: error: \"tools\" is not a JSON array of functions that have a \"name\" [malformed-tools]"
fires bom.json "bom.json:1:1: warning: the file begins with a byte order mark [bom]"
fires control-character.jsonl "control-character.jsonl:1:34: warning: control character U+0007 in text [control-character]"
fires special-token-text.jsonl "special-token-text.jsonl:1:34: warning: \"<|im_end|>\" in text looks like a special token; it will be trained on as plain text [special-token-text]"
fires unknown-field.jsonl "unknown-field.jsonl:1:37: warning: field \"note\" is not used (said once a file) [unknown-field]"

# What the registry and the options find.
exits 1 "file-not-found: exit code" ds-validate nosuch.json
is "$(cat "$T/out")" "nosuch.json:1:1: error: no such file: $(pwd -P)/nosuch.json [file-not-found]" "file-not-found names the absolute path"
exits 1 "a registered file that is gone" ds-validate -d . gone
is "$(cat "$T/out")" "./dataset_info.json:5:3: error: no such file: $(pwd -P)/gone.json [file-not-found]" "points at the entry"
exits 1 "dataset-not-registered: exit code" ds-validate -d . pair
is "$(cat "$T/out")" "./dataset_info.json:1:1: error: data set \"pair\" is not registered; the nearest name is \"pairs\"; known names: pairs, column, gone, parquet, hub, typo; looked in $(pwd -P)/dataset_info.json [dataset-not-registered]" "nearest and known names, absolute path"
exits 1 "no dataset_info.json" ds-validate -d "$T" pairs
has "$T/out" "there is no $T/dataset_info.json" "says where it looked"
exits 1 "unknown-column: exit code" ds-validate -d . -Wno-unknown-field column
is "$(cat "$T/out")" './pairs.jsonl:1:1: error: dataset_info.json maps query to "question", which no record has; they have "prompt", "chosen", "rejected" [unknown-column]' "unknown-column"
exits 1 "an unknown key in columns" ds-validate -d . typo
has "$T/out" './dataset_info.json:8:3: error: data set "typo": columns has no "promt"' "is named with its place"
exits 1 "a .parquet file" ds-validate -d . parquet
has "$T/out" ".parquet files are not read" "is refused clearly"
exits 1 "a remote source" ds-validate -d . hub
has "$T/out" '"hf_hub_url" is not supported' "is refused clearly"
exits 0 "preference data suits dpo" ds-validate -d . --stage dpo pairs
exits 1 "and not sft" ds-validate -d . --stage sft pairs
has "$T/out" "./pairs.jsonl:1:1: error: stage sft cannot take preference data" "stage-ranking-mismatch, sft"
has "$T/out" "[stage-ranking-mismatch]" "rule name"
exits 1 "instructions do not suit dpo" ds-validate --stage dpo unknown-field.jsonl
has "$T/out" '"ranking": true' "the message says what to write"

# Good files are silent.
cd "$ROOT" || exit 1
# shellcheck disable=SC2046 # names are words
exits 0 "the repository's data sets, by name" ds-validate \
	$(sed -n 's/^  "\([a-z0-9_]*\)": {$/\1/p' data/dataset_info.json)
sed 's/^data.soviet.//; s/:1:1: warning: .* \[/ /; s/]$//' "$T/out" >"$T/got"
cat >"$T/want" <<'END'
zh/soviet_jokes.json no-dialogue
zh/soviet_jokes.json single-phrasing
zh/soviet_jokes_v2.json single-phrasing
zh/sft_complete_v3.json single-phrasing
zh/eval_wordings.json no-dialogue
en/soviet_jokes.json no-dialogue
en/soviet_jokes.json single-phrasing
en/soviet_jokes_v2.json single-phrasing
en/sft_complete_v3.json single-phrasing
END
same "$T/got" "$T/want" "the lessons that they are there to teach, and nothing else"
is "$(grep -c '^data/' "$T/err")" 14 "a line of sums for each"
has "$T/err" "data/soviet/zh/dpo_soviet_jokes.json: 40 records, 40 valid, 0 errors, 0 warnings" "sums"
has "$T/err" "       1 no-dialogue              mix in small talk" "and what was found, with what to do"
printf '[{"instruction":"a","output":"b"},\r\n{"instruction":"c","output":"d"}]' >"$T/crlf.jsonl"
printf '{\n  "instruction":"a",\n  "output":"b"\n}\n{"instruction":"c",\n"output":"d"}' >"$T/lines.json"
printf '{"instruction":"a","output":"b"}\r\n{"instruction":"c","output":"d"}\r\n' >"$T/crlf.json"
exits 0 "array in .jsonl, lines in .json, CRLF, no last newline" ds-validate "$T/crlf.jsonl" "$T/lines.json" "$T/crlf.json"
is "$(cat "$T/out")$(grep -c '2 records, 2 valid, 0 errors' "$T/err")" 3 "and they are silent"
printf '{"instruction": "a", "output": "b", "n": 1\000}\n' >"$T/nul.jsonl"
exits 1 "a NUL behind a number" ds-validate "$T/nul.jsonl"
has "$T/out" "nul.jsonl:1:43: error: a NUL byte outside a string [json-syntax]" "is found, though jansson passes over it"

# stdin, --json, -W
cd "$ROOT/tests/bad/data" || exit 1
ds-validate - <missing-field.jsonl >"$T/out" 2>"$T/err"
is "$?" 1 "standard input: exit code"
has "$T/out" '<stdin>:2:1: error: no "output"' "standard input: finding"
exits 1 "--json: exit code" ds-validate --json empty-output.jsonl bom.json
is "$(cat "$T/out")" '{"findings": [{"rule": "empty-output", "severity": "error", "file": "empty-output.jsonl", "line": 2, "column": 32, "message": "the answer is empty"}, {"rule": "bom", "severity": "warning", "file": "bom.json", "line": 1, "column": 1, "message": "the file begins with a byte order mark"}], "files": [{"file": "empty-output.jsonl", "records": 2, "valid": 1}, {"file": "bom.json", "records": 1, "valid": 1}]}' "--json: one object"
exits 0 "--json of a good file" ds-validate --json pairs.jsonl
is "$(cat "$T/out")" '{"findings": [], "files": [{"file": "pairs.jsonl", "records": 1, "valid": 1}]}' "has no findings"
exits 1 "-W error" ds-validate -W error bom.json
exits 1 "-W error=RULE" ds-validate -Werror=bom bom.json
exits 0 "-W error -W no-RULE" ds-validate -W error -Wno-bom bom.json
is "$(cat "$T/out")" "" "a rule that is off is silent"
exits 2 "-W with an unknown rule" ds-validate -W bomb bom.json
exits 2 "no operand" ds-validate
exits 2 "--stage rm" ds-validate --stage rm bom.json
exits 2 "a folder" ds-validate ./
exits 2 "trouble goes before findings" ds-validate ./ empty-output.jsonl
has "$T/out" "[empty-output]" "and does not stop the rest"

# The excerpt and the caret under it.
ds-validate empty-output.jsonl >"$T/out" 2>/dev/null
is "$(sed -n 2,3p "$T/out")" '    {"instruction": "a", "output": "\n"}
                                   ^' "excerpt"
printf '{"instruction": "你好", "output": 3}\n' >"$T/cjk.jsonl"
ds-validate "$T/cjk.jsonl" >"$T/out" 2>/dev/null
has "$T/out" ":1:33: error:" "columns count characters"

i=0
while [ $i -lt 1100 ]; do echo '{"instruction": "a"}'; i=$((i + 1)); done >"$T/many.jsonl"
exits 1 "1100 findings" ds-validate "$T/many.jsonl"
is "$(grep -c 'missing-field' "$T/out")" 1000 "stop at 1000"
has "$T/err" "stopped after 1000 findings" "and say so"
exits 0 "--list-rules" ds-validate --list-rules
is "$(wc -l <"$T/out" | tr -d ' ')" "$(awk '{ print $1 }' "$T/out" | sort -u | wc -l | tr -d ' ')" "every rule has its own name"
finish
