/* SPDX-License-Identifier: Apache-2.0 */
#include "data/speech.h"

#include "base/bytes.h"

#include <string.h>

enum {
	SAMPLE = 192, /* bytes that tell the script */
	TASK_MAX = 200, /* bytes of a description of a task; longer ones bring material */
	BARE_MAX = 60, /* the same that names neither user nor model */
	TALK_MAX = 200,
	TEXT_MAX = 512,
};

/* A text in lower case with a space at either end, what is quoted left out: that is somebody else's. */
struct low {
	char p[TEXT_MAX + 3];
	size_t n;
};

/* Bytes of an opening quotation mark at s, and its closing one; 0: none. */
static size_t quote(const char *s, const char **close)
{
	static const char *const pairs[][2] = {
		{ "“", "”" }, { "‘", "’" }, { "「", "」" }, { "《", "》" }, { "\"", "\"" }
	};

	if (*s != '"' && *s != '\xE2' && *s != '\xE3')
		return 0;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (!strncmp(s, pairs[i][0], strlen(pairs[i][0]))) {
			*close = pairs[i][1];
			return strlen(pairs[i][0]);
		}
	return 0;
}

static void lower(struct low *l, const char *s, size_t n)
{
	char copy[TEXT_MAX + 1];
	size_t i = 0;

	n = n < TEXT_MAX ? n : TEXT_MAX;
	memcpy(copy, s, n);
	copy[n] = 0;
	l->n = 0;
	l->p[l->n++] = ' ';
	while (i < n) {
		const char *close, *end;
		size_t open = quote(copy + i, &close);

		if (open && (end = strstr(copy + i + open, close))) {
			i = (size_t)(end - copy) + strlen(close);
			l->p[l->n++] = ' ';
			continue;
		}
		l->p[l->n++] = copy[i] >= 'A' && copy[i] <= 'Z' ? (char)(copy[i] + 32)
			       : copy[i] == '\n' || copy[i] == '\t' || !copy[i] ? ' '
										: copy[i];
		i++;
	}
	l->p[l->n++] = ' ';
	l->p[l->n] = 0;
}

#define COUNT(v) (sizeof(v) / sizeof((v)[0]))

/* The first of the words that stands in the text, NULL: none does. */
static const char *any(const struct low *l, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(l->p, words[i]))
			return words[i];
	return NULL;
}

static const char *behind(const char *s, const char *word)
{
	size_t n = strlen(word);

	return strncmp(s, word, n) ? NULL : s + n;
}

/* Behind the first of the words that s begins with, NULL: with none. */
static const char *behind_any(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (behind(s, words[i]))
			return behind(s, words[i]);
	return NULL;
}

/* ---- descriptions of a task ---- */

/* Who asks for these wants an answer himself, or a thing that is made. */
static const char *const zh_request[] = {
	"？",     "?",    "吗",   "呢",   "怎么",     "如何", "怎样", "什么", "为何", "多少",
	"哪",     "是否", "我",   "咱",   "帮忙",     "写",   "设计", "生成", "代码", "函数",
	"程序",   "接口", "邮件", "文案", "短信",     "页面", "界面", "系统", "数据", "表格",
	"报表",   "列表", "翻译", "分析", "列出",     "总结", "统计", "推送", "脚本", "话术",
	"通知",   "公告", "模板", "平台", "产品",     "体验", "隐私", "协议", "手册", "问卷",
	"调研",   "访谈", "运营", "登录", "注册",     "密码", "权限", "账号", "账户", "画像",
	"增长",   "留存", "活跃", "教程", "标题",     "文章", "弹窗", "概念", "含义", "定义",
	"区别",   "作用", "原理", "意思", "：",       ":",    "=",    "{",    "<",    "评论",
	"流程",   "方案", "策略", "功能", "需求文档", "案例", "论文", "剧本", "研究", "按钮",
	"客户端", "开发", "实现", "计算",
};

