# SPDX-License-Identifier: Apache-2.0
# Every tool has a page beside it that names every option of its table (--help is made from it).
. "$(dirname "$0")/../cli/lib.sh"
cd "$ROOT" || exit 1

for source in tools/*.c; do
	[ -e "$source" ] || continue
	tool=$(basename "$source" .c)
	page=tools/$tool.1
	if [ ! -f "$page" ]; then
		ok 1 "$tool has a page"
		continue
	fi
	"$BIN/$tool" --help >"$T/help"
	sed -n 's/^ *\(-., *\)\{0,1\}\(--[a-z][a-z0-9-]*\).*/\2/p' "$T/help" | sort -u >"$T/has"
	[ -s "$T/has" ]
	ok $? "$tool --help lists options"
	# In roff a hyphen is \- ; an option's own entry begins with it, maybe after font changes.
	sed 's/\\-/-/g; s/\\f[BIRP]//g' "$page" | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u >"$T/page"
	is "$(comm -23 "$T/has" "$T/page" | tr '\n' ' ')" "" "$page names every option"
	grep -q "^\.SH NAME" "$page" && grep -q "^\.SH SYNOPSIS" "$page" && grep -q "^\.SH EXIT STATUS" "$page"
	ok $? "$page has name, synopsis and exit status"
done
finish
