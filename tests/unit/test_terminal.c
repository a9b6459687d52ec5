/* SPDX-License-Identifier: Apache-2.0 */
/* ft-chat with a person at a terminal: a pseudo-terminal types, and reads what is shown. */
#include "tests/tap.h"

#include "base/mem.h"
#include "chat/editline.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static char home[] = "/tmp/anekdot-terminal-XXXXXX";
static int master = -1;
static pid_t child;
static struct buf seen; /* since the last type() */
static int patience = 60; /* seconds: the tests share the machine */
static size_t awaited; /* ends here in it: what was waited for */
static bool editing; /* built with libedit */

static void work(int slave, const char *term, char **argv)
{
	struct winsize size = { .ws_row = 24, .ws_col = 100 };

	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	ioctl(slave, TIOCSWINSZ, &size);
	for (int fd = 0; fd < 3; fd++)
		dup2(slave, fd);
	if (slave > 2)
		close(slave);
	close(master);
	setenv("TERM", term, 1);
	setenv("HOME", home, 1);
	setenv("LC_ALL", "C", 1);
	unsetenv("XDG_STATE_HOME");
	execv(argv[0], argv);
	_exit(127);
}

/* False: no pseudo-terminal is to be had. */
static bool start(const char *term, const char *adapters)
{
	const char *bin = getenv("BIN"), *lora = adapters ? adapters : golden("none");
	char *tool = mem_printf("%s/ft-chat", bin ? bin : "build/bin");
	char *model = mem_strdup(golden("hf_tiny/qwen2"));
	char *argv[] = { tool,         "-m",        model,     "--template",
			 "chatml",     "--dtype",   "float32", "--max-new-tokens",
			 "8",          "--context", "400",     "-a",
			 (char *)lora, NULL };
	const char *name;
	int slave;

	if (!adapters)
		argv[11] = NULL;
	master = posix_openpt(O_RDWR | O_NOCTTY);
	name = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 ? ptsname(master)
									    : NULL;
	slave = name ? open(name, O_RDWR | O_NOCTTY) : -1;
	if (slave < 0)
		return false;
	child = fork();
	if (child == 0)
		work(slave, term, argv);
	close(slave);
	mem_free(tool);
	mem_free(model);
	return child > 0;
}

/* Where `text` was shown after what was awaited last; NULL: it was not in time. */
static char *find(const char *text)
{
	struct pollfd ready = { .fd = master, .events = POLLIN };
	time_t end = time(NULL) + patience;
	char piece[4096], *at;

	while (!seen.p || !(at = memmem(seen.p + awaited, seen.n - awaited, text, strlen(text)))) {
		ssize_t n = 0;

		if (time(NULL) > end)
			return NULL;
		if (poll(&ready, 1, 500) > 0 && (n = read(master, piece, sizeof(piece))) <= 0)
			return NULL;
		buf_add(&seen, piece, (size_t)n);
	}
	return at;
}

static bool await(const char *text)
{
	char *at = find(text);

	if (at)
		awaited = (size_t)(at - seen.p) + strlen(text);
	return at != NULL;
}

static void press(const char *keys)
{
	buf_reset(&seen);
	awaited = 0;
	if (write(master, keys, strlen(keys)) < 0)
		note("the terminal is gone");
}

/* Before its prompt the program takes Ctrl-C and Ctrl-D for another thing: who types waits for it. */
static void type(const char *keys)
{
	find("> ");
	press(keys);
}

/* Types, and waits for what is to be shown after it. */
static void shows(const char *keys, const char *text, const char *name)
{
	type(keys);
	if (!check(await(text), "%s", name) && seen.p)
		note("shown: %s", seen.p);
}

/* The exit code; -1: it did not end by itself. */
static int leave(const char *keys)
{
	struct pollfd ready = { .fd = master, .events = POLLIN };
	char piece[4096];
	int status = 0;

	type(keys);
	for (int i = 0; i < 600 && waitpid(child, &status, WNOHANG) == 0; i++) {
		if (i == 599)
			kill(child, SIGKILL);
		if (poll(&ready, 1, 50) > 0 && read(master, piece, sizeof(piece)) <= 0)
			usleep(50000);
	}
	close(master);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *read_file(const char *path, struct stat *st)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = 0;
	if (f) {
		fstat(fileno(f), st);
		fclose(f);
	}
	return text;
}

