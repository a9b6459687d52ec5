# anekdot: one build graph. `make help` lists the targets.
MAKEFLAGS += -r
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

SANITIZE ?= 0
CC       := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
BUILD    ?= build$(if $(filter 1,$(SANITIZE)),/sanitize)
BIN      := $(BUILD)/bin
VERSION  := 0.1.0
AR       := ar
PYTHON   ?= python3

# Libraries by their pkg-config names; dnnl has none and is looked for by its header.
PKGS     := jansson libzstd yaml-0.1 libpcre2-8 libutf8proc libcrypto
HAVE_DNNL := $(shell printf '\#include <dnnl.h>\n' | $(CC) -E - >/dev/null 2>&1 && echo 1)

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPT      := $(if $(filter 1,$(SANITIZE)),-O1 -fsanitize=address$(,)undefined -fno-omit-frame-pointer,-O2)
,        := ,
CPPFLAGS := -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -Ilib -I. $(if $(HAVE_DNNL),-DHAVE_DNNL) \
            $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CFLAGS   := -std=c11 -g $(OPT) $(WARN) -fopenmp -ffp-contract=off -fno-math-errno
LDFLAGS  := -fopenmp $(if $(filter 1,$(SANITIZE)),-fsanitize=address$(,)undefined)
LDLIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) $(if $(HAVE_DNNL),-ldnnl) -lm

LIB_SRC  := $(sort $(wildcard lib/*/*.c kernels/*.c kernels/ref/*.c kernels/cpu/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
ARCHIVE  := $(BUILD)/libanekdot.a
TOOLS    := $(patsubst tools/%.c,%,$(sort $(wildcard tools/*.c)))
TOOL_BIN := $(TOOLS:%=$(BIN)/%)
TEST_BIN := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/unit/*.c tests/ops/*.c tests/grad/*.c)))
TEST_SH  := $(sort $(wildcard tests/cli/*.t tests/e2e/*.t tests/lint/*.t))

.PHONY: all
all: $(TOOL_BIN)	## build the tools into build/bin (the default)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(ARCHIVE): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BIN)/%: $(BUILD)/tools/%.o $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(ARCHIVE)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

-include $(LIB_OBJ:.o=.d) $(TOOLS:%=$(BUILD)/tools/%.d) $(TEST_BIN:=.d)



.PHONY: test
test: $(TOOL_BIN) $(TEST_BIN)	## run all tests; PATTERN=word runs those whose path holds it
	@TEST_ROOT=$(CURDIR) BIN=$(CURDIR)/$(BIN) tests/run \
		$(foreach p,$(if $(PATTERN),$(PATTERN),/),$(foreach t,$(TEST_BIN) $(TEST_SH),$(if $(findstring $(p),$(t)),$(t))))
