# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The part of pipelines/fetch that speaks with the Hugging Face Hub: fetch_hub and pin.

# The lines of DIR/hub.lock: `source REPO REVISION`, then `file SHA256 SIZE PATH` for each that is there.

# locked PATH: sets $hash and $size to what the lock has for it, or to nothing.
locked()
{
	hash='' size=''
	if [ -f "$lock" ]; then
		while read -r word h s p; do
			if [ "$word" = file ] && [ "$p" = "$1" ]; then hash=$h size=$s; fi
		done <"$lock"
	fi
}

# record PATH SHA256 SIZE
record()
{
	{
		echo "source $repo $revision"
		if [ -f "$lock" ]; then
			while read -r word h s p; do
				if [ "$word" = file ] && [ "$p" != "$1" ]; then echo "file $h $s $p"; fi
			done <"$lock"
		fi
		echo "file $2 $3 $1"
	} | replace "$lock"
}

origin()
{
	rest=${1#*://}
	echo "${1%%://*}://${rest%%/*}"
}

at_endpoint()
{
	[ "$(origin "$url")" = "$(origin "$endpoint")" ]
}

# curl for $url, in the background for leave(). The token goes through standard input, where ps does
# not see it, and only to the endpoint. Sets $status (curl's) and $code (HTTP's; 000 without an answer).
curl_url()
{
	rm -f "$tmp/head"
	if [ -n "$token" ] && at_endpoint; then
		printf 'header = "Authorization: Bearer %s"\n' "$token"
	fi | {
		trap '' XFSZ
		if [ -n "$limit" ]; then ulimit -f "$limit"; fi
		exec curl --config - --connect-timeout "$timeout" --speed-limit 1 --speed-time "$timeout" \
			--dump-header "$tmp/head" --write-out '%{http_code}' "$@" "$url"
	} >"$tmp/code" &
	child=$!
	status=0
	wait $child || status=$?
	child=''
	code=$(cat "$tmp/code")
}

# header NAME: its value in the last answer.
header()
{
	tr -d '\r' <"$tmp/head" 2>/dev/null | awk -v n="$1:" 'tolower($1) == n { v = $2 } END { print v }'
}

# trouble: dies where asking again is of no use, and otherwise sets $why.
trouble()
{
	host=$(origin "$url")
	why="$host answers $code"
	if ! at_endpoint && [ "$code" -ge 400 ]; then return; fi # an address that has run out: ask anew
	case $status:$code in
	*:401) if [ -n "$token" ]; then
			die "$host does not accept HF_TOKEN for $repo (401); make a new one at $endpoint/settings/tokens"
		fi
		die "$repo wants an account (401): accept its licence at $endpoint/$repo and set HF_TOKEN" \
			"to a token from $endpoint/settings/tokens" ;;
	*:403) die "$host refuses $repo (403): accept its licence at $endpoint/$repo with the account of HF_TOKEN" ;;
	*:404 | *:410) die "$host has no $path in $repo at $revision ($code); is the row in pipelines/bases.mk right?" ;;
	*:408 | *:416 | *:425 | *:429 | *:5??) ;;
	*:4??) die "$host answers $code for $path of $repo" ;;
	23:*) die "cannot write $part; is the disk full?" ;;
	5:* | 6:*) why="there is no address for $host; is there a network? (HF_ENDPOINT names a mirror)" ;;
	7:*) why="cannot connect to $host; is there a network? (HF_ENDPOINT names a mirror)" ;;
	28:*) why="$host sent nothing for $timeout s" ;;
	35:* | 51:* | 53:* | 60:* | 77:*) die "no secure connection to $host (curl's error $status); are certificates and clock right?" ;;
	*:3??) die "$host sends $path from one address to another without end ($code)" ;;
	*) why="the connection to $host broke off" ;;
	esac
}

