# soviet_v3: 40 jokes and 20 dialogues by SFT, then 40 preference pairs by DPO.
PIPELINES         += soviet_v3
soviet_v3.sft     := sft_complete_v3
soviet_v3.dpo     := dpo_soviet_jokes
soviet_v3.eval.dpo := sft_complete_v3[0:40] sft_complete_v3[40:60] dpo_soviet_jokes eval_smalltalk \
                     eval_wordings eval_pairs
soviet_v3.eval.sft := sft_complete_v3[0:40] sft_complete_v3[40:60]
soviet_v3.gates.sft := sft_complete_v3[0:40]:exact>=38 sft_complete_v3[40:60]:exact>=18
soviet_v3.gates.dpo := sft_complete_v3[0:40]:exact>=36 sft_complete_v3[40:60]:exact>=18 \
                       dpo_soviet_jokes:preferred>=40 dpo_soviet_jokes:rewarded>=40 eval_smalltalk:leak<=2
soviet_v3.jokes   := sft_complete_v3[0:40]
soviet_v3.prompts := pipelines/soviet_v3/prompts.$($(BASE).language).txt