#define SAVED "/work.json"
#define QUIET "positions less" /* what a message that is too long is answered with */

static void test_commands(void)
{
	char *path = mem_printf("%s" SAVED, home), *save = mem_printf("/save %s\r", path);
	char *load = mem_printf("/load %s\r", path), *text;
	struct stat st = { 0 };

	shows("Hello world\r", "cut at --max-new-tokens 8", "a question is answered");
	shows("/hlep\r", "did you mean /help?", "a mistyped command");
	shows("/frobnicate\r", "there is no command /frobnicate", "and one that is like none");
	shows("/help\r", "/adapter", "help");
	shows("/set temprature 1\r", "did you mean 'temperature'?", "a mistyped setting");
	shows("/set top_p 2\r", "must be from 0 to 1", "a setting out of range");
	shows("/set seed 1.5\r", "whole number", "half a seed");
	shows("/set max_new_tokens=4\r", "max_new_tokens       4", "a setting is changed");
	shows("again\r", "cut at --max-new-tokens 4", "and used");
	shows("/system Talk like a pirate.\r", "the 2 turns so far stay", "a system prompt");
	shows("/system\r", "Talk like a pirate.", "is shown");
	shows("/undo\r", "1 turn left", "undo");
	shows("//slash\r", "cut at", "two slashes send one");
	shows("/retry\r", "cut at", "retry");
	shows(save, "2 turns saved", "save");
	text = read_file(path, &st);
	check(strstr(text, "\"/slash\"") && strstr(text, "pirate") && !strstr(text, "again") &&
		      strstr(text, "\"max_new_tokens\": 4"),
	      "what was saved");
	shows("/reset\r", "(a new conversation)", "reset");
	shows("/undo\r", "nothing was asked yet", "leaves nothing to undo");
	shows("/retry\r", "nothing was asked yet", "and nothing to ask again");
	shows("/set max_new_tokens 9\r", "9", "settings change");
	shows(load, "2 turns loaded", "load");
	shows("/set max_new_tokens\r", "max_new_tokens       4", "brings them back");
	shows("/load /nowhere.json\r", "No such file", "a file that is not there");
	shows("/undo\r", "1 turn left", "changed nothing");
	mem_free(path);
	mem_free(save);
	mem_free(load);
}

/* A message of several lines is one turn: undo takes all of it back. */
static void one_turn(const char *keys, const char *name)
{
	shows(keys, "cut at", name);
	shows("/undo\r", "(taken back; 1 turn left)", "it was one message");
}

static void test_lines(void)
{
	char pasted[700] = "\033[200~", *end = pasted + strlen(pasted);
	struct stat st = { 0 };
	char *path = mem_printf("%s/.local/state/anekdot/history", home), *text;

	one_turn("one\\\rtwo\r", "a line that ends in a backslash goes on");
	one_turn("\"\"\"first\rsecond\r\rthird\"\"\"\r", "a block");
	one_turn("\033[200~line one\rline two\rline three\033[201~\r", "pasted lines");
	one_turn("\033[200~/help\rwas what I typed\033[201~\r", "pasted lines are no command");
	shows("half\003", "/quit or Ctrl-D leaves", "Ctrl-C drops what was typed");
	shows("/hlep\r", "there is no command /hlep", "and leaves nothing of it");
	if (editing) {
		shows("/system \xe4\xbd\xa0\xe5\xa5\xbd\x7f\xe5\x90\x97\r", "new system prompt",
		      "Chinese text");
		shows("/system\r", "\xe4\xbd\xa0\xe5\x90\x97", "is edited by characters");
		shows("\033[A\033[A\r", "new system prompt", "the arrow keys bring lines back");
	}
	for (int i = 0; i < 200; i++)
		*end++ = (char)('!' + i * 31 % 90);
	for (int i = 0; i < 200; i++)
		*end++ = (char)('!' + i * 37 % 90);
	strcpy(end, "\rx\033[201~\r");
	shows(pasted, QUIET, "a message that is too long by itself is refused");
	text = read_file(path, &st);
	check((st.st_mode & 0777) == 0600, "the history is its owner's");
	check(strstr(text, "\"line one\\nline two\\nline three\"") &&
		      strstr(text, "\"Hello world\""),
	      "and holds what was said");
	mem_free(path);
}

