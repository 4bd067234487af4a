"""Sentences that the voice network learns from: everyday and shop talk, rich in sounds."""

from __future__ import annotations

MANDARIN = (
    "欢迎光临本店，请随便看看，有什么需要尽管告诉我。",
    "这款绿茶产自高山，清明之前采摘，香气清新，回味甘甜。",
    "红茶性温，适合秋冬饮用，加一点牛奶也非常好喝。",
    "我们的营业时间是早上九点到晚上九点半，周末照常营业。",
    "您可以扫描屏幕上的二维码，直接下单付款。",
    "今天全场满两百元减三十元，会员还可以再打八八折。",
    "请问您想喝浓一点的还是淡一点的？",
    "普洱茶越陈越香，放在通风干燥的地方可以存放很多年。",
    "白毫银针的茶汤颜色很浅，味道却十分鲜爽。",
    "泡乌龙茶要用沸水，第一泡快速倒掉，第二泡开始品尝。",
    "妈妈说周末要带弟弟去公园放风筝，爸爸负责准备午饭。",
    "他骑着自行车穿过小巷，雨水打湿了他的外套和书包。",
    "四十四只石狮子，看着十四个四岁的孩子吃柿子。",
    "吃葡萄不吐葡萄皮，不吃葡萄倒吐葡萄皮。",
    "红凤凰，粉凤凰，粉红墙上画凤凰。",
    "屋外的梧桐树沙沙作响，乌鸦从屋顶飞过。",
    "我们无法保证明天一定有货，不过可以为您预留一份。",
    "请您稍等一下，我马上叫店员过来帮您打包。",
    "飞机票已经订好了，酒店在火车站旁边，步行五分钟。",
    "去年冬天特别冷，湖面结了厚厚的冰，孩子们在上面滑冰。",
    "女儿喜欢绿色的裙子和银色的鱼，儿子喜欢玩具火车。",
    "这个故事发生在很久以前的一座小村庄里。",
    "老师鼓励同学们多读书，多思考，勇敢地提出问题。",
    "科学家发现，适量饮茶有助于保持心情愉快。",
    "谢谢您的耐心等待，祝您生活愉快，欢迎下次再来！",
    "对不起，这个问题我不太清楚，请您问一下旁边的工作人员。",
    "左边的货架上是茶具，右边是礼盒，中间是本月新品。",
    "一盒一百二十八元，两盒两百四十元，三盒包邮。",
    "喔，原来如此！那我们就按照您说的办吧。",
    "阿姨，您的包裹放在门口了，记得签字确认。",
    "月亮圆圆的，像一个大玉盘挂在天上。",
    "跑步、游泳、打篮球、弹钢琴，他样样都会。",
)
ENGLISH = (
    "Welcome to our shop, please take your time and have a look around.",
    "This green tea grows high in the mountains and is picked before the first rain of spring.",
    "Black tea is smooth and malty, and it goes very well with a little milk.",
    "We are open from nine in the morning until half past nine at night, seven days a week.",
    "Just scan the code on the screen with your phone, and you can pay right away.",
    "Buy two boxes today and the third one is half price.",
    "Would you like something strong, or something light and floral?",
    "Keep the tea in a cool, dry place, and it will stay fresh for over a year.",
    "She sells sea shells by the sea shore, and the shells she sells are sea shells, I am sure.",
    "Peter Piper picked a peck of pickled peppers before the parade began.",
    "The quick brown fox jumps over the lazy dog while five wizards box.",
    "How much wood would a woodchuck chuck if a woodchuck could chuck wood?",
    "My mother bought a beautiful blue umbrella from a market by the river.",
    "Thank you for waiting; we hope to see you again very soon!",
    "I am afraid I do not know that, but one of my colleagues will be happy to help you.",
    "The weather forecast says there will be heavy fog, followed by bright sunshine.",
    "Put the flowers on the table, open the window, and let the fresh air in.",
    "Those three brothers live together in a small house near the church.",
    "You should choose the yellow one, it usually looks warmer in the evening.",
    "Five hundred and forty seven people visited the museum on Thursday.",
    "Oh, wow! That is exactly what I was hoping you would say.",
    "A good pot of tea needs clean water, enough leaves, and about three minutes.",
    "The teapots are on the left, the gift boxes are on the right, and the new blends are here.",
    "Please leave your umbrella at the door, and mind the step as you walk in.",
    "Joy and laughter filled the hall as the children unwrapped their toys.",
    "We flew over Europe, Africa and Asia before landing in Beijing at noon.",
    "Fresh fish, very fine vegetables, and warm white bread were served for lunch.",
    "Would you rather watch a movie, or go for a long walk around the lake?",
    "Every vessel in our collection is made by hand, so no two are the same.",
    "It costs one hundred and twenty eight yuan, and delivery is free of charge.",
)
VOICES = {
    "zh-CN": ("zf_xiaobei", "zf_xiaoxiao", "zm_yunxi"),
    "en-US": ("af_heart", "am_michael"),
}


