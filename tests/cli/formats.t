#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tables and KTO's tags: what is read, and what is said of what cannot be.
. "$(dirname "$0")/lib.sh"

zstd -dqc "$ROOT/tests/golden/template/qwen.tokenizer.json.zst" >"$T/q.json"
cd "$T" || exit 1
tok() { ds-tokenize -t q.json --template qwen3_nothink "$@"; }

# A table says what JSON lines say.
cat >a.jsonl <<'EOF_A'
{"instruction": "Hello, you", "input": "", "output": "He said \"no\".\nThen: yes,"}
{"instruction": " spaced ", "input": "以及", "output": "\\ ' \t"}
{"instruction": "plain \"quoted\" word", "input": "x", "output": "3"}
EOF_A
# The tab of the second row is a real one.
printf '%s\n' 'instruction,input,output' '"Hello, you",,"He said ""no"".' 'Then: yes,"' '' \
	" spaced ,以及,\\ ' 	" 'plain "quoted" word,"x",3' >a.csv
exits 0 "JSON lines" tok -d a.jsonl -o a.tok.zst
exits 0 "a table" tok -d a.csv -o b.tok.zst
ds-show --json a.tok.zst >want
ds-show --json b.tok.zst >got
same got want "gives the same examples"
sed 's/$/\r/' a.csv | sed 's/"He said ""no"".\r/"He said ""no""./' >crlf.csv
exits 0 "with CRLF and a byte order mark" sh -c 'printf "\357\273\277" >bom.csv && cat crlf.csv >>bom.csv && ds-tokenize -t q.json --template qwen3_nothink -d bom.csv -o b.tok.zst'
ds-show --json b.tok.zst >got
same got want "too"
printf 'instruction,output\n"a","b"' >end.csv
exits 0 "without a line end at its end" tok -d end.csv -o b.tok.zst
has err "1 examples" "the last row counts"
exits 0 "ds-validate reads tables" ds-validate a.csv

# row TEXT WHAT: the table is refused with this.
row()
{
	printf '%b' "$1" >bad.csv
	exits 2 "refused: $2" tok -d bad.csv -o x.tok.zst
	has err "$2" "with the place and why"
	one_line err "in a line"
	exits 1 "ds-validate" ds-validate bad.csv
	has out "${2%%: *}: error: ${2#*: }" "says the same"
}
row 'instruction,output\na,b\nc,d,e\n' 'bad.csv:3:5: more cells than the first row has names; a text with a comma stands in quotes [csv-syntax]'
row 'instruction,output\na\n' 'bad.csv:2:2: fewer cells than the first row has names [csv-syntax]'
row 'instruction,output\na,"b\n' "bad.csv:2:3: a cell begins with '\"' and is never closed [csv-syntax]"
row 'instruction,output\na,"b"c\n' "bad.csv:2:6: text behind the '\"' that closes a cell [csv-syntax]"
row 'instruction,output,output\na,b,c\n' 'bad.csv:1:20: two columns have the same name [csv-syntax]'
row 'instruction,,output\na,b,c\n' 'bad.csv:1:13: a column of the first row has no name [csv-syntax]'
row 'instruction,output\na,b\nc,\n' 'bad.csv:3:3: the answer is empty [empty-output]'
row 'instruction,output\n"two\nlines",b\n"x\ny",  \n' 'bad.csv:5:4: the answer is empty [empty-output]'
row 'instruction,output\na,\377\n' 'bad.csv:2:3: invalid UTF-8 sequence (0xFF) at byte offset 21 [encoding]'
row 'instruction,response_\na,b\n' 'bad.csv:2:1: no "output"; the record has "instruction", "response_"'

# KTO's tags.
cat >kto.jsonl <<'EOF_KTO'
{"instruction": "a", "output": "good", "kto_tag": true}
{"instruction": "a", "output": "bad", "kto_tag": false}
{"instruction": "b", "output": "untagged", "kto_tag": null}
EOF_KTO
exits 0 "answers with a tag" tok -d kto.jsonl -o k.tok.zst
has err "2 examples" "the good ones are trained on"
has err "1 left out, for kto_tag is false" "the others are counted"
ds-show -t q.json k.tok.zst >got
! grep -q bad got
ok $? "and are not there"
sed 's/"kto_tag"/"label"/; s/"instruction"/"q"/' kto.jsonl >named.jsonl
cat >dataset_info.json <<'EOF_INFO'
{"named": {"file_name": "named.jsonl", "columns": {"prompt": "q", "response": "output", "kto_tag": "label"}},
 "both": {"file_name": "named.jsonl", "ranking": true, "columns": {"prompt": "q", "chosen": "output", "rejected": "output", "kto_tag": "label"}}}
EOF_INFO
exits 0 "by another name" tok dataset=named dataset_dir=. -o l.tok.zst
ds-show --json k.tok.zst >want
ds-show --json l.tok.zst >got
same got want "the same"
printf 'instruction,output,kto_tag\na,good,True\na,bad,False\nb,untagged,true\n' >kto.csv
exits 0 "in a table" tok -d kto.csv -o l.tok.zst
ds-show --json l.tok.zst >got
same got want "the words"
exits 2 "pairs with tags" tok dataset=both dataset_dir=. -o x.tok.zst
has err "exclude each other" "are refused"
exits 2 "for dpo" tok -d kto.jsonl --stage dpo -o x.tok.zst
has err "single answers with a kto_tag" "it is said what they are"
sed 's/true/1/' kto.jsonl >one.jsonl
exits 2 "a tag that is a number" tok -d one.jsonl -o x.tok.zst
has err 'one.jsonl:1:51: "kto_tag" is a number, true or false is needed' "is refused"
grep false kto.jsonl >allbad.jsonl
exits 2 "nothing but bad answers" tok -d allbad.jsonl -o x.tok.zst
has err "of 1 records kto_tag is false in 1, and 0 are longer" "is told"
finish
