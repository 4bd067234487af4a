"""What shop visitors ask about, in the many words that they use for it.

A concept is worth more than a word when two questions are compared; one that no question of
the programme has (the way to the toilet) is what tells a question apart that has no answer.
"""

from __future__ import annotations

CHINESE: dict[str, str] = {
    "price": "多少钱 什么价格 什么价钱 什么价位 什么价 啥价 怎么卖 咋卖 价格 价钱 价位 售价 "
    "多钱 几块钱 "
    "几块 几钱 贵不贵 贵吗 卖多少 要多少 多少$ 报价 怎么个卖法 单价 多少一",
    "hours": "营业时间 几点开门 几点关门 几点营业 几点上班 几点下班 几点打烊 几点关店 什么时候开门 "
    "什么时候关门 什么时候打烊 开门时间 关门时间 开门 关门 打烊 营业 开到几点 几点开店 关店 歇业 "
    "休息吗 几点关 营业到几点",
    "start": "几点开始 什么时候开始 几点结束 几点出发 几点了",
    "taste": "试喝 品尝 尝尝 尝一下 尝一尝 尝一口 试饮 试试味道 试一下味道 尝个味 先尝 尝个鲜 "
    "试一下 "
    "试试 试一杯 试一口 品一品 品一下 喝一口试试",
    "gift": "送人 送礼 礼物 礼盒 包装 送长辈 送朋友 送领导 送客户 送爸妈 送父母 送老师 礼品 伴手礼 "
    "包起来 包一下 包得漂亮 过节送 当礼 送给 送同事",
    "brew": "怎么泡 咋泡 泡法 冲泡 泡多久 泡几分钟 多少度的水 要多少度 多少度 多少温度 "
    "水的温度 水温 怎么冲 几度的水 泡茶 怎么煮 用什么水 泡一下 开水 用开水泡",
    "where": "在哪里 在哪儿 在哪 怎么走 哪里有 哪儿有 去哪 地址 位置",
    "pay": "微信 支付宝 刷卡 付款 现金 付钱 信用卡 买单 结账 支付",
    "discount": "打折 优惠 便宜点 便宜一点 会员 折扣 活动 满减 便宜吗 讲价 送不送 促销 积分 "
    "买三送一",
    "origin": "产地 哪里产 哪产 哪里的 哪里来 产自 哪一年",
    "shipping": "快递 邮寄 寄到 发货 送货 外卖 网上买 网店 淘宝 网购",
    "toilet": "厕所 洗手间 卫生间",
    "wifi": "无线网 密码 上网",
    "health": "功效 好处 减肥 失眠 睡不着 咖啡因 孕妇 小孩能喝 养胃 降血压 影响睡眠",
    "keep": "保质期 怎么保存 存放 放多久 过期 储存 放冰箱",
    "difference": "区别 不同 不一样 哪个好喝 哪种好",
    "weather": "天气 下雨 气温",
    "job": "招人 招聘 工资 兼职",
    "refund": "退货 退款 换货 发票 投诉",
    "weight": "多少克 多重 几克 多大 小包装 大包装",
}

