# soviet_dpo_v2: soviet_v2's SFT, then 40 preference pairs by DPO.
PIPELINES              += soviet_dpo_v2
soviet_dpo_v2.from     := soviet_v2
soviet_dpo_v2.dpo      := dpo_soviet_jokes
soviet_dpo_v2.eval.dpo := soviet_jokes_v2[0:20] soviet_jokes_v2[20:32] sft_complete_v3[20:40] dpo_soviet_jokes eval_smalltalk eval_pairs
soviet_dpo_v2.gates.dpo := soviet_jokes_v2[0:20]:exact>=19 soviet_jokes_v2[20:32]:exact>=11 \
                           sft_complete_v3[20:40]:exact<=2 dpo_soviet_jokes:rewarded>=26 eval_smalltalk:leak<=2
soviet_dpo_v2.jokes    := soviet_jokes
soviet_dpo_v2.prompts  := pipelines/soviet_v3/prompts.$($(BASE).language).txt
