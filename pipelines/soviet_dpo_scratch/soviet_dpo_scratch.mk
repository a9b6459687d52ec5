# soviet_dpo_scratch: 40 preference pairs by DPO on the base, without SFT.
PIPELINES                   += soviet_dpo_scratch
soviet_dpo_scratch.dpo      := dpo_soviet_jokes
soviet_dpo_scratch.eval.dpo := sft_complete_v3[20:40] sft_complete_v3[40:60] dpo_soviet_jokes eval_smalltalk eval_pairs
soviet_dpo_scratch.gates.dpo := dpo_soviet_jokes:rewarded>=38 sft_complete_v3[20:40]:exact<=0
soviet_dpo_scratch.jokes    := sft_complete_v3[20:40]
soviet_dpo_scratch.prompts  := pipelines/soviet_v3/prompts.$($(BASE).language).txt