# ask: sets $url to where the file is, $stated to the hash that the Hub states (64 digits: SHA-256, 40:
# git's) and $size to the size. Redirections within the endpoint are followed; one that leaves it ends
# the asking, since such an address may be good for GET only.
ask()
{
	url=$endpoint/$repo/resolve/$revision/$path stated='' size='' limit=''
	for _ in 1 2 3 4 5; do
		curl_url --silent --head --max-time "$timeout" --output /dev/null
		tag=$(header x-linked-etag)
		tag=${tag:-$(header etag)}
		tag=${tag#W/}
		tag=$(echo "$tag" | tr -d '"')
		case $tag in
		*[!0-9a-f]*) ;;
		????????????????????????????????????????????????????????????????) stated=$tag ;;
		????????????????????????????????????????) stated=${stated:-$tag} ;;
		esac
		linked=$(header x-linked-size)
		size=${linked:-$size}
		if [ "$code" = 200 ]; then size=${size:-$(header content-length)}; fi
		case $size in
		*[!0-9]* | ????????????????*) size='' ;;
		esac
		case $status:$code in
		0:200) return 0 ;;
		0:301 | 0:302 | 0:303 | 0:307 | 0:308)
			to=$(header location)
			case $to in
			/*) to=$(origin "$url")$to ;;
			http://* | https://*) ;;
			*) return 1 ;;
			esac
			url=$to
			at_endpoint || return 0 ;;
		*) return 1 ;;
		esac
	done
	return 1
}

# Which version $part is a piece of, if the server says that: a resumed download asks for the same.
keep_etag()
{
	case $(header etag) in
	\"*) if [ -s "$part" ]; then header etag >"$part.etag"; fi ;;
	esac
}

# get: the rest of $part from $url.
get()
{
	have=$(bytes "$part")
	limit='' follow=--no-location
	if [ -n "$size" ]; then limit=$((size / 512 + 64)); fi
	if ! at_endpoint; then follow='--location --max-redirs 5'; fi
	quiet=--silent
	if [ -t 2 ]; then quiet=--progress-bar; fi
	set -- --fail $quiet --output "$part"
	if [ "$have" -gt 0 ]; then
		set -- "$@" --continue-at "$have"
		if [ -s "$part.etag" ]; then set -- "$@" --header "If-Range: $(cat "$part.etag")"; fi
	fi
	# shellcheck disable=SC2034 # leave() in pipelines/fetch reads it
	getting=1
	# shellcheck disable=SC2086 # words
	curl_url $follow "$@"
	keep_etag
	# shellcheck disable=SC2034
	getting=''
	[ $status -eq 0 ]
}

# verified: whether $part is what it has to be, by the pinned or recorded hash, else by the stated one.
# If not, sets $why.
verified()
{
	sha=$(sum "$part")
	n=$(bytes "$part")
	if [ -n "$known" ]; then
		why="has the SHA-256 $sha instead of $known, the $whence"
		[ "$sha" = "$known" ]
	elif [ -n "$size" ] && [ "$size" != "$n" ]; then
		why="has $n bytes instead of $size"
		false
	elif [ ${#stated} -eq 64 ]; then
		why="has the SHA-256 $sha instead of $stated, which the Hub states"
		[ "$sha" = "$stated" ]
	elif [ -n "$stated" ]; then
		git=$({ printf 'blob %s\0' "$n" && cat "$part"; } | { sha1sum 2>/dev/null || shasum; } | cut -c 1-40)
		why="has git's hash $git instead of $stated, which the Hub states"
		[ "$git" = "$stated" ]
	fi
}

drop()
{
	rm -f "$part" "$part.etag"
}

# Room for what is missing of $part?
check_space()
{
	have=$(bytes "$part")
	room=$(df -Pk "$dir" | awk 'NR == 2 { print $4 }')
	if [ -n "$size" ] && [ -n "$room" ] && [ $(((size - have) / 1024)) -gt "$room" ]; then
		die "$path needs $(((size - have) / 1048576)) MB and $dir has room for $((room / 1024)) MB"
	fi
}

# wait_for WHY: before a new try; dies after so many without a byte in between.
wait_for()
{
	failures=$((failures + 1))
	[ $failures -lt "$tries" ] || die "$path: $1; gave up after $failures tries. Call again to go on."
	pause=$((first_wait << (failures - 1)))
	after=$(header retry-after)
	case $after in
	'' | *[!0-9]*) ;;
	*) pause=$after ;;
	esac
	[ "$pause" -le 300 ] || die "$path: $1 and asks for $pause s of patience; call again then"
	say "$path: $1; trying again in $pause s"
	sleep "$pause" &
	child=$!
	wait $child
	child=''
}

# fetch_file: $path into $dir; $known is the SHA-256 that it has to have, if that is known.
fetch_file()
{
	part=$dir/$path.part
	mkdir -p "$(dirname "$part")" || exit 2
	failures=0 best=$(bytes "$part") # failures in a row: without getting further than ever before
	while :; do
		if ! ask; then
			trouble
			wait_for "$why"
			continue
		fi
		if [ -n "$known" ] && [ ${#stated} -eq 64 ] && [ "$stated" != "$known" ]; then
			die "$path: $endpoint states the SHA-256 $stated; the $whence is $known"
		fi
		check_space
		before=$(bytes "$part")
		ended=0
		if [ "$before" != "$size" ]; then
			say "fetching $path${size:+, $size bytes}$(if [ "$before" -gt 0 ]; then echo ", from byte $before on"; fi)"
			get || ended=1
		fi
		now=$(bytes "$part")
		if [ "$now" -gt "$best" ]; then failures=0 best=$now; fi
		if [ "$status" -eq 33 ]; then
			say "$path: $(origin "$url") does not go on where it was; starting over"
			drop
		elif [ -n "$size" ] && [ "$now" -gt "$size" ]; then
			drop
			die "$path: $(origin "$url") sends more than the $size bytes it is said to have; nothing was kept"
		elif [ "$now" = "${size:-$now}" ] && { [ $ended = 0 ] || [ -n "$size" ]; }; then
			[ -f "$part" ] || : >"$part"
			if verified; then break; fi
			drop
			[ "$before" -gt 0 ] || die "$path from $(origin "$url") $why; nothing was kept"
			say "$path: what was there and what came together $why; starting over"
		else
			why="$(origin "$url") ended it after $now of $size bytes"
			[ $ended = 0 ] || trouble
			[ "$code" != 416 ] || drop
			wait_for "$why"
		fi
	done
	record "$path" "$sha" "$n"
	mv "$part" "$dir/$path" || exit 2
	rm -f "$part.etag"
}

# What stages take as the folder's content.
content()
{
	sed -n 's/^file \([0-9a-f]*\) [0-9]* /\1 /p' "$lock" | sort | sum
}

# Is everything as the lock has it? By sizes: `pin` reads the bytes.
whole()
{
	row=$(echo "$repo $revision $*" | sum)
	grep -qx "row $row" "$dir.key" 2>/dev/null || return 1
	for arg; do
		locked "${arg%%=*}"
		if [ -z "$hash" ] || [ "$(bytes "$dir/${arg%%=*}")" != "$size" ]; then return 1; fi
	done
	[ -f "$lock" ] && grep -qx "output $(content)" "$dir.key"
}

fetch_hub()
{
	dir=$1 repo=$2 revision=$3
	shift 3
	lock=$dir/hub.lock
	endpoint=${HF_ENDPOINT:-https://huggingface.co}
	endpoint=${endpoint%/}
	token=${HF_TOKEN:-}
	timeout=${FETCH_TIMEOUT:-30} tries=${FETCH_TRIES:-6} first_wait=${FETCH_WAIT:-1}
	if whole "$@"; then
		say "up to date: $# files as $lock has them"
		return
	fi
	case $token in
	*[!A-Za-z0-9_.-]*) die "HF_TOKEN has characters that no token has" ;;
	esac
	.ci/deps hub || exit
	mkdir -p "$dir" || exit 2
	take_turn "$dir"
	if whole "$@"; then
		say "up to date: $# files as $lock has them"
		return
	fi
	rm -f "$dir.key"
	tmp=$(mktemp -d) || exit 2
	grep -qx "source $repo $revision" "$lock" 2>/dev/null || rm -f "$lock"
	fresh=0
	for arg; do
		path=${arg%%=*}
		locked "$path"
		known=$hash whence="hash of $lock"
		case $arg in
		*=*) known=${arg#*=} whence='pinned hash' ;;
		esac
		if [ -f "$dir/$path" ] && [ -n "$known" ] && [ "$(sum "$dir/$path")" = "$known" ]; then
			record "$path" "$known" "$(bytes "$dir/$path")"
			continue
		fi
		if [ -z "$known" ]; then fresh=$((fresh + 1)); fi
		fetch_file
	done
	printf 'row %s\noutput %s\n' "$(echo "$repo $revision $*" | sum)" "$(content)" | replace "$dir.key"
	rm -f "$dir.busy"
	say "$dir is there: $# files of $repo$(if [ $fresh -gt 0 ]; then
		echo "; $fresh without a pinned hash, trusted on first use and recorded in $lock"; fi)"
}

pin()
{
	dir=$1 name=$2 lock=$1/hub.lock files='' bad=0
	[ -f "$lock" ] || die "there is no $lock; fetch the model first"
	while read -r word h s p; do
		case $word in
		source) repo=$h revision=$s ;;
		file)
			if [ "$(sum "$dir/$p")" != "$h" ]; then
				echo "pipelines/fetch: $dir/$p is not what was fetched ($s bytes, SHA-256 $h); remove it and fetch again" >&2
				bad=1
			fi
			files="$files \\
	$p=$h" ;;
		esac
	done <"$lock"
	[ $bad = 0 ] || exit 1
	printf '%s.repo     := %s\n%s.revision := %s\n%s.files    :=%s\n' "$name" "$repo" "$name" "$revision" "$name" "$files"
}
