# anekdot: one build graph. `make help` lists the targets.
MAKEFLAGS += -r
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

SANITIZE ?= 0
CC       := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
BUILD    ?= build$(if $(filter 1,$(SANITIZE)),/sanitize)
BIN      := $(BUILD)/bin
,        := ,
VERSION  := 0.1.0
AR       := ar
PYTHON   ?= python3
PREFIX   ?= /usr/local

# Libraries by their pkg-config names; dnnl has none and is looked for by its header. What was found
# stands in config.mk: PKG_CFLAGS, PKG_LIBS, HAVE_DNNL, HAVE_EDIT (these two may be missing). It is an included makefile with a rule, so
# make first installs what is missing, writes it, and starts over with the values.
PKGS     := jansson libzstd yaml-0.1 libutf8proc libcrypto libpcre2-8
CONFIG   := $(BUILD)/config.mk
GOALS    := $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out help deps lint fmt fuzz clean,$(GOALS)),)
include $(CONFIG)
endif

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla

OPT      := $(if $(filter 1,$(SANITIZE)),-O1 -fsanitize=address$(,)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer,-O2)
CPPFLAGS := -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Ilib -I. $(if $(HAVE_DNNL),-DHAVE_DNNL) $(PKG_CFLAGS)
CFLAGS   := -std=c11 -g $(OPT) $(WARN) -fopenmp -ffp-contract=off -fno-math-errno
LDFLAGS  := -fopenmp -Wl,--as-needed $(if $(filter 1,$(SANITIZE)),-fsanitize=address$(,)undefined)
LDLIBS   := $(PKG_LIBS) $(if $(HAVE_DNNL),-ldnnl) $(if $(HAVE_EDIT),$(EDIT_LIBS)) -ldl -lm

# Another configuration at the side: make test BUILD=build/plain HAVE_DNNL= HAVE_EDIT=
LIB_SRC  := $(sort $(wildcard lib/*/*.c kernels/*.c kernels/ref/*.c kernels/cpu/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
ARCHIVE  := $(BUILD)/libanekdot.a
TOOLS    := $(patsubst tools/%.c,%,$(sort $(wildcard tools/*.c)))
TOOL_BIN := $(TOOLS:%=$(BIN)/%)
TEST_BIN := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/unit/*.c tests/ops/*.c tests/grad/*.c)))
TEST_SH  := $(sort $(wildcard tests/ops/*.t tests/cli/*.t tests/e2e/*.t tests/lint/*.t))
FUZZ     := $(filter-out fuzz replay,$(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/*.c))))
FUZZ_BIN := $(FUZZ:%=$(BUILD)/tests/fuzz/%)
BENCH_SH := $(sort $(wildcard tests/bench/*.sh))
MAN      := $(sort $(wildcard tools/*.1 lib/*/*.5))

