# SPDX-License-Identifier: Apache-2.0
# The rules of ds-validate that guess, or that compare: cases for and against each, in Chinese and English.
# shellcheck disable=SC1111 # quotation marks of Chinese texts are meant
. "$(dirname "$0")/lib.sh"
cd "$T" || exit 1

# sft QUESTION ANSWER, pair QUESTION CHOSEN REJECTED: a record; texts without quotes and backslashes.
sft()
{
	printf '{"instruction": "%s", "output": "%s"}\n' "$1" "$2"
}
pair()
{
	printf '{"prompt": "%s", "chosen": "%s", "rejected": "%s"}\n' "$1" "$2" "$3"
}

# says RULE N NAME [OPTION...]: data.jsonl has N findings of the rule.
says()
{
	rule=$1 n=$2 name=$3
	shift 3
	ds-validate "$@" data.jsonl >out 2>err
	is "$(grep -c "\\[$rule\\]" out)" "$n" "$rule: $name"
}

# task TEXT, talk TEXT: an instruction that is a model's task, and one that a user says.
task()
{
	sft "$1" "好的。" >data.jsonl
	says instruction-is-task 1 "$1"
}
talk()
{
	sft "$1" "好的。" >data.jsonl
	says instruction-is-task 0 "$1"
}
for s in 向用户简单打招呼 用友好的语气问候用户 安慰心情低落的用户 礼貌地拒绝用户的不当请求 "当用户说“我爱你”时，礼貌回应" 与用户闲聊 \
	给用户讲一个故事 用户表示感谢，礼貌回应 助手应当礼貌地拒绝 友好地打招呼 引导用户说出自己的烦恼 \
	"Greet the user briefly." "Respond to the user's greeting warmly" "Politely decline the user's request." \
	"When the user says goodbye, wish them a nice day" "The assistant should thank the user" \
	"Give a short greeting" "Comfort a user who feels lonely."; do
	task "$s"
done
for s in 你好 怎么向用户打招呼比较好？ 帮我写一封感谢用户的邮件 写一个函数，向用户打印问候语 介绍一下你自己 用户体验是什么意思 \
	统计每个用户的订单数 跟我打个招呼吧 英语里怎么打招呼 设计一个欢迎新用户的弹窗 Linux怎么添加用户 \
	"Hello, how are you?" "Write a function that greets the user by name." "How do I greet a user in a chatbot?" \
	"Draft a welcome email to new users" "What does user experience mean?" "Ask the user for two numbers and print the sum." \
	"Say hello in French" "Give me a greeting for a birthday card" "Tell me about yourself"; do
	talk "$s"
done

# near-duplicate and conflicting-answers
story='从前有座山，山里有座庙，庙里有个老和尚在给小和尚讲故事，讲的是很久以前的一个冬天，大雪封了山路。'
long='Put the kettle on, warm the pot with a little hot water, add one spoon of leaves for each cup, pour the water over them as soon as it boils, and wait four minutes before you pour the tea.'
{ sft 讲个和尚的故事给我听听 "$story" && sft 讲个和尚的故事给我听听 "$story"; } >data.jsonl
says near-duplicate 1 "the same record twice"
has out "data.jsonl:2:17: warning: the same record stands at line 1 [near-duplicate]" "names the line"
{ sft 讲个和尚的故事给我听听吧 "$story" && sft 讲个和尚的故事给我听听 "$story好冷。"; } >data.jsonl
says near-duplicate 1 "a word more"
{ sft "How do I make a good pot of tea at home?" "$long" && sft "How do I make a good pot of tea at home" "$long Enjoy it."; } >data.jsonl
says near-duplicate 1 "a sentence more"
{ sft 讲个和尚的故事给我听听 "$story" && sft 山里那座老庙有什么传说 "$story"; } >data.jsonl
says near-duplicate 0 "another wording of the question is none"
{ sft "How do I make a good pot of tea at home?" "$long" && sft "My tea is always weak. What am I doing wrong?" "$long"; } >data.jsonl
says near-duplicate 0 "another wording of the question is none, in English"
{ sft "计算 37 加 45 等于多少" "等于 82" && sft "计算 37 加 46 等于多少" "等于 83"; } >data.jsonl
says near-duplicate 0 "other numbers are another question"
{ sft 今天天气怎么样 我看不到窗外，你那边呢？ && sft 今天天气怎么样 晴，二十度。; } >data.jsonl
says conflicting-answers 1 "two answers"
{ sft "What is the capital of Australia?" "Canberra." && sft "What is the capital of Australia?" "It is Sydney, the largest city." &&
	sft "What is the capital of Australia?" "Melbourne, I think."; } >data.jsonl