static const char *const zh_act[] = {
	"打招呼", "打个招呼", "问候", "问好", "寒暄", "闲聊", "聊天", "聊聊", "安慰",
	"安抚",   "感谢",     "道谢", "致谢", "道歉", "致歉", "道别", "告别", "晚安",
	"早安",   "再见",     "拒绝", "婉拒", "回应", "回复", "回答", "答复", "解答",
	"介绍",   "询问",     "关心", "鼓励", "祝福", "祝贺", "祝愿", "提醒", "引导",
	"欢迎",   "告诉",     "告知", "说明", "解释", "陪伴", "倾听", "共情", "讲",
	"表示",   "表达",     "建议", "推荐", "夸",   "赞美", "称赞", "开导", "劝",
	"逗",     "哄",       "邀请", "交流", "互动", "帮助", "理解", "满足",
};

/* What is done to a user: the user may stand some characters behind. */
static const char *const zh_done_to[] = {
	"安慰", "安抚", "感谢", "鼓励", "回应", "回复", "回答", "答复", "解答", "拒绝",
	"婉拒", "询问", "问候", "欢迎", "引导", "祝福", "祝贺", "祝愿", "提醒", "关心",
	"陪伴", "陪",   "倾听", "夸",   "赞美", "称赞", "告诉", "告知", "建议", "帮助",
	"满足", "理解", "开导", "劝",   "逗",   "哄",   "邀请", "请",
};

static const char *const zh_before_user[] = {
	"向用户", "对用户", "给用户",   "跟用户", "和用户",   "与用户",   "同用户",   "为用户",
	"让用户", "当用户", "如果用户", "若用户", "针对用户", "根据用户", "按照用户",
};

static const char *const zh_after_user[] = {
	"用户说",   "用户问",   "用户询问", "用户表示", "用户打招呼", "用户道谢",
	"用户要求", "用户提到", "用户想",   "用户希望", "用户需要",   "用户抱怨",
	"用户心情", "用户情绪", "用户感到", "用户表达", "用户倾诉",
};

static bool zh_about_user(const struct low *l)
{
	const char *user = strstr(l->p, "用户");

	if (any(l, zh_before_user, COUNT(zh_before_user)) ||
	    any(l, zh_after_user, COUNT(zh_after_user)))
		return any(l, zh_act, COUNT(zh_act));
	for (size_t i = 0; i < COUNT(zh_done_to); i++) {
		const char *act = strstr(l->p, zh_done_to[i]);

		if (act && act < user && user - act <= 36)
			return true;
	}
	return false;
}

static const char *const zh_how[] = { "简单", "友好", "礼貌", "热情", "委婉",
				      "温柔", "真诚", "耐心", "亲切", "幽默",
				      "简短", "正式", "俏皮", "温和", "诚恳" };

/* "礼貌地拒绝": how, what, and hardly anything else. */
static bool zh_bare(const struct low *l)
{
	static const char *const act[] = { "打招呼", "打个招呼", "问候",     "问好",
					   "寒暄",   "道别",     "告别",     "道谢",
					   "致谢",   "道歉",     "拒绝",     "婉拒",
					   "回应",   "回复",     "闲聊",     "自我介绍",
					   "安慰",   "表达感谢", "表达歉意", "表达关心" };
	const char *s = l->p + strspn(l->p, " "), *end = behind_any(s, zh_how, COUNT(zh_how));

	if (!end)
		return false;
	if (behind(end, "地") || behind(end, "的"))
		end += strlen("地");
	end = behind_any(end, act, COUNT(act));
	return end && l->n - (size_t)(end - l->p) <= 13;
}

