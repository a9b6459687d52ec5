# SPDX-License-Identifier: Apache-2.0
# The pipeline's machinery with tools that only pretend: what reruns, what does not, what an
# interruption leaves. The stage driver by itself first, then the whole of soviet_v3.
. "$(dirname "$0")/../cli/lib.sh"
cd "$T" || exit 1
mkdir -p pipelines bin .ci run
cp -R "$ROOT/pipelines/." pipelines
cp "$ROOT/.ci/deps" .ci

# A tool that copies its inputs to its output and writes down that it ran.
# fake NAME SEMANTICS
fake()
{
	cat >"bin/$1" <<END
#!/bin/sh
if [ "\$1" = --version ]; then echo "$1 (anekdot) 0.1.0, semantics $2"; exit 0; fi
echo "$1" >>"$T/ran"
. "$T/pretend"
END
	chmod +x "bin/$1"
}

# The tools' manners: -o FILE, or output_dir=DIR and -o DIR for ft-merge; written whole.
cat >pretend <<'END'
out='' files=''
tool=${0##*/}
while [ $# -gt 0 ]; do
	case $1 in
	-o) out=$2; shift ;;
	-m | -a | --tokenizer) files="$files $2"; shift ;;
	--dataset | --dataset-dir | --stage) shift ;;
	output_dir=*) out=${1#*=} ;;
	adapter_name_or_path=* | model_name_or_path=*) files="$files ${1#*=}" ;;
	dataset=*) name=${1#*=}; files="$files data/soviet/en/${name%_en}.json" ;;
	*.yaml | *.zst | in*) files="$files $1" ;;
	esac
	shift
done
[ -z "${HANG-}" ] || { echo half >"$out.tmp.$$"; exec sleep 20; }
[ -z "${FAIL-}" ] || { echo "it went wrong"; exit 1; }
case $tool in
ft-sft | ft-dpo | ft-merge)
	mkdir -p "$out.tmp.$$" && cat $(find $files -type f ! -name trainer_log.jsonl | sort) >"$out.tmp.$$/weights"
	date +%N >"$out.tmp.$$/trainer_log.jsonl"
	rm -rf "$out"; mv "$out.tmp.$$" "$out" ;;
ds-tokenize) grep -hv '^learning_rate' $files >"$out.tmp.$$"; mv "$out.tmp.$$" "$out" ;;
ft-eval) echo '{}' >"$out.tmp.$$"; mv "$out.tmp.$$" "$out"; echo "a table" ;;
ft-chat) echo "an answer" ;;
ds-*) [ -z "$out" ] || { cat $files >"$out.tmp.$$"; mv "$out.tmp.$$" "$out"; } ;;
esac
END

ran()
{
	tr '\n' ' ' <ran
	: >ran
}

# The driver by itself.
fake ds-x 1
: >ran
echo one >in1
echo two >in2
x()
{
	pipelines/stage x -i in1 -i in2 -o run/x -- bin/ds-x in1 in2 -o run/x "$@"
}

exits 0 'a stage runs' x
is "$(ran)" 'ds-x ' 'it runs its command once'
same "$T/err" /dev/null 'and says nothing on stderr'
cat in1 in2 >want
same run/x want 'its output is there'
exits 0 'a second call' x
is "$(ran)" '' 'runs nothing'
has "$T/out" 'x: up to date' 'and says so'
touch in1 bin/ds-x
touch -t 200101010000 in2
exits 0 'a call with touched files' x
is "$(ran)" '' 'runs nothing'
echo three >in2
exits 0 'a call with changed content' x
is "$(ran)" 'ds-x ' 'runs'
exits 0 'a call with another argument' x seed=1
is "$(ran)" 'ds-x ' 'runs'
fake ds-x 2
exits 0 'a call with other semantics' x seed=1
is "$(ran)" 'ds-x ' 'runs'
sed -i 's/0\.1\.0/0.2.0/' bin/ds-x
exits 0 'a rebuilt tool of a new version' x seed=1
is "$(ran)" '' 'runs nothing'
rm run/x
exits 0 'a lost output' x seed=1
is "$(ran)" 'ds-x ' 'is made again'
rm in1
exits 2 'a missing input is trouble' x
has "$T/err" 'there is no in1' 'and named'
: >ran
echo one >in1

FAIL=1
export FAIL
exits 1 'a failing command: its exit code' x seed=2
unset FAIL
[ ! -e run/x.key ]
ok $? 'and nothing is recorded'
exits 0 'so the former arguments run again' x seed=1
is "$(ran)" 'ds-x ds-x ' 'as the output may be anything'

