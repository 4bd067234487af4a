"""What people say beside a kiosk that is none of its business, in both languages.

A question that lies as near to one of these as to any question of the programme is most likely
none of the programme's. Those that a programme does answer (a hotel and its Wi-Fi) are left out
for it: see `device.conversation.sense`.
"""

from __future__ import annotations

CHINESE = (
    "厕所在哪里|洗手间怎么走|附近有地铁站吗|公交车站在哪|怎么去火车站|机场怎么去|"
    "这附近有银行吗|银行几点开门|邮局几点关门|理发店在哪|哪里可以吃饭|"
    "附近有什么好吃的|有没有超市|药店在哪里|停车场在哪|停车怎么收费|电梯在哪|"
    "几楼卖衣服|出口在哪边|充电宝在哪里借|无线网密码是多少|能给手机充电吗|现在几点了|"
    "今天星期几|今天几号|明天天气怎么样|会下雨吗|外面冷不冷|你叫什么名字|你几岁了|"
    "你是真人吗|你是机器人吗|你会唱歌吗|给我讲个笑话|跳个舞吧|你有男朋友吗|"
    "你喜欢什么|谁做的你|帮我打个电话|帮我叫个车|帮我订酒店|帮我买票|电影几点开始|"
    "演出什么时候开始|火车几点开|飞机晚点了吗|球赛谁赢了|股票涨了吗|今天有什么新闻|"
    "总统是谁|我头疼怎么办|哪里有医院|孩子走丢了|我的钱包丢了|我要投诉|我要找经理|"
    "你们招人吗|工资多少|房租多少|你们卖冰箱吗|有没有雨伞卖|有香烟吗|卖不卖玩具|"
    "有儿童座椅吗|书包在哪买|鞋子在几楼|有可乐吗|苹果多少钱一斤|这个杯子多少钱|"
    "这幅画多少钱|这个桌子卖吗|那件衣服多少钱|门票多少钱|今晚吃什么|我们走吧|"
    "等我一下|你看那个|快点过来|妈妈我饿了|别跑|太好笑了|我先去那边看看|"
    "昨天的会怎么样|作业写完了吗|晚上给你打电话|他还没来|算了不要了|我不想去|"
    "这个周末去哪玩|你吃饭了吗|一加一等于几|翻译成英文|放一首歌|打开灯|关掉空调|"
    "唱首歌听听"
)
ENGLISH = (
    "where is the toilet|where are the restrooms|is there a subway station near here|"
    "where is the bus stop|how do I get to the train station|"
    "how do I get to the airport|is there a bank around here|when does the bank open|"
    "when does the post office close|where is the barber|where can I eat|"
    "any good restaurants nearby|is there a supermarket|where is the pharmacy|"
    "where can I park|how much is parking|where is the elevator|"
    "which floor is clothing on|where is the exit|can I borrow a power bank|"
    "what is the wifi password|can I charge my phone here|what time is it|"
    "what day is it today|what is the date|how is the weather tomorrow|will it rain|"
    "is it cold outside|what is your name|how old are you|are you a real person|"
    "are you a robot|can you sing a song|tell me a joke|can you dance|"
    "do you have a boyfriend|what do you like|who made you|call someone for me|"
    "call me a taxi|book a hotel for me|buy me a ticket|when does the movie start|"
    "when does the show begin|what time is my train|is the flight delayed|"
    "who won the match|how is the stock market|what is in the news|"
    "who is the president|I have a headache what should I do|where is the hospital|"
    "my child is lost|I lost my wallet|I want to complain|I want to see the manager|"
    "are you hiring|what is the salary|how much is the rent|do you sell fridges|"
    "do you have umbrellas|do you sell cigarettes|do you sell toys|"
    "is there a seat for my baby|where can I buy a bag|which floor are the shoes|"
    "do you have coke|how much are the apples|how much is this cup|"
    "how much is that painting|is this table for sale|how much is that dress|"
    "how much are the tickets|what's for dinner tonight|let's go|wait for me|"
    "look at that|come over here|mum I am hungry|stop running|that is so funny|"
    "I will look over there first|how was the meeting yesterday|"
    "did you finish your homework|I will call you tonight|he is not here yet|"
    "never mind|I don't want to go|where shall we go this weekend|have you eaten|"
    "what is one plus one|translate this into Chinese|play some music|"
    "turn on the lights|turn off the air conditioner"
)


def strangers() -> tuple[str, ...]:
    """All of them."""
    return (*CHINESE.split("|"), *ENGLISH.split("|"))
