# soviet_v2: 20 jokes and 12 dialogues by SFT.
PIPELINES          += soviet_v2
soviet_v2.sft      := soviet_jokes_v2
soviet_v2.eval.sft := soviet_jokes_v2[0:20] soviet_jokes_v2[20:32] sft_complete_v3[20:40] eval_smalltalk eval_wordings[0:40]
soviet_v2.gates.sft := soviet_jokes_v2[0:20]:exact>=19 soviet_jokes_v2[20:32]:exact>=11 eval_smalltalk:leak<=2
soviet_v2.jokes    := soviet_jokes
soviet_v2.prompts  := pipelines/soviet_v3/prompts.$($(BASE).language).txt
