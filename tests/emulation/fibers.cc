/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of threads as fibers of one thread. A thread starts when its turn comes and keeps its stack
 * only if it stops at a barrier; most kernels have none, and then one stack serves all. Turns go
 * round a warp until it waits for the block, then to the next warp.
 */
#include <cuda_runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK ((size_t)1 << 18)
#else
#define STACK ((size_t)1 << 16)
#endif

#define THREADS 1024
#define LANES   32

emu_where emu_at;

enum state { FRESH, READY, IN_WARP, IN_BLOCK, DONE };

struct fiber {
	void *sp;
	char *stack;
	void *fake; /* ASan's */
	int stack_of; /* whose stack in the pool */
};

struct warp {
	int first, lanes, arrived, gone;
	unsigned turn; /* parity: which half of the slots */
	unsigned char slot[2][LANES][16];
	unsigned votes[2];
	void *mine[LANES];
};

static struct {
	fiber f[THREADS], main;
	state s[THREADS];
	char *stacks[THREADS];
	int spare[THREADS], n_spare, n_stacks;
	warp w[THREADS / LANES];
	int n, now, arrived, gone;
	int any[2];
	unsigned turn;
	void (*call)(void *);
	void *arg;
	char *shared;
	size_t shared_bytes;
	const void *main_stack;
	size_t main_size;
} g;

static void die(const char *what)
{
	fprintf(stderr, "emulation: %s (thread %d of block %u %u %u)\n", what, g.now,
		emu_at.block.x, emu_at.block.y, emu_at.block.z);
	abort();
}

/* Saves what a call keeps on the stack, and its pointer in *from; goes on at `to`. */
extern "C" void emu_switch(void **from, void *to);
#if defined(__x86_64__)
__asm__(".text\n.globl emu_switch\n.hidden emu_switch\n.type emu_switch,@function\n"
	"emu_switch:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	"
	"pushq %r15\n"
	"	movq %rsp, (%rdi)\n	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	"
	"popq %rbp\n"
	"	ret\n.size emu_switch,.-emu_switch\n");
#define SAVED 6
#elif defined(__aarch64__)
__asm__(".text\n.globl emu_switch\n.hidden emu_switch\n.type emu_switch,%function\n"
	"emu_switch:\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp, #0]\n	stp x21, x22, [sp, #16]\n	stp x23, x24, [sp, "
	"#32]\n"
	"	stp x25, x26, [sp, #48]\n	stp x27, x28, [sp, #64]\n	stp x29, x30, [sp, "
	"#80]\n"
	"	stp d8, d9, [sp, #96]\n	stp d10, d11, [sp, #112]\n	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x9, sp\n	str x9, [x0]\n	mov sp, x1\n"
	"	ldp x19, x20, [sp, #0]\n	ldp x21, x22, [sp, #16]\n	ldp x23, x24, [sp, "
	"#32]\n"
	"	ldp x25, x26, [sp, #48]\n	ldp x27, x28, [sp, #64]\n	ldp x29, x30, [sp, "
	"#80]\n"
	"	ldp d8, d9, [sp, #96]\n	ldp d10, d11, [sp, #112]\n	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n	ret\n.size emu_switch,.-emu_switch\n");
#else
#error "tests/emulation: no switch of stacks for this processor"
#endif

static void thread_main(void);

static void place(int i)
{
	unsigned x = emu_at.block_dim.x, y = emu_at.block_dim.y, t = (unsigned)i;

	emu_at.thread = { t % x, t / x % y, t / x / y };
}