ENGLISH: dict[str, str] = {
    "price": "how much money|how much do i pay|how much would i pay|how much should i pay|"
    "how much money would i pay|how much money do i pay|how much be|how much do|how much for|"
    "how much will|how much would|how much should|how much can|how much the|how much your|"
    "how much this|how much that|how much it|how much a|how much per|how much$|what "
    "price|price|cost|how expensive|expensive|pricey|charge|how many yuan|price tag",
    "hours": "open hour|business hour|shop hour|store hour|hour of business|what time do you open|"
    "what time do you close|when do you open|when do you close|how late|how early|still open|"
    "open early|open late|open|close|shut|until when|hour|store time|close time",
    "start": "when do it start|what time do it start|start|leave at",
    "taste": "taste|sample|free sample|free cup|try it|try some|try one|try the|try this|try that|"
    "try a|try|sip",
    "gift": "gift|present|gift wrap|gift box|gift set|wrap|souvenir|for my mother|for my parent|"
    "for my boss|for a friend|for my friend|for my grandmother",
    "brew": "brew|steep|infuse|how hot|water temperature|temperature|how do you make|"
    "how do i make|how to make|how should i make|prepare|boil water|boil|degree|make tea|"
    "make the tea|make this tea|make a cup",
    "where": "where|how do i get to|which way|address|location",
    "pay": "pay|credit card|cash|wechat|alipay|visa|apple pay|payment|bill",
    "discount": "discount|on sale|cheaper|deal|coupon|member|promotion|special offer|bargain",
    "origin": "come from|grown|produce|made in|origin|harvest|what year",
    "shipping": "ship|deliver|delivery|mail|online|website|postage",
    "toilet": "toilet|restroom|bathroom|washroom",
    "wifi": "wifi|wi fi|internet|password",
    "health": "caffeine|healthy|healthiest|health|lose weight|sleep|pregnant|benefit|allergy",
    "keep": "expire|expiry|keep fresh|shelf life|how long do it last|how long do they keep",
    "difference": "difference|different|better|best seller|versus|compare",
    "weather": "weather|rain|temperature outside|sunny",
    "job": "job|hire|salary|hiring",
    "refund": "refund|return|exchange|complain|receipt|invoice",
    "weight": "how many gram|how heavy|weigh|how big",
    "who": "who be you|your name|be you real|robot|be you human|how old be you",
}

# Words that carry nothing: they never decide between answers, whichever concept they go with.
CHINESE_LIGHT = (
    "的 得 地 了 吗 嘛 呢 吧 啊 阿 呀 哦 噢 嗯 呃 是 有 我 你 您 们 他 她 它 这 那 个 一 下 请 "
    "问 想 要 可 以 能 会 就 "
    "还 也 都 很 太 到 在 和 跟 给 把 对 说 看 来 去 得 着 过 么 什 哪 些 款 种 家 店 里 今 天 "
    "好 不 老 板 "
    "哈 喂 罐 盒 饼 克 元 买 喝 茶 先 最"
)
CHINESE_LIGHT_WORDS = (
    "请问 麻烦 知道 告诉 帮我 觉得 应该 然后 那么 现在 早上 上午 中午 下午 晚上 夜里 明天 后天 "
    "今天 每天 平时 "
    "周末 周六 周日 星期六 星期天 星期日 礼拜天 节假日 假期 过年 过节 最晚 最早 "
    "礼拜 礼拜一 礼拜二 礼拜三 礼拜四 礼拜五 礼拜六 婆婆 奶奶 爷爷 一般 大概 比较 "
    "合适 推荐 一点 "
    "了解 适合 不错 好看 体面 漂亮 朋友 爸妈 长辈 老师 领导 客户 同事 妈妈 爸爸 免费 收费 味道 "
    "回家 自己 "
    "时候 分钟 一次 正确 教我 选哪 哪个 哪种 哪款 什么 怎么 怎样 可不可以 能不能 行不行 有没有 "
    "一起 一杯 一口 父母 一份 一个 一些 带回去 茶叶 老人 这里 那里 可以 讲究 我们 你们 他们 多久"
)
ENGLISH_LIGHT = (
    "a an the i you we they he she it my your our me us be do have will would can could may might "
    "shall should must to of for in on at with from by and or but so if then please hello hi hey "
    "excuse sorry thank thanks just like want wish need know tell say get give this that these "
    "those there here one some any what which how when not yes no okay ok well um uh er actually "
    "really tea shop store now today tomorrow tonight also too let see about right ask question "
    "possible way best good nice before after buy first home properly much very more kind take "
    "cup tin box cake morning evening afternoon night noon weekend weekday sunday monday tuesday "
    "wednesday thursday friday saturday holiday early late usually always still day week nine "
    "eight ten seven six minute long many few love chance mother father parent grandmother "
    "grandfather boss friend wife husband colleague teacher family free stay keep use make set "
    "recommend suggest look great lovely guy every day put little sell money back offer ideal"
)
CHINESE_POINTING = "这个 这款 这种 这罐 这盒 这饼 这茶 这一 那个 那款 它 这多少 这怎么"
ENGLISH_POINTING = "it this that one them these those"
