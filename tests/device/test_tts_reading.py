"""How a shop's lines are read out: a table of what is written and what must be said."""

from __future__ import annotations

import re

import pytest

from device.tts.text import normalise

CHINESE = """
¥128|一百二十八元
￥128元|一百二十八元
128元|一百二十八元
1,299.50元|一千二百九十九元五角
¥1,299.5|一千二百九十九元五角
¥128.00|一百二十八元
¥0.5|五角
¥0.05|五分
¥2|两元
2元一杯|两元一杯
$3.99|三点九九美元
HK$50|五十港币
128-168元|一百二十八到一百六十八元
¥128-168|一百二十八到一百六十八元
¥128~¥168|一百二十八到一百六十八元
¥1.2万|一点二万元
人民币300元|三百元
128RMB|一百二十八元
¥128/盒|一百二十八元每盒
25元/kg|二十五元每千克
3折|三折
8.5折|八五折
88折起|八八折起
全场5-8折|全场五到八折
买2送1|买二送一
买2件送1件|买两件送一件
第2件半价|第二件半价
满2000减200|满两千减二百
满200减20%|满二百减百分之二十
100%纯棉|百分之百纯棉
20%-30%|百分之二十到百分之三十
20-30%|百分之二十到三十
5‰|千分之五
-5%|负百分之五
2026-11-25|二零二六年十一月二十五日
2026/11/25|二零二六年十一月二十五日
2026.11.25|二零二六年十一月二十五日
11月25日|十一月二十五日
10月1日-7日|十月一日到七日
11/25上新|十一月二十五日上新
2026新款|二零二六新款
2026年|二零二六年
90年代|九十年代
9:00-21:30|九点到二十一点三十分
9：00～22：00|九点到二十二点
24:00|二十四点
0:00|零点
2:05|两点零五分
10:05:30|十点零五分三十秒
7:30pm|下午七点三十分
9am|上午九点
10点-12点|十点到十二点
周一-周五|周一到周五
比分3:1|比分三比一
16:9屏幕|十六比九屏幕
400-800-1234|四零零，八零零，幺二三四
4008001234|四零零八零零幺二三四
138 0013 8000|幺三八，零零幺三，八零零零
+86 13800138000|幺三八，零零幺三，八零零零
010-88886666|零幺零，八八八八，六六六六
0571-8888666转801|零五七幺，八八八八六六六，转八零幺
拨打110|拨打幺幺零
热线12315|热线幺二三幺五
房号201|房号二零一
305室|三零五室
取茶码A1024|取茶码A一零二四
500g|五百克
2kg|两千克
1.5L|一点五升
20cm×30cm|二十厘米乘三十厘米
20*30cm|二十乘三十厘米
25℃|二十五摄氏度
-5°C|负五摄氏度
18-25℃|十八到二十五摄氏度
3-5天|三到五天
2-3天|两到三天
50m²|五十平方米
120㎡|一百二十平方米
60km/h|六十公里每小时
5000mAh|五千毫安时
24h|二十四小时
iPhone 15|iPhone 十五
A380|A三八零
G1234次|G一二三四次
MP3|MP三
V2.0|V二点零
版本1.2.3|版本一点二点三
PM2.5|PM二点五
COVID-19|COVID 十九
5G网络|五G网络
USB-C|USB-C
第II代|第二代
Ⅲ型|三型
1/2|二分之一
3/4杯|四分之三杯
½杯|二分之一杯
12万|十二万
1.2亿|一点二亿
2万|两万
20000|两万
22000|两万二千
200|二百
1002|一千零二
007|零零七
１２８元|一百二十八元
ＶＩＰ会员|VIP会员
２个|两个
12个|十二个
2楼|二楼
2月2日|二月二日
2人份|两人份
2倍|两倍
双11|双十一
618大促|六一八大促
365天|三百六十五天
0糖0脂|零糖零脂
7×24小时|七乘二十四小时
1+1|一加一
50+款|五十多款
>50|大于五十
≈50|约五十
No.1|一号
#3|第三
#新品# 上市|新品 上市
欢迎😀光临🎉|欢迎 光临
订购www.tea-shop.com/a?b=1|订购tea shop 点 com
关注@清和茶铺|关注清和茶铺
茶具→茶点|茶具，茶点
**特价**|特价
A&B|A和B
WiFi密码8888|WiFi密码八八八八
-3|负三
1对1|一对一
"""