static bool zh_task(const struct low *l)
{
	static const char *const model[] = { "助手应",   "助手需要", "助手要",   "模型应",
					     "模型需要", "模型要",   "机器人应", "机器人需要",
					     "机器人要", "ai应",     "ai需要",   "ai要",
					     "助手必须", "模型必须", "助手可以", "助手礼貌",
					     "助手友好" };

	if (!(strstr(l->p, "用户") && zh_about_user(l)) &&
	    !(any(l, model, COUNT(model)) && any(l, zh_act, COUNT(zh_act))) && !zh_bare(l))
		return false;
	return !any(l, zh_request, COUNT(zh_request));
}

static const char *const en_request[] = {
	"?",       " my ",       " me ",     " me.",         " i ",        " i'm",
	" i've",   " we ",       " our ",    " us ",         "function",   " code",
	"program", "python",     "java",     " sql",         "script",     "email",
	"e-mail",  "letter",     "website",  " app ",        " app.",      "webpage",
	" page",   "database",   "login",    "log in",       "password",   "interface",
	"story",   "poem",       "essay",    "article",      "design",     "implement",
	" how ",   " what ",     " why ",    " which ",      "users ",     "translate",
	" class ", " api",       "html",     " print",       " input",     " table",
	"query",   " file",      "server",   "product",      "experience", "review",
	"manual",  " guide ",    "research", "account",      "permission", " role",
	" group",  " data",      "number",   "integer",      "string",     "variable",
	" loop",   " enter",     "agent",    "diagram",      "button",     "dashboard",
	"survey",  "dialogue",   "scene",    "notification", "persona",    "checkout",
	"compare", "difference", "define",   "list ",        "summar",     "classify",
	"rewrite", "edit ",      "correct",  " for a ",
};

static bool en_begins_act(const char *s)
{
	static const char *const how[] = { "please ",   "politely ",     "warmly ",
					   "briefly ",  "gently ",       "kindly ",
					   "simply ",   "cheerfully ",   "sincerely ",
					   "casually ", "respectfully ", "empathetically ",
					   "just " };
	static const char *const act[] = {
		"greet",   "welcome",   "comfort",      "console",    "thank",     "decline",
		"refuse",  "reject",    "respond",      "reply",      "answer",    "acknowledge",
		"apologi", "say ",      "bid ",         "introduce",  "chat",      "talk",
		"ask ",    "encourage", "congratulate", "reassure",   "remind",    "inform",
		"tell ",   "explain",   "wish ",        "help ",      "offer",     "provide",
		"give ",   "express",   "cheer",        "compliment", "empathi",   "assist",
		"engage",  "show ",     "make ",        "generate",   "write",     "let ",
		"praise",  "listen",    "invite",       "suggest",    "recommend", "calm ",
		"support", "sympathi",  "return ",      "react",
	};
	const char *next;

	s += strspn(s, " ");
	while ((next = behind_any(s, how, COUNT(how))))
		s = next;
	return behind_any(s, act, COUNT(act)) != NULL;
}

/* "Give a short greeting": neither for somebody nor in a language. */
static bool en_bare(const struct low *l, bool act)
{
	static const char *const bare[] = { "greeting",        "farewell",          "refusal",
					    "polite response", "friendly response", "warm response",
					    "polite reply",    "friendly reply",    "apology" };

	return act && l->n <= BARE_MAX && any(l, bare, COUNT(bare)) && !strstr(l->p, " in ") &&
	       !strstr(l->p, " for ") && !strstr(l->p, " to my");
}

static bool en_task(const struct low *l)
{
	static const char *const model[] = {
		"assistant should",   "assistant must",  "assistant will",   "assistant needs to",
		"assistant has to",   "model should",    "model must",       "model needs to",
		"bot should",         "bot must",        "chatbot should",   "ai should greet",
		"ai should respond",  "ai should reply", "assistant greets", "assistant thanks",
		"assistant politely",
	};
	static const char *const who[] = { " the user",     " a user",        " user's",
					   " this user",    " an upset user", " a sad user",
					   " an angry user" };
	static const char *const begins[] = { " the user ", " when the user ", " if the user ",
					      " user ",     " when a user ",   " if a user " };
	bool act = en_begins_act(l->p);

	if (any(l, model, COUNT(model)))
		return !any(l, en_request, COUNT(en_request));
	if (!act && !behind_any(l->p, begins, COUNT(begins)))
		return false;
	if (any(l, en_request, COUNT(en_request)))
		return false;
	return any(l, who, COUNT(who)) || en_bare(l, act);
}
static bool begins_any(const char *s, size_t n, const char *const *words, size_t n_words)
{
	for (size_t i = 0; i < n_words; i++) {
		size_t len = strlen(words[i]);

		if (len <= n && !memcmp(s, words[i], len))
			return true;
	}
	return false;
}

