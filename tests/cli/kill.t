#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ft-sft and ft-dpo are stopped by signals at points spread over the run (base/fault.h: calls to the system,
# and parts of a step between them): SIGKILL, SIGTERM, SIGINT, and SIGTERM followed by SIGINT. The same command
# again goes on from the newest checkpoint, or anew where there is none, and ends with the bytes of a run
# that was never stopped. POINTS= says at how many points each trainer is killed (default: 14);
# POINTS=200 is the long form.
. "$(dirname "$0")/lib.sh"

MODEL=$ROOT/tests/golden/hf_tiny/qwen2
POINTS=${POINTS:-14}
GOMP_SPINCOUNT=1000 # or the tool would start itself once more
export GOMP_SPINCOUNT
echo '{"ids":[5,6,7,8,9,10,11,12],"prompt_len":3}
{"ids":[20,21,22,23,24],"prompt_len":2}
{"ids":[30,31,32,33,34,35],"prompt_len":1}' | ds-tokenize --from-ids -o "$T/ft-sft.tok.zst" 2>/dev/null
echo '{"prompt":[5,6,7],"chosen":[8,9,10],"rejected":[11,12]}
{"prompt":[20,21],"chosen":[22],"rejected":[23,24,25]}
{"prompt":[30,31],"chosen":[32,33],"rejected":[34]}' | ds-tokenize --from-ids -o "$T/ft-dpo.tok.zst" 2>/dev/null

run()
{
	$tool "$T/$tool.tok.zst" "model_name_or_path=$MODEL" "output_dir=$T/run" lora_rank=2 learning_rate=1e-2 \
		per_device_train_batch_size=1 gradient_accumulation_steps=1 max_steps=6 save_steps=1 \
		save_total_limit=2 logging_steps=1 plot_loss=true "$own" >"$T/out" 2>"$T/err"
}

# kinds: of a trace on standard input, a line "N KIND" a point. What is synced or renamed is of that
# kind wherever it stands.
kinds()
{
	awk -v dpo="$([ $tool = ft-dpo ] && echo 1)" '
	$1 == "point" {
		if (phase == "" || $3 == "forward" && phase == "open")
			phase = $3 != "forward" ? "open" : dpo ? "reference" : "step"
		if ($3 == "mkdir" && $4 ~ /\/checkpoint-[0-9]+\.tmp/)
			phase = "checkpoint"
		n++
		kind[n] = $3 == "fsync" ? "fsync" : $3 ~ /^(rename|exchange)$/ ? "rename" : $3 == "remove" ? "prune" : phase
		if ($3 == "update")
			last = n
		if (phase == "reference" && $3 == "rename" || $4 ~ /\/checkpoint-[0-9]+$/ && $3 ~ /^(rename|exchange)$/)
			phase = "step"
	}
	END {
		for (i = 1; i <= n; i++)
			print i, (i > last && kind[i] == "step" ? "end" : kind[i])
	}'
}

# spread COUNT: so many of the lines of kinds, of each kind as many as of another, as far as there are.
spread()
{
	sort -k 2,2 -k 1,1n "$T/kinds" | awk -v want="$1" '
	{
		if (!($2 in n))
			order[++k] = $2
		line[$2, ++n[$2]] = $0
		all++
	}
	END {
		want = want < all ? want : all
		while (left < want)
			for (i = 1; i <= k && left < want; i++)
				if (share[order[i]] < n[order[i]]) {
					share[order[i]]++
					left++
				}
		for (i = 1; i <= k; i++)
			for (j = 0; j < share[order[i]]; j++)
				print line[order[i], 1 + int((j + 0.5) * n[order[i]] / share[order[i]])]
	}'
}

# finish_run: the same command until the adapter is there; says what went wrong with it.
finish_run()
{
	if [ ! -e "$T/run/adapter_model.safetensors" ]; then
		run || wrong="$wrong $how:$n ($(tail -n 1 "$T/err"))"
		if grep -q 'going on from' "$T/err"; then resumed=$((resumed + 1)); else anew=$((anew + 1)); fi
		[ -z "$(find "$T/run" -name '*.tmp.*' -o -name '*.old.*')" ] || wrong="$wrong $how:$n (something is left)"
	fi
	cmp -s "$T/want" "$T/run/adapter_model.safetensors" || wrong="$wrong $how:$n (other bytes)"
}

# stop HOW COUNT CODE...: stopped in that way at so many points, it ends with one of the codes, mostly the
# first.
stop()
{
	how=$1 count_=$2
	shift 2
	wrong='' resumed=0 anew=0 tried=0 first=0
	spread "$count_" >"$T/some"
	while read -r n kind <&3; do
		rm -rf "$T/run"
		code=0
		# In a shell of its own, which says what it died of, to nobody.
		(ANEKDOT_FAULT=$how:$n run) 2>/dev/null || code=$?
		case " $* " in
		*" $code "*) ;;
		*) wrong="$wrong $how:$n in $kind (exit code $code: $(tail -n 1 "$T/err"))" ;;
		esac
		[ $code != "$1" ] || first=$((first + 1))
		if [ $code = 75 ] && ! grep -Eq 'go on with resume_from|start it again' "$T/err"; then
			wrong="$wrong $how:$n (does not say how to go on)"
		fi
		finish_run
		tried=$((tried + 1))
	done 3<"$T/some"
	[ $((2 * first)) -gt $tried ] || wrong="$wrong only $first times $1"
	is "$wrong" '' "$tool: $how at $tried points: the same bytes, $resumed going on, $anew anew"
	cut -d ' ' -f 2 "$T/some" | sort | uniq -c | awk '{ s = s (s ? ", " : "") $2 " " $1 } END { print "# " s }'
}

for tool in ft-sft ft-dpo; do
	own=lora_dropout=0.2
	[ $tool = ft-sft ] || own=reference_cache=output_dir
	rm -rf "$T/run"
	ANEKDOT_FAULT=trace run
	ok $? "$tool: a run that nobody stops"
	kinds <"$T/err" >"$T/kinds"
	cut -d ' ' -f 2 "$T/kinds" | sort | uniq -c | awk '{ s = s (s ? ", " : "") $2 " " $1; n += $1 }
		END { print "# " n " points: " s }'
	is "$(cut -d ' ' -f 2 "$T/kinds" | sort -u | grep -cE '^(open|step|checkpoint|fsync|rename|prune|end)$')" 7 \
		"$tool: of every kind"
	[ "$(wc -l <"$T/kinds")" -gt 200 ]
	ok $? "$tool: more than 200 points"
	cp "$T/run/adapter_model.safetensors" "$T/want"

	stop kill "$POINTS" 137
	stop term $((POINTS / 2)) 75 0
	stop int $((POINTS / 2)) 75 0
	# The second signal ends it at once, unless there is no point left for it.
	stop twice $((POINTS / 2)) 130 75 0

	# Killed again and again, each time a checkpoint further.
	third=$(awk '$2 == "rename"' "$T/kinds" | wc -l)
	how=kill n=$(awk -v at=$((third / 2)) '$2 == "rename" && ++i == at { print $1 }' "$T/kinds")
	rm -rf "$T/run"
	wrong='' times=0
	while [ $times -lt 20 ] && ! (ANEKDOT_FAULT=kill:$n run) 2>/dev/null; do
		times=$((times + 1))
	done
	cmp -s "$T/want" "$T/run/adapter_model.safetensors" && [ $times -gt 0 ] && [ $times -lt 20 ]
	ok $? "$tool: killed $times times on the way: the same bytes"
done
finish
