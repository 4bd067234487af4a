#!/bin/sh
# Makes the two font subsets of this folder again from Debian's fonts-noto-cjk (OFL-1.1).
# Needs: apt install fonts-noto-cjk; pip install fonttools==4.60.1.  Usage: sh make.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${NOTO_CJK:-/usr/share/fonts/opentype/noto}
list=$(mktemp)
trap 'rm -f "$list"' EXIT
# GB 2312 (all rows, hanzi and symbols) + Latin + punctuation + currency + arrows + full width.
python3 - > "$list" <<'PY'
wanted = set()
for row in range(0xA1, 0xF8):
    for cell in range(0xA1, 0xFF):
        try:
            wanted.update(map(ord, bytes((row, cell)).decode("gb2312")))
        except UnicodeDecodeError:
            pass
for first, last in ((0x20, 0x7E), (0xA0, 0x17F), (0x2010, 0x2027), (0x2030, 0x203B),
                    (0x20A0, 0x20BF), (0x2100, 0x2122), (0x2190, 0x2193), (0x2460, 0x2473),
                    (0x25A0, 0x25CF), (0x3000, 0x3017), (0xFF00, 0xFF5E), (0xFFE0, 0xFFE6)):
    wanted.update(range(first, last + 1))
wanted.update(map(ord, "镕堃喆玥珺瑀祎翀赟晞焜烨禤頔旸囍"))  # names and shop signs beyond GB 2312
print("\n".join(f"U+{code:04X}" for code in sorted(wanted)))
PY
for weight in Regular Bold; do
    # font number 2 of the collection is the Simplified Chinese face
    pyftsubset "$source/NotoSansCJK-$weight.ttc" --font-number=2 --unicodes-file="$list" \
        --output-file="$here/VitrineSans-$weight.otf" --no-hinting --name-IDs='*' \
        --layout-features=kern,liga,palt,locl,ccmp,mark,mkmk,tnum --notdef-outline
done
ls -l "$here"/*.otf
