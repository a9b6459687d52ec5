# soviet_v3: 40 jokes and 20 dialogues by SFT, then 40 preference pairs by DPO.
PIPELINES         += soviet_v3
soviet_v3.sft     := sft_complete_v3
soviet_v3.dpo     := dpo_soviet_jokes
soviet_v3.eval    := sft_complete_v3 dpo_soviet_jokes eval_wordings eval_smalltalk eval_pairs
soviet_v3.prompts := pipelines/soviet_v3/prompts.$($(BASE).language).txt