# kernels/cuda is a shared object of its own, opened at run time. The same sources, compiled for the CPU
# by tests/emulation, are what the tests open where no device is.
CXX      := $(if $(filter default undefined,$(origin CXX)),g++,$(CXX))
CU_SRC   := $(sort $(wildcard kernels/cuda/*.cu))
EMU_SRC  := $(sort $(wildcard tests/emulation/*.cc))
EMU_OBJ  := $(CU_SRC:%.cu=$(BUILD)/tests/emulation/%.o) $(EMU_SRC:%.cc=$(BUILD)/%.o)
EMU      := $(BUILD)/tests/lib/libanekdot-cuda.so
# make CUDA=1: with nvcc, for the cards of CUDA_ARCH, and as PTX for later ones.
NVCC     ?= nvcc
CUDA_ARCH ?= 80 86 89 90
CUDA_OBJ := $(CU_SRC:%.cu=$(BUILD)/cuda/%.o)
CUDA_LIB := $(if $(filter 1,$(CUDA)),$(BUILD)/lib/libanekdot-cuda.so)
NVCC_FLAGS := -std=c++17 -O3 --extended-lambda -D_GNU_SOURCE -Ilib -I. -Xcompiler -fPIC$(,)-fvisibility=hidden \
	$(foreach a,$(CUDA_ARCH),-gencode arch=compute_$(a)$(,)code=sm_$(a)) \
	$(foreach a,$(lastword $(CUDA_ARCH)),-gencode arch=compute_$(a)$(,)code=compute_$(a))
EMU_FLAGS := -std=c++20 -g $(subst -O1,-O2,$(OPT)) -Wall -Wextra -Wno-unknown-pragmas -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno

C_FILES  := $(sort $(wildcard lib/*/*.[ch] kernels/*.[ch] kernels/*/*.[ch] kernels/cuda/*.cu kernels/cuda/*.cuh tools/*.[ch] tests/*.[ch] tests/*/*.[ch] tests/emulation/*.cc))

# Short lines unless V=1.
run       = $(if $(filter 1,$(V)),,@printf '  %-3s %s\n' $(1);)

.PHONY: all test fuzz bench bench-peers lint lint-quality fmt deps install clean help FORCE
all: $(TOOL_BIN) $(CUDA_LIB)	## build the tools into build/bin (the default); CUDA=1: and the CUDA back end, with nvcc; V=1 shows the commands

$(BUILD)/%.o: %.c $(CONFIG)
	@mkdir -p $(@D)
	$(call run,CC $<)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Inner loops are vectorized; no kernel reads the floating-point flags.
$(BUILD)/kernels/%.o: CFLAGS += $(if $(filter 1,$(SANITIZE)),,-O3) -fno-trapping-math
# The inner loops of products: multiply and add are one instruction where the processor has it.
$(BUILD)/kernels/cpu/dot.o $(BUILD)/kernels/cpu/tile.o: CFLAGS += -ffp-contract=fast

$(BUILD)/lib/chat/editline.o: CPPFLAGS += $(if $(HAVE_EDIT),-DHAVE_EDIT $(EDIT_CFLAGS))

$(ARCHIVE): $(LIB_OBJ)
	@rm -f $@
	$(call run,AR $@)$(AR) rcs $@ $^

$(BIN)/%: $(BUILD)/tools/%.o $(ARCHIVE)
	@mkdir -p $(@D)
	$(call run,LD $@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(ARCHIVE)
	@mkdir -p $(@D)
	$(call run,LD $@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/emulation/%.o: %.cu $(CONFIG)
	@mkdir -p $(@D)
	$(call run,CXX $<)$(CXX) -D_GNU_SOURCE -Itests/emulation -Ilib -I. $(EMU_FLAGS) -MMD -MP -x c++ -c -o $@ $<

$(BUILD)/tests/emulation/%.o: tests/emulation/%.cc $(CONFIG)
	@mkdir -p $(@D)
	$(call run,CXX $<)$(CXX) -D_GNU_SOURCE -Itests/emulation -Ilib -I. $(EMU_FLAGS) -MMD -MP -c -o $@ $<

$(EMU): $(EMU_OBJ)
	@mkdir -p $(@D)
	$(call run,LD $@)$(CXX) $(LDFLAGS) -shared -o $@ $^

$(BUILD)/cuda/%.o: %.cu $(CONFIG)
	@mkdir -p $(@D)
	$(call run,NV $<)$(NVCC) $(NVCC_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/lib/libanekdot-cuda.so: $(CUDA_OBJ)
	@mkdir -p $(@D)
	$(call run,LD $@)$(NVCC) -shared -o $@ $^ -lcublasLt

# A fuzz target over its corpus; and with libFuzzer, in a build of its own (make fuzz).
$(FUZZ_BIN): %: %.o $(BUILD)/tests/fuzz/fuzz.o $(BUILD)/tests/fuzz/replay.o $(ARCHIVE)
	$(call run,LD $@)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/fuzz-%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/fuzz.o $(ARCHIVE)
	$(call run,LD $@)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

-include $(CUDA_OBJ:.o=.d) $(EMU_OBJ:.o=.d) $(LIB_OBJ:.o=.d) $(TOOLS:%=$(BUILD)/tools/%.d) $(TEST_BIN:=.d) $(FUZZ_BIN:=.d) $(BUILD)/tests/fuzz/fuzz.d $(BUILD)/tests/fuzz/replay.d

# Asked at every call, but rewritten only when the answer changed; then objects are compiled anew.
# `make -n` comes here too: it installs nothing.
DRY_RUN  := $(if $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),--dry-run)
$(CONFIG): FORCE
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps $(DRY_RUN) build $(if $(filter test,$(GOALS)),test)
	@mkdir -p $(@D)
	@{ echo '# Made by make: what this machine has.'; \
	  echo '# $(VERSION) $(CC) $(OPT) $(WARN)'; \
	  echo "PKG_CFLAGS := $$(pkg-config --cflags $(PKGS) 2>/dev/null)"; \
	  echo "PKG_LIBS := $$(pkg-config --libs $(PKGS) 2>/dev/null)"; \
	  echo "HAVE_EDIT := $$(pkg-config --exists libedit 2>/dev/null && echo 1)"; \
	  echo "EDIT_CFLAGS := $$(pkg-config --cflags libedit 2>/dev/null)"; \
	  echo "EDIT_LIBS := $$(pkg-config --libs libedit 2>/dev/null)"; \
	  echo "HAVE_DNNL := $$(printf '#include <dnnl.h>\n' | $(CC) -E - >/dev/null 2>&1 && echo 1)"; \
	} >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

test: $(TOOL_BIN) $(TEST_BIN) $(FUZZ_BIN) $(EMU) $(CUDA_LIB)	## run all tests; PATTERN=word: those whose path holds it; SANITIZE=1: under ASan and UBSan; FULL=1: every fault
	@TEST_ROOT=$(CURDIR) BIN=$(CURDIR)/$(BIN) FULL=$(FULL) tests/run \
		$(foreach p,$(if $(PATTERN),$(PATTERN),/),$(foreach t,$(TEST_BIN) $(FUZZ_BIN) $(TEST_SH),$(if $(findstring $(p),$(t)),$(t))))

TARGET   ?= $(FUZZ)
SECONDS  ?= 600
fuzz:	## fuzz every reader for SECONDS=600; TARGET=name: that one (tests/fuzz/README.md)
	@.ci/deps build fuzz
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang SANITIZE=1 HAVE_DNNL= WARN= \
		OPT='-O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer' \
		$(TARGET:%=build/fuzz/fuzz-%)
	@tests/fuzz/run build/fuzz $(SECONDS) $(TARGET)

bench: $(TOOL_BIN) $(BUILD)/tests/ops/check_ops $(BUILD)/tests/bench/random_model $(BUILD)/tests/bench/tokenize $(BUILD)/tests/bench/validate	## run the benches: a JSON line a measure
	@for b in $(BENCH_SH); do TEST_ROOT=$(CURDIR) BIN=$(CURDIR)/$(BIN) BUILD_DIR=$(BUILD) sh $$b || exit; done

PEERS    ?= sft dpo tokenize chat
bench-peers: $(TOOL_BIN) models/smollm2-135m-instruct	## against other programs, in a virtual environment; PEERS="sft dpo tokenize chat": those parts
	@.ci/deps model peers
	@PYTHON='$(PYTHON)' tests/bench/peers/setup build/venv-peers
	@BIN=$(CURDIR)/$(BIN) build/venv-peers/bin/python tests/bench/peers/run.py build/bench/peers.jsonl $(PEERS)

include pipelines/bases.mk $(sort $(wildcard pipelines/*/*.mk)) pipelines/stages.mk