# Killed at its worst moment: signals to the driver and to the command.
interrupt()
{
	rm -rf run
	HANG=1 pipelines/stage x -i in1 -o run/x "$@" -- bin/ds-x in1 -o run/x 2>/dev/null >/dev/null &
	driver=$!
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		if ls run/x.tmp.* >/dev/null 2>&1; then break; fi
		sleep 0.1
	done
	tool=$(cut -d' ' -f1 "/proc/$driver/task/$driver/children" 2>/dev/null)
}
interrupt
begin=$(date +%s)
kill -TERM $driver
code=0
wait $driver || code=$?
is $code 143 'SIGTERM to the driver ends it'
[ $(($(date +%s) - begin)) -lt 10 ]
ok $? 'at once'
[ ! -e run/x ] && [ ! -e run/x.key ]
ok $? 'with no output and no key'
[ -z "$tool" ] || ! kill -0 "$tool" 2>/dev/null
ok $? 'and the command with it'
interrupt -s run/text
[ -z "$tool" ] || kill -KILL "$tool"
[ -n "$tool" ] || kill -TERM $driver
code=0
wait $driver || code=$?
[ $code -ne 0 ] && [ ! -e run/x ] && [ ! -e run/x.key ] && [ ! -e run/text ]
ok $? 'a killed command: no output, no key, no text'
: >ran
exits 0 'the next call' pipelines/stage x -i in1 -s run/text -o run/x -- bin/ds-x in1 -o run/x
is "$(ran)" 'ds-x ' 'runs'
is "$(find run -name '*.tmp.*' | wc -l | tr -d ' ')" 0 'and clears away what was left'

# The whole of soviet_v3.
rm -rf run
for tool in ds-validate ds-tokenize ft-sft ft-dpo ft-merge ft-eval ft-chat; do
	fake $tool 1
done
mkdir -p data/soviet/en
echo '{}' >data/dataset_info.json
for file in soviet_jokes soviet_jokes_v2 sft_complete_v3 dpo_soviet_jokes eval_wordings eval_smalltalk eval_pairs; do
	echo "[\"$file\"]" >"data/soviet/en/$file.json"
done
for base in fake other; do
	mkdir -p models/$base
	echo "$base" >models/$base/model.gguf
	cat >>pipelines/bases.mk <<END