ENGLISH = """
¥128|one hundred twenty-eight yuan
128 RMB|one hundred twenty-eight yuan
$3.99|three dollars and ninety-nine cents
$0.99|ninety-nine cents
$1,299.50|one thousand two hundred ninety-nine dollars and fifty cents
$5.00|five dollars
$3-5|three to five dollars
$1|one dollar
£2.50|two pounds and fifty pence
$3 million|three million dollars
$2.5M|two point five million dollars
¥128/box|one hundred twenty-eight yuan per box
$5/kg|five dollars per kilogram
20% off|twenty percent off
20%-30%|twenty to thirty percent
20-30%|twenty to thirty percent
Buy 2 get 1 free|Buy two get one free
2026-11-25|November twenty-fifth, twenty twenty-six
11/25/2026|November twenty-fifth, twenty twenty-six
25/11|November twenty-fifth
11/25|November twenty-fifth
Nov 25|November twenty-fifth
Nov. 25, 2026|November twenty-fifth, twenty twenty-six
25 Nov|November twenty-fifth
November 2nd|November second
1st of May|May first
since 1998|since nineteen ninety-eight
the 1990s|the nineteen nineties
in 2005|in two thousand five
9:00-21:30|nine A M to nine thirty P M
9am-9pm|nine A M to nine P M
10 a.m.|ten A M
7:30 PM|seven thirty P M
9:05 pm|nine oh five P M
24:00|midnight
12:00|noon
Mon-Fri|Monday to Friday
Sat & Sun|Saturday and Sunday
16:9|sixteen to nine
400-820-1234|four zero zero, eight two zero, one two three four
(555) 123-4567|five five five, one two three, four five six seven
138 0013 8000|one three eight, zero zero one three, eight zero zero zero
call 110|call one one zero
Room 201|Room two zero one
code 8888|code eight eight eight eight
500g|five hundred grams
1 kg|one kilogram
1.5L|one point five litres
20cm x 30cm|twenty centimetres by thirty centimetres
20×30cm|twenty by thirty centimetres
25°C|twenty-five degrees Celsius
-5°C|minus five degrees Celsius
72°F|seventy-two degrees Fahrenheit
50m²|fifty square metres
60 km/h|sixty kilometres per hour
3-5 days|three to five days
5-10 min|five to ten minutes
iPhone 15|iPhone fifteen
A380|A three eight zero
WD-40|WD forty
MP3|MP three
5G|five G
4K|four K
v1.2.3|v one point two point three
USB-C|USB-C
Henry VIII|Henry eight
World War II|World War two
XXL|XXL
MIX|MIX
VIP|VIP
1/2|one half
3/4 cup|three quarters cup
2½|two one half
1st|first
2nd|second
21st|twenty-first
100th|one hundredth
#1|number one
No. 5|number five
3 million|three million
1,000,000|one million
12,500|twelve thousand five hundred
12.5|twelve point five
007|zero zero seven
100+ teas|over one hundred teas
~50|about fifty
-3|minus three
24/7|twenty-four seven
and/or|and or
e.g. tea|for example, tea
tea vs. coffee|tea versus coffee
Nanjing Rd.|Nanjing Road
１２８ yuan|one hundred twenty-eight yuan
Visit www.tea-shop.com/a?b=1 now|Visit tea shop dot com now
Mail hi@teashop.com|Mail hi at teashop dot com
#NewTea today|NewTea today
Hello 😀!|Hello !
Tea™|Tea
A & B|A and B
1+1|one plus one
"""


def cases(table: str) -> list[tuple[str, str]]:
    rows = [line.split("|") for line in table.strip().splitlines()]
    return [(row[0], row[-1]) for row in rows]


@pytest.mark.parametrize(("written", "said"), cases(CHINESE))
def test_chinese(written: str, said: str) -> None:
    assert normalise(written, "zh-CN") == said


@pytest.mark.parametrize(("written", "said"), cases(ENGLISH))
def test_english(written: str, said: str) -> None:
    assert normalise(written, "en-US") == said


def test_what_has_been_read_is_not_read_again() -> None:
    for table, language in ((CHINESE, "zh-CN"), (ENGLISH, "en-US")):
        for _, said in cases(table):
            assert normalise(said, language) == said


def test_the_table_is_no_sample() -> None:
    assert len(cases(CHINESE)) + len(cases(ENGLISH)) >= 200
    assert all(not re.search(r"\d", said) for t in (CHINESE, ENGLISH) for _, said in cases(t))