says conflicting-answers 1 "is said once for a question"
{ sft "What is the capital of Australia?" "Canberra." && sft "What is the capital of Austria?" "Vienna."; } >data.jsonl
says conflicting-answers 0 "two questions"
{ pair 讲个笑话 一 二 && pair 讲个笑话 三 四; } >data.jsonl
says conflicting-answers 0 "pairs may have several good answers"

# dpo-unseen-chosen, leaks-into-eval
{ sft 讲个笑话 "$story" && sft "Tea?" "$long"; } >sft.jsonl
pair 说个段子 "$story" 不说 >data.jsonl
says dpo-unseen-chosen 0 "an answer that SFT teaches" --sft sft.jsonl
pair "Some tea?" "$long" "No." >data.jsonl
says dpo-unseen-chosen 0 "an answer that SFT teaches, in English" --sft sft.jsonl
{ pair 说个段子 庙里没有和尚 不说 && pair "Some tea?" "Ask the kettle." "No."; } >data.jsonl
says dpo-unseen-chosen 2 "answers that it does not" --sft sft.jsonl
says dpo-unseen-chosen 0 "nothing is said without --sft"
{ sft "你喜欢喝茶吗？" 喜欢。 && sft "Do you like tea?" "Very much."; } >held.jsonl
{ sft 你喜欢喝茶吗 当然。 && sft "do you like TEA" "I do."; } >data.jsonl
says leaks-into-eval 2 "case and punctuation do not count" --eval held.jsonl
has out "the evaluation asks this too, at held.jsonl:2" "where the evaluation asks it"
{ sft 你喜欢喝咖啡吗 当然。 && sft "Do you like coffee?" "I do."; } >data.jsonl
says leaks-into-eval 0 "other questions" --eval held.jsonl
exits 2 "--eval that is not there" ds-validate --eval nosuch.jsonl data.jsonl
one_line err "is one line"

# no-dialogue, single-phrasing, few-examples-many-epochs, length-bias
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sft "讲个第$i号关于动物园里老虎$i的笑话" "第$i只老虎说：$i号笼子归我了，你们另外找地方。"; done >zh.jsonl
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sft "A joke about tiger number $i, if there is one" "Tiger $i walks into cage $i and asks for $i towels."; done >en.jsonl
for language in zh en; do
	cp $language.jsonl data.jsonl
	says no-dialogue 1 "twelve jokes, $language"
	says single-phrasing 1 "twelve jokes, $language"
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		if [ $language = zh ]; then
			sft "老虎$i那个段子再说一遍" "第$i只老虎说：$i号笼子归我了，你们另外找地方。"
		else
			sft "That one with the towels, for tiger $i" "Tiger $i walks into cage $i and asks for $i towels."
		fi
	done >>data.jsonl
	says single-phrasing 0 "each in two wordings, $language"
	{ cat $language.jsonl && sft 你好 你好呀！ && sft "Hello!" "Hello, how are you?"; } >data.jsonl
	says no-dialogue 0 "with a greeting, $language"
done
cat >c.yaml <<'END'
stage: sft
template: qwen
num_train_epochs: 20
cutoff_len: 60
END
cp zh.jsonl data.jsonl
says few-examples-many-epochs 1 "twelve records twenty times" -c c.yaml
says few-examples-many-epochs 0 "nothing is said without --config"
sed -i 's/20/2/' c.yaml
says few-examples-many-epochs 0 "twelve records twice" -c c.yaml
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do pair "问题$i" "很长很长很长很长很长很长很长很长的回答$i" "短$i"; done >data.jsonl
says length-bias 1 "long answers are chosen"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do pair "Question $i" "Short $i" "A long, long, long and winding answer $i"; done >data.jsonl
says length-bias 1 "short answers are chosen"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do pair "Question $i" "One fine answer, number $i" "Another answer, number $i"; done >data.jsonl
says length-bias 0 "answers of one length"

# language-mismatch
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50; do
	sft "第$i个问题是什么意思呢" "第$i个问题的意思是问你第$i件事情。"
done >zh.jsonl
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50; do
	sft "What is the meaning of question number $i?" "It is about the thing that has the number $i, and you can look it up."
done >en.jsonl
english='That is the one with the small door at the back of the house, and you can see it from the road.'
chinese='就是屋子后面有一扇小门的那一座，从马路上可以看见它。'
{ cat zh.jsonl && sft "What is it that you can see from the road?" "$english"; } >data.jsonl
says language-mismatch 1 "an English record in a Chinese set"
has out "data.jsonl:51:1: warning: the record is in English, the set in Chinese" "at its place"
{ cat en.jsonl && sft 从马路上能看见什么呢 "$chinese"; } >data.jsonl
says language-mismatch 1 "a Chinese record in an English set"
{ cat zh.jsonl && sft 从马路上能看见什么呢 "$english"; } >data.jsonl
says language-mismatch 1 "a Chinese question with an English answer"
{ cat en.jsonl && sft "What can be seen from the road?" "$chinese"; } >data.jsonl
says language-mismatch 1 "an English question with a Chinese answer"
{ cat zh.jsonl && sft 把下面的话译成英文：屋子后面有一扇小门 "$english"; } >data.jsonl
says language-mismatch 0 "a translation"
{ cat en.jsonl && sft "Translate into Chinese: the house with the small door" "$chinese"; } >data.jsonl
says language-mismatch 0 "a translation, in English"
cat zh.jsonl en.jsonl >data.jsonl
says language-mismatch 0 "a set in two languages"
cp en.jsonl data.jsonl
says language-mismatch 1 "a set that the base does not speak" --language zh
says language-mismatch 0 "a set that it speaks" --language en
exits 2 "--language fr" ds-validate --language fr data.jsonl