BASES += $base
$base.file := model.gguf
$base.sha256 := $(sha256sum <models/$base/model.gguf | cut -c 1-64)
$base.language := en
$base.template := plain
$base.package := none==0
$base.wheel_sha256 := 0
$base.member := none
$base.license := none
END
done
cat >Makefile <<'END'
BIN := bin
PYTHON := false
include pipelines/bases.mk $(sort $(wildcard pipelines/*/*.mk)) pipelines/stages.mk
END
unset MAKEFLAGS MAKELEVEL MFLAGS
line()
{
	make --no-print-directory BASE=fake "$@"
}

validate='ds-validate ds-validate '
tokenize='ds-tokenize ds-tokenize '
chat='ft-chat ft-chat ft-chat ft-chat ft-chat '
exits 0 'make -n' line -n pipelines/soviet_v3
is "$(ran)" '' 'runs nothing'
exits 0 'up to tokenize' line pipelines/soviet_v3/tokenize
is "$(ran)" "$validate$tokenize" 'runs what it needs'
exits 0 'the whole line' line pipelines/soviet_v3
is "$(ran)" "ft-sft ft-dpo ft-merge ft-eval ft-eval $chat" 'runs the rest'
tail -n 1 "$T/out" >last
is "$(cat last)" 'an answer' 'and ends with the conversation'
# The processor's time: the clock's depends on who else is at work.
# shellcheck disable=SC2016 # perl's
exits 0 'a second call' perl -e 'my $code = system @ARGV; my @t = times; printf STDERR "%.2f\n", $t[2] + $t[3]; exit $code >> 8' \
	make --no-print-directory BASE=fake pipelines/soviet_v3
tail -n 1 err >seconds
echo "# $(cat seconds) s"
is "$(ran)" '' 'runs nothing'
perl -e 'exit !(<> < 1)' seconds
ok $? 'and takes less than a second'
is "$(find build -name '*.tmp*' | wc -l | tr -d ' ')" 0 'nothing unfinished lies about'
touch data/soviet/en/*.json data/dataset_info.json pipelines/soviet_v3/*.yaml bin/* models/*/*
exits 0 'after touching everything' line pipelines/soviet_v3
is "$(ran)" '' 'nothing runs'
sed -i 's/^learning_rate: .*/learning_rate: 7.0e-6/' pipelines/soviet_v3/dpo.yaml
exits 0 'another learning rate for DPO' line pipelines/soviet_v3
is "$(ran)" "ft-dpo ft-merge ft-eval $chat" 'runs DPO and what follows'
sed -i 's/^cutoff_len: .*/cutoff_len: 512/' pipelines/soviet_v3/dpo.yaml
exits 0 'another cutoff_len for DPO' line pipelines/soviet_v3/dpo
is "$(ran)" 'ds-tokenize ft-dpo ' 'runs its tokenizer and DPO'
line pipelines/soviet_v3 >/dev/null
ran >/dev/null
fake ft-merge 2
exits 0 'other semantics of ft-merge with the same result' line pipelines/soviet_v3
is "$(ran)" 'ft-merge ' 'run ft-merge alone'
echo '["changed"]' >data/soviet/en/sft_complete_v3.json
exits 0 'changed SFT data, with -j4' line -j4 pipelines/soviet_v3
is "$(ran)" "ds-validate ds-tokenize ft-sft ft-dpo ft-merge ft-eval ft-eval $chat" 'runs what depends on them'
exits 0 'another base' line pipelines/soviet_v3/sft BASE=other
is "$(ran)" "$validate${tokenize}ft-sft " 'runs beside'
exits 0 'the first base' line pipelines/soviet_v3
is "$(ran)" '' 'is still up to date'
exits 2 'an unknown base' line pipelines/soviet_v3 BASE=nobody
has "$T/err" 'llama-3.2-1b-instruct fake other' 'gets the list of those there are'

# The other experiments: stages that a pipeline has not, and an SFT that two of them share.
exits 0 'SFT alone' line pipelines/soviet_v1
is "$(ran)" "ds-validate ds-tokenize ft-sft ft-merge ft-eval $chat" 'runs no stage of DPO'
exits 2 'DPO of a pipeline without it' line pipelines/soviet_v1/dpo
has "$T/err" 'No rule to make target' 'is no target'
exits 0 'DPO on the base' line pipelines/soviet_dpo_scratch
is "$(ran)" "ds-validate ds-tokenize ft-dpo ft-merge ft-eval $chat" 'runs no SFT'
exits 2 'SFT of a pipeline without it' line pipelines/soviet_dpo_scratch/sft
exits 0 "DPO on another pipeline's SFT, with -j4" line -j4 pipelines/soviet_dpo_v2
is "$(ran | tr ' ' '\n' | sort | uniq -c | awk '{ printf "%s*%s ", $1, $2 }')" \
	'2*ds-tokenize 2*ds-validate 5*ft-chat 1*ft-dpo 1*ft-eval 1*ft-merge 1*ft-sft ' 'runs that SFT'
exits 0 'that pipeline itself' line pipelines/soviet_v2
is "$(ran)" "ft-merge ft-eval $chat" 'runs it no second time'
is "$(find build -name sft -type d | sort | tr '\n' ' ')" \
	'build/soviet_v1/fake/sft build/soviet_v2/fake/sft build/soviet_v3/fake/sft build/soviet_v3/other/sft ' \
	'its adapter is there once'
exits 0 'all of them' line -j4 pipelines/soviet_v1 pipelines/soviet_v2 pipelines/soviet_v3 pipelines/soviet_dpo_scratch \
	pipelines/soviet_dpo_v2
is "$(ran)" '' 'are up to date'

# Every base goes through every pipeline, in its language and with its template.
cat >rows.mk <<'END'
include pipelines/bases.mk
bases: ; @echo $(BASES)
row: ; @echo $($(BASE).template) $($(BASE).language) $($(BASE).license)
END
for base in $(make -s -f rows.mk bases); do
	make -n BASE="$base" pipelines/soviet_v3 pipelines/soviet_v1 pipelines/soviet_dpo_v2 pipelines/soviet_dpo_scratch >plan 2>&1
	ok $? "$base has a plan for each pipeline"
	make -s -f rows.mk row BASE="$base" >asked
	read -r template language license <asked
	is "$(grep -o 'template=[a-z0-9_]*' plan | sort -u)" "template=$template" "$base: its template ($license)"
	is "$(grep -o 'data/soviet/[a-z]*/' plan | sort -u)" "data/soviet/$language/" "$base: its language"
done

echo changed >models/fake/model.gguf
rm models/fake/model.gguf.key
printf '#!/bin/sh\nexit 0\n' >.ci/deps
exits 2 'a base with another hash' line pipelines/soviet_v3/sft
is "$(ran)" '' 'is not used'
finish