/* A stack that begins in thread_main. */
static void start(fiber *f)
{
	void **top;

	if (!g.n_spare) {
		char *p = (char *)mmap(NULL, STACK, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			die("no stack");
		g.stacks[g.n_stacks] = p;
		g.spare[g.n_spare++] = g.n_stacks++;
	}
	f->stack_of = g.spare[--g.n_spare];
	f->stack = g.stacks[f->stack_of];
	f->fake = NULL;
#ifdef __SANITIZE_ADDRESS__
	__asan_unpoison_memory_region(f->stack, STACK); /* of a thread that ended there */
#endif
	top = (void **)(void *)(f->stack + STACK - 64);
#if defined(__x86_64__)
	*--top = NULL; /* as if called: 16-byte aligned before the return address */
	*--top = (void *)thread_main;
	top -= SAVED;
	memset(top, 0, SAVED * sizeof(*top));
#else
	top -= 20;
	memset(top, 0, 160);
	top[11] = (void *)thread_main;
#endif
	f->sp = top;
}

static void leave(fiber *from, fiber *to, bool last)
{
#ifdef __SANITIZE_ADDRESS__
	const void *bottom = to == &g.main ? g.main_stack : to->stack;
	size_t size = to == &g.main ? g.main_size : STACK;

	__sanitizer_start_switch_fiber(last ? NULL : &from->fake, bottom, size);
#endif
	(void)last;
	emu_switch(&from->sp, to->sp);
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
}

/* Who is next: in this warp behind the running lane, else in the warps behind. -1: nobody can. */
static int next(void)
{
	int warps = (g.n + LANES - 1) / LANES, here = g.now / LANES;

	for (int k = 0; k <= warps; k++) {
		warp *w = &g.w[(here + k) % warps];
		int from = k ? 0 : g.now - w->first + 1;

		for (int l = 0; l < w->lanes; l++) {
			int i = w->first + (from + l) % w->lanes;

			if (g.s[i] <= READY)
				return i;
		}
	}
	return -1;
}

static void give_way(bool last)
{
	int me = g.now, to = next();

	if (to < 0) {
		if (g.gone < g.n)
			die("a barrier that not all threads reach");
		leave(&g.f[me], &g.main, last);
		return;
	}
	if (to == me)
		return;
	if (g.s[to] == FRESH)
		start(&g.f[to]);
	g.s[to] = READY;
	g.now = to;
	place(to);
	leave(&g.f[me], &g.f[to], last);
	g.now = me;
	place(me);
}

static void thread_main(void)
{
#ifdef __SANITIZE_ADDRESS__
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(NULL, &bottom, &size);
	if (!g.main_stack) {
		g.main_stack = bottom;
		g.main_size = size;
	}
#endif
	for (;;) {
		int me = g.now, to;
		warp *w = &g.w[me / LANES];

		g.call(g.arg);
		g.s[me] = DONE;
		g.gone++;
		w->gone++;
		if (w->arrived || g.arrived)
			if (w->arrived + w->gone == w->lanes && w->arrived)
				die("lanes end while others wait for them");
		to = next();
		if (to >= 0 && g.s[to] == FRESH) { /* the next thread on this stack */
			g.f[to].stack = g.f[me].stack;
			g.f[to].stack_of = g.f[me].stack_of;
			g.f[to].fake = NULL;
			g.s[to] = READY;
			g.now = to;
			place(to);
			continue;
		}
		g.spare[g.n_spare++] = g.f[me].stack_of;
		give_way(true);
	}
}

static void run_block(void)
{
	g.now = 0;
	g.arrived = g.gone = 0;
	for (int i = 0; i < g.n; i++)
		g.s[i] = FRESH;
	for (int i = 0; i < g.n; i += LANES) {
		warp *w = &g.w[i / LANES];

		w->first = i;
		w->lanes = g.n - i < LANES ? g.n - i : LANES;
		w->arrived = w->gone = 0;
		w->votes[0] = w->votes[1] = 0;
	}
	g.any[0] = g.any[1] = 0;
	start(&g.f[0]);
	g.s[0] = READY;
	place(0);
#ifdef __SANITIZE_ADDRESS__
	g.main_stack = NULL;
#endif
	leave(&g.main, &g.f[0], false);
}

int emu_launch(dim3 grid, dim3 block, size_t shared, void (*call)(void *), void *arg)
{
	g.n = (int)(block.x * block.y * block.z);
	if (g.n < 1 || g.n > THREADS || !grid.x || !grid.y || !grid.z || grid.y > 65535 ||
	    grid.z > 65535 || shared > 227 * 1024)
		die("a launch that no device takes");
	g.call = call;
	g.arg = arg;
	g.shared = (char *)aligned_alloc(128, (shared + 127) / 128 * 128 + 128);
	memset(g.shared, 0xff, shared); /* NaN until it is written */
	emu_at.grid_dim = grid;
	emu_at.block_dim = block;
	for (unsigned z = 0; z < grid.z; z++)
		for (unsigned y = 0; y < grid.y; y++)
			for (unsigned x = 0; x < grid.x; x++) {
				emu_at.block = { x, y, z };
				run_block();
			}
	free(g.shared);
	g.shared = NULL;
	return 0;
}

void *emu_shared(void)
{
	return g.shared;
}

int emu_lane(void)
{
	return g.now % LANES;
}

static void wait_block(void)
{
	int me = g.now;

	g.s[me] = IN_BLOCK;
	if (++g.arrived == g.n) {
		g.arrived = 0;
		g.turn++;
		g.any[g.turn & 1] = 0;
		for (int i = 0; i < g.n; i++)
			g.s[i] = READY;
		return;
	}
	give_way(false);
}

void emu_syncthreads(void)
{
	wait_block();
}

int emu_syncthreads_or(int x)
{
	unsigned turn = g.turn & 1;

	g.any[turn] |= x != 0;
	wait_block();
	return g.any[turn];
}

/* True in the lane that came last: it may act for all before the others go on. */
static bool wait_warp(void (*f)(void **all))
{
	int me = g.now;
	warp *w = &g.w[me / LANES];

	if (w->gone || w->lanes != LANES)
		die("a warp that is not whole takes part");
	g.s[me] = IN_WARP;
	if (++w->arrived == w->lanes) {
		w->arrived = 0;
		w->turn++;
		w->votes[w->turn & 1] = 0;
		if (f)
			f(w->mine);
		for (int i = 0; i < w->lanes; i++)
			g.s[w->first + i] = READY;
		return true;
	}
	give_way(false);
	return false;
}

void emu_syncwarp(void)
{
	wait_warp(NULL);
}

void emu_exchange(void *v, size_t bytes, int from)
{
	warp *w = &g.w[g.now / LANES];
	unsigned turn = w->turn & 1;

	memcpy(w->slot[turn][emu_lane()], v, bytes);
	wait_warp(NULL);
	memcpy(v, w->slot[turn][from], bytes);
}

unsigned emu_ballot(bool x)
{
	warp *w = &g.w[g.now / LANES];
	unsigned turn = w->turn & 1;

	w->votes[turn] |= (unsigned)x << emu_lane();
	wait_warp(NULL);
	return w->votes[turn];
}

void emu_together(void *mine, void (*f)(void **all))
{
	g.w[g.now / LANES].mine[emu_lane()] = mine;
	wait_warp(f);
}