static void test_interrupt(void)
{
	shows("/set max_new_tokens 190\r", "190", "long answers");
	type("tell me a long story\r");
	check(await("\n"), "an answer begins");
	usleep(10000);
	press("\003");
	check(find("> ") != NULL, "Ctrl-C stops it");
	check(!seen.p || !strstr(seen.p, "cut at"), "before its end");
	shows("/set max_new_tokens 2\r", "max_new_tokens       2", "the program goes on");
}

/* Turns until the first no longer fits. */
static void test_overflow(void)
{
	bool said = false;

	shows("/reset\r", "new conversation", "a new conversation");
	shows("/set max_new_tokens 150\r", "150", "that keeps 150 positions free");
	for (int i = 0; i < 30 && !said; i++) {
		type("a b c d e f g h i j\r");
		if (!await("cut at")) {
			note("shown: %s", seen.p);
			break;
		}
		said = strstr(seen.p, "no longer fits into 400 positions: the oldest") != NULL;
	}
	check(said, "a conversation that no longer fits loses its oldest turns, aloud");
}

/* The line of an answer that is cut, without a prompt that may stand before it. */
static void answer(const char *keys, char *out, size_t size)
{
	static const char after[] = "\nnote: the answer was cut";
	const char *end, *begin;

	*out = 0;
	type(keys);
	if (!await(after))
		return;
	end = begin = strstr(seen.p, after);
	while (begin > seen.p && begin[-1] != '\n')
		begin--;
	begin += strncmp(begin, "> ", 2) ? 0 : 2;
	snprintf(out, size, "%.*s", (int)(end - begin), begin);
}

static void test_adapter(void)
{
	char *lora = mem_strdup(golden("hf_tiny/qwen2_lora_peft"));
	char *put = mem_printf("/adapter %s\r", lora), with[80], without[80], again[80];

	answer("Hello world\r", without, sizeof(without));
	shows("/adapter\r", "none", "no adapter");
	shows("/adapter on\r", "there is no adapter", "nothing to put on");
	shows(put, "on  ", "an adapter is put on");
	answer("/retry\r", with, sizeof(with));
	check(*with && *without && strcmp(with, without) != 0, "and changes the answer");
	shows("/adapter off\r", "off ", "it is taken off");
	answer("/retry\r", again, sizeof(again));
	check_str(again, without, "the base answers as at first");
	shows("/adapter qwen2_lora_peft\r", "on  ", "it is put on by its name");
	answer("/retry\r", again, sizeof(again));
	check_str(again, with, "and answers as before");
	shows("/adapter /nowhere\r", "/nowhere", "one that is not there");
	shows("/adapter\r", "on  ", "changes nothing");
	mem_free(lora);
	mem_free(put);
}

int main(void)
{
	struct await await = { 0 };
	struct editline *e;
	char *remove;

	signal(SIGPIPE, SIG_IGN);
	e = editline_open(&await);
	editing = e != NULL;
	editline_close(e);
	if (!mkdtemp(home) || !start("xterm", NULL) || !find("> ")) {
		puts("1..0 # SKIP no pseudo-terminal is to be had");
		return 0;
	}
	test_commands();
	test_lines();
	test_interrupt();
	test_overflow();
	check(leave("\004") == 0, "Ctrl-D leaves");
	buf_reset(&seen);
	awaited = 0;
	if (start("dumb", NULL) && find("> ")) {
		test_adapter();
		check(leave("/quit\r") == 0, "/quit leaves");
	}
	remove = mem_printf("rm -rf %s", home);
	check(system(remove) == 0, "nothing is left");
	mem_free(remove);
	buf_free(&seen);
	return tap_done();
}