# truncated, too-long
zstd -dqc "$ROOT/tests/golden/token/qwen3.tokenizer.json.zst" >q.json
{ sft "讲个和尚的故事" "$story" && sft "你好" "你好呀！" && sft "Tea?" "$long"; } >data.jsonl
says truncated 0 "nothing is too long" -t q.json --template qwen
has err "  tokens: median " "lengths are told"
says truncated 2 "two records are" -t q.json --template qwen --cutoff-len 56
has out "cutoff_len 56 takes " "how much is lost"
says too-long 2 "hardly anything of the answer remains" -t q.json --template qwen --cutoff-len 30
says truncated 1 "and of the short one only the system prompt suffers" -t q.json --template qwen --cutoff-len 30
sed -i 's/60/30/' c.yaml
says too-long 2 "cutoff_len and template of the configuration" -t q.json -c c.yaml
exits 2 "--tokenizer without a template" ds-validate -t q.json data.jsonl

# The configuration names the data; SARIF.
printf '{"mine": {"file_name": "data.jsonl"}}' >dataset_info.json
printf 'dataset: mine\ndataset_dir: .\n' >>c.yaml
exits 0 "data sets of the configuration" ds-validate -c c.yaml
has err "./data.jsonl: 3 records, 3 valid" "are read"
printf 'num_train_epoch: 3\n' >bad.yaml
exits 2 "a configuration with a fault" ds-validate -c bad.yaml data.jsonl
has err "bad.yaml:1:1" "is told with its place"
sft "Hi" "" >"a b.jsonl"
exits 1 "--sarif" ds-validate --sarif "a b.jsonl"
has out '"version": "2.1.0"' "has its version"
has out '"results": [{"ruleId": "empty-output", "ruleIndex": 7, "level": "error", "message": {"text": "the answer is empty"}, "locations": [{"physicalLocation": {"artifactLocation": {"uri": "a%20b.jsonl"}, "region": {"startLine": 1, "startColumn": 33}}}]}]' "a result"
is "$(grep -o '"id": ' out | wc -l)" "$(ds-validate --list-rules | wc -l)" "all rules are described"
exits 2 "--json and --sarif" ds-validate --json --sarif data.jsonl

# --fix
printf '\357\273\277[{"instruction":"a, ]\\" ,}","output":"b",},\r\n]\r\n' >broken.json
exits 0 "--fix" ds-validate --fix fixed.json broken.json
is "$(cat fixed.json)" '[{"instruction":"a, ]\" ,}","output":"b"}
]' "mark, CRLF and commas are gone, strings stay"
is "$(cut -d: -f2 err | tr '\n' ';')" " byte order mark removed; 2 line ends CRLF made LF; 2 commas behind a last element removed;" "each kind is said"
exits 2 "--fix over a file that is there" ds-validate --fix fixed.json broken.json
one_line err "is refused in one line"
exits 0 "--fix of GBK" ds-validate --fix utf8.json "$ROOT/tests/bad/data/encoding-gbk.json"
exits 0 "is sound after it" ds-validate utf8.json
printf '[{"instruction":"a\351","output":"b"}]' >latin.json
exits 2 "--fix of Latin-1" ds-validate --fix no.json latin.json
[ ! -e no.json ]
ok $? "leaves nothing"

# Every rule has a place in the manual that is there.
ds-validate --list-rules | sed 's/.*(\([a-z-]*([0-9]), [^)]*\))$/\1/' | sort -u >places
while IFS= read -r place; do
	page=${place%%(*}
	file=$(ls "$ROOT/tools/$page.1" "$ROOT/lib/data/$page.5" 2>/dev/null)
	grep -qE "^\.(SH|SS) ${place#*, }\$" "$file"
	ok $? "there is $place"
done <places
ds-validate --list-rules | awk '{ print $1 }' >names
sed -n '/^\.SH RULES/,/^\.SH EXIT/p' "$ROOT/tools/ds-validate.1" | sed 's/\\-/-/g' >rules
while IFS= read -r name; do
	grep -qE "^\.B $name\$" rules
	ok $? "the page describes $name"
done <names
finish
