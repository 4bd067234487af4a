"""Chinese: numbers and signs of a line as the words that people say (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable

from device.tts.numerals import zh_digits, zh_number, zh_quantity
from device.tts.signs import DASH, NUMBER, ROMAN_NUMERAL, roman_value

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

UNITS = {
    "kg": "千克", "g": "克", "mg": "毫克", "ml": "毫升", "mL": "毫升", "ML": "毫升", "L": "升",
    "l": "升", "cm": "厘米", "mm": "毫米", "km": "公里", "m": "米", "m²": "平方米", "m2": "平方米",
    "cm²": "平方厘米", "m³": "立方米", "km²": "平方公里", "km/h": "公里每小时", "℃": "摄氏度",
    "°C": "摄氏度", "°F": "华氏度", "°": "度", "W": "瓦", "kW": "千瓦", "V": "伏", "Hz": "赫兹",
    "GHz": "吉赫兹", "MHz": "兆赫兹", "mAh": "毫安时", "kWh": "千瓦时", "kcal": "千卡",
    "kJ": "千焦", "dB": "分贝", "h": "小时", "min": "分钟", "s": "秒", "KG": "千克", "CM": "厘米",
    "oz": "盎司", "lb": "磅",
}  # fmt: skip
_BY_LENGTH = "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True))
MONEY = {
    "¥": "元", "RMB": "元", "CNY": "元", "人民币": "元", "$": "美元", "US$": "美元", "HK$": "港币",
    "NT$": "新台币", "€": "欧元", "£": "英镑",
}  # fmt: skip
_SIGN = r"(HK\$|US\$|NT\$|¥|RMB|CNY|人民币|\$|€|£)"
_MEASURES = (
    "个盒位杯件瓶包袋份张只条双斤箱罐层楼两家种款次天周年小时分钟人名碗壶盘块元万亿千倍颗粒片支枚"
    "台部套本页站晚顿道封把间克升米"
)
_QUANTITY = rf"(?=[{_MEASURES}])(?!楼|两|周目|分之|号)"
_CLOCK = r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])"
_PHONE = re.compile(
    r"(?<![\d.])(?:(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}|[48]00[ -]?\d{3}[ -]?\d{4}"
    r"|[48]00[ -]?\d{4}[ -]?\d{3}|\(?0\d{2,3}\)?[ -]?\d{4} ?\d{3,4}(?:转\d{1,5})?"
    r"|\+\d[\d -]{7,16}\d)(?![\d.])"
)
_SHORT_PHONE = re.compile(
    r"((?:拨打|电话|热线|致电|请拨|打|客服)[是为:：]?\s*)(1\d{2}|1\d{4}|9\d{4})(?!\d|[.,]\d|[元个])")
_CODE = re.compile(r"((?:密码|编号|尾号|验证码|单号|取茶码|取货码|房号|车牌号?|桌号)[是为：: ]*)"
                   r"([A-Z]*)(\d{2,20})(?![\d.])")  # fmt: skip
_FESTIVAL = re.compile(
    r"(?<![\d.])(618|520|315|818|1111|1212)(?=大促|活动|节|购物|期间|晚会|特惠|狂欢|年中|当天)")


def _money(match: re.Match[str]) -> str:
    scale = match[3] or ""
    if scale:
        return zh_quantity(match[2]) + scale + MONEY[match[1]]
    return _amount(match[2], MONEY[match[1]])


def _money_range(match: re.Match[str]) -> str:
    return zh_number(match[2]) + "到" + _amount(match[3], MONEY[match[1]])


def _amount(digits: str, unit: str) -> str:
    whole, _, cents = digits.replace(",", "").partition(".")
    if unit == "元" and cents and not int(cents):
        digits, cents = whole, ""
    if unit != "元" or len(cents) not in (1, 2):
        return zh_quantity(digits) + unit
    tenths, hundredths = int(cents[0]), int(cents[1:] or "0")
    words = zh_quantity(whole) + unit if int(whole) else ""
    if tenths:
        words += zh_number(str(tenths)) + "角"
    if hundredths:
        words += ("零" if words and not tenths else "") + zh_number(str(hundredths)) + "分"
    return words


def _clock(match: re.Match[str]) -> str:
    minutes, seconds = int(match[2]), int(match[3] or 0)
    words = zh_quantity(str(int(match[1]))) + "点"
    if minutes or seconds:
        words += ("零" if minutes < 10 else "") + zh_number(str(minutes)) + "分"
    return words + (zh_number(str(seconds)) + "秒" if seconds else "")


def _half_day(match: re.Match[str]) -> str:
    half = "上午" if match[4][0] in "aA" else "下午"
    minutes = int(match[2] or 0)
    words = half + zh_quantity(str(int(match[1]))) + "点"
    return words + (("零" if minutes < 10 else "") + zh_number(str(minutes)) + "分"
                    if minutes else "")


def phone_groups(text: str) -> list[str]:
    """The digits of a telephone number in the groups in which it is said."""
    digits = re.sub(r"\D", "", text)
    digits = digits[2:] if digits.startswith("86") and len(digits) == 13 else digits
    if digits.startswith("1") and len(digits) == 11:
        return [digits[:3], digits[3:7], digits[7:]]
    groups = [g for g in re.split(r"\D+", text) if g]
    return [half for g in groups for half in ([g[:4], g[4:]] if len(g) == 8 else [g])]


def _phone(match: re.Match[str]) -> str:
    number, _, extension = match[0].partition("转")
    words = "，".join(zh_digits(g, "幺") for g in phone_groups(number))
    return words + (f"，转{zh_digits(extension, '幺')}" if extension else "")


def _date(match: re.Match[str]) -> str:
    month, day = int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return "，".join(zh_digits(part) for part in match.groups())
    return f"{zh_digits(match[1])}年{zh_number(str(month))}月{zh_number(str(day))}日"


def _slashed(match: re.Match[str]) -> str:
    """12/25 is a day, 3/4 a fraction; 25/12 is the day as others write it."""
    first, second = int(match[1]), int(match[2])
    if 1 <= first <= 12 < second <= 31:
        return f"{zh_number(str(first))}月{zh_number(str(second))}日"
    if 1 <= second <= 12 < first <= 31:
        return f"{zh_number(str(second))}月{zh_number(str(first))}日"
    return f"{zh_number(str(second))}分之{zh_number(str(first))}"


def _percent(match: re.Match[str]) -> str:
    minus, first, sign, second, share = match.groups()
    share = "千分之" if share == "‰" else "百分之"
    words = ("负" if minus else "") + share + _hundred(first)
    return words + ("到" + (share if sign else "") + _hundred(second) if second else "")


def _hundred(digits: str) -> str:
    return "百" if digits == "100" else zh_number(digits)


def _discount(match: re.Match[str]) -> str:
    return "到".join(
        zh_number(digits) if digits.startswith("0") else zh_digits(digits)
        for digits in match.groups() if digits)


def _unit(match: re.Match[str]) -> str:
    unit = UNITS[match[2]]
    words = zh_number(match[1]) if unit.endswith("度") else zh_quantity(match[1])
    return words + unit


def _dimensions(match: re.Match[str]) -> str:
    return zh_number(match[1]) + (UNITS[match[2]] if match[2] else "") + "乘"


def _range(match: re.Match[str]) -> str:
    first = "两" if match[1] == "2" and match[2] is not None else zh_number(match[1])
    return first + "到"


def _model(match: re.Match[str]) -> str:
    """A380, G1234, MP3: letters stay, three digits and more are said one by one."""
    digits = match[2]
    return match[1] + (zh_digits(digits) if len(digits) > 2 or digits[0] == "0"
                       else zh_number(digits))


def _version(match: re.Match[str]) -> str:
    return "点".join(zh_number(part) for part in match[0].split("."))


RULES: tuple[Rule, ...] = (
    (_PHONE, _phone),
    (_SHORT_PHONE, lambda m: m[1] + zh_digits(m[2], "幺")),
    (_CODE, lambda m: m[1] + m[2] + zh_digits(m[3])),
    (_FESTIVAL, lambda m: zh_digits(m[1])),
    (re.compile(r"(?<!\d)(\d{3,4})(?=室|号房|包厢|包间|房间)"), lambda m: zh_digits(m[1])),
    (re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?![\d.])"), _date),
    (re.compile(r"(?<![\d¥$])((?:19|20)\d{2})(?=年|[春夏秋冬新]|款|届|版)"),
     lambda m: zh_digits(m[1])),
    (re.compile(r"(?<!\d)(\d{4})年"), lambda m: zh_digits(m[1]) + "年"),
    (re.compile(rf"{_SIGN}\s*({NUMBER})\s*{DASH}\s*(?:[¥$€£]\s*)?({NUMBER})元?(?!\d)"),
     _money_range),
    (re.compile(rf"{_SIGN}\s*({NUMBER})\s*([万亿千])?元?"), _money),
    (re.compile(rf"({NUMBER})\s*(RMB|CNY)(?![A-Za-z])"), lambda m: _amount(m[1], "元")),
    (re.compile(r"((?:\d{1,3}(?:,\d{3})+|\d+)\.\d{1,2})\s*元"), lambda m: _amount(m[1], "元")),
    (re.compile(r"(?<![\d:])(1[0-2]|0?\d)(?::([0-5]\d))?(\s*)([aApP])\.?[mM]\b\.?"), _half_day),
    (re.compile(_CLOCK + rf"\s*[{DASH[1:-1]}至到]+\s*(?=\d)"), lambda m: _clock(m) + "到"),
    (re.compile(_CLOCK), _clock),
    (re.compile(r"(?<![\d:])(\d{1,2}):(\d{1,2})(?![\d:])"),
     lambda m: zh_number(m[1]) + "比" + zh_number(m[2])),
    (re.compile(rf"(?<![\d.])(?:(\d{{1,2}}(?:\.\d)?)\s*{DASH}\s*)?(\d{{1,2}}(?:\.\d)?)(?=折)"),
     _discount),
    (re.compile(r"([买满送选返])\s*2(?=\s*[送减付选得返])"), lambda m: m[1] + "二"),
    (re.compile(r"第\s*(\d+)"), lambda m: "第" + zh_number(m[1])),
    (re.compile(r"\bN[oO]\.?\s*(\d+)"), lambda m: zh_number(m[1]) + "号"),
    (re.compile(rf"((?<!\d)[-−])?({NUMBER})(?:([%‰])?\s*{DASH}\s*({NUMBER})\s*)?([%‰])"),
     _percent),
    (re.compile(r"(?<![\d/.])(\d{1,2}) ?/ ?(\d{1,3})(?![\d/.%])"), _slashed),
    (re.compile(rf"({NUMBER})\s*({_BY_LENGTH})?\s*(?:[×xX*])\s*(?=\d)"), _dimensions),
    (re.compile(rf"({NUMBER})\s*({_BY_LENGTH})\s*{DASH}\s*(?=\d)"), lambda m: _unit(m) + "到"),
    (re.compile(rf"(?<![A-Za-z\d.])({NUMBER})\s*{DASH}\s*(?=(?:{NUMBER})({_QUANTITY})?)"), _range),
    (re.compile(rf"(?<=[点元月日号天岁时分楼层级折年月周块])\s*{DASH}\s*(?=\d)"), lambda _: "到"),
    (re.compile(rf"(?<=周[一二三四五六日])\s*{DASH}\s*(?=周?[一二三四五六日])"), lambda _: "到"),
    (re.compile(r"(?<=[A-Za-z])-(?=\d)"), lambda _: " "),
    (re.compile(r"(?<=\d)-(?=[A-Za-z])"), lambda _: " "),
    (re.compile(r"(?<![\d])\s*[-−](?=\d)"), lambda _: "负"),
    (re.compile(rf"({NUMBER})\s*({_BY_LENGTH})(?![A-Za-z0-9²³])"), _unit),
    (re.compile(rf"(?<=[第代型期世])\s*({ROMAN_NUMERAL})(?![A-Za-z])"),
     lambda m: zh_number(str(roman_value(m[1])))),
    (re.compile(r"\d+(?:\.\d+){2,}"), _version),
    (re.compile(r"([A-Za-z])(\d+)(?![\d.])"), _model),
    (re.compile(rf"(?<![\d.])2{_QUANTITY}"), lambda _: "两"),
    (re.compile(rf"({NUMBER})\+(?=[\u4e00-\u9fff])"), lambda m: zh_number(m[1]) + "多"),
    (re.compile(NUMBER), lambda m: zh_number(m[0])),
    (re.compile(r"\s*≥\s*"), lambda _: "大于等于"),
    (re.compile(r"\s*≤\s*"), lambda _: "小于等于"),
    (re.compile(r"\s*>\s*"), lambda _: "大于"),
    (re.compile(r"\s*<\s*"), lambda _: "小于"),
    (re.compile(r"\s*=\s*"), lambda _: "等于"),
    (re.compile(r"\s*±\s*"), lambda _: "正负"),
    (re.compile(rf"[~≈]\s*(?=[{'零一二三四五六七八九十百两'}])"), lambda _: "约"),
    (re.compile(r"\s*&\s*"), lambda _: "和"),
    (re.compile(r"\s*\+\s*"), lambda _: "加"),
    (re.compile(r"\s*[×＊*]\s*"), lambda _: "乘"),
    (re.compile(r"(?<=[元角分克升斤米])\s*/\s*(?=[\u4e00-\u9fff])"), lambda _: "每"),
    (re.compile(rf"(?<=[元角分克升斤米])\s*/\s*({_BY_LENGTH})(?![A-Za-z])"),
     lambda m: "每" + UNITS[m[1]]),
    (re.compile(r"\s*/\s*"), lambda _: " "),
)