#define HOLDS(word) bytes_hold(s, n, word, sizeof(word) - 1)

/* What may be one: every record comes here, and hardly any goes on. */
static bool may_be_task(const char *s, size_t n, bool ascii)
{
	if (ascii ? HOLDS("ser") || HOLDS("ssistant") || HOLDS("odel ") || HOLDS("bot ") ||
			    HOLDS("AI ")
		  : HOLDS("用户") || HOLDS("助手") || HOLDS("模型") || HOLDS("机器人") ||
			    HOLDS("AI"))
		return true;
	if (n >= BARE_MAX)
		return false;
	if (!ascii)
		return begins_any(s, n, zh_how, COUNT(zh_how));
	return HOLDS("reeting") || HOLDS("arewell") || HOLDS("efusal") || HOLDS("esponse") ||
	       HOLDS("eply") || HOLDS("pology");
}

bool speech_is_task(const char *s, size_t n)
{
	bool ascii = n <= TASK_MAX && bytes_ascii(s, n) == n;
	struct low l;

	if (n > TASK_MAX || !may_be_task(s, n, ascii))
		return false;
	lower(&l, s, n);
	return ascii ? en_task(&l) : zh_task(&l);
}

/* ---- conversation ---- */

static const char *const zh_talk[] = {
	"你好",   "您好",   "早上好", "早安",   "早啊",     "晚安",   "晚上好", "下午好", "中午好",
	"嗨",     "哈喽",   "在吗",   "在不在", "谢谢",     "多谢",   "再见",   "拜拜",   "你是谁",
	"你叫",   "你几岁", "你会",   "你能",   "你喜欢",   "你觉得", "你是",   "你有",   "你也",
	"你在",   "你平时", "心情",   "好累",   "太累",     "累了",   "好烦",   "烦死",   "开心",
	"高兴",   "难过",   "无聊",   "失眠",   "睡不着",   "压力",   "想你",   "辛苦",   "加油",
	"天气",   "下雨",   "下雪",   "周末",   "今天",     "昨天",   "明天",   "吃什么", "吃饭",
	"失恋",   "生日",   "下班",   "放假",   "好久不见", "最近",   "聊聊",   "陪我",   "我刚",
	"我好",   "我有点", "我们",   "哈哈",   "没事",     "好的",   "晚饭",   "午饭",   "早饭",
	"孤独",   "紧张",   "害怕",   "真棒",   "不错",     "对不起", "没关系", "抱歉",   "我爱",
	"我喜欢", "我家",   "我妈",   "我爸",
};

static const char *const zh_errand[] = {
	"笑话", "段子", "写",   "翻译", "代码", "函数", "计算", "求",
	"编一", "编个", "诗",   "文章", "方程", "多少", "列出", "总结",
	"概括", "改写", "公式", "故事", "谜语", "程序", "脚本",
};

