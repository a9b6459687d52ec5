# SPDX-License-Identifier: Apache-2.0
# Sizes of functions and files. About 60 lines a function and 400 a file are the aim (a warning),
# 100 and 600 the limit (an error, exit code 1). Kernels and tests may be longer: they only get
# warnings for their functions. -v quiet=1: errors only.

function say(file, line, grave, text)
{
	if (grave)
		bad = 1
	else if (quiet)
		return
	printf "%s:%d: %s: %s\n", file, line, grave ? "error" : "warning", text
}

function file_end()
{
	if (last > 400)
		say(name, last, last > 600, "the file has " last " lines; about 400 are the aim, 600 the limit")
}

FNR == 1 {
	file_end()
	name = FILENAME
	free = name ~ /^(kernels|tests)\//
	open = 0
}

{ last = FNR }

# A function's head is the last line at column 0 with a '(' before a '{' alone at column 0.
/^[A-Za-z_].*\(/ {
	head = $0
	sub(/\(.*/, "", head)
	sub(/.*[ *]/, "", head)
}

/^\{/ { open = FNR }

/^\}/ && open {
	lines = FNR - open - 1
	if (lines > 60)
		say(name, open, lines > 100 && !free, head " has " lines " lines; about 60 are the aim, 100 the limit")
	open = 0
}

END {
	file_end()
	exit bad
}
