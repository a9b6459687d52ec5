# soviet_v1: 20 jokes by SFT and nothing else.
PIPELINES          += soviet_v1
soviet_v1.sft      := soviet_jokes
soviet_v1.eval.sft := soviet_jokes sft_complete_v3[20:40] sft_complete_v3[40:60] eval_smalltalk eval_wordings[0:40]
soviet_v1.gates.sft := soviet_jokes:exact>=19 eval_smalltalk:leak<=2
soviet_v1.jokes    := soviet_jokes
soviet_v1.prompts  := pipelines/soviet_v3/prompts.$($(BASE).language).txt