lint:	## layers, third-party headers, sizes, allocation; shellcheck; clang-format where it is
	@.ci/deps lint
	@tests/lint/lint $(C_FILES)

lint-quality: $(BIN)/ds-validate	## how often the rules of ds-validate that guess are wrong; fails over 1 % raised, under 95 % found
	@BIN=$(CURDIR)/$(BIN) tests/quality/quality

fmt:	## format the C files in place
	@.ci/deps fmt
	clang-format -i $(C_FILES)

deps:	## install what is missing (apt-get), or say what it is called
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps $(DRY_RUN) build test

install: $(TOOL_BIN) $(CUDA_LIB)	## copy tools and pages below DESTDIR and PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	$(if $(TOOL_BIN),install -m 755 $(TOOL_BIN) $(DESTDIR)$(PREFIX)/bin)
	$(if $(CUDA_LIB),install -D -m 755 $(CUDA_LIB) $(DESTDIR)$(PREFIX)/lib/$(notdir $(CUDA_LIB)))
	$(if $(filter %.1,$(MAN)),install -m 644 $(filter %.1,$(MAN)) $(DESTDIR)$(PREFIX)/share/man/man1)
	$(if $(filter %.5,$(MAN)),install -m 644 $(filter %.5,$(MAN)) $(DESTDIR)$(PREFIX)/share/man/man5)

clean:	## remove what was built; runs of pipelines and fetched models stay
	rm -rf $(BUILD)/lib $(BUILD)/cuda $(BUILD)/kernels $(BUILD)/tools $(BUILD)/tests $(BIN) $(ARCHIVE) $(CONFIG) $(BUILD)/sanitize

help:	## this text
	@echo 'Usage: make [TARGET] [BASE=$(BASE)] [SANITIZE=1] [V=1] [BUILD=folder]'
	@awk '/^[a-z-]+:.*\t## / { n = $$0; sub(/:.*/, "", n); sub(/.*\t## /, ""); printf "  %-24s %s\n", n, $$0 } \
		/^## / { n = $$2; sub(/:$$/, "", n); sub(/^## [^ ]* /, ""); printf "  %-24s %s\n", n, $$0 }' \
		Makefile pipelines/stages.mk
	@echo 'Pipelines: $(PIPELINES)'
	@echo 'Bases: $(BASES)'