# Words for random lines: what the sentences above lack in sounds and orders of sounds.
_ENGLISH_WORDS_TEXT = (
    "map bubble pepper moment maple bamboo pebble member camp bump simple number "
    "public problem people maybe above before obvious memory summer family woman "
    "human empty jump lamp symbol five very value over even seven love move voice "
    "leave half safe coffee laugh phone photo think through three bath both breath "
    "with mother other father weather clothes month earth show shop fish wash chair "
    "teach church watch picture nature large bridge measure pleasure see say size "
    "music busy cheese choose raise noise house place price nice advice success go "
    "book good look food moon blue school room soon two shoe through group soup juice "
    "fruit law talk water autumn all small morning story north order more door four "
    "warm quarter car start heart large park dark calm palm father plant bath last "
    "glass ask answer after day way may paper later table make take great wait mail "
    "train rain plane name same game eye my time line fine like light night right "
    "white mile smile child kind mind find now how out about house sound round ground "
    "town down brown crown flower power hour boy toy joy coin point noise voice "
    "choice oil boil royal loyal enjoy annoy year ear here near clear hear beer deer "
    "air chair hair care share where there bear girl first bird word world work learn "
    "early turn burn nurse church thirty purple red bed head bread said friend help "
    "left next desk seven ten pen yes yellow well sit big milk little city pretty "
    "finger winter minute window written kitchen visit cup run sun money honey monkey "
    "country young touch enough trouble double butter but "
)
ENGLISH_WORDS = tuple(_ENGLISH_WORDS_TEXT.split())
_MANDARIN_WORDS_TEXT = (
    "爸爸 宝贝 帮忙 报名 比赛 冰箱 部门 朋友 葡萄 苹果 便宜 批评 啤酒 品牌 "
    "泡沫 妈妈 明白 密码 毛病 面包 漫步 美妙 飞机 方法 丰富 发票 风味 服务 "
    "非凡 蜂蜜 大家 地道 电灯 当地 得到 淘气 天堂 团体 听到 拿来 南宁 年年 "
    "牛奶 能耐 拉力 理论 流利 玲珑 联络 高贵 改革 观光 公共 巩固 开阔 宽阔 "
    "可靠 空旷 刻苦 辉煌 欢呼 黄河 好汉 合伙 经济 季节 积极 街角 紧急 确切 "
    "亲切 情趣 齐全 恰巧 学习 新鲜 详细 喜讯 虚心 知足 主张 庄重 政治 真正 "
    "长城 超产 出差 春茶 充实 山水 实施 熟食 神圣 手术 人人 柔软 如若 仍然 "
    "软弱 自在 祖宗 早操 造作 层次 猜测 草丛 粗糙 从此 四散 松散 思索 色素 "
    "岁月 一样 用意 阳光 优雅 月影 音乐 娃娃 外文 万物 忘我 威望 语言 雨衣 "
    "预约 远远 元月 耳朵 儿女 而且 二月 安全 暗示 矮小 奥秘 恩爱 饿了 欧洲 "
    "偶尔 哦哟 噢 五谷 舞步 无误 努力 路途 书屋 古都 绿叶 女婿 旅途 区域 "
    "局部 许多 居于 屈服 玉女 波浪 破坏 摩托 佛像 多数 脱落 罗列 锅炉 火锅 "
    "阔步 作品 错过 "
)
MANDARIN_WORDS = tuple(_MANDARIN_WORDS_TEXT.split())


def random_lines(count: int = 64) -> list[tuple[str, str, str, float]]:
    """Lines of shuffled words, half Mandarin, half English."""
    import random

    chance = random.Random(5)
    result = []
    for i in range(count):
        language = ("zh-CN", "en-US")[i % 2]
        words = MANDARIN_WORDS if i % 2 == 0 else ENGLISH_WORDS
        comma, space = ("，", "") if i % 2 == 0 else (", ", " ")
        groups = [space.join(chance.sample(list(words), 4)) for _ in range(4)]
        voice = VOICES[language][i // 2 % len(VOICES[language])]
        speed = (1.0, 1.1, 0.9)[i % 3]
        result.append((language, voice, comma.join(groups) + ("。" if i % 2 == 0 else "."), speed))
    return result


def lines() -> list[tuple[str, str, str, float]]:
    """(language, voice, text, speed) of every line, each sentence by two voices."""
    result = []
    for language, sentences in (("zh-CN", MANDARIN), ("en-US", ENGLISH)):
        voices = VOICES[language]
        for i, text in enumerate(sentences):
            for j in range(2):
                result.append((language, voices[(i + j) % len(voices)], text,
                               (0.95, 1.05, 1.0, 1.12, 0.88)[(i + 2 * j) % 5]))
    return result + random_lines()