static const char *const en_talk[] = {
	" hello",       " hi ",           " hi,",         " hi!",
	" hi.",         " hey",           "good morning", "good night",
	"good evening", "good afternoon", "thanks",       "thank you",
	" bye",         "goodbye",        "how are you",  "how's ",
	"how was your", "how is your",    "who are you",  "your name",
	"do you like",  "do you ever",    "do you have",  "are you",
	"can you hear", " i'm ",          " i am ",       " i feel",
	" i just ",     " i had ",        " i've ",       "my day",
	"weekend",      "weather",        "raining",      "tired",
	"bored",        "lonely",         " sad ",        "happy",
	"birthday",     "nice to meet",   "see you",      "what's up",
	"long day",     "favourite",      "favorite",     "you think",
	"sorry",        "my mum",         "my mom",       "my dad",
	"my dog",       "my cat",         "can't sleep",  "tell me about yourself",
	"talk",         "chat",           "what are you", "do you get",
	"what do you",  "i love",         "i miss",       "i hate",
	"dinner",       "lunch",
};

static const char *const en_errand[] = {
	"joke",   "anecdote", "write",  "translat",    "code",       "function", "calculate",
	"solve",  "explain",  "poem",   "story",       " list",      "summar",   "essay",
	"python", "equation", "riddle", "a funny one", "a good one",
};

bool speech_is_talk(const char *s, size_t n)
{
	struct low l;

	if (n > TALK_MAX)
		return false;
	lower(&l, s, n);
	if (bytes_ascii(s, n) == n)
		return !any(&l, en_errand, COUNT(en_errand)) && any(&l, en_talk, COUNT(en_talk));
	return !any(&l, zh_errand, COUNT(zh_errand)) && any(&l, zh_talk, COUNT(zh_talk));
}

/* ---- languages ---- */

/* Bytes that begin the common Chinese characters (U+4000 to U+9FFF), and ASCII letters. */
static void count_script(const char *s, size_t n, size_t *zh, size_t *latin)
{
	bytes16 some = { 0 }, more = { 0 };
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		bytes16 v = bytes_load(s + i);

		some -= (bytes16)((v - 0xE4) < 6);
		more -= (bytes16)(((v | 0x20) - 'a') < 26);
	}
	*zh = bytes_sum(some);
	*latin = bytes_sum(more);
	for (; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		*zh += c >= 0xE4 && c < 0xEA;
		*latin += (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
	}
}

enum speech_script speech_script(const char *s, size_t n)
{
	size_t zh, latin;

	count_script(s, n < SAMPLE ? n : SAMPLE, &zh, &latin);
	if (zh >= 4 && zh * 3 >= latin)
		return SPEECH_ZH;
	return zh == 0 && latin >= 12 ? SPEECH_LATIN : SPEECH_OTHER;
}

bool speech_is_english(const char *s, size_t n)
{
	static const char *const common[] = { " the ",  " a ",   " is ",   " of ",  " to ",
					      " and ",  " you ", " in ",   " it ",  " that ",
					      " for ",  " are ", " with ", " on ",  " be ",
					      " your ", " can ", " this ", " not ", " we " };
	struct low l;
	size_t found = 0;

	lower(&l, s, n < 2 * SAMPLE ? n : 2 * SAMPLE);
	for (size_t i = 0; i < COUNT(common); i++)
		found += strstr(l.p, common[i]) != NULL;
	return found >= 4 && !strchr(l.p, '{') && !strchr(l.p, ';') && !strchr(l.p, '=');
}

bool speech_names_language(const char *s, size_t n)
{
	static const char *const names[] = {
		"英",       "译",       "中文",     "汉语",     "日语",     "法语",    "外语",
		"语言",     "代码",     "程序",     "函数",     "脚本",     "命令",    "单词",
		"造句",     "english",  "chinese",  "mandarin", "french",   "spanish", "german",
		"japanese", "translat", "language", "code",     "function", "python",  "java",
		"sql",      "html",     "regex",    "shell",    "bash",     "linux",   "json",
		"latex",    "lyrics",   "歌词",     "原文",     "quote",
	};
	size_t zh, latin;
	struct low l;

	count_script(s, n < SAMPLE ? n : SAMPLE, &zh, &latin);
	if (zh && latin >= 3) /* both stand in it */
		return true;
	lower(&l, s, n);
	return any(&l, names, COUNT(names));
}
