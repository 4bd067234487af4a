"""Words that anybody may use who talks in a shop, and words that promise something."""

from __future__ import annotations

# Nothing here states anything about goods: politeness, grammar, pointing, asking back.
COMMON_ZH = (
    "您好 你好 欢迎光临 请问 请您 您可以 我们 我们的 我们有 我们店 本店 店里 这里 这边 这款 这个 "
    "这些 这几款 那款 那个 它的 它是 其中 另外 还有 以及 或者 如果 如果您 的话 因为 所以 而且 "
    "但是 不过 可以 可以试试 试试 看看 看一看 不妨 推荐 推荐您 建议 建议您 适合 比较 喜欢 想要 "
    "需要 选择 选一款 哪一款 一款 一种 一些 一下 一起 都是 都有 都可以 是的 没有 有的 就是 也是 "
    "也有 也可以 还可以 的是 价格 价格是 价钱 售价 卖 一共 每 一罐 一盒 一包 一饼 一瓶 一件 一份 "
    "一个 时候 现在 今天 目前 关于 介绍 给您 为您 帮您 问店员 店员 告诉 知道 了解 很 更 以 从 到 "
    "在 和 与 或 对 把 被 让 用 说 会 能 要 想 买 来 去 上 下 里 吧 呢 吗 啊 哦 呀 嘛 了 着 过 "
    "的 地 得 块 块钱"
)
COMMON_EN = (
    "hello hi welcome yes no not sorry please thank you your we our us i me it its they them "
    "this that these those here there one ones some any all both each either neither a an the "
    "and or but so if because as than then also too very more most just only about with without "
    "for from of in on at by to into over up down out is are was be been have has had do does "
    "can could may might will would should must let like want need try choose pick look see ask "
    "tell know say find get give take come go buy make which what who where when how why much "
    "many called named price cost sell shop store staff today now time well good nice sure right "
    "another other different first next between such per while during after before again still "
    "always often last lasts keep keeps drink drinks add adds am pm clock open close opens "
    "closes morning "
    "afternoon evening night day"
)
# Regular expressions over lower-case text: what they find has to stand in the facts to be said.
PROMISES = (
    "打折", "折扣", "优惠", "免费", "赠", "送您", "送你", "包邮", "便宜", "特价", "促销",
    "立减", "满减", "返现", "减免", "降价", "保证", "包退", "退款", "退货", "退换", "无效",
    "最低", "最好", "最佳", "第一", "唯一", "治疗", "治愈", "降血压", "降血脂", "降血糖",
    "减肥", "瘦身", "抗癌", "防癌", "养生", "保健", "有机", "无农药", "进口", "正宗", "野生",
    "限时", r"\bfree\b", r"\bdiscounts?\b", r"\boffers?\b", r"\bsales?\b", r"\boff\b",
    r"\bcheap\w*", r"\bgifts?\b", r"\bguarante\w*", r"\brefund\w*", r"\breturns?\b",
    r"\bbest\b", r"\blowest\b", r"\bonly one\b", r"\bcures?\b", r"\bheal\w*", r"\bweight\b",
    r"\borganic\b", r"\bpesticide\w*", r"\bimported\b", r"\bgenuine\b", r"\bwild\b",
    r"\bhalf price\b", r"\bbargain\w*", r"\bdeals?\b", r"\bcoupons?\b", r"\bvouchers?\b",
    r"\bshipping\b", r"\bdelivery\b",
)  # fmt: skip
